"""Penalties on critics whose slope is known, and their gradients at slope zero."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.adversarial import penalties
from zoo.adversarial.penalties import PENALTIES

SHAPE = (5, 4, 3, 2)
WEIGHTS = np.random.default_rng(0).normal(size=SHAPE[1:]).astype(np.float32)
SLOPE = float(np.linalg.norm(WEIGHTS))
NAMES = [name for name in PENALTIES if name != "none"]


def uniform(shape):
    rng = np.random.default_rng(7)
    return tf.constant(rng.uniform(size=[int(n) for n in shape]).astype(np.float32))


def batches():
    rng = np.random.default_rng(1)
    return [tf.constant(rng.normal(size=SHAPE).astype(np.float32)) for _ in range(2)]


def linear(scale):
    return lambda x: scale / SLOPE * tf.reduce_sum(WEIGHTS * x, axis=[1, 2, 3])[:, None]


@pytest.mark.parametrize("slope", [0.25, 1.0, 3.0])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gradient", lambda k: (k - 1) ** 2),
        ("one_sided_gradient", lambda k: max(0.0, k - 1) ** 2),
        ("dragan", lambda k: (k - 1) ** 2),
        ("r1", lambda k: k**2 / 2),
        ("r1_r2", lambda k: k**2),
    ],
)
def test_a_linear_critic_of_known_slope(name, value, slope):
    assert float(PENALTIES[name](linear(slope), *batches(), uniform)) == pytest.approx(value(slope), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_critic_has_a_finite_gradient(name):
    real, fake = batches()
    scale = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        value = PENALTIES[name](lambda x: scale * linear(1.0)(x), real, fake, uniform)
    assert np.isfinite(float(value))
    assert np.isfinite(float(tape.gradient(value, scale)))


@pytest.mark.parametrize(("name", "expected"), [("gradient", 2 * 2.0), ("r1", 3.0), ("r1_r2", 6.0)])
def test_the_gradient_reaches_the_critic(name, expected):
    """At slope k = 3: d/dk of (k - 1)^2, k^2 / 2 and k^2."""
    scale = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        value = PENALTIES[name](lambda x: scale * linear(1.0)(x), *batches(), uniform)
    assert float(tape.gradient(value, scale)) == pytest.approx(expected, rel=1e-4)


def seen_by(name):
    """Return the points at which the penalty asks for the slope."""
    points = []

    def critic(x):
        points.append(x.numpy())
        return linear(1.0)(x)

    PENALTIES[name](critic, *batches(), uniform)
    return points


@pytest.mark.parametrize("name", ["gradient", "one_sided_gradient"])
def test_interpolation_has_one_weight_per_sample_between_the_pair(name):
    (between,) = seen_by(name)
    real, fake = (batch.numpy() for batch in batches())
    share = (between - fake) / (real - fake)
    assert np.ptp(share.reshape(5, -1), axis=1).max() < 1e-3, "one weight for all pixels of a sample"
    assert np.ptp(share[:, 0, 0, 0]) > 0.1, "another weight for each sample"
    assert share.min() >= -1e-3
    assert share.max() <= 1 + 1e-3


def test_where_the_others_look():
    real, fake = (batch.numpy() for batch in batches())
    np.testing.assert_array_equal(seen_by("r1")[0], real)
    np.testing.assert_array_equal(seen_by("r1_r2")[0], np.concatenate([real, fake]))
    (around,) = seen_by("dragan")
    moved = around - real
    assert moved.min() >= 0
    assert 0 < moved.max() <= 0.5 * real.std() + 1e-6


def test_the_norm_is_of_each_sample_and_not_of_the_batch():
    """f(x) = |x|^2 / 2 has the slope |x| at x."""
    real = tf.constant([[[3.0, 4.0]], [[0.0, 1.0]]])
    value = PENALTIES["r1"](lambda x: tf.reduce_sum(x**2, axis=[1, 2])[:, None] / 2, real, real, uniform)
    assert float(value) == pytest.approx((25 + 1) / 2 / 2)


def test_dragan_s_step_follows_the_spread_of_the_whole_batch(mirrored):
    halves = np.stack([np.full((2, 3), 5.0), np.arange(6.0).reshape(2, 3)]).astype(np.float32)
    values = mirrored.experimental_distribute_values_from_function(
        lambda context: tf.constant(halves[context.replica_id_in_sync_group])
    )
    found = mirrored.experimental_local_results(mirrored.run(penalties._standard_deviation, args=(values,)))
    np.testing.assert_allclose(found, [halves.std()] * 2, rtol=1e-6)
    np.testing.assert_allclose(penalties._standard_deviation(tf.constant(halves)), halves.std(), rtol=1e-6)
