import itertools

import numpy as np
import pytest

from zoo.metrics.kernel import kernel_distance, squared_mmd
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)


def enumerated(a, b):
    """Sum the definition pair by pair."""

    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(points):
        pairs = list(itertools.permutations(range(len(points)), 2))
        return sum(kernel(points[i], points[j]) for i, j in pairs) / len(pairs)

    across = [kernel(x, y) for x, y in itertools.product(a, b)]
    return within(a) + within(b) - 2 * sum(across) / len(across)


@pytest.mark.parametrize(("m", "n", "dimension"), [(2, 2, 1), (3, 5, 2), (6, 4, 7)])
def test_agrees_with_enumeration(m, n, dimension):
    a, b = RNG.normal(size=(m, dimension)), RNG.normal(size=(n, dimension)) + 1
    assert squared_mmd(a, b) == pytest.approx(enumerated(a, b))


def test_by_hand():
    """k(1, 2) = 27, k(0, 0) = 1, k(1, 0) = k(2, 0) = 1: 27 + 1 - 2."""
    assert squared_mmd(np.array([[1.0], [2.0]]), np.array([[0.0], [0.0]])) == pytest.approx(26)


def test_unbiased_over_all_draws():
    """Averaged over every pair of samples from two small laws, it is the MMD^2 of these laws: 0 where they are one."""
    law, other = np.array([[-1.0], [0.0], [2.0]]), np.array([[0.0], [3.0]])

    def exact(x, y):
        k = [((p @ q.T) + 1) ** 3 for p, q in ((x, x), (y, y), (x, y))]
        return k[0].mean() + k[1].mean() - 2 * k[2].mean()

    for y in (law, other):
        draws = [
            squared_mmd(law[list(i)], y[list(j)])
            for i in itertools.product(range(3), repeat=3)
            for j in itertools.product(range(len(y)), repeat=2)
        ]
        assert np.mean(draws) == pytest.approx(exact(law, y), abs=1e-9)
        assert min(draws) < 0


def test_subsets_average_to_the_whole_sets():
    """The mean over subsets drawn without replacement is that of the whole sets, to its standard error."""
    real, fake = RNG.normal(size=(60, 5)), RNG.normal(size=(80, 5)) + 0.3
    measured = kernel_distance(real, fake, subsets=3000, subset_size=20)
    monte_carlo = measured["standard_deviation"] / np.sqrt(3000)
    assert measured["kernel_distance"] == pytest.approx(squared_mmd(real, fake), abs=4 * monte_carlo)


@pytest.mark.parametrize(
    ("size", "shift", "least", "most"), [(None, 0.7, 0.8, 1.2), (12, 0.7, 0.8, 1.2), (6, 0, 1.3, 3)]
)
def test_the_standard_error_is_that_of_other_draws_of_the_sets_and_too_large_for_equal_laws(size, shift, least, most):
    rng = np.random.default_rng(0)
    draws = [
        kernel_distance(rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) + shift, subsets=20, subset_size=size)
        for _ in range(200)
    ]
    told = np.sqrt(np.mean(np.square([draw["standard_error"] for draw in draws])))
    assert least < told / np.std([draw["kernel_distance"] for draw in draws]) < most


def test_protocol():
    real, fake = RNG.normal(size=(30, 2)), RNG.normal(size=(21, 2))
    measured = kernel_distance(real, fake)
    assert measured == kernel_distance(real, fake, seed=0)
    assert measured["kernel_distance"] != kernel_distance(real, fake, seed=1)["kernel_distance"]
    assert {name: measured[name] for name in ("subsets", "subset_size", "count_real", "count_fake")} == {
        "subsets": 100, "subset_size": 10, "count_real": 30, "count_fake": 21,
    }  # fmt: skip
    many = np.zeros((2500, 1))
    assert kernel_distance(many, many, subsets=2)["subset_size"] == 1000


@pytest.mark.parametrize(("count", "options"), [(3, {}), (30, {"subset_size": 30}), (30, {"subset_size": 1})])
def test_bad_subsets(count, options):
    with pytest.raises(UserError, match=f"of the smaller set's {count} samples: use 2 or more, but not all"):
        kernel_distance(np.ones((40, 1)), np.ones((count, 1)), **options)


def test_one_subset_has_no_deviation():
    with pytest.raises(UserError, match="1 subsets"):
        kernel_distance(np.ones((40, 1)), np.ones((40, 1)), subsets=1)
