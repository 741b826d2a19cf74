"""Spectral normalisation against the singular values, maxout against its definition."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import Maxout, NearestUpsampling, SpectralConv2D, SpectralDense


def converged(layer, x, rounds=100):
    layer(x)
    for _ in range(rounds):
        layer(x, training=True)
    return layer


def largest_singular_value(kernel):
    return np.linalg.svd(np.reshape(kernel, (-1, kernel.shape[-1])), compute_uv=False)[0]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: SpectralDense(5, kernel_initializer="he_normal"), (2, 7)),
        (lambda: SpectralConv2D(4, 3, 2, "same", kernel_initializer="he_normal"), (2, 6, 6, 3)),
    ],
    ids=["dense", "convolution"],
)
def test_the_normalised_kernel_has_spectral_norm_one(layer, shape):
    x = tf.random.stateless_normal(shape, seed=[1, 2])
    made = converged(layer(), x)
    assert largest_singular_value(made._kernel.numpy()) != pytest.approx(1.0, abs=0.05)
    assert largest_singular_value(made.kernel.numpy()) == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(
        made.kernel.numpy(), made._kernel.numpy() / largest_singular_value(made._kernel.numpy()), rtol=1e-3, atol=1e-6
    )
    assert [weight.path.split("/")[-1] for weight in made.trainable_weights] == ["kernel", "bias"]


def test_the_layer_computes_with_the_normalised_kernel():
    x = tf.random.stateless_normal((2, 7), seed=[1, 2])
    made = converged(SpectralDense(5, bias_initializer="ones"), x)
    np.testing.assert_allclose(made(x), x @ made.kernel + 1.0, rtol=1e-5)


def test_the_gradient_flows_through_sigma():
    """d/dW of <A, W / sigma> is (A - <A, W/sigma> u v^T) / sigma (Miyato et al. 2018)."""
    x = tf.random.stateless_normal((1, 6), seed=[3, 4])
    made = converged(SpectralDense(4), x, rounds=300)
    a = tf.random.stateless_normal((6, 4), seed=[5, 6])
    with tf.GradientTape() as tape:
        inner = tf.reduce_sum(a * made.kernel)
    gradient = tape.gradient(inner, made._kernel.value)
    left, singular, right = np.linalg.svd(made._kernel.numpy())
    expected = (a - float(inner) * np.outer(left[:, 0], right[0])) / singular[0]
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)


def test_only_training_moves_the_singular_vector():
    x = tf.random.stateless_normal((2, 7), seed=[1, 2])
    made = SpectralDense(5)
    made(x)
    before = made.u.numpy()
    made(x, training=False)
    np.testing.assert_array_equal(made.u, before)
    made(x, training=True)
    assert not np.array_equal(made.u, before)


def test_maxout_is_the_largest_of_its_pieces():
    x = tf.random.stateless_normal((3, 4), seed=[1, 2])
    made = Maxout(units=2, pieces=3)
    y = made(x).numpy()
    linear = (x @ made.dense.kernel + made.dense.bias).numpy()
    np.testing.assert_allclose(y[:, 0], linear[:, :3].max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(y[:, 1], linear[:, 3:].max(axis=1), rtol=1e-6)


def test_nearest_upsampling_repeats_pixels():
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    inputs = keras.Input((2, 2, 2))
    made = keras.Model(inputs, NearestUpsampling()(inputs))(x)
    np.testing.assert_array_equal(made, x.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize("sides", [(None, None), (2, 3)])
def test_nearest_upsampling_of_free_sides_trains_under_xla_with_the_gradient_of_tensorflow(sides):
    x = tf.random.stateless_normal((2, 2, 3, 4), seed=[1, 2])
    weight = tf.random.stateless_normal((2, 4, 6, 4), seed=[3, 4])
    inputs = keras.Input((*sides, 4))
    made = keras.Model(inputs, NearestUpsampling()(inputs))
    assert made.output_shape == (None, *(side and 2 * side for side in sides), 4)

    def gradient(enlarge):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = enlarge(x)
            loss = tf.reduce_sum(y * weight)
        return y, tape.gradient(loss, x)

    expected = gradient(lambda x: tf.image.resize(x, (4, 6), "nearest"))
    for jit in (False, True):
        for found, wanted in zip(tf.function(lambda: gradient(made), jit_compile=jit)(), expected, strict=True):
            # sums of four, in another order
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_nearest_upsampling_of_fixed_sides_is_one_resize():
    inputs = keras.Input((2, 3, 4))
    made = keras.Model(inputs, NearestUpsampling()(inputs))
    graph = tf.function(made).get_concrete_function(tf.TensorSpec((None, 2, 3, 4))).graph
    enlarging = [op for op in graph.get_operations() if op.type.startswith("Resize")]
    assert len(enlarging) == 1
    assert tf.get_static_value(enlarging[0].inputs[1]).tolist() == [4, 6]
