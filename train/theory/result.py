"""The result that an experiment hands over. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# one colour for each player in all figures
REAL, GENERATED, JENSEN_SHANNON, WASSERSTEIN = "#4d4d4d", "#5b8c2a", "#d1600f", "#1565a7"

Number = bool | int | float | dict[str, float | list[float] | None]


@dataclass(frozen=True)
class Result:
    """One claim and what came of it.

    `claim` is text: a title, then paragraphs. `numbers` are plain, or a `spread` over seeds, by a name that says what
    and in which unit; `protocol` says how they were measured; `holds` is whether they show the claim.
    """

    claim: str
    holds: bool
    numbers: dict[str, Number]
    protocol: str
    figure: Figure


def spread(values: Sequence[float]) -> dict[str, float | list[float] | None]:
    """Return the mean and the standard deviation (by count - 1; None of one value) of one value per seed, and all."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "deviation": deviation, "values": [float(value) for value in values]}


def scaled(steps: int, budget: float) -> int:
    """Return the share `budget` of the full number of `steps`, at least one."""
    return max(1, round(steps * budget))


def marks(steps: int, count: int = 12) -> list[int]:
    """Return 0 and at most `count` numbers of steps up to `steps`, evenly spread in their logarithm."""
    return [0, *np.unique(np.geomspace(1, steps, count).round().astype(int)).tolist()]


def named(seeds: Sequence[int]) -> str:
    """Return the seeds as a sentence of a protocol."""
    return f"Seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}."


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, np.ndarray]:
    """Return a figure of this size in inches and its axes (rows, columns), outside of matplotlib's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
    return figure, axes
