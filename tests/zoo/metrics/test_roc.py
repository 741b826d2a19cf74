import math

import numpy as np
import pytest
from scipy.stats import norm

from zoo.metrics.roc import auroc
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("positive", "negative", "area"),
    [([3, 4, 5], [1, 2], 1), ([1, 2], [3, 4, 5], 0), ([1, 1, 1], [1, 1], 0.5), ([np.inf, 1], [0, -np.inf], 1)],
)
def test_sets_apart_and_sets_equal(positive, negative, area):
    assert auroc(np.array(positive), np.array(negative)) == {"auroc": area, "standard_error": 0}


def test_by_hand_with_ties():
    """Of six pairs 3 wins two, each 2 wins one and ties one; by positives 1, 3/4, 3/4, by negatives 2/3, 1."""
    found = auroc(np.array([3, 2, 2]), np.array([2, 1]))
    assert found["auroc"] == pytest.approx(5 / 6)
    by_positives = ((1 / 6) ** 2 + 2 * (1 / 12) ** 2) / 2 / 3
    by_negatives = 2 * (1 / 6) ** 2 / 1 / 2
    assert found["standard_error"] == pytest.approx(math.sqrt(by_positives + by_negatives))


def test_agrees_with_all_pairs_and_with_the_reverse():
    positive, negative = RNG.integers(0, 12, 40), RNG.integers(-3, 9, 70)
    pairs = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    variance = sum(pairs.mean(axis=axis).var(ddof=1) / pairs.shape[1 - axis] for axis in (0, 1))
    found, reverse = auroc(positive, negative), auroc(negative, positive)
    assert found["auroc"] == pytest.approx(pairs.mean())
    assert found["standard_error"] == pytest.approx(math.sqrt(variance))
    assert reverse["auroc"] == pytest.approx(1 - found["auroc"])
    assert reverse["standard_error"] == pytest.approx(found["standard_error"])


def test_the_error_is_that_of_other_samples_of_the_laws():
    """Normal laws one standard deviation apart: the area is Phi(1 / sqrt 2)."""
    found = [auroc(RNG.normal(1, 1, 60), RNG.normal(0, 1, 30)) for _ in range(600)]
    areas, errors = (np.array([one[key] for one in found]) for key in ("auroc", "standard_error"))
    assert areas.mean() == pytest.approx(norm.cdf(math.sqrt(0.5)), abs=4 * areas.std() / math.sqrt(600))
    assert errors.mean() == pytest.approx(areas.std(), rel=0.1)


@pytest.mark.parametrize("bad", [[1.0], [], [[1.0, 2.0]], [1.0, np.nan]])
def test_scores_that_have_no_area(bad):
    for sets in ((bad, [1.0, 2.0]), ([1.0, 2.0], bad)):
        with pytest.raises(UserError, match="the area needs two or more of each set"):
            auroc(*map(np.array, sets))
