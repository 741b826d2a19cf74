import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoo.metrics import distances
from zoo.metrics.manifold import density_coverage, precision_recall
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)
# integers, whose squared distances are exact: ties count
SETS = hnp.arrays(np.int64, st.tuples(st.integers(4, 8), st.just(2)), elements=st.integers(0, 6))


def squared(x, y):
    return sum((int(p) - int(q)) ** 2 for p, q in zip(x, y, strict=True))


def radius(points, i, k):
    return sorted(squared(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]


@given(SETS, SETS, st.integers(1, 3))
def test_agree_with_loops_over_the_definitions(real, fake, k):
    real_radii = [radius(real, i, k) for i in range(len(real))]
    fake_radii = [radius(fake, i, k) for i in range(len(fake))]
    precision = [any(squared(f, r) <= d for r, d in zip(real, real_radii, strict=True)) for f in fake]
    recall = [any(squared(f, r) <= d for f, d in zip(fake, fake_radii, strict=True)) for r in real]
    # an open ball with fewer than k of its own points, itself among them, is closed
    own = [sum(squared(x, y) < d for y in real) for x, d in zip(real, real_radii, strict=True)]
    balls = [(x, d, n < k) for x, d, n in zip(real, real_radii, own, strict=True)]
    inside = [[squared(f, x) <= d if closed else squared(f, x) < d for x, d, closed in balls] for f in fake]
    density = [sum(row) / k for row in inside]
    coverage = np.any(inside, axis=0)
    protocol = {"k": k, "count_real": len(real), "count_fake": len(fake)}
    assert precision_recall(real, fake, k) == {
        "precision": pytest.approx(np.mean(precision)), "recall": pytest.approx(np.mean(recall)), **protocol,
    }  # fmt: skip
    assert density_coverage(real, fake, k) == {
        "density": pytest.approx(np.mean(density)), "coverage": pytest.approx(np.mean(coverage)), **protocol,
    }  # fmt: skip


def test_by_hand():
    """On a line, k = 1: real balls [-1, 1], [0, 2], [3, 17]; fake balls [-1, 1] twice around 0, and [20, 40]."""
    real, fake = np.array([[0.0], [1.0], [10.0]]), np.array([[0.5], [-0.5], [30.0]])
    # fake radii 1, 1, 29.5: the last reaches down to 0.5, so that all real points are inside
    assert precision_recall(real, fake, 1)["precision"] == pytest.approx(2 / 3)
    assert precision_recall(real, fake, 1)["recall"] == 1
    # 0.5 lies in two real balls, -0.5 in one, 30 in none; the ball around 10 is empty
    assert density_coverage(real, fake, 1)["density"] == pytest.approx(3 / 3)
    assert density_coverage(real, fake, 1)["coverage"] == pytest.approx(2 / 3)


def test_the_blocks_do_not_matter(monkeypatch):
    real, fake = RNG.normal(size=(60, 3)), RNG.normal(size=(50, 3))
    whole = precision_recall(real, fake), density_coverage(real, fake)
    monkeypatch.setattr(distances, "_BLOCK", 300)
    assert (precision_recall(real, fake), density_coverage(real, fake)) == whole


def test_a_set_against_itself_and_against_one_far_away():
    points = RNG.permutation(400)[:100].reshape(50, 2)
    itself = precision_recall(points, points) | density_coverage(points, points)
    assert (itself["precision"], itself["recall"], itself["coverage"]) == (1, 1, 1)
    far = precision_recall(points, points + 10_000) | density_coverage(points, points + 10_000)
    assert (far["precision"], far["recall"], far["density"], far["coverage"]) == (0, 0, 0, 0)


def test_equal_laws_have_the_expected_density_and_coverage():
    """E density = 1; a real ball is empty if its k nearest among M - 1 + N points of one law are all real."""
    k, m, n = 3, 40, 60
    draws = [density_coverage(RNG.normal(size=(m, 2)), RNG.normal(size=(n, 2)), k) for _ in range(400)]
    empty = math.prod((m - 1 - i) / (m - 1 + n - i) for i in range(k))
    assert np.mean([draw["density"] for draw in draws]) == pytest.approx(1, abs=0.03)
    assert np.mean([draw["coverage"] for draw in draws]) == pytest.approx(1 - empty, abs=0.01)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 8, 12])
@pytest.mark.parametrize("times", [1, 2, 8])
def test_a_copy_of_duplicated_samples_covers_them_all(times, k):
    """Features of no particular numbers, in any order: a ball holds the copies of its own, in whole groups."""
    some = RNG.normal(size=(20, 65)) + 3
    real = RNG.permutation(np.repeat(some, times, axis=0))
    found = density_coverage(real, RNG.permutation(real), k)
    assert found["coverage"] == 1
    assert found["density"] == pytest.approx(math.ceil(k / times) * times / k)


def test_duplicates_elsewhere_are_not_covered():
    """By hand: four points at 0 and four at 10, and fake points at 0 only, then beside it."""
    real = np.repeat([[0.0], [10.0]], 4, axis=0)
    found = density_coverage(real, np.zeros((6, 1)), 3)
    assert (found["density"], found["coverage"]) == (pytest.approx(4 / 3), 0.5)
    assert density_coverage(real, np.full((6, 1), 1e-3), 3)["density"] == 0


def test_half_of_the_classes_dropped_lowers_variety_and_not_quality():
    def clusters(classes):
        return 100 * np.eye(10)[np.arange(500) % classes] + RNG.normal(size=(500, 10))

    real, full, half = clusters(10), clusters(10), clusters(5)
    whole = precision_recall(real, full) | density_coverage(real, full)
    dropped = precision_recall(real, half) | density_coverage(real, half)
    assert whole["recall"] > 0.6
    assert dropped["recall"] < 0.5 + 1e-9
    assert whole["coverage"] > 0.9
    assert dropped["coverage"] == pytest.approx(0.5, abs=0.03)
    assert dropped["precision"] == pytest.approx(whole["precision"], abs=0.1)
    assert dropped["density"] == pytest.approx(whole["density"], abs=0.15)


def test_too_few_samples():
    few, enough = np.zeros((3, 2)), np.zeros((5, 2))
    for real, fake in ((few, enough), (enough, few)):
        with pytest.raises(UserError, match="no neighbour number 3 among 2 points"):
            precision_recall(real, fake)
    with pytest.raises(UserError, match="no neighbour number 5 among 4 points"):
        density_coverage(enough, enough)
