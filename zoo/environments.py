"""Two environments as plain functions of numpy: a pendulum to be swung up, a pole to be balanced on a cart.

They are Pendulum-v1 and CartPole-v1 of gymnasium, step for step, for any number of states at once. A planner that looks
ahead in them has the best model that there is; a bundle's planner drives them where there is no gymnasium. numpy only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.shared.errors import unknown

# the next states (..., S), the rewards (...), and whether the episodes end there (...)
Transition = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Environment:
    """What a task is made of; states are float64 (..., S), observations (..., D), actions float32 (..., A).

    - `advance` does one step; `begin` draws so many first states.
    - An observation over `scale` is about as large as 1: models see it so.
    - Actions lie in [low, high]. If they are `discrete`, one of A numbers is 1 and the others are 0.
    - An episode is cut off after `steps` of them.
    """

    name: str
    steps: int
    scale: tuple[float, ...]
    actions: int
    low: float
    high: float
    discrete: bool
    begin: Callable[[np.random.Generator, int], np.ndarray]
    observe: Callable[[np.ndarray], np.ndarray]
    advance: Callable[[np.ndarray, np.ndarray], Transition]

    def seen(self, states: np.ndarray) -> np.ndarray:
        """Return scaled observations, float32 (..., D)."""
        return (self.observe(states) / np.array(self.scale)).astype(np.float32)

    def random_actions(self, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return actions (*shape, A) drawn uniformly."""
        if self.discrete:
            return np.eye(self.actions, dtype=np.float32)[random.integers(self.actions, size=shape)]
        return random.uniform(self.low, self.high, (*shape, self.actions)).astype(np.float32)


def returns(
    environment: Environment, states: np.ndarray, actions: np.ndarray, guide: Sequence[float] = ()
) -> np.ndarray:
    """Return the sum of the rewards until the end, (plans,), from states (plans, S) by actions (plans, steps, A).

    It is what a planner in the true dynamics goes by. `guide` weighs the squares of the scaled observations that
    follow each action, which are taken from its reward.
    """
    total, alive = np.zeros(len(actions)), np.ones(len(actions), bool)
    for step in range(actions.shape[1]):
        states, reward, ended = environment.advance(states, actions[:, step])
        total += alive * (reward - environment.seen(states)[:, : len(guide)] ** 2 @ np.array(guide))
        alive &= ~ended
    return total


def episode_return(
    environment: Environment, act: Callable[[np.ndarray], np.ndarray], random: np.random.Generator, steps: int = 0
) -> float:
    """Return the sum of the rewards of one episode, whose actions (A,) are `act` of its states (S,)."""
    state, total = environment.begin(random, 1), 0.0
    for _ in range(steps or environment.steps):
        state, reward, ended = environment.advance(state, act(state[0])[None])
        total += float(reward[0])
        if ended[0]:
            break
    return total


def _begin_pendulum(random: np.random.Generator, count: int) -> np.ndarray:
    return random.uniform([-math.pi, -1.0], [math.pi, 1.0], (count, 2))


def _observe_pendulum(states: np.ndarray) -> np.ndarray:
    angle, speed = np.moveaxis(states, -1, 0)
    return np.stack([np.cos(angle), np.sin(angle), speed], axis=-1)


def _advance_pendulum(states: np.ndarray, actions: np.ndarray) -> Transition:
    """A rod of mass 1 and length 1, g = 10, steps of 0.05 s; the torque is at most 2, the speed at most 8."""
    angle, speed = np.moveaxis(states, -1, 0)
    torque = np.clip(actions[..., 0], -2.0, 2.0)  # in the actions' precision, as gymnasium has it
    from_top = (angle + math.pi) % (2 * math.pi) - math.pi
    reward = -(from_top**2 + 0.1 * speed**2 + 0.001 * torque**2)
    speed = np.clip(speed + (15.0 * np.sin(angle) + 3.0 * torque) * 0.05, -8.0, 8.0)
    return np.stack([angle + 0.05 * speed, speed], axis=-1), reward, np.zeros(reward.shape, bool)


def _begin_cart(random: np.random.Generator, count: int) -> np.ndarray:
    return random.uniform(-0.05, 0.05, (count, 4))


def _observe_cart(states: np.ndarray) -> np.ndarray:
    return states


def _advance_cart(states: np.ndarray, actions: np.ndarray) -> Transition:
    """A cart of mass 1 under a pole of mass 0.1 and half length 0.5, g = 9.8, a push of 10; Euler steps of 0.02 s."""
    place, speed, angle, turn = np.moveaxis(states, -1, 0)
    force = np.where(actions[..., 1] > actions[..., 0], 10.0, -10.0)
    pushed = (force + 0.05 * turn**2 * np.sin(angle)) / 1.1
    swing = (9.8 * np.sin(angle) - np.cos(angle) * pushed) / (0.5 * (4.0 / 3.0 - 0.1 * np.cos(angle) ** 2 / 1.1))
    thrust = pushed - 0.05 * swing * np.cos(angle) / 1.1
    made = np.stack([place + 0.02 * speed, speed + 0.02 * thrust, angle + 0.02 * turn, turn + 0.02 * swing], axis=-1)
    ended = (np.abs(made[..., 0]) > 2.4) | (np.abs(made[..., 2]) > 12 * 2 * math.pi / 360)
    return made, np.ones(ended.shape), ended


PENDULUM = Environment(
    *("Pendulum-v1", 200, (1.0, 1.0, 8.0), 1, -2.0, 2.0, False),
    *(_begin_pendulum, _observe_pendulum, _advance_pendulum),
)
CARTPOLE = Environment(
    *("CartPole-v1", 500, (2.4, 2.0, 0.2, 2.0), 2, 0.0, 1.0, True),
    *(_begin_cart, _observe_cart, _advance_cart),
)
ENVIRONMENTS = {environment.name: environment for environment in (PENDULUM, CARTPOLE)}


def named(name: str) -> Environment:
    """Return the environment of a name; another name is a `UserError`."""
    if name not in ENVIRONMENTS:
        raise unknown("environment", name, ENVIRONMENTS)
    return ENVIRONMENTS[name]
