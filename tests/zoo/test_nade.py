"""NADE is a distribution, its conditionals see only the past, and its sampler draws from it."""

import itertools
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared import REPOSITORY

import zoo
from zoo.shared.errors import UserError

SHAPE = (3, 4, 1)
EVERY_IMAGE = np.array(list(itertools.product([-1.0, 1.0], repeat=12)), np.float32).reshape(-1, *SHAPE)


@pytest.fixture
def nade():
    """A model whose weights are far from zero: everything depends on everything before it."""
    model = zoo.create("nade", columns={"image": SHAPE}, hidden_units=7)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 1.5, weight.shape))
    return model


def log_prob(model, images):
    return model.maps["log_prob"]({"image": images})["log_prob"]


def by_the_book(model, image):
    """log p(v) by the recurrence of the paper, pixel by pixel, in float64."""
    own = model.conditionals
    W, V, b, c = (weight.numpy().astype(np.float64) for weight in (own.W, own.V, own.b, own.c))
    a, total = c, 0.0
    for i, v in enumerate((image > 0).ravel()):
        p = 1 / (1 + np.exp(-(b[i] + V[i] @ (1 / (1 + np.exp(-a))))))
        total += np.log(p if v else 1 - p)
        a = a + W[:, i] * v
    return total


def test_the_probabilities_of_all_images_sum_to_one(nade):
    total = np.exp(log_prob(nade, EVERY_IMAGE).numpy().astype(np.float64)).sum()
    assert total == pytest.approx(1.0, abs=1e-5)


def test_log_prob_is_the_recurrence_of_the_paper(nade):
    some = EVERY_IMAGE[::97]
    np.testing.assert_allclose(log_prob(nade, some), [by_the_book(nade, image) for image in some], rtol=1e-5)


def test_each_conditional_depends_on_all_earlier_pixels_and_on_no_later_one(nade):
    rng = np.random.default_rng(1)
    base = np.sign(rng.normal(size=12)).astype(np.float32)
    logits = prefix_log_probs(nade, base)
    for j in range(12):
        changed = base.copy()
        changed[j] *= -1
        moved = np.abs(prefix_log_probs(nade, changed) - logits) > 1e-7
        assert not moved[: j + 1].any(), "a conditional sees its own pixel or a later one"
        assert moved[j + 1 :].all(), "a conditional misses an earlier pixel"


def prefix_log_probs(nade, flat):
    """log p(v_i = 1 | v_<i) for every i, by marginalising all later pixels: from log_prob alone."""
    log_joint = log_prob(nade, EVERY_IMAGE).numpy().astype(np.float64)
    images = EVERY_IMAGE.reshape(-1, 12)
    values = []
    for i in range(12):
        prefix = (images[:, :i] == flat[:i]).all(axis=1)
        one = prefix & (images[:, i] > 0)
        values.append(np.log(np.exp(log_joint[one]).sum()) - np.log(np.exp(log_joint[prefix]).sum()))
    return np.array(values)


def test_the_sampler_draws_from_the_distribution(nade):
    u = np.random.default_rng(2).uniform(size=(40000, *SHAPE)).astype(np.float32)
    samples = nade.maps["generate"]({"u": u})["image"].numpy()
    assert set(np.unique(samples)) == {-1.0, 1.0}
    codes = ((samples.reshape(-1, 12) > 0) @ (2 ** np.arange(11, -1, -1))).astype(int)
    observed = np.bincount(codes, minlength=4096) / len(codes)
    expected = np.exp(log_prob(nade, EVERY_IMAGE).numpy())
    noise = np.sqrt(expected * (1 - expected) / len(codes))
    assert (np.abs(observed - expected) <= 5 * noise + 1 / len(codes)).all()
    assert np.abs(observed - expected).sum() / 2 < 0.08  # total variation; 4,096 cells from 40,000 draws


def test_the_sampler_thresholds_its_noise(nade):
    """u just below p(v_i = 1 | v_<i) gives 1, just above gives 0: the noise is an inverse of the distribution."""
    image = EVERY_IMAGE[1234]
    p = np.exp(prefix_log_probs(nade, image.reshape(-1)))
    v = image.reshape(-1) > 0
    u = np.where(v, p - 1e-4, p + 1e-4).astype(np.float32).reshape(1, *SHAPE)
    np.testing.assert_array_equal(nade.maps["generate"]({"u": u})["image"][0], image)


def test_gradients_of_the_likelihood_are_those_of_finite_differences():
    model = zoo.create("nade", columns={"image": (1, 3, 1)}, hidden_units=2)
    image = tf.constant([[[[1.0], [-1.0], [1.0]]]])
    with tf.GradientTape() as tape:
        value = log_prob(model, image)[0]
    for weight, gradient in zip(
        model.trainable_variables, tape.gradient(value, model.trainable_variables), strict=True
    ):
        value, step = weight.numpy(), 1e-2
        for index in np.ndindex(*value.shape):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[index] += sign * step
                weight.assign(moved)
                ends.append(float(log_prob(model, image)[0]))
            weight.assign(value)
            assert float(gradient[index]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-3)


def naive_log_prob(model, images):
    """log p(v) with the hidden units of all pixels at once, and TensorFlow's own gradients."""
    own = model.conditionals
    v = tf.reshape(tf.cast(images > 0, tf.float32), (len(images), -1))
    a = own.c + tf.cumsum(v[:, :, None] * tf.transpose(own.W), axis=1, exclusive=True)
    logits = own.b + tf.reduce_sum(own.V * tf.sigmoid(a), axis=-1)
    return tf.reduce_sum(v * logits - tf.nn.softplus(logits), axis=-1)


@pytest.mark.parametrize("shape", [(1, 6, 1), (6, 1, 1), (4, 3, 2)], ids=str)
def test_values_and_gradients_are_those_of_all_pixels_at_once(shape):
    model = zoo.create("nade", columns={"image": shape}, hidden_units=7)
    rng = np.random.default_rng(4)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 1.5, weight.shape))
    images = tf.constant(rng.choice([-1.0, 1.0], size=(9, *shape)), tf.float32)
    found = []
    for function in (log_prob, naive_log_prob):
        with tf.GradientTape() as tape:
            values = tf.function(function)(model, images)
        found.append([values, *tape.gradient(values, [weight.value for weight in model.trainable_variables])])
    for one, naive in zip(*found, strict=True):
        np.testing.assert_allclose(one, naive, rtol=1e-5, atol=1e-5)


PEAK_OF_A_STEP = """
import keras, tensorflow as tf, zoo
from pathlib import Path
def peak():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
model = zoo.create("nade", columns={"image": (28, 28, 1)}, hidden_units=500)
model.compile(nade=keras.optimizers.SGD(0.1))
before = peak()
tf.function(model.train_step)({"image": tf.ones((100, 28, 28, 1))})
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says there what a process held at most")
def test_a_training_step_holds_the_hidden_units_of_a_row_and_not_of_the_picture():
    """Those of 100 pictures of 784 pixels take 150 MiB, and TensorFlow's own gradient holds several such arrays."""
    told = subprocess.run(
        [sys.executable, "-c", PEAK_OF_A_STEP], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert float(told.stdout) < 145


def test_training_reaches_the_entropy_of_a_known_distribution_and_never_beats_it():
    """Three fair pixels and a parity pixel: the entropy is 3 ln 2 nats."""
    model = zoo.create("nade", columns={"image": (2, 2, 1)}, hidden_units=16)
    model.compile(nade=keras.optimizers.Adam(0.02))
    three = np.array(list(itertools.product([-1.0, 1.0], repeat=3)), np.float32)
    images = np.concatenate([three, three.prod(axis=1, keepdims=True)], axis=1).reshape(8, 2, 2, 1)
    step = tf.function(model.train_step)
    for _ in range(600):
        loss = float(step({"image": tf.constant(images)})["loss"])
    assert 3 * np.log(2) <= loss < 3 * np.log(2) + 0.05


def test_all_is_computed_in_float32_whatever_the_precision_of_training(nade):
    """bfloat16 would round the noise to 8 bits, and the likelihood with it."""
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        other = zoo.create("nade", columns={"image": SHAPE}, hidden_units=7)
        other.compile(nade=keras.optimizers.SGD(0.1))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    for weight, same in zip(other.trainable_variables, nade.trainable_variables, strict=True):
        weight.assign(same)
    u = np.random.default_rng(3).uniform(size=(1000, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(log_prob(other, EVERY_IMAGE), log_prob(nade, EVERY_IMAGE))
    np.testing.assert_array_equal(other.maps["generate"]({"u": u})["image"], nade.maps["generate"]({"u": u})["image"])


def test_the_maps_are_the_sampler_and_the_exact_likelihood(nade):
    assert list(nade.maps) == ["generate", "log_prob"]
    generate, log_prob = (made.spec for made in nade.maps.values())
    assert [(tensor.name, tensor.role, tensor.low, tensor.high) for tensor in generate.inputs] == [
        ("u", "uniform", 0, 1)
    ]
    assert (generate.output.name, generate.output.kind, generate.output.levels) == ("image", "image", 2)
    assert [(tensor.name, tensor.role, tensor.levels) for tensor in log_prob.inputs] == [("image", "condition", 2)]
    assert (log_prob.output.name, log_prob.output.kind, log_prob.output.shape) == ("log_prob", "nats", ())


def test_points_are_refused():
    with pytest.raises(UserError, match="NADE reads 'image' of kind image, not point"):
        zoo.create("nade", columns={"image": (2,)})


def test_bad_hidden_units_are_refused():
    with pytest.raises(UserError, match="model.hidden_units=0"):
        zoo.create("nade", columns={"image": SHAPE}, hidden_units=0)
