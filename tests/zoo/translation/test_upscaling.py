"""Super-resolution: the shuffle by hand, colour beside luma, what a pixel sees, tiles, and sizes that are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared import checkpoint, tiny_config, trained

import serving
import zoo
from export import build
from train.rundir import restore
from zoo import bicubic
from zoo.layers import BicubicUpsampling, PixelShuffle
from zoo.shared.errors import UserError
from zoo.translation import features, srgan, upscaling

TINY = {
    "espcn": {"base_channels": 4},
    "srresnet": {"base_channels": 4, "blocks": 2},
    "srgan": {"base_channels": 4, "blocks": 1, "content": "pixels"},
}


def make(name, factor=2, channels=3, side=6, rate=0.0, **options):
    columns = {"input": (side, side, channels), "image": (factor * side, factor * side, channels)}
    made = zoo.create(name, columns=columns, **{**TINY[name], **options})
    made.compile(**{player: keras.optimizers.SGD(rate) for player in made.player_names})
    return made


def picture(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_the_pixel_shuffle_by_hand():
    """Equation 4: each pixel of one small map of 4 channels becomes a block of 2 x 2."""
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    made = PixelShuffle(2)(x).numpy()
    assert made[0, :, :, 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]
    # of several channels, each has a block of its own: channel (p * factor + q) * C + c
    x = np.arange(18, dtype=np.float32).reshape(1, 1, 1, 18)
    made = PixelShuffle(3)(x).numpy()
    assert made[0, :, :, 1].tolist() == [[1, 3, 5], [7, 9, 11], [13, 15, 17]]


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("sides", [(2, 2), (2, 5), (7, 4)])
def test_the_enlargement_in_the_graph_is_that_of_the_papers(factor, sides):
    x = picture(2, *sides, 3)
    np.testing.assert_allclose(BicubicUpsampling(factor)(x), bicubic.resized(x, factor), atol=2e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_network_that_enlarges_bicubically_gives_bicubic_colour(factor):
    """Luma goes one way and chroma another; where both are enlarged alike the picture is."""
    made = make("espcn", factor)
    luma = keras.Input((None, None, 1))
    map_ = made.upscaling(keras.Model(luma, BicubicUpsampling(factor)(luma)), 2, luma_alone=True)["upscale"]
    x = picture(2, 5, 4, 3) / 2
    upscaled = map_({"input": x})["upscaled"]
    np.testing.assert_allclose(upscaled, np.clip(bicubic.resized(x, factor), -1, 1), atol=2e-6)


def test_colour_is_the_networks_luma_with_bicubic_chroma():
    """By YCbCr, its matrix written out: ITU-R BT.601 over the whole range."""
    made = make("espcn")
    x = picture(1, 6, 6, 3) / 4
    upscaled = made.maps["upscale"]({"input": x})["upscaled"].numpy()[0]
    to_chroma = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    y = x @ np.array([[0.299], [0.587], [0.114]], np.float32)
    chroma = bicubic.resized(x[0] @ to_chroma.T, 2)[..., 1:]
    ycc = np.concatenate([made.generator(y).numpy()[0], chroma], axis=-1)
    np.testing.assert_allclose(upscaled, ycc @ np.linalg.inv(to_chroma).T, atol=1e-5)


def test_a_grey_picture_is_luma_itself_and_trains_like_the_luma_of_a_colour_one():
    grey, colour = make("espcn", channels=1), make("espcn")
    colour.generator.set_weights(grey.generator.get_weights())
    x = picture(2, 6, 6, 1) / 4
    alone = np.clip(grey.generator(x), -1, 1)
    np.testing.assert_array_equal(grey.maps["upscale"]({"input": x})["upscaled"], alone)
    in_colour = colour.maps["upscale"]({"input": x.repeat(3, -1)})["upscaled"]
    np.testing.assert_allclose(in_colour, alone.repeat(3, -1), atol=1e-5)
    data = {"input": picture(2, 6, 6, 3), "image": picture(2, 12, 12, 3, seed=1)}
    weights = np.array([[0.299], [0.587], [0.114]], np.float32)
    losses = [
        tf.function(made.train_step)({name: tf.constant(values) for name, values in rows.items()})["loss"]
        for made, rows in ((colour, data), (grey, {name: values @ weights for name, values in data.items()}))
    ]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_row_of_convolutions_sees_as_far_as_it_says(factor):
    assert upscaling.reach_of((5, 1), (3, 1), (3, factor)) == 4
    assert upscaling.reach_of((1, factor)) == 0
    # 3 large pixels to each side of a block of 2 are in the second small pixel beside it
    assert upscaling.reach_of((1, 2), (7, 1)) == 2
    assert upscaling.reach_of((1, 4), (7, 1)) == 1


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("name", ["espcn", "srresnet"])
def test_an_output_pixel_sees_exactly_its_reach(name, factor):
    """By the Jacobian: of all pixels of a middle block together, to the last row and column and no farther."""
    made = make(name, factor, blocks=1) if name == "srresnet" else make(name, factor)
    spec = made.maps["upscale"].spec
    reach, side = spec.output.reach, 33
    middle = side // 2
    x = tf.constant(picture(1, side, side, 3) / 8)
    block = slice(middle * factor, (middle + 1) * factor)
    with tf.GradientTape() as tape:
        tape.watch(x)
        # weights that differ, so that no two pixels cancel
        seen = made.maps["upscale"]({"input": x})["upscaled"][0, block, block]
        loss = tf.reduce_sum(seen * tf.constant(picture(factor, factor, 3, seed=1)))
    touched = np.abs(tape.gradient(loss, x).numpy()[0]).sum(axis=-1) > 0
    rows, columns = (np.flatnonzero(touched.any(axis=axis)) for axis in (1, 0))
    for places in (rows, columns):
        assert (places.min(), places.max()) == (middle - reach, middle + reach)


@pytest.fixture(scope="module", params=["espcn", "srresnet"])
def bundle(request, tmp_path_factory):
    """The bundle of a run on digits, half of whose size is 4 pixels."""
    root = tmp_path_factory.mktemp(request.param)
    trained(
        tiny_config(request.param, **{"data.channels": 3, "data.factor": 2, "model.base_channels": 4}), root / "run"
    )
    build.build(root / "run", root / "bundle")
    return root / "bundle"


@pytest.mark.parametrize("sides", [(40, 31), (2, 9), (1, 1)])
def test_a_real_bundle_makes_the_same_in_tiles_and_whole(bundle, sides):
    x = picture(1, *sides, 3)
    whole = serving.load(bundle)["upscale"](input=x)["upscaled"]
    assert whole.shape == (1, 2 * sides[0], 2 * sides[1], 3)
    tiled = serving.load(bundle, sides=serving.Sides(tile=9))["upscale"](input=x)["upscaled"]
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("name", TINY)
def test_any_size_becomes_larger_by_the_factor(name, factor):
    made = make(name, factor)
    for sides in ((2, 2), (5, 3), (6, 11)):
        upscaled = made.maps["upscale"]({"input": tf.constant(picture(1, *sides, 3))})["upscaled"]
        assert upscaled.shape == (1, factor * sides[0], factor * sides[1], 3)
        assert np.abs(upscaled).max() <= 1


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ((8, 8, 3), (8, 8, 3), "for factors of 2, 3, 4; the input has (8, 8) pixels and the image (8, 8)"),
        ((8, 8, 3), (40, 40, 3), "for factors of 2, 3, 4"),
        ((8, 8, 3), (16, 24, 3), "for factors of 2, 3, 4"),
        ((8, 8, 3), (20, 20, 3), "for factors of 2, 3, 4"),
        ((8, 8, 3), (4, 4, 3), "for factors of 2, 3, 4"),
        ((8, 8, 1), (16, 16, 3), "keeps the channels, 1 or 3; the input has 1, the image 3"),
        ((8, 8, 4), (16, 16, 4), "keeps the channels, 1 or 3"),
        ((1, 8, 3), (2, 16, 3), "use sides of 2 or more"),
    ],
)
@pytest.mark.parametrize("name", TINY)
def test_other_ratios_are_refused_in_one_line(name, source, target, said):
    with pytest.raises(UserError) as refused:
        zoo.create(name, columns={"input": source, "image": target}, **TINY[name])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("espcn", {"base_channels": 0}, "model.base_channels=0: use a positive number"),
        ("srresnet", {"blocks": 0}, "model.blocks=0: use a positive number"),
        ("srgan", {"content": "vgg"}, "model.content=vgg: use features or pixels"),
        ("srgan", {"content": "pixels", "features": "vgg.h5"}, "model.features=vgg.h5: leave it empty, since model"),
        ("srgan", {"pixel_weight": -1.0}, "model.pixel_weight=-1.0: use 0 or more"),
        ("srgan", {"adversarial_weight": 0.0}, "that is SRResNet"),
        ("srgan", {"content": "features", "content_layer": "relu"}, "layers are called as VGG's, such as conv3_1"),
        ("srgan", {"content": "pixels", "content_layer": "none"}, "layers are called as VGG's, such as conv3_1"),
        (
            "srgan",
            {"content": "features", "content_layer": "conv5_1", "features": "vgg19:nowhere.h5"},
            "model.content_layer=conv5_1 needs pictures of 16 pixels or more",
        ),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(name, options, said):
    with pytest.raises(UserError) as refused:
        make(name, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_papers_generator_has_as_many_weights_as_its_kernels_count():
    def convolution(kernel, before, after, bias=1):
        return kernel**2 * before * after + bias * after

    slopes, normalisation = 64, 4 * 64
    block = 2 * (convolution(3, 64, 64, bias=0) + normalisation) + slopes
    body = convolution(9, 3, 64) + slopes + 16 * block + convolution(3, 64, 64, bias=0) + normalisation
    stages = 2 * (convolution(3, 64, 256) + slopes)
    assert srgan.srresnet(3, 4, 64, 16).count_params() == body + stages + convolution(9, 64, 3)


def test_the_papers_discriminator():
    made = srgan.discriminator((96, 96, 3), 64)
    convolutions = [layer for layer in made.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [layer.strides[0] for layer in convolutions] == [1, 2] * 4
    assert [layer.units for layer in made.layers if isinstance(layer, keras.layers.Dense)] == [1024, 1]
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in made.layers) == 7


def test_the_losses_of_srgan_by_hand():
    made = make("srgan", content_weight=2.0, adversarial_weight=0.5, pixel_weight=3.0)
    x, image = picture(4, 6, 6, 3), picture(4, 12, 12, 3, seed=1)
    fake = made.generator(x, training=True)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    # batch normalisation takes real and made pictures apart
    real, false = (made.discriminator(pictures, training=True) for pictures in (image, fake))
    discriminator = tf.reduce_mean(entropy(tf.ones_like(real), real) + entropy(tf.zeros_like(false), false))
    adversarial, error = tf.reduce_mean(entropy(tf.ones_like(false), false)), tf.reduce_mean((image - fake) ** 2)
    logs = tf.function(made.train_step)({"input": tf.constant(x), "image": tf.constant(image)})
    assert float(logs["discriminator_loss"]) == pytest.approx(float(discriminator), rel=1e-5)
    assert float(logs["adversarial_loss"]) == pytest.approx(float(adversarial), rel=1e-5)
    assert float(logs["generator_loss"]) == pytest.approx(float(0.5 * adversarial + 5 * error), rel=1e-5)


def test_the_content_loss_compares_a_layer_of_a_frozen_network():
    made = make("srgan", side=4, content="features", content_layer="conv2_2")
    image, fake = picture(2, 8, 8, 3), picture(2, 8, 8, 3, seed=1)
    network = features.load("", ["conv2_2"]).network
    expected = tf.reduce_mean((network(image)["conv2_2"] - network(fake)["conv2_2"]) ** 2)
    assert float(made.content_loss(image, fake)) == pytest.approx(float(expected), rel=1e-5)
    assert len(made.variables) == len(make("srgan", side=4).variables), "what is frozen is no weight"
    # what is kept of the model names the file by its hash, and the maps do without the file
    name = made.get_config()["features"]
    assert name == features.pin("") != ""
    other = {**made.get_config(), "features": f"gone.npz{name}"}
    again = type(made).from_config(other)
    assert again.maps["upscale"]({"input": picture(1, 4, 4, 3)})["upscaled"].shape == (1, 8, 8, 3)
    with pytest.raises(UserError, match="cannot read the feature network gone.npz"):
        again.content_loss(image, fake)


def test_srgan_begins_with_the_averaged_weights_of_srresnet(tmp_path):
    trained(tiny_config("srresnet", **{"model.base_channels": 3}), tmp_path / "first")
    _, first, _ = restore.load(tmp_path / "first")
    settings = tiny_config("srgan", init_from=str(tmp_path / "first"), **{"model.base_channels": 3})
    settings.train_steps = 2
    trained(settings, tmp_path / "second")
    begun = checkpoint(tmp_path / "second", 0)
    held = [value for name, value in begun.items() if name.startswith(("weights", "averages"))]
    for weight in first.generator.variables:
        found = [value for value in held if value.shape == weight.shape and np.array_equal(value, weight)]
        assert len(found) >= (2 if weight.trainable else 1), f"{weight.path}: among weights and averages"
    other = tiny_config("srgan", init_from=str(tmp_path / "first"), **{"model.base_channels": 4})
    with pytest.raises(UserError, match="the weights of .* do not fit"):
        trained(other, tmp_path / "third")
