import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from zoo.metrics.importance import importance_weighted_bound, importance_weighted_bounds
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)


def test_the_bound_is_the_log_of_the_mean_weight():
    weights = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]])
    np.testing.assert_allclose(importance_weighted_bound(np.log(weights)), np.log([3, 5]))
    np.testing.assert_allclose(importance_weighted_bound(np.log(weights) - 2000), np.log([3, 5]) - 2000)
    assert importance_weighted_bound(np.log(weights).astype(np.float32)).dtype == np.float64


def test_the_bound_of_fewer_samples_is_the_mean_over_their_groups():
    w = np.log(np.array([1.0, 2, 3, 4, 5])[:, None])
    found = importance_weighted_bounds([w], [1, 2, 5])
    assert list(found) == [1, 2, 5]
    assert found[1][0] == pytest.approx(w.mean())
    assert found[2][0] == pytest.approx((np.log(1.5) + np.log(3.5)) / 2)  # the fifth sample fills no pair
    assert found[5][0] == pytest.approx(np.log(3))


@pytest.mark.parametrize("cuts", [[], [1], [7, 7, 20], list(range(1, 24))])
def test_chunks_give_what_the_whole_gives(cuts):
    w = RNG.normal(size=(24, 3)) * 30 - 90
    sizes = [1, 5, 8, 24]
    found = importance_weighted_bounds(iter(np.split(w, cuts)), sizes)
    for size in sizes:
        groups = np.split(w[: 24 // size * size], 24 // size)
        expected = np.mean([importance_weighted_bound(group) for group in groups], axis=0)
        np.testing.assert_allclose(found[size], expected, rtol=1e-12)


def test_nested_groups_never_fall():
    w = RNG.normal(size=(60, 50)) * 4
    bounds = list(importance_weighted_bounds([w], [1, 3, 12, 60]).values())
    for lower, upper in itertools.pairwise(bounds):
        assert (lower <= upper).all()


def test_weights_of_nothing():
    w = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    np.testing.assert_array_equal(importance_weighted_bound(w), [np.log(0.5), -np.inf])


A, B, SIGMA = np.array([[1.0, 0.5], [-0.5, 2.0], [0.3, 0.3]]), np.array([0.2, -0.1, 0.4]), 0.7


def linear_gaussian(x, k, off_mean, scale):
    """Return log weights (k, N) and the ELBO of z ~ N(0, I), x | z ~ N(A z + B, SIGMA^2 I).

    q(z | x) is the posterior with its mean moved by `off_mean` and its deviations times `scale`.
    """
    cov = np.linalg.inv(np.eye(2) + A.T @ A / SIGMA**2)
    mean = (x - B) @ A @ cov / SIGMA**2
    root = scale * np.linalg.cholesky(cov)
    eps = np.random.default_rng(1).normal(size=(k, len(x), 2))
    z = mean + off_mean + eps @ root.T
    log_q = norm.logpdf(eps).sum(axis=-1) - np.log(np.diag(root)).sum()
    log_joint = norm.logpdf(z).sum(axis=-1) + norm.logpdf(x, z @ A.T + B, SIGMA).sum(axis=-1)
    shift = off_mean * np.ones(2)
    gap = (2 * scale**2 + shift @ np.linalg.solve(cov, shift) - 2 - 4 * np.log(scale)) / 2  # KL(q || posterior)
    return log_joint - log_q, log_p(x) - gap


def log_p(x):
    return multivariate_normal(B, A @ A.T + SIGMA**2 * np.eye(3)).logpdf(x)


X = B + RNG.normal(size=(40, 2)) @ A.T + SIGMA * RNG.normal(size=(40, 3))


def test_with_the_posterior_the_bound_is_exact_at_any_size():
    w, elbo = linear_gaussian(X, 4, off_mean=0.0, scale=1.0)
    for bound in importance_weighted_bounds([w], [1, 2, 4]).values():
        np.testing.assert_allclose(bound, log_p(X))
    np.testing.assert_allclose(elbo, log_p(X))


def test_the_bound_rises_from_the_elbo_to_the_log_likelihood():
    w, elbo = linear_gaussian(X, 4000, off_mean=0.4, scale=1.3)
    bounds = importance_weighted_bounds(np.split(w, 10), [1, 5, 50, 4000])
    # the estimate is for each x an average over the same law, so that the gap to log p(x) is one number
    gaps = {size: bound - log_p(X) for size, bound in bounds.items()}
    errors = {size: gap.std(ddof=1) / np.sqrt(len(X)) for size, gap in gaps.items()}
    assert gaps[1].mean() == pytest.approx((elbo - log_p(X)).mean(), abs=4 * errors[1])
    means = [gap.mean() for gap in gaps.values()]
    assert means[0] < means[1] < means[2] < means[3] <= 4 * errors[4000]
    assert means[1] - means[0] > 4 * errors[1]
    assert means[3] == pytest.approx(0, abs=4 * errors[4000])


def test_bad_weights_and_sizes():
    w = np.zeros((4, 3))
    with pytest.raises(UserError, match="4 samples have no bound of 5: use 5 samples or more"):
        importance_weighted_bounds([w], [1, 5])
    with pytest.raises(UserError, match="0 samples have no bound of 1"):
        importance_weighted_bounds([], [1])
    for sizes in ([], [0, 4]):
        with pytest.raises(UserError, match="no numbers of samples"):
            importance_weighted_bounds([w], sizes)
    with pytest.raises(UserError, match=r"shape \(4, 2\) do not fit: use \(samples, 3\)"):
        importance_weighted_bounds([w, w[:, :2]], [1])
    with pytest.raises(UserError, match=r"shape \(4,\) do not fit: use \(samples, examples\)"):
        importance_weighted_bound(np.zeros(4))
    for bad in (np.nan, np.inf):
        with pytest.raises(UserError, match="NaN or plus infinity"):
            importance_weighted_bound(np.full((2, 2), bad))
