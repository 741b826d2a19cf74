"""Frechet distance between two sets of features, each taken for a Gaussian. numpy only."""

from typing import Any

import numpy as np

from zoo.metrics.distances import points
from zoo.shared.errors import UserError


def frechet(real: np.ndarray, fake: np.ndarray) -> dict[str, Any]:
    """Return the Frechet distance between Gaussians fitted to features (count, D): FID, where Inception made them.

    Heusel, Ramsauer, Unterthiner, Nessler & Hochreiter (2017). The covariances divide by count - 1. The
    estimate is biased upwards, the more so the fewer the samples: compare only figures of the same counts. A set of D
    samples or fewer has a singular covariance and is a `UserError`.
    """
    real, fake = points(real=real, fake=fake)
    dimension = real.shape[1]
    for name, features in (("real", real), ("fake", fake)):
        if len(features) <= dimension:
            raise UserError(
                f"the {name} set has {len(features)} samples of {dimension} features: their covariance is singular and "
                f"the Frechet distance means little; use {dimension + 1} samples or more"
            )
    moments = [(x.mean(axis=0), np.cov(x, rowvar=False).reshape(dimension, dimension)) for x in (real, fake)]
    return {
        "frechet_distance": frechet_distance(*moments[0], *moments[1]),
        "dimension": dimension,
        "count_real": len(real),
        "count_fake": len(fake),
    }


def frechet_distance(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Return d^2 = |mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2)), which is what FID reports.

    Dowson & Landau (1982). Means (D,), covariances (D, D); a covariance that is not symmetric and positive
    semi-definite is a `UserError`.
    """
    # with A = R R' and B = S S', tr (A B)^(1/2) is the sum of the singular values of R' S: real, and exact near
    # singular A and B. There the square root of the product A B is neither, and the roots of the eigenvalues of R' B R
    # have half the digits
    root_a, root_b = (_root(np.asarray(cov, np.float64)) for cov in (cov_a, cov_b))
    cross = np.linalg.svd(root_a.T @ root_b, compute_uv=False).sum()
    shift = np.asarray(mean_a, np.float64) - mean_b
    return max(0.0, float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def _root(cov: np.ndarray) -> np.ndarray:
    """Return a matrix R with cov = R R'."""
    scale = np.abs(cov).max()
    if np.abs(cov - cov.T).max() > 1e-6 * scale:
        raise UserError("a covariance is not symmetric")
    try:
        return np.linalg.cholesky(cov)  # as exact as eigenvectors, at a small part of their time
    except np.linalg.LinAlgError:
        pass  # singular, to rounding, or no covariance
    values, vectors = np.linalg.eigh(cov)
    if values[0] < -1e-6 * scale:
        raise UserError(f"a covariance has the negative eigenvalue {values[0]:.3g}")
    return vectors * np.sqrt(np.maximum(values, 0))
