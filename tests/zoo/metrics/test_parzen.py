import math

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity

from zoo.metrics import distances
from zoo.metrics.parzen import SIGMAS, log_density, parzen
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)


def test_one_sample_is_a_gaussian():
    centre, queries = RNG.normal(size=(1, 5)), RNG.normal(size=(7, 5))
    expected = stats.multivariate_normal(centre[0], 0.3**2 * np.eye(5)).logpdf(queries)
    np.testing.assert_allclose(log_density(queries, centre, 0.3), expected)


def test_agrees_with_scikit_learn(monkeypatch):
    monkeypatch.setattr(distances, "_BLOCK", 70)
    samples, queries = RNG.normal(size=(30, 4)), 3 * RNG.normal(size=(20, 4))
    expected = KernelDensity(bandwidth=0.2).fit(samples).score_samples(queries)
    np.testing.assert_allclose(log_density(queries, samples, 0.2), expected)


def test_far_away_is_finite():
    """exp(-0.5 * 1e8) is 0 in float64; its logarithm is not."""
    nats = log_density(np.array([[1000.0]]), np.zeros((3, 1)), 0.1)
    assert nats[0] == pytest.approx(-0.5e8 - math.log(0.1 * math.sqrt(2 * math.pi)))


def test_a_density_has_integral_one():
    samples, grid = np.array([[0.0], [0.4], [1.0]]), np.linspace(-3, 4, 7001)[:, None]
    assert np.exp(log_density(grid, samples, 0.2)).sum() * 0.001 == pytest.approx(1)


def test_protocol():
    assert SIGMAS[[0, -1]].tolist() == pytest.approx([0.1, 1])
    assert len(SIGMAS) == 10
    samples, validation, test = (RNG.random((n, 4, 4, 1)) for n in (50, 30, 20))
    measured = parzen(samples, validation, test)
    flat = [x.reshape(len(x), -1) for x in (samples, validation, test)]
    scores = {s: KernelDensity(bandwidth=s).fit(flat[0]).score_samples(flat[1]).mean() for s in SIGMAS}
    sigma = max(scores, key=scores.get)
    nats = KernelDensity(bandwidth=sigma).fit(flat[0]).score_samples(flat[2])
    assert SIGMAS[0] < sigma < SIGMAS[-1]
    assert measured == {
        "nats": pytest.approx(nats.mean()),
        "standard_error": pytest.approx(nats.std(ddof=1) / math.sqrt(20)),
        "sigma": sigma,
        "validation_nats": pytest.approx(scores[sigma]),
        "samples": 50, "validation": 30, "count": 20,
    }  # fmt: skip


def test_bytes_are_scaled_to_the_unit_interval():
    sets = [RNG.integers(0, 256, (n, 3, 3, 1), np.uint8) for n in (9, 8, 7)]
    assert parzen(*sets) == parzen(*(x / 255 for x in sets))


@pytest.mark.parametrize("name", ["samples", "validation", "test"])
def test_pixels_outside_the_unit_interval(name):
    sets = {key: RNG.random((5, 4)) for key in ("samples", "validation", "test")}
    sets[name] = 2 * sets[name] - 1
    with pytest.raises(UserError, match=f"the {name} set run from -.*scale them to"):
        parzen(**sets)


@pytest.mark.parametrize("sigma", [0, -1, math.nan])
def test_bad_sigma(sigma):
    with pytest.raises(UserError, match="positive"):
        log_density(np.zeros((1, 1)), np.zeros((1, 1)), sigma)
