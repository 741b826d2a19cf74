"""Learning-rate schedules at the points where their values are known, and the constants that papers assume."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from train import config
from train.engine.optimizers import Schedule, build, reset
from train.engine.phases import Phase


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", {0: 1.0, 50: 1.0, 100: 1.0}),
        ("linear", {0: 1.0, 25: 0.75, 50: 0.5, 100: 0.0, 200: 0.0}),
        ("half_linear", {0: 1.0, 25: 1.0, 50: 1.0, 75: 0.5, 100: 0.0, 200: 0.0}),
        ("cosine", {0: 1.0, 50: 0.5, 100: 0.0}),
    ],
)
def test_schedules(schedule, values):
    section = config.adam(2e-4)
    section.schedule = schedule
    steps = tf.Variable(0, dtype=tf.int64)
    rate = Schedule(section, train_steps=100, step=steps)
    for step, share in values.items():
        steps.assign(step)
        assert float(rate(99)) == pytest.approx(2e-4 * share, abs=1e-10), "the count of updates does not matter"


def test_warm_up_rises_to_the_peak_and_then_the_schedule_begins():
    section = config.sgd(1.0)
    section.warmup_steps, section.schedule = 4, "linear"
    steps = tf.Variable(0, dtype=tf.int64)
    rate = Schedule(section, 14, steps)
    expected = {0: 0.2, 1: 0.4, 4: 1.0, 9: 0.5, 14: 0.0}
    assert {step: round(float(rate(steps.assign(step))), 6) for step in expected} == expected


def test_optimizers_have_the_constants_of_their_sections():
    steps = tf.Variable(0, dtype=tf.int64)
    adam = build(config.adam(2e-4, beta_1=0.5), 10, steps)
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.5, 0.999, 1e-8)
    rmsprop = build(config.rmsprop(5e-5), 10, steps)
    assert (rmsprop.rho, rmsprop.epsilon) == (0.99, 1e-8)
    assert build(config.sgd(0.1, momentum=0.9), 10, steps).momentum == 0.9


def test_a_player_with_several_updates_a_step_has_the_rate_of_the_step():
    section = config.sgd(1.0)
    section.schedule = "linear"
    steps = tf.Variable(0, dtype=tf.int64)
    weight = keras.Variable(0.0)
    optimizer = build(section, 4, steps)
    optimizer.build([weight])
    for step in range(4):
        steps.assign(step)
        for _ in range(3):
            optimizer.apply([tf.constant(1.0)], [weight])
    assert float(weight) == pytest.approx(-3 * (1 + 0.75 + 0.5 + 0.25))


def test_a_phase_may_have_a_rate_of_its_own_in_place_of_the_section_s():
    """Warm-up and decay go on over the whole run."""
    section = config.sgd(1.0)
    section.schedule = "linear"
    phases = [Phase("a", 0, 2, 4, 0), Phase("b", 2, 4, 4, 8, learning_rate=10.0), Phase("c", 4, None, 4, 16)]
    steps = tf.Variable(0, dtype=tf.int64)
    rate = Schedule(section, 10, steps, phases)
    assert [round(float(rate(steps.assign(step))), 5) for step in (0, 1, 2, 3, 4, 9)] == [1.0, 0.9, 8.0, 7.0, 0.6, 0.1]
    assert Schedule(section, 10, steps, phases[:1]).peaks == []


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("name", config.OPTIMIZERS)
def test_an_optimiser_that_is_reset_goes_on_as_a_new_one(name, scheduled):
    """With its learning rate, which Keras keeps among the variables where it is a number."""

    def trained(*, is_reset):
        steps, weight = tf.Variable(0, dtype=tf.int64), keras.Variable([1.0, -2.0])
        optimizer = build(config.OPTIMIZERS[name](0.1), 10, steps)
        if not scheduled:
            optimizer = type(optimizer)(0.1)
        if name == "sgd":
            optimizer.momentum = 0.9
        optimizer.build([weight])
        if is_reset:
            for _ in range(3):
                optimizer.apply([tf.constant([0.5, 3.0])], [weight])
            reset(optimizer)
            weight.assign([1.0, -2.0])
        for _ in range(2):
            optimizer.apply([tf.constant([-1.0, 2.0])], [weight])
        return weight.numpy(), int(optimizer.iterations)

    (first, updates), (second, others) = (trained(is_reset=is_reset) for is_reset in (False, True))
    np.testing.assert_array_equal(first, second)
    assert updates == others == 2
    assert not np.array_equal(first, [1.0, -2.0])
