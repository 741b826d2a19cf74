import numpy as np
import pytest

from zoo.metrics.representation import (
    active_units,
    k_means,
    linear_probe,
    matching_accuracy,
    nearest_neighbour_accuracy,
    pca,
)
from zoo.shared.errors import UserError


def clouds(count, seed, distance=1.0, scale=(1.0, 1.0)):
    """Three classes whose centres lie `distance` from the origin, with normal noise of deviation 1 around them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    angles = 2 * np.pi * y / 3
    centres = distance * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (centres + rng.normal(size=(count, 2))) * scale, y


def test_a_probe_separates_what_is_linearly_separable():
    (train_x, train_y), (test_x, test_y) = clouds(60, 0, distance=20), clouds(30, 1, distance=20)
    found = linear_probe(train_x.reshape(60, 2, 1), train_y, test_x.reshape(30, 2, 1), test_y)
    assert found == {"accuracy": 1, "c": 10.0, "dimension": 2, "count_train": 60, "count_test": 30}


def test_a_probe_comes_near_to_the_bayes_rule():
    """Two normals a distance 2 apart: no classifier does better than Phi(1) = 0.8413."""
    rng = np.random.default_rng(0)
    train_y, test_y = rng.integers(0, 2, 1000), rng.integers(0, 2, 20_000)
    train_x, test_x = ((2 * y + rng.normal(size=len(y)))[:, None] for y in (train_y, test_y))
    assert linear_probe(train_x, train_y, test_x, test_y)["accuracy"] == pytest.approx(0.8413, abs=0.01)


def test_a_probe_does_not_see_scales_shifts_and_constants():
    (train_x, train_y), (test_x, test_y) = clouds(200, 0), clouds(200, 1)
    plain = linear_probe(train_x, train_y, test_x, test_y)
    assert 0.5 < plain["accuracy"] < 0.9

    def moved(x):
        return np.concatenate([x * (1e-4, 1e4) + (3, -5), np.full((len(x), 1), 7)], axis=1)

    assert linear_probe(moved(train_x), train_y, moved(test_x), test_y) == {**plain, "dimension": 3}


def test_a_probe_does_not_hear_a_feature_that_varies_in_the_test_set_alone():
    x, y = clouds(60, 0)
    train, test = (np.concatenate([x, third[:, None]], axis=1) for third in (np.full(60, 0.1), np.linspace(-9, 9, 60)))
    assert train[:, 2].std() > 0, "by rounding"
    assert linear_probe(train, y, test, y)["accuracy"] == linear_probe(x, y, x, y)["accuracy"]


def test_the_strength_is_chosen_where_it_matters_and_without_the_test_set():
    """Labels that are noise but for one of 200 features: little freedom is best. A rule of many bits needs much."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 200))
    weak = (x[:, 0] + 2 * rng.normal(size=3000) > 0).astype(int)
    sharp = (x[:, :100] @ rng.normal(size=100) > 0).astype(int)
    assert linear_probe(x[:300], weak[:300], x[300:], weak[300:])["c"] < 0.1
    chosen = linear_probe(x[:2000], sharp[:2000], x[2000:], sharp[2000:])
    assert chosen["c"] > 0.1
    assert chosen["accuracy"] > 0.95
    assert linear_probe(x[:2000], sharp[:2000], x[2000:], 1 - sharp[2000:])["c"] == chosen["c"]


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("count", range(4, 10))
def test_a_class_of_one_example_is_not_held_out(rare, count):
    train_y = np.full(count, 1 - rare)
    train_y[0] = rare
    found = linear_probe(100.0 * train_y[:, None], train_y, np.array([[0.0], [100.0]]), np.array([0, 1]))
    assert found["accuracy"] >= 0.5


def test_the_nearest_neighbour_votes():
    train_x, train_y = np.array([[0.0], [1.0], [10.0]]), np.array([5, 6, 7])
    test_x, test_y = np.array([[-3.0], [0.9], [5.0], [6.0], [0.5]]), np.array([5, 6, 6, 6, 5])
    assert nearest_neighbour_accuracy(train_x, train_y, test_x, test_y) == pytest.approx(4 / 5)  # the 6 is wrong
    assert nearest_neighbour_accuracy(train_x[::-1], train_y[::-1], test_x, test_y) == pytest.approx(3 / 5)  # the tie


def test_clusters_are_matched_one_to_one():
    classes = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    assert matching_accuracy(np.array([4, 4, 4, 0, 0, 9, 9, 9]), classes) == 1
    # cluster 0 is mostly class 0 (3 of 5), but 0 -> 2 and 1 -> 0 is no better than 0 -> 0 and 1 -> 2
    assert matching_accuracy(np.array([0, 0, 0, 0, 0, 1, 1, 1]), classes) == pytest.approx(6 / 8)
    assert matching_accuracy(np.zeros(8, int), classes) == pytest.approx(3 / 8)
    assert matching_accuracy(np.arange(8), classes) == pytest.approx(3 / 8)  # five clusters are left over
    # the greedy choice (0 -> 0 with 3) leaves 0 for cluster 1; the best is 2 + 3
    assert matching_accuracy(np.array([0, 0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 0, 0, 0])) == 5 / 8


def test_k_means_finds_clouds_that_lie_apart():
    x, y = clouds(90, 0, distance=50)
    found = k_means(x.reshape(90, 1, 2), y + 4, clusters=3, seed=1)
    assert found == {
        "accuracy": 1, "normalised_mutual_information": pytest.approx(1), "clusters": 3, "seed": 1, "count": 90,
    }  # fmt: skip


def test_normalised_mutual_information_by_hand():
    """Four points apart in pairs, two classes each of one point and of three: I and H from the table of counts."""
    x = np.array([[0.0], [0.1], [50.0], [50.1]])
    found = k_means(x, np.array([0, 1, 1, 1]), clusters=2, seed=0)
    information = 0.25 * np.log(0.25 / (0.5 * 0.25)) + 0.25 * np.log(0.25 / (0.5 * 0.75)) + 0.5 * np.log(0.5 / 0.375)
    entropies = np.log(2), -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert found["normalised_mutual_information"] == pytest.approx(information / np.mean(entropies))
    assert found["accuracy"] == pytest.approx(3 / 4)
    independent = k_means(x, np.array([0, 1, 0, 1]), clusters=2, seed=0)
    assert independent["normalised_mutual_information"] == pytest.approx(0, abs=1e-12)
    assert independent["accuracy"] == pytest.approx(1 / 2)


def test_principal_components_in_closed_form():
    """Points on two axes of a turned cross: the components are the arms, the longer first."""
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    along = np.array([[3.0, 0], [-3, 0], [0, 2], [0, -2]])
    train = along @ turn[:2] + 7
    project = pca(train.reshape(4, 5, 1), 2)
    np.testing.assert_allclose(np.abs(project(train.reshape(4, 5, 1))), np.abs(along), atol=1e-12)
    other = 7 + 1.5 * turn[0] - turn[1] + 4 * turn[2]  # the third direction is not kept
    np.testing.assert_allclose(np.abs(project(other[None])), [[1.5, 1]], atol=1e-12)
    np.testing.assert_allclose(pca(train, 1)(train), project(train)[:, :1], atol=1e-12)
    assert pca(train.astype(np.float32), 1)(train.astype(np.float32)).dtype == np.float64


def test_units_are_active_above_a_hundredth_of_variance():
    step = np.array([1.0, -1.0, 1.0, -1.0])[:, None]
    means = 5 + step * np.array([0.0, 0.0999, 0.1001, 2.0])  # variances 0, 0.00998, 0.01002, 4
    assert active_units(means) == 2
    assert active_units(np.zeros((4, 3))) == 0


def test_bad_sets():
    x, y = clouds(20, 0)
    with pytest.raises(UserError, match=r"labels of shape \(19,\) do not belong to 20 examples"):
        linear_probe(x, y[:19], x, y)
    with pytest.raises(UserError, match=r"labels of shape \(20, 1\)"):
        nearest_neighbour_accuracy(x, y, x, y[:, None])
    with pytest.raises(UserError, match="different numbers of features"):
        nearest_neighbour_accuracy(x, y, x[:, :1], y)
    with pytest.raises(UserError, match="20 examples of 1 classes: use 4 or more, of 2 or more"):
        linear_probe(x, np.zeros(20, int), x, y)
    with pytest.raises(UserError, match="3 examples of 2 classes"):
        linear_probe(x[:3], np.array([0, 1, 1]), x, y)
    with pytest.raises(UserError, match="do not make 21 clusters: use from 1 to 20"):
        k_means(x, y, 21)
    with pytest.raises(UserError, match="do not have 3 principal components: use from 1 to 2"):
        pca(x, 3)
    with pytest.raises(UserError, match="the means set holds NaN"):
        active_units(np.array([[np.nan]]))
