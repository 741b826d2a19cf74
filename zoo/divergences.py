"""Divergences and distances between distributions, as GAN papers use them, in nats. numpy and scipy only.

A distribution is an array of probabilities (any shape, both of one shape) over common points. Here 0 log 0 = 0, and a
divergence is infinite where its definition makes it so.
"""

import math

import numpy as np

from zoo.shared.errors import UserError

_ROUNDING = 1e-6  # of a sum of probabilities, enough for float32


def kl(p: np.ndarray, q: np.ndarray) -> float:
    """Return KL(p || q) = sum p log(p / q): infinite if some point has p > 0 and q = 0."""
    from scipy.special import rel_entr

    p, q = _distributions(p=p, q=q)
    return max(0.0, float(rel_entr(p, q).sum()))


def js(p: np.ndarray, q: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2.

    From 0 for equal distributions to log 2 for those without a common point.
    """
    from scipy.special import rel_entr

    p, q = _distributions(p=p, q=q)
    # 2 p against p + q: half the sum may underflow to 0 where p does not
    divergence = (rel_entr(2 * p, p + q) + rel_entr(2 * q, p + q)).sum() / 4
    return min(max(0.0, float(divergence)), math.log(2))


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Return the largest difference that p and q give to any event, sum |p - q| / 2, from 0 to 1."""
    p, q = _distributions(p=p, q=q)
    return min(1.0, float(np.abs(p - q).sum()) / 2)


def wasserstein_1(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Wasserstein-1 distance of two sets of equally likely points, under the Euclidean distance.

    Sets (N,) and (M,) of numbers may differ in size; sets (N, D) of points must not, since the best transport is found
    as an assignment of each point to another, in a time of the order of N^3.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if not len(x) or not len(y) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError("a set of points is empty, or holds NaN or infinity")
    if x.ndim == y.ndim == 1:
        from scipy.stats import wasserstein_distance

        return float(wasserstein_distance(x, y))
    if x.ndim != 2 or x.shape != y.shape:
        raise UserError(f"sets of points {x.shape} and {y.shape}: use (N,) and (M,), or (N, D) twice")
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    cost = cdist(x, y)
    return float(cost[linear_sum_assignment(cost)].mean())


def kantorovich_dual(p: np.ndarray, q: np.ndarray, distances: np.ndarray) -> tuple[float, np.ndarray]:
    """Return (value, f) of the best critic: max_f sum f (p - q) subject to |f_i - f_j| <= distances_ij.

    By the Kantorovich-Rubinstein duality the value is the Wasserstein-1 distance of p and q, each (K,), where
    `distances` (K, K) is a metric: symmetric, 0 on the diagonal, with the triangle inequality (which is not checked).
    Only differences of f (K,) mean anything: f_0 is 0.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    p, q = _distributions(p=p, q=q)
    distances = np.asarray(distances, np.float64)
    is_metric = (
        distances.shape == (p.size, p.size)
        and np.isfinite(distances).all()
        and (distances >= 0).all()
        and (distances == distances.T).all()
        and not distances.diagonal().any()
    )
    if not is_metric:
        raise UserError(
            f"distances {distances.shape}: use a finite, symmetric ({p.size}, {p.size}) with a diagonal of 0"
        )
    i, j = np.nonzero(~np.eye(p.size, dtype=bool))
    row = np.arange(len(i))
    difference = coo_array(
        (np.repeat([1.0, -1.0], len(row)), (np.tile(row, 2), np.concatenate([i, j]))), (len(row), p.size)
    )
    # in units of the largest difference and distance: the solver's tolerances are absolute
    gain = p / p.sum() - q / q.sum()
    mass, far = np.abs(gain).max(), distances.max()
    if not (mass > 0 and far > 0):
        return 0.0, np.zeros(p.size)
    bounds = [(0, 0), *[(None, None)] * (p.size - 1)]
    best = linprog(-gain / mass, A_ub=difference, b_ub=distances[i, j] / far, bounds=bounds)
    if not best.success:
        raise UserError(f"no best critic was found: {best.message}")
    return max(0.0, -best.fun) * mass * far, best.x * far


def optimal_discriminator(p_real: np.ndarray, p_generated: np.ndarray) -> np.ndarray:
    """Return D* = p_real / (p_real + p_generated), the best answer to a fixed generator, of the arrays' shape.

    Goodfellow et al. (2014). The arrays hold probabilities or densities; where both are 0 no answer
    matters, and it is 1/2.
    """
    p, q = _measures(p_real=p_real, p_generated=p_generated)
    total = p + q
    return np.where(total > 0, p / np.where(total > 0, total, 1.0), 0.5)


def discriminator_value(p_real: np.ndarray, p_generated: np.ndarray, d: np.ndarray) -> float:
    """Return L(D, g) = E log D(x) + E log(1 - D(G(z))) of a discriminator's probabilities `d` at every point.

    The game of Goodfellow et al. (2014). At D* it is 2 JS(p_real, p_generated) - 2 log 2; a discriminator that is sure
    and wrong at a point that occurs has minus infinity.
    """
    from scipy.special import xlog1py, xlogy

    p, q = _distributions(p_real=p_real, p_generated=p_generated)
    d = np.asarray(d, np.float64)
    if d.shape != p.shape or not ((d >= 0) & (d <= 1)).all():
        raise UserError(f"d {d.shape}: use probabilities, one for each of the {p.shape} points")
    return float((xlogy(p, d) + xlog1py(q, -d)).sum())


def _distributions(**named: np.ndarray) -> list[np.ndarray]:
    """Return the measures, each of which must sum to 1."""
    measures = _measures(**named)
    for name, values in zip(named, measures, strict=True):
        if not abs(values.sum() - 1) <= _ROUNDING:
            raise UserError(f"the probabilities {name} sum to {values.sum():.6g}, not to 1")
    return measures


def _measures(**named: np.ndarray) -> list[np.ndarray]:
    """Return the named arrays as float64; they must have one shape, and hold finite numbers of at least 0."""
    arrays = {name: np.asarray(values, np.float64) for name, values in named.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"the distributions have different shapes: {shapes}")
    for name, values in arrays.items():
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise UserError(f"{name} holds NaN, infinity or a negative number: use probabilities")
    return list(arrays.values())
