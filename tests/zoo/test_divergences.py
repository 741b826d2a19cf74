"""Divergences against closed forms, enumeration, scipy and the inequalities between them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, jensenshannon

from zoo.divergences import (
    discriminator_value,
    js,
    kantorovich_dual,
    kl,
    optimal_discriminator,
    total_variation,
    wasserstein_1,
)
from zoo.shared.errors import UserError

LOG_2 = math.log(2)
# no limit on the time of an example: the first one imports scipy, and machines may be busy
PATIENTLY = settings(max_examples=50)


@st.composite
def distributions(draw, smallest=1e-300):
    """Draw two distributions over the same 1 to 6 points, zeros and very small probabilities among them."""
    size = draw(st.integers(1, 6))
    weight = st.one_of(st.just(0.0), st.just(smallest), st.floats(1e-3, 1.0))
    drawn = []
    for _ in range(2):
        weights = np.array(draw(st.lists(weight, min_size=size, max_size=size)))
        weights[draw(st.integers(0, size - 1))] += 1.0
        drawn.append(weights / weights.sum())
    return drawn


def test_kl_of_two_coins():
    expected = 0.3 * math.log(0.3 / 0.6) + 0.7 * math.log(0.7 / 0.4)
    assert kl([0.3, 0.7], [0.6, 0.4]) == pytest.approx(expected, abs=1e-15)


def test_kl_from_uniform_is_what_the_entropy_lacks():
    p = np.array([[0.5, 0.25], [0.125, 0.125]])
    assert kl(p, np.full((2, 2), 0.25)) == pytest.approx(math.log(4) - 1.75 * LOG_2)


def test_a_point_that_only_p_has_makes_kl_infinite_and_one_that_only_q_has_does_not():
    assert kl([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl([1.0, 0.0], [0.5, 0.5]) == pytest.approx(LOG_2)
    assert kl([1.0, 0.0], [1.0, 0.0]) == 0


def test_disjoint_distributions_are_as_far_apart_as_can_be():
    p, q = [0.2, 0.8, 0.0, 0.0], [0.0, 0.0, 0.6, 0.4]
    assert js(p, q) == pytest.approx(LOG_2, abs=1e-15)
    assert total_variation(p, q) == 1


@PATIENTLY
@given(distributions())
def test_js_is_scipys(pair):
    p, q = pair
    assert js(p, q) == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)


def test_js_survives_probabilities_whose_half_is_nothing():
    assert js([5e-324, 1.0], [0.0, 1.0]) == pytest.approx(0, abs=1e-15)


@PATIENTLY
@given(distributions())
def test_total_variation_is_the_largest_difference_over_all_events(pair):
    p, q = pair
    events = itertools.product([False, True], repeat=len(p))
    largest = max(abs(p[list(event)].sum() - q[list(event)].sum()) for event in events)
    assert total_variation(p, q) == pytest.approx(largest, abs=1e-12)


@PATIENTLY
@given(distributions())
def test_symmetry_bounds_and_inequalities(pair):
    p, q = pair
    assert js(p, q) == pytest.approx(js(q, p), abs=1e-12)
    assert total_variation(p, q) == total_variation(q, p)
    assert kl(p, p) == js(p, p) == total_variation(p, p) == 0
    tv = total_variation(p, q)
    assert 0 <= js(p, q) <= LOG_2 and 0 <= tv <= 1
    assert 2 * tv**2 <= kl(p, q) + 1e-9, "Pinsker"
    assert tv**2 / 2 - 1e-9 <= js(p, q) <= LOG_2 * tv + 1e-9, "Pinsker on both halves; Lin (1991)"


def test_wasserstein_is_the_best_of_all_permutations():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    costs = [np.linalg.norm(x - y[list(order)], axis=1).mean() for order in itertools.permutations(range(5))]
    assert wasserstein_1(x, y) == pytest.approx(min(costs), rel=1e-12)


@PATIENTLY
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(-10, 10))
def test_moving_all_points_costs_the_distance_in_one_dimension_and_in_two(points, shift):
    x = np.array(points)
    assert wasserstein_1(x, x + shift) == pytest.approx(abs(shift), abs=1e-9)
    plane = np.stack([x, x[::-1]], axis=1)
    assert wasserstein_1(plane, plane + np.array([0.6, 0.8]) * shift) == pytest.approx(abs(shift), abs=1e-9)


def test_on_the_line_sets_of_different_sizes_compare():
    assert wasserstein_1(np.array([0.0, 1.0]), np.array([0.0])) == pytest.approx(0.5)
    assert wasserstein_1(np.array([0.0, 3.0, 6.0]), np.array([0.0, 6.0])) == pytest.approx(1)


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_best_critic_earns_what_the_best_transport_costs(dimension):
    """No duality gap: the linear program over critics meets the assignment of points."""
    rng = np.random.default_rng(dimension)
    x, y = rng.normal(size=(12, dimension)), rng.normal(size=(12, dimension)) + 0.5
    both = np.concatenate([x, y])
    distances = cdist(both, both)
    p, q = np.repeat([1 / 12, 0], 12), np.repeat([0, 1 / 12], 12)
    value, f = kantorovich_dual(p, q, distances)
    assert value == pytest.approx(wasserstein_1(x, y), abs=1e-9)
    assert f @ (p - q) == pytest.approx(value, abs=1e-9)
    assert (np.abs(f[:, None] - f) <= distances + 1e-9).all()
    assert f[0] == 0


@PATIENTLY
@given(distributions())
def test_where_all_points_are_one_apart_the_distance_is_the_total_variation(pair):
    p, q = pair
    value, _ = kantorovich_dual(p, q, 1.0 - np.eye(len(p)))
    assert value == pytest.approx(total_variation(p, q), abs=1e-9)


@pytest.mark.parametrize("moved", [1e-1, 1e-5, 1e-8])
@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e25])
def test_the_best_critic_is_as_exact_for_close_distributions_and_in_any_unit(moved, unit):
    """Of points on a line, a share `moved` goes two and a half steps on from where it was."""
    points = np.array([0.0, 1.0, 2.5, 4.0])
    p, q = np.array([0.25, 0.25, 0.25 + moved, 0.25 - moved]), np.array([0.25 + moved, 0.25, 0.25, 0.25 - moved])
    value, f = kantorovich_dual(p, q, unit * cdist(points[:, None], points[:, None]))
    assert value == pytest.approx(2.5 * moved * unit, rel=1e-6)
    assert f[2] - f[0] == pytest.approx(2.5 * unit)


def test_equal_distributions_and_points_in_one_place_are_at_no_distance():
    same, together = kantorovich_dual([0.5, 0.5], [0.5, 0.5], 1.0 - np.eye(2)), np.zeros((2, 2))
    assert same[0] == kantorovich_dual([0.5, 0.5], [1.0, 0.0], together)[0] == 0
    assert kantorovich_dual([1.0], [1.0], np.zeros((1, 1)))[0] == 0


def test_densities_on_parallel_lines_have_the_distance_of_the_lines():
    line = np.stack([np.zeros(6), np.arange(6)], axis=1)
    both = np.concatenate([line, line + np.array([0.3, 0])])
    value, f = kantorovich_dual(np.repeat([1 / 6, 0], 6), np.repeat([0, 1 / 6], 6), cdist(both, both))
    assert value == pytest.approx(0.3)
    np.testing.assert_allclose(f[:6] - f[6:], 0.3, atol=1e-9)


# next to 1, float64 has no D closer than 1e-16
@PATIENTLY
@given(distributions(smallest=1e-9))
def test_the_optimal_discriminator_has_the_value_of_the_jensen_shannon_divergence(pair):
    p, q = pair
    best = optimal_discriminator(p, q)
    assert discriminator_value(p, q, best) == pytest.approx(2 * js(p, q) - 2 * LOG_2, abs=1e-12)


@PATIENTLY
@given(distributions(smallest=1e-9), st.integers(0, 2**32))
def test_no_other_discriminator_has_a_larger_value(pair, seed):
    p, q = pair
    other = np.random.default_rng(seed).uniform(size=len(p))
    best = discriminator_value(p, q, optimal_discriminator(p, q))
    assert discriminator_value(p, q, other) <= best + 1e-12


def test_the_optimal_discriminator_of_densities():
    best = optimal_discriminator(np.array([3.0, 0.0, 2.0, 0.0]), np.array([1.0, 4.0, 2.0, 0.0]))
    np.testing.assert_array_equal(best, [0.75, 0, 0.5, 0.5])


def test_a_discriminator_that_is_sure_and_wrong_has_minus_infinity_unless_it_never_happens():
    assert discriminator_value([1.0, 0.0], [0.5, 0.5], np.array([1.0, 0.5])) == -math.inf
    assert discriminator_value([1.0, 0.0], [0.0, 1.0], np.array([1.0, 0.0])) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl([0.5, 0.5], [1.0]), "different shapes"),
        (lambda: js([0.5, 0.6], [0.5, 0.5]), "p sum to 1.1, not to 1"),
        (lambda: total_variation([0.5, 0.5], [1.5, -0.5]), "q holds NaN, infinity or a negative number"),
        (lambda: kl([math.nan, 1.0], [0.5, 0.5]), "p holds NaN"),
        (lambda: optimal_discriminator([-1.0], [1.0]), "p_real holds"),
        (lambda: discriminator_value([1.0], [1.0], np.array([1.1])), "use probabilities"),
        (lambda: wasserstein_1(np.zeros((2, 2)), np.zeros((3, 2))), r"\(2, 2\) and \(3, 2\)"),
        (lambda: wasserstein_1(np.zeros(0), np.zeros(1)), "is empty"),
        (lambda: wasserstein_1(np.array([math.inf]), np.zeros(1)), "NaN or infinity"),
        (lambda: kantorovich_dual([0.5, 0.5], [1.0, 0.0], np.ones((2, 2))), "a diagonal of 0"),
        (lambda: kantorovich_dual([0.5, 0.5], [1.0, 0.0], np.zeros((3, 3))), r"symmetric \(2, 2\)"),
    ],
)
def test_what_is_no_distribution_is_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
