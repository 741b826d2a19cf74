"""Each objective against numbers worked out by hand, and its gradient against the formula."""

import math

import numpy as np
import pytest
import tensorflow as tf

from zoo.adversarial.objectives import OBJECTIVES, least_squares

REAL, FAKE = [[0.0], [math.log(3.0)]], [[0.0], [-math.log(3.0)]]  # D(real) = 1/2, 3/4; D(fake) = 1/2, 1/4
HALF, THREE_QUARTERS, QUARTER = math.log(1 / 2), math.log(3 / 4), math.log(1 / 4)
L3 = math.log(3.0)

# name: (discriminator, generator) on REAL and FAKE, by hand
BY_HAND = {
    "minimax": (-(HALF + THREE_QUARTERS), (HALF + THREE_QUARTERS) / 2),
    "non_saturating": (-(HALF + THREE_QUARTERS), -(HALF + QUARTER) / 2),
    "least_squares": ((1 + (L3 - 1) ** 2) / 4 + L3**2 / 4, (1 + (L3 + 1) ** 2) / 4),
    "wasserstein": (-L3 / 2 - L3 / 2, L3 / 2),
    "hinge": ((1 + 0) / 2 + (1 + 0) / 2, L3 / 2),
    "relativistic": ((math.log(2) + math.log(1 + 1 / 9)) / 2, (math.log(2) + math.log(1 + 9)) / 2),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_are_those_worked_out_by_hand(name):
    objective, (discriminator, generator) = OBJECTIVES[name], BY_HAND[name]
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    assert float(objective.discriminator(real, fake)) == pytest.approx(discriminator, rel=1e-5)
    assert float(objective.generator(fake, real)) == pytest.approx(generator, rel=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


# name: the derivatives (d D / d real, d D / d fake, d G / d fake) for one pair, as functions of (real, fake)
SLOPES = {
    "minimax": (lambda r, f: sigmoid(r) - 1, lambda r, f: sigmoid(f), lambda r, f: -sigmoid(f)),
    "non_saturating": (lambda r, f: sigmoid(r) - 1, lambda r, f: sigmoid(f), lambda r, f: sigmoid(f) - 1),
    "least_squares": (lambda r, f: r - 1, lambda r, f: f, lambda r, f: f - 1),
    "wasserstein": (lambda r, f: -1, lambda r, f: 1, lambda r, f: -1),
    "hinge": (lambda r, f: -float(r < 1), lambda r, f: float(f > -1), lambda r, f: -1),
    "relativistic": (
        lambda r, f: sigmoid(r - f) - 1, lambda r, f: sigmoid(f - r), lambda r, f: sigmoid(f - r) - 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(("real", "fake"), [(0.3, -0.7), (-2.0, 2.5), (60.0, -60.0), (-60.0, 60.0)])
def test_gradients_are_the_closed_forms(name, real, fake):
    r, f = tf.Variable([[real]]), tf.Variable([[fake]])
    with tf.GradientTape(persistent=True) as tape:
        discriminator = OBJECTIVES[name].discriminator(r, f)
        generator = OBJECTIVES[name].generator(f, r)
    slopes = [tape.gradient(discriminator, r), tape.gradient(discriminator, f), tape.gradient(generator, f)]
    for slope, expected in zip(slopes, SLOPES[name], strict=True):
        assert float(slope[0, 0]) == pytest.approx(expected(real, fake), abs=1e-5)


def test_a_sure_discriminator_starves_the_minimax_generator_and_not_the_other():
    fake = tf.Variable([[-40.0]])
    for name, size in (("minimax", 0.0), ("non_saturating", 1.0)):
        with tf.GradientTape() as tape:
            loss = OBJECTIVES[name].generator(fake, None)
        assert abs(float(tape.gradient(loss, fake)[0, 0])) == pytest.approx(size, abs=1e-6)


def test_at_equilibrium_the_discriminator_loss_is_two_log_two():
    zeros = tf.zeros((4, 1))
    assert float(OBJECTIVES["non_saturating"].discriminator(zeros, zeros)) == pytest.approx(2 * math.log(2))


def test_least_squares_takes_its_targets():
    objective = least_squares(a=-1.0, b=1.0, c=0.0)
    assert float(objective.discriminator(tf.constant([[1.0]]), tf.constant([[-1.0]]))) == 0
    assert float(objective.generator(tf.constant([[3.0]]), None)) == pytest.approx(4.5)
    assert objective.boundary == 0
