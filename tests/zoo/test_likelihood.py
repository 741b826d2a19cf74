"""Likelihoods against closed forms."""

import itertools
import math

import numpy as np
import pytest

from zoo.metrics.likelihood import has_levels, independent_pixels, summary
from zoo.shared.errors import UserError

EVERY_TRIPLE = np.array(list(itertools.product([0, 255], repeat=3)), np.uint8).reshape(-1, 1, 3, 1)


def test_fair_coins_are_one_bit_per_dimension():
    assert summary(np.full(10, -6 * math.log(2)), dimensions=6) == {
        "nats": pytest.approx(-6 * math.log(2)),
        "standard_error": pytest.approx(0, abs=1e-12),
        "bits_per_dimension": pytest.approx(1.0),
        "count": 10,
    }


def test_mean_and_standard_error_are_over_examples():
    values = np.arange(7.0)
    measured = summary(-values, dimensions=2)
    assert measured["nats"] == -3
    assert measured["standard_error"] == pytest.approx(values.std(ddof=1) / math.sqrt(7))
    assert summary(values[:1], dimensions=2)["standard_error"] is None


@pytest.mark.parametrize(("bad", "count"), [([np.nan], "0 of 1"), ([-1, -np.inf, -2], "2 of 3"), ([], "0 of 0")])
def test_likelihoods_without_a_mean_are_refused(bad, count):
    with pytest.raises(UserError, match=f"log-likelihoods of {count} examples are finite numbers"):
        summary(np.array(bad), dimensions=1)


def test_float32_values_are_added_in_float64():
    assert summary(np.full(100_001, 0.1, np.float32), dimensions=1)["nats"] == float(np.float32(0.1))


@pytest.mark.parametrize(
    ("values", "levels", "fits"),
    [([0, 255], 2, True), ([0], 2, True), ([0, 1], 2, False), ([254, 255], 2, False), ([0, 85, 170], 4, True),
     ([0, 84], 4, False), ([0, 1, 254], 256, True)],
)  # fmt: skip
def test_pictures_have_levels_that_are_evenly_spaced(values, levels, fits):
    assert has_levels(np.array(values, np.uint8), levels) is fits


@pytest.mark.parametrize("levels", [0, 1, 3, 100])
def test_levels_that_bytes_cannot_have_are_refused(levels):
    with pytest.raises(UserError, match=f"{levels} levels are not evenly spaced over the bytes 0 to 255: use 2, "):
        independent_pixels(EVERY_TRIPLE, levels)


def test_the_baseline_of_binary_images_is_a_distribution_with_laplace_s_rule():
    train = np.array([[255, 0, 255], [255, 255, 0]], np.uint8).reshape(2, 1, 3, 1)
    log_prob = independent_pixels(train, 2)  # white: 2, 1, 1 of 2 -> p = 3/4, 2/4, 2/4
    every = log_prob(EVERY_TRIPLE)
    assert every.shape == (8,)
    assert np.exp(every).sum() == pytest.approx(1)
    by_hand = {(255, 255, 255): 3 / 4 * 1 / 2 * 1 / 2, (0, 255, 255): 1 / 4 * 1 / 2 * 1 / 2}
    for image, probability in by_hand.items():
        assert log_prob(np.array(image, np.uint8).reshape(1, 1, 3, 1))[0] == pytest.approx(math.log(probability))


def test_the_baseline_of_grey_images_is_one_histogram_a_pixel():
    train = np.array([[7, 0], [7, 255], [8, 100]], np.uint8).reshape(3, 2, 1, 1)
    log_prob = independent_pixels(train, 256)
    levels = np.arange(256, dtype=np.uint8)
    for pixel in range(2):  # the other pixel has its level 0 throughout
        images = np.zeros((256, 2, 1, 1), np.uint8)
        images[:, pixel, 0, 0] = levels
        seen = np.exp(log_prob(images))
        other = (1 if pixel == 1 else 2) / 259
        assert seen.sum() == pytest.approx(other)
        expected = np.bincount(train[:, pixel].ravel(), minlength=256) + 1
        np.testing.assert_allclose(seen, other * expected / 259)


def test_the_baseline_of_grey_levels_stays_one_where_all_pictures_are_black_and_white():
    """Compared with a model of 256 levels: it may not know that 254 of them never come."""
    train = np.array([0, 255, 255], np.uint8).reshape(3, 1, 1, 1)
    of_bits, of_grey = (np.exp(independent_pixels(train, levels)(train)) for levels in (2, 256))
    np.testing.assert_allclose(of_bits, [2 / 5, 3 / 5, 3 / 5])
    np.testing.assert_allclose(of_grey, [2 / 259, 3 / 259, 3 / 259])


def test_every_train_image_counts_once():
    """More of them than are counted at a time."""
    train = np.concatenate([np.full(5000, 255), np.zeros(1000)]).astype(np.uint8).reshape(-1, 1, 1, 1)
    for images in (train, train[::-1]):
        values = independent_pixels(images, 2)(np.array([255, 0], np.uint8).reshape(2, 1, 1, 1))
        np.testing.assert_allclose(np.exp(values), [5001 / 6002, 1001 / 6002])
