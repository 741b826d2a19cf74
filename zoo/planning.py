"""Planners that try actions in a model: random shooting, and the cross-entropy method. numpy only.

The cross-entropy method draws plans from a normal law, and moves the law to the best of them, the elites, again and
again (Rubinstein 1999; in a learned model: Chua et al. 2018). A plan is (steps, A) numbers `x`, about as large as 1.
`Law.actions` makes actions of it. Only the first action is done, then comes another plan; it begins with what is left
of the last one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zoo.shared.errors import UserError

# plans as actions (plans, steps, A) to the return of each (plans,)
Score = Callable[[np.ndarray], np.ndarray]
KEPT = 0.1  # of the law before, in each iteration
WIDTH = 1.0  # of the law at first


@dataclass(frozen=True)
class Law:
    """How numbers become actions: from [-1, 1] to [low, high], or 1 for the largest of them and 0 for the others."""

    low: float
    high: float
    discrete: bool

    def bounded(self, x: np.ndarray) -> np.ndarray:
        """Return the numbers that a plan keeps."""
        return x if self.discrete else np.clip(x, -1.0, 1.0)

    def actions(self, x: np.ndarray) -> np.ndarray:
        """Return the actions of plans (..., steps, A)."""
        if self.discrete:
            return (x >= x.max(axis=-1, keepdims=True)).astype(np.float32)
        return (self.low + (self.high - self.low) * (np.clip(x, -1.0, 1.0) + 1.0) / 2).astype(np.float32)


def cross_entropy(score: Score, law: Law, guess: np.ndarray, noise: np.ndarray, elites: int) -> np.ndarray:
    """Return the mean (steps, A) of the law after as many iterations as there is standard normal noise.

    `noise` is (iterations, plans, steps, A), `guess` the mean at first, `elites` the number of best plans. Those that
    are as good as the last of them count too.
    """
    check(noise.shape[1], elites)
    mean, deviation = guess, np.full_like(guess, WIDTH)
    for draws in noise:
        x = law.bounded(mean + deviation * draws)
        found = score(law.actions(x))
        best = x[found >= np.sort(found)[-elites]]
        mean = KEPT * mean + (1 - KEPT) * best.mean(axis=0)
        deviation = KEPT * deviation + (1 - KEPT) * best.std(axis=0)
    return mean


def shooting(score: Score, actions: np.ndarray) -> np.ndarray:
    """Return the best (steps, A) of the plans (plans, steps, A)."""
    return actions[np.argmax(score(actions))]


def shifted(plan: np.ndarray) -> np.ndarray:
    """Return what is left of a plan (steps, A) after its first step, with 0 at its end."""
    return np.concatenate([plan[1:], np.zeros_like(plan[:1])])


def check(plans: int, elites: int) -> None:
    """Raise a `UserError` unless the elites are some of the plans."""
    if not 1 <= elites <= plans:
        raise UserError(f"{elites} elites of {plans} plans: use a number from 1 to {plans}")
