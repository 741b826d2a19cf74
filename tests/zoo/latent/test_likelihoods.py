"""Log-densities against scipy, sums over all values, and what becomes of extremes."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import logistic, multivariate_normal

from zoo.latent.likelihoods import (
    bernoulli_log_prob,
    discretized_logistic_log_prob,
    gaussian_kl,
    gaussian_log_prob,
)

GREYS = (np.arange(256) * 2 / 255 - 1).astype(np.float32)


def masses(mean, log_scale):
    """Return the probabilities of the 256 levels."""
    parameters = (tf.fill((256, 1), np.float32(value)) for value in (mean, log_scale))
    return np.exp(discretized_logistic_log_prob(*parameters, tf.constant(GREYS[:, None])).numpy().astype(np.float64))


def test_bernoulli_pixels_have_the_probability_of_their_odds():
    random = np.random.default_rng(0)
    logits = random.normal(size=(5, 2, 2, 1)).astype(np.float32) * 3
    image = np.sign(random.normal(size=logits.shape)).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = np.log(np.where(image > 0, p, 1 - p)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(bernoulli_log_prob(tf.constant(logits), tf.constant(image)), expected, rtol=1e-5)


@pytest.mark.parametrize("mean", [-1.5, -0.3, 0.0, 0.7, 3.0])
@pytest.mark.parametrize("log_scale", [-20.0, -7.0, -1.0, 2.0, 5.0])
def test_the_256_levels_sum_to_one(mean, log_scale):
    assert masses(mean, log_scale).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("log_scale", [-5.0, -3.0, -1.0, 1.0])
def test_a_level_has_the_logistic_mass_of_its_bin(log_scale):
    edges = np.concatenate([[-np.inf], (np.arange(255) + 0.5) * 2 / 255 - 1, [np.inf]])
    expected = np.diff(logistic.cdf(edges, 0.1, np.exp(log_scale)))
    np.testing.assert_allclose(masses(0.1, log_scale), expected, rtol=1e-3, atol=1e-9)


def test_gradients_are_finite_everywhere():
    means = tf.Variable(np.linspace(-50, 50, 64, dtype=np.float32)[:, None] * np.ones((1, 256), np.float32))
    for log_scale in (-30.0, -3.0, 0.0, 60.0):
        scales = tf.Variable(tf.fill(means.shape, log_scale))
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(discretized_logistic_log_prob(means, scales, GREYS[None] * tf.ones_like(means)))
        for value in (total, *tape.gradient(total, [means, scales])):
            assert np.isfinite(value).all(), log_scale


def test_gaussian_densities_and_their_divergence_are_the_closed_forms():
    random = np.random.default_rng(0)
    z, mean, log_variance = (random.normal(size=(3, 4)).astype(np.float32) for _ in range(3))
    variances = [np.diag(np.exp(row.astype(np.float64))) for row in log_variance]
    rows = list(zip(z, mean, variances, strict=True))
    expected = [multivariate_normal.logpdf(x, m, v) for x, m, v in rows]
    np.testing.assert_allclose(gaussian_log_prob(tf.constant(z), mean, log_variance), expected, rtol=1e-4)
    standard = [multivariate_normal.logpdf(x, np.zeros(4)) for x in z]
    np.testing.assert_allclose(gaussian_log_prob(tf.constant(z)), standard, rtol=1e-4)
    divergence = [0.5 * (np.trace(v) + m @ m - 4 - np.linalg.slogdet(v)[1]) for _, m, v in rows]
    np.testing.assert_allclose(gaussian_kl(tf.constant(mean), tf.constant(log_variance)), divergence, rtol=1e-4)
