import numpy as np
import pytest

from zoo.metrics.score import inception_score
from zoo.shared.errors import UserError


@pytest.mark.parametrize("classes", [2, 10])
def test_sure_of_every_class_equally_is_the_number_of_classes(classes):
    measured = inception_score(np.tile(np.eye(classes), (5, 1)), splits=1)
    assert measured["inception_score"] == pytest.approx(classes)
    assert measured["standard_deviation"] == 0


def test_alike_samples_score_one():
    for row in ([0.2, 0.3, 0.5], [1, 0, 0]):
        assert inception_score(np.tile(row, (40, 1)))["inception_score"] == pytest.approx(1)


def test_half_of_the_classes():
    assert inception_score(np.eye(10)[np.arange(200) % 5], splits=1)["inception_score"] == pytest.approx(5)


def test_agrees_with_the_formula():
    """exp(H(y) - H(y|x)), the two entropies taken apart."""
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=30)
    y = p.mean(axis=0)
    information = -(y * np.log(y)).sum() + (p * np.log(p)).sum(axis=1).mean()
    assert inception_score(p, splits=1)["inception_score"] == pytest.approx(np.exp(information))


def test_splits_are_scored_apart():
    """One sample of each class per part of two: the same score; parts of one sample see a single class."""
    two = inception_score(np.array([[1.0, 0], [0, 1]]), splits=2)
    assert (two["inception_score"], two["standard_deviation"]) == (1, 0)
    p = np.random.default_rng(0).dirichlet(np.ones(4) / 2, size=100)
    shuffled = np.random.default_rng(3).permutation(p)
    parts = [inception_score(part, splits=1)["inception_score"] for part in (shuffled[:50], shuffled[50:])]
    measured = inception_score(p, splits=2, seed=3)
    assert measured["inception_score"] == pytest.approx(np.mean(parts))
    assert measured["standard_deviation"] == pytest.approx(abs(parts[0] - parts[1]) / 2)


def test_an_order_by_class_does_no_harm():
    by_class = np.repeat(np.eye(10), 50, axis=0)
    in_turn = np.tile(np.eye(10), (50, 1))
    assert inception_score(by_class)["inception_score"] > 8
    assert inception_score(in_turn)["inception_score"] > 8


@pytest.mark.parametrize("bad", [[[0.5, 0.6]], [[1.5, -0.5]], [[np.nan, 1.0]], [0.5, 0.5], [[np.inf, 0.0]]])
def test_what_is_no_distribution(bad):
    with pytest.raises(UserError, match="class probabilities"):
        inception_score(np.array(bad), splits=1)


def test_fewer_samples_than_parts():
    with pytest.raises(UserError, match="3 samples cannot be split into 10 parts"):
        inception_score(np.eye(3))
