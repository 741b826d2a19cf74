"""The distributions of a sample of sound: the mu-law in closed form, sums of probabilities, draws as inverses."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import logistic

from zoo.autoregressive.samples import MuLaw, SampleMixture, sample_distribution
from zoo.metrics.sounds import mu_law_level, mu_law_value
from zoo.shared.errors import UserError

OF_16_BITS = np.arange(-32768, 32768) / 32768


def parameters_of(made, count, seed=0):
    """Return random parameters, the same for `count` samples."""
    one = np.random.default_rng(seed).normal(0, 1.5, (1, made.parameters))
    return tf.constant(np.repeat(one, count, axis=0), tf.float32)


def steps_of_noise(count):
    """Return the middles of `count` parts of [0, 1)."""
    return tf.constant((np.arange(count) + 0.5) / count, tf.float32)


def test_the_mu_law_by_hand():
    made = MuLaw()
    # F(x) = sign(x) ln(1 + 255 |x|) / ln 256: 1/255 -> 1/8, 15/255 -> 1/2, 1 -> 1
    x = tf.constant([0.0, 1 / 255, -1 / 255, 15 / 255, -15 / 255, 1.0, -1.0])
    # (F + 1) * 127.5 = 143.4, 111.6, 191.25, 63.75, 255, 0; and 127.5 counts as the level above
    np.testing.assert_array_equal(made.level_of(x), [128, 143, 112, 191, 64, 255, 0])
    np.testing.assert_allclose(made.audio_of(tf.constant([0.0, 255.0])), [-1, 1])
    # F(y) = 1/255, the first level above 0: (256^(1/255) - 1) / 255
    assert float(made.audio_of(128.0)) == pytest.approx((256 ** (1 / 255) - 1) / 255)
    assert made.silence == 128 == int(made.level_of(tf.constant(0.0)))


def test_every_level_is_that_of_its_sample_as_it_is_and_at_16_bits():
    made, levels = MuLaw(), np.arange(256)
    audio = made.audio_of(tf.constant(levels, tf.float32)).numpy()
    assert (np.diff(audio) > 0).all()
    np.testing.assert_array_equal(made.level_of(audio), levels)
    stored = np.clip(np.rint(audio * 32768), -32768, 32767) / 32768
    np.testing.assert_array_equal(made.level_of(tf.constant(stored, tf.float32)), levels)
    np.testing.assert_allclose(mu_law_value(levels), audio, atol=1e-7)


def test_numpy_and_the_graph_agree_in_every_sample_of_16_bits():
    found = tf.function(MuLaw().level_of)(tf.constant(OF_16_BITS, tf.float32)).numpy()
    np.testing.assert_array_equal(found, mu_law_level(OF_16_BITS))
    # the definition: the nearest of F(x), evenly spaced
    companded = np.sign(OF_16_BITS) * np.log1p(255 * np.abs(OF_16_BITS)) / np.log(256)
    assert (np.abs((companded + 1) * 127.5 - found) <= 0.5 + 1e-9).all()


def test_the_levels_of_the_mu_law_sum_to_one_and_are_drawn_as_often():
    made, count = MuLaw(), 4000
    each = np.exp(made.log_prob(parameters_of(made, 256), tf.range(256.0)).numpy().astype(np.float64))
    assert each.sum() == pytest.approx(1, abs=1e-5)
    drawn = made.draw(parameters_of(made, count), {"u": steps_of_noise(count)}).numpy()
    assert (np.diff(drawn) >= 0).all()
    np.testing.assert_allclose(np.bincount(drawn.astype(int), minlength=256) / count, each, atol=1.1 / count + 1e-6)


@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_the_mixture_over_16_bits_sums_to_one(shift):
    made = SampleMixture(3)
    levels = tf.constant(np.arange(65536), tf.float32)
    parameters = np.repeat(np.random.default_rng(1).normal(0, 1, (1, made.parameters)), 65536, axis=0)
    parameters[:, 3:] += shift * (np.arange(6) % 2)  # narrower
    each = made.log_prob(tf.constant(parameters, tf.float32), levels).numpy().astype(np.float64)
    assert np.exp(each).sum() == pytest.approx(1, abs=1e-4)


def test_the_mixture_is_the_mass_of_logistics_in_a_bin():
    made, level = SampleMixture(2), 40000
    logits, means, scales = np.array([0.3, -0.2]), np.array([0.22, 0.1]), np.array([-3.0, -2.0])
    parameters = np.concatenate([logits, np.stack([means, scales], axis=1).ravel()])
    x = level * 2 / 65535 - 1
    bins = [
        logistic.cdf(x + 1 / 65535, m, np.exp(s)) - logistic.cdf(x - 1 / 65535, m, np.exp(s))
        for m, s in zip(means, scales, strict=True)
    ]
    expected = np.log((np.exp(logits) / np.exp(logits).sum() * bins).sum())
    found = made.log_prob(tf.constant(parameters[None], tf.float32), tf.constant([float(level)]))
    assert float(found[0]) == pytest.approx(expected, abs=2e-3)


def test_the_mixture_keeps_samples_of_16_bits_and_draws_such():
    made, count = SampleMixture(3), 5000
    audio = made.audio_of(tf.constant(np.arange(65536), tf.float32)).numpy()
    np.testing.assert_array_equal(audio, OF_16_BITS.astype(np.float32))
    np.testing.assert_array_equal(made.level_of(audio), np.arange(65536))
    u = steps_of_noise(count)
    drawn = made.draw(parameters_of(made, count), {"u": u, "u_component": u[::-1]}).numpy()
    assert drawn.min() >= 0 and drawn.max() <= 65535 and (drawn == np.rint(drawn)).all() and len(np.unique(drawn)) > 100


def test_an_unknown_likelihood_is_refused():
    with pytest.raises(UserError, match="unknown likelihood 'mu_laws'; did you mean 'mu_law'"):
        sample_distribution("mu_laws", 2)
