"""A pendulum that is pushed by chance, drawn by the program: 'pendulum'. Nothing to download, no gymnasium.

Provenance: made here by `zoo.environments`, which is Pendulum-v1. A row is an episode of `length` actions from a first
state of its own, hanging or standing, at any speed that it may have. Actions are uniform. With `pictures`, observations
are grey pictures of 64 pixels: a light rod on black, whose upright is above. Otherwise they are states: the cosine and
sine of the angle, and the speed over 8. There are `rows` to train on; the held-out split has a quarter as many others.
"""

from typing import Any

import numpy as np

from train.data.source import Source, Table
from train.data.sources.episodes import check_length, columns, specs_of
from train.data.sources.pictures import check_integer
from zoo.environments import PENDULUM
from zoo.shared.errors import UserError

OPTIONS = {
    "length": 16,  # actions of a row
    "rows": 400,  # drawn for training
    "pictures": True,  # whether observations are pictures; else they are states
}
SIDE = 64
_SEED = 2**32 + 1  # beyond the seeds of runs
_HALF_WIDTH = 0.35  # of the rod, whose length is 1; of one a third as wide, V learned nothing but black
_REACH = 1.4  # from the middle of a picture to its edge


def check(section: Any) -> None:
    """Raise a `UserError` for options that cannot be."""
    check_length(section.length)
    check_integer("rows", section.rows, range(1, 100_001), "a number from 1 to 100000")
    if not isinstance(section.pictures, bool):
        raise UserError(f"data.pictures is {section.pictures!r}; it must be true or false")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns of episodes."""
    return columns("video" if section.pictures else "latent")


def load(section: Any, split: str) -> Source:
    """Return the rows of the 'train' split, or a quarter as many of 'test'."""
    count = max(1, section.rows // 4) if split == "test" else section.rows
    random = np.random.default_rng([_SEED, split == "test"])
    state = np.stack([random.uniform(-np.pi, np.pi, count), random.uniform(-8, 8, count)], axis=-1)
    action = PENDULUM.random_actions(random, (count, section.length))
    states, rewards = [state], []
    for step in range(section.length):
        state, reward, _ = PENDULUM.advance(state, action[:, step])
        states.append(state)
        rewards.append(reward)
    visited = np.stack(states, axis=1)
    stored = {
        "observation": drawn(visited[..., 0]) if section.pictures else PENDULUM.seen(visited),
        "action": action,
        "reward": np.stack(rewards, axis=1).astype(np.float32),
        "ended": np.zeros((count, section.length), np.uint8),
        "counted": np.full((count, section.length), 255, np.uint8),
    }
    what = f"pictures of {SIDE} pixels" if section.pictures else "states"
    description = (
        f"{count:,} rows of {section.length} random actions on a pendulum, seen as {what}, split {split!r}, drawn with "
        "a fixed seed"
    )
    return (Table(stored, specs_of(stored, (PENDULUM.low, PENDULUM.high)), description),)


def drawn(angles: np.ndarray) -> np.ndarray:
    """Return grey pictures, uint8 (..., 64, 64, 1), of rods at these angles (...): 0 is upright, pi / 2 to the left."""
    across = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * _REACH
    x, y = (axis.astype(np.float32) for axis in np.meshgrid(across, -across))
    flat = angles.reshape(-1)
    pictures = np.empty((len(flat), SIDE, SIDE, 1), np.uint8)
    for number, angle in enumerate(flat):
        right, up = -np.float32(np.sin(angle)), np.float32(np.cos(angle))
        along = np.clip(x * right + y * up, 0, 1)
        distance = np.hypot(x - along * right, y - along * up)
        # the edge is one pixel wide
        light = np.clip((_HALF_WIDTH - distance) * SIDE / (2 * _REACH) + 0.5, 0, 1)
        pictures[number, ..., 0] = np.rint(255 * light)
    return pictures.reshape(*angles.shape, SIDE, SIDE, 1)
