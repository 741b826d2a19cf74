"""Mixtures of Gaussians in the plane whose modes are known, and how many of them samples find. numpy only."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.metrics.modes import coverage
from zoo.shared.errors import UserError

# standard deviations: farther from every centre, a point is of no mode
HIGH_QUALITY_RADIUS = 3


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Mixture:
    """Equally likely Gaussians N(centre, sigma^2 I): `centres` is float64 (K, 2), `sigma` in the same units."""

    centres: np.ndarray
    sigma: float


def _ring() -> np.ndarray:
    angles = 2 * np.pi * np.arange(8) / 8  # the eighth stops short of the full turn, where the first is
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _grid() -> np.ndarray:
    levels = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(levels, levels, indexing="ij"), axis=-1).reshape(-1, 2)


# the ring of 8 and the grid of 25 on which Lin, Khetan, Fanti and Oh (2018) measure PacGAN
MIXTURES = {"ring": Mixture(_ring(), sigma=0.01), "grid": Mixture(_grid(), sigma=0.05)}


def measure(points: np.ndarray, mixture: Mixture) -> dict[str, Any]:
    """Return how well `points` (N, 2) cover the mixture: the protocol of PacGAN (Lin et al. 2018).

    A point belongs to its nearest centre, and is of high quality if that is within 3 sigma. `high_quality` is the share
    of such points, 0 to 1 (the mixture itself has 1 - exp(-9/2) = 0.989), and they alone count for the `coverage` of
    the K centres: `modes` and `reverse_kl`.

    `spread` is ours; the protocol does not see a mode collapsed to its centre. It is the root of the mean squared
    distance of the points of high quality from their centres, in sigma. The mixture itself has 1.378; None if no point
    is of high quality.

    NaN or infinity among the points, no point at all, or points that are not of the plane are a `UserError`.
    """
    if not len(points) or not np.isfinite(points).all():
        raise UserError("there are no points to measure, or some are NaN or infinity")
    if points.ndim != 2 or points.shape[1] != 2:
        raise UserError(f"the points have the shape {points.shape}: the mixtures lie in the plane, use (count, 2)")
    offsets = np.asarray(points, np.float64)[:, None] - mixture.centres
    distances = np.sqrt((offsets**2).sum(axis=-1))
    nearest = distances.min(axis=1)
    is_good = nearest <= HIGH_QUALITY_RADIUS * mixture.sigma
    return {
        **coverage(distances.argmin(axis=1)[is_good], len(mixture.centres)),
        "high_quality": float(is_good.mean()),
        "spread": float(np.sqrt((nearest[is_good] ** 2).mean()) / mixture.sigma) if is_good.any() else None,
        "count": len(points),
    }
