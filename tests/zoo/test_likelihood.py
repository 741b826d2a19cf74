"""Likelihoods against closed forms."""

import itertools
import math

import numpy as np
import pytest

from zoo.metrics.likelihood import independent_pixels, is_binary, summary

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


def test_float32_values_are_added_in_float64():
    assert summary(np.full(100_001, 0.1, np.float32), dimensions=1)["nats"] == float(np.float32(0.1))


@pytest.mark.parametrize(("values", "binary"), [([0, 255], True), ([0], True), ([0, 1], False), ([254, 255], False)])
def test_only_black_and_white_are_binary(values, binary):
    assert is_binary(np.array(values, np.uint8)) is binary


def test_the_baseline_of_binary_images_is_a_distribution_with_laplace_s_rule():
    train = np.array([[255, 0, 255], [255, 255, 0]], np.uint8).reshape(2, 1, 3, 1)
    log_prob = independent_pixels(train)  # white: 2, 1, 1 of 2 -> p = 3/4, 2/4, 2/4
    every = log_prob(EVERY_TRIPLE)
    assert every.shape == (8,)
    assert np.exp(every).sum() == pytest.approx(1)
    by_hand = {(255, 255, 255): 3 / 4 * 1 / 2 * 1 / 2, (0, 255, 255): 1 / 4 * 1 / 2 * 1 / 2}
    for image, probability in by_hand.items():
        assert log_prob(np.array(image, np.uint8).reshape(1, 1, 3, 1))[0] == pytest.approx(math.log(probability))


def test_the_baseline_of_grey_images_is_one_histogram_a_pixel():
    train = np.array([[7, 0], [7, 255], [8, 100]], np.uint8).reshape(3, 2, 1, 1)
    log_prob = independent_pixels(train)
    levels = np.arange(256, dtype=np.uint8)
    for pixel in range(2):  # the other pixel has its level 0 throughout
        images = np.zeros((256, 2, 1, 1), np.uint8)
        images[:, pixel, 0, 0] = levels
        seen = np.exp(log_prob(images))
        other = (1 if pixel == 1 else 2) / 259
        assert seen.sum() == pytest.approx(other)
        expected = np.bincount(train[:, pixel].ravel(), minlength=256) + 1
        np.testing.assert_allclose(seen, other * expected / 259)


def test_every_train_image_counts_once():
    """More of them than are counted at a time."""
    train = np.concatenate([np.full(5000, 255), np.zeros(1000)]).astype(np.uint8).reshape(-1, 1, 1, 1)
    for images in (train, train[::-1]):
        values = independent_pixels(images)(np.array([255, 0], np.uint8).reshape(2, 1, 1, 1))
        np.testing.assert_allclose(np.exp(values), [5001 / 6002, 1001 / 6002])
