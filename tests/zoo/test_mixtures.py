"""The mixtures of the PacGAN protocol and their metric, against counts made by hand."""

import itertools
import math

import numpy as np
import pytest

from zoo.metrics.mixtures import MIXTURES, Mixture, measure
from zoo.shared.errors import UserError

RING, GRID = MIXTURES["ring"], MIXTURES["grid"]


def test_the_ring_has_eight_distinct_centres_on_the_unit_circle_an_eighth_of_a_turn_apart():
    assert RING.centres.shape == (8, 2) and RING.sigma == 0.01
    np.testing.assert_allclose(np.hypot(*RING.centres.T), 1)
    angles = np.sort(np.arctan2(*RING.centres.T))
    np.testing.assert_allclose(np.diff(angles), math.pi / 4)
    assert angles[-1] - angles[0] < 2 * math.pi - 0.5, "the first is not met again"


def test_the_grid_has_every_pair_of_five_levels():
    assert GRID.sigma == 0.05
    assert sorted(map(tuple, GRID.centres.tolist())) == list(itertools.product([-4, -2, 0, 2, 4], repeat=2))


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_the_centres_themselves_are_perfect(mixture):
    points = np.repeat(mixture.centres, 3, axis=0)
    assert measure(points, mixture) == {
        "modes": len(mixture.centres), "high_quality": 1, "reverse_kl": pytest.approx(0, abs=1e-12),
        "spread": 0, "count": 3 * len(mixture.centres),
    }  # fmt: skip


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("found", [1, 3, 4])
def test_dropped_modes_cost_the_logarithm_of_their_share(mixture, found):
    measured = measure(np.repeat(mixture.centres[-found:], 7, axis=0), mixture)
    assert measured["modes"] == found
    assert measured["high_quality"] == 1
    assert measured["reverse_kl"] == pytest.approx(math.log(len(mixture.centres) / found))


def test_three_sigma_part_high_quality_from_low_in_every_direction():
    angles = np.linspace(0, 2 * math.pi, 40)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for centre in GRID.centres:
        assert measure(centre + 2.999 * 0.05 * directions, GRID)["high_quality"] == 1
        assert measure(centre + 3.001 * 0.05 * directions, GRID)["high_quality"] == 0


def test_only_high_quality_points_count_for_the_modes_and_their_divergence():
    """Six points at mode 0, two at mode 1, and of mode 2 only some too far away."""
    far = GRID.centres[2] + [0.5, 0]
    points = np.concatenate([np.repeat(GRID.centres[[0, 1]], [6, 2], axis=0), np.repeat([far], 8, axis=0)])
    measured = measure(np.random.default_rng(0).permutation(points), GRID)
    expected = 3 / 4 * math.log(3 / 4 * 25) + 1 / 4 * math.log(1 / 4 * 25)
    assert measured == {
        "modes": 2,
        "high_quality": 0.5,
        "reverse_kl": pytest.approx(expected),
        "spread": 0,
        "count": 16,
    }


def test_without_a_point_of_high_quality_there_is_no_divergence():
    with np.errstate(all="raise"):
        measured = measure(np.full((10, 2), 1e6), RING)
    assert measured == {"modes": 0, "high_quality": 0, "reverse_kl": None, "spread": None, "count": 10}


def test_a_point_belongs_to_the_nearest_of_centres_that_overlap():
    close = Mixture(np.array([[0.0, 0.0], [1.0, 0.0]]), sigma=1.0)
    measured = measure(np.array([[0.4, 0], [0.6, 0], [0.7, 0], [3, 0]]), close)
    expected = 1 / 4 * math.log(1 / 2) + 3 / 4 * math.log(3 / 2)
    assert (measured["modes"], measured["high_quality"]) == (2, 1)
    assert measured["reverse_kl"] == pytest.approx(expected)
    assert measured["spread"] == pytest.approx(math.sqrt((0.4**2 + 0.4**2 + 0.3**2 + 2**2) / 4))


def test_the_spread_is_in_sigma_and_leaves_out_what_is_far():
    points = GRID.centres[[3, 3, 4]] + [[0.1, 0], [0, -0.05], [1, 0]]
    assert measure(points, GRID)["spread"] == pytest.approx(math.sqrt((2**2 + 1**2) / 2))


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_the_mixture_s_own_points_have_the_documented_quality_and_bias(mixture):
    rng, modes = np.random.default_rng(0), len(mixture.centres)
    measured = []
    for _ in range(200):
        noise = mixture.sigma * rng.normal(size=(500, 2))
        measured.append(measure(mixture.centres[rng.integers(modes, size=500)] + noise, mixture))
    quality = np.array([one["high_quality"] for one in measured])
    chance = 1 - math.exp(-9 / 2)
    assert abs(quality.mean() - chance) < 4 * math.sqrt(chance * (1 - chance) / 100_000)
    # r^2 / 2 has the exponential law, cut off at 9 / 2
    expected = math.sqrt(2 - 9 * math.exp(-9 / 2) / chance)
    assert expected == pytest.approx(1.378, abs=5e-4), "as documented"
    assert np.mean([one["spread"] for one in measured]) == pytest.approx(expected, rel=0.01)
    divergence = np.mean([one["reverse_kl"] for one in measured])
    assert divergence == pytest.approx((modes - 1) / (2 * 500), rel=0.15)


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.array([[0, np.nan]]), np.array([[np.inf, 0], [1, 0]])])
def test_points_that_are_none_are_refused(points):
    with pytest.raises(UserError, match="no points to measure, or some are NaN or infinity"):
        measure(points, RING)


@pytest.mark.parametrize("shape", [(5, 1), (5, 3), (2,)])
def test_points_of_no_plane_are_refused(shape):
    with pytest.raises(UserError, match="the mixtures lie in the plane"):
        measure(np.zeros(shape), RING)
