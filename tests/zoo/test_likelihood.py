"""Likelihoods against closed forms."""

import math

import numpy as np
import pytest

from zoo.metrics.likelihood import independent_bernoulli, log_likelihood


def test_fair_coins_are_one_bit_per_dimension():
    images = np.sign(np.random.default_rng(0).normal(size=(10, 2, 3, 1)))
    measured = log_likelihood(lambda x: np.full(len(x), -6 * math.log(2)), images, batch=3)
    assert measured == {
        "nats": pytest.approx(-6 * math.log(2)), "standard_error": pytest.approx(0, abs=1e-12),
        "bits_per_dimension": pytest.approx(1.0), "count": 10,
    }  # fmt: skip


def test_mean_and_standard_error_are_over_images_whatever_the_batch():
    values = np.arange(7.0)
    for batch in (1, 3, 7, 100):
        measured = log_likelihood(lambda x: -x[:, 0], values[:, None], batch)
        assert measured["nats"] == -3
        assert measured["standard_error"] == pytest.approx(values.std(ddof=1) / math.sqrt(7))


def test_the_baseline_is_a_distribution_with_laplace_s_rule():
    train = np.array([[1, -1, 1], [1, 1, -1]], np.float32)  # white: 2, 1, 1 of 2 -> p = 3/4, 2/4, 2/4
    log_prob = independent_bernoulli(train)
    every = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    assert np.exp(log_prob(every)).sum() == pytest.approx(1)
    assert log_prob(np.array([[1, 1, 1]]))[0] == pytest.approx(math.log(3 / 4 * 1 / 2 * 1 / 2))
    assert log_prob(np.array([[-1, 1, 1]]))[0] == pytest.approx(math.log(1 / 4 * 1 / 2 * 1 / 2))
