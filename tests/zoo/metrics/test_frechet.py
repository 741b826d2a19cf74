import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import sqrtm

from zoo.metrics.frechet import frechet, frechet_distance
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)
VECTORS = hnp.arrays(np.float64, 4, elements=st.floats(0, 10))


@given(VECTORS, VECTORS, VECTORS, VECTORS)
def test_diagonal_gaussians_have_a_closed_form(mean_a, mean_b, deviations_a, deviations_b):
    """d^2 = sum (m_a - m_b)^2 + (s_a - s_b)^2, singular covariances included."""
    expected = ((mean_a - mean_b) ** 2 + (deviations_a - deviations_b) ** 2).sum()
    found = frechet_distance(mean_a, np.diag(deviations_a**2), mean_b, np.diag(deviations_b**2))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dimension", [1, 5, 40])
def test_agrees_with_the_square_root_of_the_product(dimension):
    covs = [np.cov(RNG.normal(size=(dimension + 50, dimension)) * scale, rowvar=False) for scale in (1, 3)]
    a, b = (cov.reshape(dimension, dimension) for cov in covs)
    mean = RNG.normal(size=dimension)
    expected = mean @ mean + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(mean, a, np.zeros(dimension), b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(np.zeros(dimension), b, mean, a) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances_that_share_no_direction():
    """The case where sqrtm of the product fails: A B = 0 for the projections A and B."""
    a, b = np.diag([1.0, 0, 0]), np.diag([0, 0, 4.0])
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    assert frechet_distance(np.zeros(3), turn @ a @ turn.T, np.zeros(3), turn @ b @ turn.T) == pytest.approx(5)


def test_a_set_against_itself_and_shifted():
    features = RNG.normal(size=(200, 30)) @ RNG.normal(size=(30, 30))
    shift = RNG.normal(size=30)
    assert frechet(features, features)["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert frechet(features, features[::-1] + shift) == {
        "frechet_distance": pytest.approx(shift @ shift), "dimension": 30, "count_real": 200, "count_fake": 200,
    }  # fmt: skip


def test_moments_are_of_the_samples_with_count_minus_one():
    real, fake = np.array([[0.0], [2.0]]), np.array([[1.0], [5.0], [9.0]])  # means 1, 5; variances 2, 16
    assert frechet(real, fake)["frechet_distance"] == pytest.approx(16 + (np.sqrt(2) - 4) ** 2)


@pytest.mark.parametrize("few", ["real", "fake"])
def test_a_singular_sample_covariance_is_an_error(few):
    sets = {"real": RNG.normal(size=(9, 8)), "fake": RNG.normal(size=(9, 8))}
    assert frechet(**sets)["frechet_distance"] > 0
    sets[few] = sets[few][:8]
    with pytest.raises(UserError, match=f"the {few} set has 8 samples of 8 features.*use 9 samples or more"):
        frechet(**sets)


def test_what_is_no_covariance_is_an_error():
    with pytest.raises(UserError, match="negative eigenvalue -1"):
        frechet_distance(np.zeros(2), np.diag([1.0, -1.0]), np.zeros(2), np.eye(2))
    with pytest.raises(UserError, match="not symmetric"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]))
