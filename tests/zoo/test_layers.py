"""Spectral normalisation against the singular values, the other layers against their definitions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import (
    BatchNormalization,
    EqualizedConv2D,
    EqualizedDense,
    Fade,
    Maxout,
    MinibatchDeviation,
    NearestUpsampling,
    PixelNormalization,
    SpectralConv2D,
    SpectralDense,
)
from zoo.shared.errors import UserError


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


@pytest.mark.parametrize(
    ("layer", "shape", "fan_in"),
    [
        (lambda **options: EqualizedDense(400, **options), (7,), 7),
        (lambda **options: EqualizedConv2D(60, 3, padding="same", **options), (4, 4, 5), 3 * 3 * 5),
        (lambda **options: EqualizedConv2D(300, 4, **options), (4, 4, 2), 4 * 4 * 2),
    ],
    ids=["dense", "convolution", "to a pixel"],
)
def test_a_kernel_is_scaled_by_he_s_constant_while_it_runs(layer, shape, fan_in):
    keras.utils.set_random_seed(0)
    for options, gain in (({}, 2**0.5), ({"gain": 1.0}, 1.0)):
        made = layer(**options)
        made.build((None, *shape))
        assert made.scale == pytest.approx(gain / fan_in**0.5, rel=1e-12)
        assert np.std(made._kernel) == pytest.approx(1.0, abs=0.05)
        np.testing.assert_allclose(made.kernel, made._kernel.numpy() * made.scale, rtol=1e-6)
        np.testing.assert_array_equal(made.bias, np.zeros(made.bias.shape))


def test_the_layer_runs_with_the_scaled_kernel_and_an_unscaled_bias_and_learns_the_one_below():
    x = tf.random.stateless_normal((2, 7), seed=[1, 2])
    made = EqualizedDense(3)
    made.build((None, 7))
    made.bias.assign([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        y = made(x)
    np.testing.assert_allclose(y, x @ made._kernel * (2 / 7) ** 0.5 + made.bias, rtol=1e-5)
    (kernel, _) = made.trainable_variables
    assert kernel is made._kernel
    np.testing.assert_allclose(
        tape.gradient(y, kernel.value), np.broadcast_to((2 / 7) ** 0.5 * np.sum(x, axis=0)[:, None], (7, 3)), rtol=1e-5
    )


def test_pixel_normalisation_gives_every_feature_vector_a_mean_square_of_one():
    x = tf.constant([[[[3.0, 4.0], [0.0, 0.0]]]])
    np.testing.assert_allclose(PixelNormalization()(x), [[[[3 / 12.5**0.5, 4 / 12.5**0.5], [0.0, 0.0]]]], rtol=1e-6)
    np.testing.assert_allclose(PixelNormalization()(x[0, 0]), PixelNormalization()(x)[0, 0])


def test_the_statistic_of_a_minibatch_by_hand():
    """Two groups of two. Deviations of the first at four places: 1, 2, 0 and 3, so 1.5; of the second: all 0."""
    a = np.array([1.0, 2.0, 5.0, 0.0]).reshape(2, 2, 1)
    b = np.array([3.0, 6.0, 5.0, 6.0]).reshape(2, 2, 1)
    x = np.stack([a, b, a, a]).astype(np.float32)
    y = MinibatchDeviation(2)(x)
    assert y.shape == (4, 2, 2, 2)
    np.testing.assert_array_equal(y[..., :1], x)
    np.testing.assert_allclose(y[..., 1], np.array([1.5, 1.5, 0, 0])[:, None, None] * np.ones((4, 2, 2)), atol=1.1e-4)
    all_four = np.std(x, axis=0).mean()
    np.testing.assert_allclose(MinibatchDeviation(4)(x)[..., 1], np.full((4, 2, 2), all_four), rtol=1e-4)


def test_replicas_form_the_groups_of_one_device_and_a_batch_without_whole_groups_is_refused(mirrored):
    x = tf.random.stateless_normal((8, 3, 3, 2), seed=[1, 2])
    layer = MinibatchDeviation(2)
    whole = layer(x).numpy()
    np.testing.assert_array_equal(np.concatenate([layer(part) for part in tf.split(x, 4)]), whole)

    @tf.function(autograph=False)
    def run():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return layer(tf.reshape(x, (2, 4, 3, 3, 2))[replica])

    parts = mirrored.experimental_local_results(mirrored.run(run))
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    with pytest.raises(UserError, match="a minibatch of 8 does not divide into groups of 3"):
        MinibatchDeviation(3)(x)


def test_equal_examples_have_a_statistic_with_a_finite_gradient():
    x = tf.ones((2, 2, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        statistic = MinibatchDeviation(2)(x)[..., 1:]
    np.testing.assert_allclose(statistic, np.full((2, 2, 2, 1), 1e-4), rtol=1e-5)
    assert np.isfinite(tape.gradient(statistic, x)).all()


def test_a_fade_is_the_old_tensor_at_0_and_the_new_one_at_1_to_the_last_bit():
    old, new = (tf.random.stateless_normal((50,), seed=[seed, 2], stddev=1e3) for seed in (1, 2))
    fade = Fade()
    for alpha, expected in ((0.0, old), (1.0, new)):
        fade.alpha.assign(alpha)
        np.testing.assert_array_equal(fade(old, new), expected)
    fade.alpha.assign(0.25)
    np.testing.assert_allclose(fade(old, new), 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-3)
    assert [weight.path for weight in fade.non_trainable_variables] == [fade.alpha.path]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, False)])
def test_batch_normalization_is_keras_own_with_its_gradients_and_averages(center, scale, jit):
    x, weights = (np.random.default_rng(n).normal(1, 2, (3, 4, 4, 5)).astype("float32") for n in (0, 1))
    found = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(center=center, scale=scale, momentum=0.9, gamma_initializer=keras.initializers.Constant(1.5))
        layer.build(x.shape)

        @tf.function(jit_compile=jit)
        def step(layer=layer):
            with tf.GradientTape() as tape:
                watched = tf.constant(x)
                tape.watch(watched)
                loss = tf.reduce_sum(weights * layer(watched, training=True))
            return layer(x, training=False), tape.gradient(loss, [watched, *layer.trainable_variables])

        inference, gradients = step()
        found.append([*gradients, *(v.numpy() for v in layer.variables), inference])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-5)


def test_batch_normalization_of_two_replicas_is_that_of_their_whole_batch(mirrored):
    x = np.random.default_rng(0).normal(1, 2, (4, 3, 3, 2)).astype("float32")
    alone = BatchNormalization()
    expected = alone(x, training=True)
    with mirrored.scope():
        layer = BatchNormalization()
        layer.build(x.shape)
        np.testing.assert_allclose(layer(x, training=False), x, rtol=1e-3)  # outside of replicas
    parts = mirrored.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(x, 2)[context.replica_id_in_sync_group])
    )
    outputs = tf.function(lambda: mirrored.run(lambda part: layer(part, training=True), (parts,)))()
    np.testing.assert_allclose(np.concatenate([part.numpy() for part in outputs.values]), expected, atol=1e-5)
    for ours, whole in zip(layer.variables, alone.variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), whole.numpy(), rtol=1e-5)


def test_batch_normalization_that_is_frozen_keeps_its_averages_in_training_too():
    x = np.random.default_rng(0).normal(1, 2, (3, 4, 4, 5)).astype("float32")
    layer = BatchNormalization(trainable=False)
    np.testing.assert_allclose(layer(x, training=True), x, rtol=1e-3)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(5))
    np.testing.assert_array_equal(layer.moving_variance, np.ones(5))


def test_batch_normalization_is_made_again_from_its_configuration():
    layer = BatchNormalization(momentum=0.8, synchronized=True)
    assert BatchNormalization.from_config(layer.get_config()).get_config() == layer.get_config()
