"""Each objective against numbers worked out by hand, and its gradient against the formula."""

import math

import numpy as np
import pytest
import tensorflow as tf

from zoo.adversarial.objectives import OBJECTIVES

REAL, FAKE = [[0.0], [math.log(3.0)]], [[0.0], [-math.log(3.0)]]  # D(real) = 1/2, 3/4; D(fake) = 1/2, 1/4


def test_the_discriminator_minimises_the_cross_entropy_of_real_and_fake():
    value = OBJECTIVES["non_saturating"].discriminator(tf.constant(REAL), tf.constant(FAKE))
    expected = -(math.log(1 / 2) + math.log(3 / 4)) / 2 - (math.log(1 / 2) + math.log(3 / 4)) / 2
    assert float(value) == pytest.approx(expected, rel=1e-6)


def test_at_equilibrium_the_discriminator_loss_is_two_log_two():
    zeros = tf.zeros((4, 1))
    assert float(OBJECTIVES["non_saturating"].discriminator(zeros, zeros)) == pytest.approx(2 * math.log(2))


def test_the_generator_maximises_the_log_probability_of_being_real():
    value = OBJECTIVES["non_saturating"].generator(tf.constant(FAKE), tf.constant(REAL))
    assert float(value) == pytest.approx(-(math.log(1 / 2) + math.log(1 / 4)) / 2, rel=1e-6)


@pytest.mark.parametrize("logit", [-80.0, -1.0, 0.0, 1.0, 80.0])
def test_gradients_are_the_closed_forms_and_do_not_saturate(logit):
    fake = tf.Variable([[logit]])
    probability = 1 / (1 + np.exp(-np.float64(logit)))
    for function, expected in (
        (lambda: OBJECTIVES["non_saturating"].generator(fake, None), probability - 1),
        (lambda: OBJECTIVES["non_saturating"].discriminator(tf.constant([[0.0]]), fake), probability),
    ):
        with tf.GradientTape() as tape:
            loss = function()
        assert float(tape.gradient(loss, fake)[0, 0]) == pytest.approx(expected, abs=1e-6)
        assert np.isfinite(float(loss))
