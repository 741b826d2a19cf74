"""pix2pix: the patches that its discriminator sees, its noise, its losses by hand, its ablations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.layers import InstanceNormalization
from zoo.shared.errors import UserError
from zoo.translation import pix2pix


def make(size=(8, 8), rate=0.0, **options):
    columns = {"input": (*size, 1), "image": (*size, 3)}
    made = zoo.create("pix2pix", columns=columns, **{"base_channels": 4, "halvings": 1, **options})
    made.compile(**{player: keras.optimizers.SGD(rate) for player in made.player_names})
    return made


def rows(size=(8, 8), count=2):
    random = np.random.default_rng(0)
    return {
        "input": tf.constant(random.uniform(-1, 1, (count, *size, 1)).astype(np.float32)),
        "image": tf.constant(random.uniform(-1, 1, (count, *size, 3)).astype(np.float32)),
    }


@pytest.mark.parametrize(("halvings", "side"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_a_logit_sees_the_papers_patch(halvings, side):
    """The receptive field, walking back through the layers: r -> (r - 1) * stride + kernel."""
    field = 1
    network = pix2pix.patchgan((512, 512, 1), 1, halvings)
    for layer in reversed([layer for layer in network.layers if hasattr(layer, "strides")]):
        field = (field - 1) * layer.strides[0] + layer.kernel_size[0]
    assert field == side


def test_the_papers_generator_has_as_many_weights_as_its_kernels_count():
    channels = [64, 128, 256, 512, 512, 512, 512, 512]
    down = sum(16 * before * after for before, after in zip([3, *channels], channels, strict=False))
    wide = [512, *(2 * number for number in channels[-2::-1])]
    up = sum(16 * before * after for before, after in zip(wide, [*channels[-2::-1], 3], strict=True))
    normalisations = 2 * (sum(channels[1:]) + sum(channels[:-1]))
    made = pix2pix.unet((256, 256, 3), 3, 64, 8, 0.5)
    assert made.count_params() == down + up + normalisations + channels[0] + 3


def test_instance_normalisation_gives_each_channel_of_each_example_its_mean_and_deviation():
    x = np.random.default_rng(0).normal(1, 3, (2, 3, 5, 4)).astype(np.float32)
    layer = InstanceNormalization()
    layer.build(x.shape)
    layer.gain.assign([1, 2, 3, 4])
    layer.shift.assign([0, 1, 0, -1])
    y = layer(x).numpy()
    np.testing.assert_allclose(y.mean((1, 2)), [[0, 1, 0, -1]] * 2, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), [[1, 2, 3, 4]] * 2, rtol=1e-4)


def test_instance_normalisation_leaves_a_single_pixel_its_value():
    x = np.random.default_rng(0).normal(size=(2, 1, 1, 3)).astype(np.float32)
    layer = InstanceNormalization()
    np.testing.assert_allclose(layer(x), x * layer.gain.numpy(), rtol=1e-6)


def test_u_drops_values_of_the_three_deepest_maps_of_the_decoder():
    shapes = {name: value.shape for name, value in pix2pix.unet((64, 64, 3), 3, 4, 6, 0.5).input.items()}
    assert shapes["u"] == (None, 2 * 2 * 32 + 4 * 4 * 32 + 8 * 8 * 16)
    u = tf.constant([[0.0, 0.49, 0.5, 0.99, 0.2, 0.7]])
    masks = pix2pix._masks(u, [(1, 2, 2), (1, 1, 2)], 0.5)
    assert [mask.numpy().ravel().tolist() for mask in masks] == [[0, 0, 2, 2], [0, 2]]


def test_the_same_u_gives_the_same_picture_and_another_gives_another():
    made = make((8, 16))
    x = rows((8, 16))["input"]
    (u,) = made.maps["translate"].spec.noise
    values = tf.constant(np.random.default_rng(1).uniform(size=(2, *u.shape)).astype(np.float32))
    first, again = (made.generator({"input": x, "u": values}, training=t)["translated"].numpy() for t in (False, True))
    np.testing.assert_array_equal(first, again)
    other = made.generator({"input": x, "u": tf.roll(values, 1, axis=1)})["translated"].numpy()
    assert np.abs(first - other).max() > 1e-4
    alone = made.generator({"input": x[1:], "u": values[1:]})["translated"].numpy()
    np.testing.assert_allclose(alone[0], first[1], atol=1e-6)


def test_without_dropout_the_map_takes_no_noise():
    assert [tensor.name for tensor in make(dropout=0.0).maps["translate"].spec.inputs] == ["input"]


@pytest.mark.parametrize(
    "options",
    [{}, {"gan_weight": 0.0}, {"l1_weight": 0.0, "conditional": False}, {"dropout": 0.0, "conditional": False}],
)
def test_the_generator_descends_its_loss_by_hand(options):
    made = make(**options)
    data = rows()
    made.optimizers["generator"] = keras.optimizers.SGD(1.0)  # a step is minus the gradient
    made.optimizers["generator"].build(made.generator.trainable_variables)
    inputs = {"input": data["input"], **made.draw("translate", tf.constant(2), "noise")}
    with tf.GradientTape() as tape:
        fake = made.generator(inputs)["translated"]
        loss = made.l1_weight * tf.reduce_mean(tf.abs(data["image"] - fake))
        if made.gan_weight:
            seen = tf.concat([data["input"], fake], -1) if made.conditional else fake
            logits = made.discriminator(seen)
            loss += tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(logits), logits))
    gradients = tape.gradient(loss, made.generator.trainable_variables)
    before = [weight.numpy() for weight in made.generator.trainable_variables]
    logs = tf.function(made.train_step)(data)
    assert float(logs["generator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    for old, weight, gradient in zip(before, made.generator.trainable_variables, gradients, strict=True):
        np.testing.assert_allclose(old - weight.numpy(), gradient, rtol=2e-3, atol=2e-4)


def test_the_discriminator_descends_half_the_cross_entropy():
    made = make(rate=0.0)
    data = rows()
    inputs = {"input": data["input"], **made.draw("translate", tf.constant(2), "noise")}
    fake = made.generator(inputs)["translated"]
    real, made_up = (made.discriminator(tf.concat([data["input"], x], -1)) for x in (data["image"], fake))
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    expected = (
        tf.reduce_mean(entropy(tf.ones_like(real), real)) + tf.reduce_mean(entropy(tf.zeros_like(real), made_up))
    ) / 2
    logs = tf.function(made.train_step)(data)
    assert float(logs["discriminator_loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_an_ablation_without_the_game_has_no_discriminator():
    made = make(gan_weight=0.0)
    assert made.player_names == ("generator",)
    assert not hasattr(made, "discriminator")


@pytest.mark.parametrize(
    ("size", "options", "said"),
    [
        ((12, 8), {"depth": 3}, "12 x 8 pixels can be halved 2 times"),
        ((9, 9), {}, "can be halved 0 times"),
        ((8, 8), {"halvings": 4}, "model.halvings=4: use 0 to 3"),
        ((8, 8), {"dropout": 1.0}, "use a rate from 0 up to, but not, 1"),
        ((8, 8), {"l1_weight": 0.0, "gan_weight": 0.0}, "not 0 for both"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(size, options, said):
    with pytest.raises(UserError) as refused:
        make(size, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(UserError, match="keeps the size"):
        zoo.create("pix2pix", columns={"input": (8, 8, 1), "image": (16, 16, 3)})
