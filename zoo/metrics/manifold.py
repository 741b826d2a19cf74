"""Precision and recall, density and coverage: quality and variety apart, from balls around each sample. numpy only.

The ball around a sample reaches to its k-th nearest neighbour within its own set; the union of the balls stands for
the set's manifold. All distances are exact and Euclidean. The figures depend on the counts: compare equal ones only.
"""

from typing import Any

import numpy as np

from zoo.metrics.distances import k_nearest, kth_nearest, points, squared_blocks


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> dict[str, Any]:
    """Return the improved precision and recall of features (count, D), each from 0 to 1.

    Kynkaanniemi, Karras, Laine, Lehtinen & Aila (2019), with closed balls. Precision is the share of fake
    samples in some real sample's ball, recall the share of real samples in some fake sample's ball. A set of k samples
    or fewer is a `UserError`.
    """
    real, fake = points(real=real, fake=fake)
    return {
        "precision": _share_inside(fake, real, k),
        "recall": _share_inside(real, fake, k),
        **_protocol(real, fake, k),
    }


def density_coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> dict[str, Any]:
    """Return the density (0 or more, 1 expected for equal laws) and the coverage (0 to 1) of features (count, D).

    Naeem, Oh, Uh, Choi & Yoo (2020). Density is the mean number of real balls that a fake sample lies in, divided by k;
    coverage is the share of real balls that hold a fake sample. Only real balls count, so that stray fake samples
    cannot inflate the figures as they inflate recall. For equal laws and equal counts coverage is near 1 - 2^-k. A real
    set of k samples or fewer is a `UserError`.

    Balls are open, as in the authors' code, so that a ball holds k samples of its own set, its centre among them. Where
    neighbours tie at the radius, as duplicates do, an open ball would hold fewer, or none where the radius is 0: there
    the ball is closed. A copy of the real set so has coverage 1, and density 1 but for rounding, or more with ties.
    """
    real, fake = points(real=real, fake=fake)
    limits = _open_or_closed(k_nearest(real, k))
    members = covered = 0
    for rows, squares in squared_blocks(real, fake):
        inside = squares < limits[rows, None]
        members += int(inside.sum())
        covered += int(inside.any(axis=1).sum())
    return {
        "density": members / (k * len(fake)),
        "coverage": covered / len(real),
        **_protocol(real, fake, k),
    }


def _open_or_closed(nearest: np.ndarray) -> np.ndarray:
    """Return what the squared distances inside a ball stay below, (N,), from those of `k_nearest`, (N, k)."""
    radii = nearest[:, -1]
    is_tied = (nearest[:, -2] if nearest.shape[1] > 1 else 0.0) == radii  # before the first neighbour: the centre
    # beyond 0 at a normal number, as there are libraries that make a process take smaller ones for 0
    closed = np.maximum(np.nextafter(radii, np.inf), np.finfo(np.float64).tiny)
    return np.where(is_tied, closed, radii)


def _share_inside(queries: np.ndarray, centres: np.ndarray, k: int) -> float:
    radii = kth_nearest(centres, k)
    inside = sum(int((squares <= radii).any(axis=1).sum()) for _, squares in squared_blocks(queries, centres))
    return inside / len(queries)


def _protocol(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, Any]:
    return {"k": k, "count_real": len(real), "count_fake": len(fake)}
