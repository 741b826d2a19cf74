"""Collect episodes of an environment by chance, for a world model to learn from.

    python -m train.episodes --env=Pendulum-v1 --output=episodes/pendulum --episodes=100
    python -m train.episodes --env=CarRacing-v3 --pictures --output=episodes/car_racing --episodes=200

Environments are those of gymnasium (the extra "episodes"): Pendulum-v1, CartPole-v1, CarRacing-v3. Each
episode becomes one file, see `train.data.sources.episodes`, and follows from the seed and its number alone. So a
stopped program goes on where it was, and more episodes of the same seed only add files. Pictures have 64 pixels.

Actions are "uniform", each drawn by itself, or they "drift", each from the one before: a car that is steered by uniform
ones does not leave its place. By default they drift on CarRacing alone.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from train.loop.signals import stop_signals
from zoo import environments
from zoo.shared import files, program
from zoo.shared.errors import UserError, first_line, needs, unknown

ENV = flags.DEFINE_string("env", "Pendulum-v1", "the environment: Pendulum-v1, CartPole-v1 or CarRacing-v3")
OUTPUT = flags.DEFINE_string("output", None, "the directory of the episodes")
EPISODES = flags.DEFINE_integer("episodes", 100, "how many there are in the end")
SEED = flags.DEFINE_integer("seed", 0, "of first states and actions")
PICTURES = flags.DEFINE_boolean("pictures", False, "see pictures of 64 pixels, and not states")
ACTIONS = flags.DEFINE_enum("actions", "", ["", "uniform", "drift"], "how actions are drawn")

NAMES = (*environments.ENVIRONMENTS, "CarRacing-v3")
SETTINGS = "episodes.json"
SIDE = 64
_STRIDE = 0.3  # of a drift, as a share of the range
_MOST = 1_000_000


def main() -> None:
    """Check the flags, then collect what is not there yet."""
    if not OUTPUT.value:
        raise UserError("--output is missing; see --help")
    if ENV.value not in NAMES:
        raise unknown("environment", ENV.value, NAMES)
    if not 1 <= EPISODES.value <= _MOST:
        raise UserError(f"--episodes={EPISODES.value}: use 1 to {_MOST:,}")
    if not 0 <= SEED.value < 2**32:
        raise UserError(f"--seed={SEED.value}: use an integer from 0 to 2^32 - 1")
    is_car = ENV.value == "CarRacing-v3"
    if is_car and not PICTURES.value:
        raise UserError("CarRacing-v3 is seen as pictures only: set --pictures")
    how = ACTIONS.value or ("drift" if is_car else "uniform")
    output = Path(OUTPUT.value)
    settings = {"env": ENV.value, "seed": SEED.value, "pictures": PICTURES.value, "actions": how}
    environment = make(ENV.value, PICTURES.value)
    _begin(output, settings)
    made = collect(environment, output, settings, EPISODES.value)
    missing = "" if made == EPISODES.value else f" of {EPISODES.value:,}; the same command goes on"
    print(f"{output} holds {made:,} episodes of {ENV.value}{missing}")


def _begin(output: Path, settings: dict[str, Any]) -> None:
    """Write the settings, or refuse to go on where the directory has others."""
    place = output / SETTINGS
    if not place.exists():
        output.mkdir(parents=True, exist_ok=True)
        files.write_json(place, settings)
        return
    try:
        found = json.loads(place.read_text())
        differing = [name for name, value in settings.items() if found[name] != value]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{place} is corrupt: name a new --output") from None
    if differing:
        told = ", ".join(f"--{name}={found[name]}" for name in differing)
        raise UserError(f"{output} holds episodes of {told}: go on with that, or name a new --output")


def collect(environment: Any, output: Path, settings: dict[str, Any], count: int) -> int:
    """Write the episodes numbered below `count` that are not there; return how many are, also after a signal."""
    from tqdm import tqdm

    live = sys.stderr.isatty()
    places = [output / f"{number:06}.npz" for number in range(count)]
    bar = tqdm(total=count, unit="episode", desc="episodes", mininterval=0.2 if live else 15, dynamic_ncols=live)
    with bar, stop_signals() as stop:
        for number, place in enumerate(places):
            if stop:
                break
            if not place.exists():
                buffer = io.BytesIO()
                np.savez_compressed(buffer, **episode(environment, settings, number))
                files.write_bytes(place, buffer.getvalue())
            bar.update(1)
    environment.close()
    return sum(place.exists() for place in places)


def make(name: str, pictures: bool) -> Any:
    """Return the environment of gymnasium; where a package is missing, a `UserError` says which to install."""
    try:
        import gymnasium

        environment = gymnasium.make(name, render_mode="rgb_array" if pictures else None)
        if pictures:  # what draws them is imported here
            environment.reset()
            environment.render()
        return environment
    except Exception as error:  # also gymnasium's own, of Box2D and pygame
        raise UserError(f"{needs(name, 'gymnasium', 'episodes')} ({first_line(error)})") from None


def episode(environment: Any, settings: dict[str, Any], number: int) -> dict[str, np.ndarray]:
    """Return one episode as its file holds it; it follows from the seed and its number."""
    sequence = np.random.SeedSequence([settings["seed"], number])
    random = np.random.default_rng(sequence)
    seen, _ = environment.reset(seed=int(sequence.generate_state(1)[0] >> 1))
    space = environment.action_space
    discrete = hasattr(space, "n")
    low, high = (0.0, 1.0) if discrete else (float(space.low.min()), float(space.high.max()))
    observations, actions, rewards = [_seen(environment, seen, settings)], [], []
    drift, ended, cut_off = np.zeros(int(space.n) if discrete else space.shape[0]), False, False
    while not (ended or cut_off):
        drift = _next(drift, random, settings["actions"])
        if discrete:
            chosen: Any = int(np.argmax(drift))
            action = np.eye(len(drift), dtype=np.float32)[chosen]
        else:
            middle, half = (space.high + space.low) / 2, (space.high - space.low) / 2
            chosen = action = (middle + half * drift).astype(np.float32)
        seen, reward, ended, cut_off, _ = environment.step(chosen)
        observations.append(_seen(environment, seen, settings))
        actions.append(action)
        rewards.append(reward)
    return {
        "observation": np.stack(observations),
        "action": np.stack(actions),
        "reward": np.array(rewards, np.float32),
        "ended": np.array(bool(ended)),
        "low": np.array(low, np.float32),
        "high": np.array(high, np.float32),
    }


def _next(drift: np.ndarray, random: np.random.Generator, how: str) -> np.ndarray:
    """Return the next numbers in [-1, 1], from which an action is made."""
    if how == "uniform":
        return random.uniform(-1, 1, drift.shape)
    return np.clip(drift + _STRIDE * random.normal(size=drift.shape), -1, 1)


def _seen(environment: Any, observation: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Return the scaled state, or a picture of 64 pixels."""
    if not settings["pictures"]:
        scale = np.array(environments.named(settings["env"]).scale)
        return (observation / scale).astype(np.float32)
    from PIL import Image

    frame = Image.fromarray(np.asarray(environment.render() if observation.ndim == 1 else observation))
    return np.asarray(frame.resize((SIDE, SIDE), Image.Resampling.BOX))


def run() -> None:
    """Run the program: `python -m train.episodes`."""
    program.run(main)


if __name__ == "__main__":
    run()
