"""Precision and recall, density and coverage: quality and variety apart, from balls around each sample. numpy only.

The ball around a sample reaches to its k-th nearest neighbour within its own set; the union of the balls stands for
the set's manifold. All distances are exact and Euclidean. The figures depend on the counts: compare equal ones only.
"""

from typing import Any

import numpy as np

from zoo.metrics.distances import kth_nearest, points, squared_blocks


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

    Naeem, Oh, Uh, Choi & Yoo (2020), with open balls as in the authors' code. Density is the mean number of real balls
    that a fake sample lies in, divided by k; coverage is the share of real balls that hold a fake sample. Only real
    balls count, so that stray fake samples cannot inflate the figures as they inflate recall. For equal laws and equal
    counts coverage is near 1 - 2^-k. A real set of k samples or fewer is a `UserError`.
    """
    real, fake = points(real=real, fake=fake)
    radii = kth_nearest(real, k)
    members = covered = 0
    for rows, squares in squared_blocks(real, fake):
        inside = squares < radii[rows, None]
        members += int(inside.sum())
        covered += int(inside.any(axis=1).sum())
    return {
        "density": members / (k * len(fake)),
        "coverage": covered / len(real),
        **_protocol(real, fake, k),
    }


def _share_inside(queries: np.ndarray, centres: np.ndarray, k: int) -> float:
    radii = kth_nearest(centres, k)
    inside = sum(int((squares <= radii).any(axis=1).sum()) for _, squares in squared_blocks(queries, centres))
    return inside / len(queries)


def _protocol(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, Any]:
    return {"k": k, "count_real": len(real), "count_fake": len(fake)}
