"""Fast style transfer: its network, its loss by hand, the files of a run, and pictures of any size."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared import tiny_config, trained, trainer

import serving
import zoo
from export import build
from zoo import images
from zoo.model import as_run
from zoo.shared.errors import UserError
from zoo.translation import features, style

SMALL = {"base_channels": 2, "blocks": 1, "style_size": 16}


def make(size=(16, 16, 3), rate=0.0, **options):
    made = zoo.create("fast_style", columns={"image": size}, **{**SMALL, **options})
    made.compile(generator=keras.optimizers.SGD(rate))
    return made


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture
def painting(tmp_path):
    """A file of a picture, and a function that writes another one there."""
    path = tmp_path / "painting.png"

    def write(seed):
        path.write_bytes(images.encode_png(np.random.default_rng(seed).integers(0, 256, (20, 24, 3)).astype(np.uint8)))
        return str(path)

    return write


def test_the_papers_network_has_as_many_weights_as_its_kernels_count():
    made = zoo.create("fast_style", columns={"image": (16, 16, 3)}).generator
    kernels = 81 * 3 * 32 + 9 * (32 * 64 + 64 * 128) + 10 * 9 * 128**2 + 9 * (128 * 64 + 64 * 32) + 81 * 32 * 3
    normalisations = 2 * (32 + 64 + 128 + 10 * 128 + 64 + 32)
    assert made.count_params() == kernels + normalisations + 3


def test_the_loss_is_that_of_the_three_terms_by_hand():
    made = make(content_weight=2.0, style_weight=3.0, tv_weight=5.0)
    x = pictures(2, 16, 16, 3)
    y = made.generator({"image": x})["stylized"].numpy()
    network = features.load("", ["conv1_1", "conv2_2", "conv3_2", "conv4_1"]).network
    of_x, of_y, of_style = (network(z) for z in (x, y, style.read("stripes", 16)))

    def grams(maps):
        rows = np.asarray(maps, np.float64).reshape(len(maps), -1, maps.shape[-1])
        return rows.transpose(0, 2, 1) @ rows / rows[0].size

    def relative(found, wanted):
        axes = tuple(range(1, found.ndim))
        return (((found - wanted) ** 2).mean(axes) / (wanted**2).mean(axes)).mean()

    content = relative(of_y["conv3_2"].numpy(), of_x["conv3_2"].numpy())
    styled = np.mean([relative(grams(of_y[layer]), grams(of_style[layer])) for layer in of_y])
    variation = ((y[:, 1:] - y[:, :-1]) ** 2).mean() + ((y[:, :, 1:] - y[:, :, :-1]) ** 2).mean()
    logs = made.train_step({"image": tf.constant(x)})
    found = [float(logs[name]) for name in ("content_loss", "style_loss", "tv_loss", "loss")]
    expected = [content, styled, variation, 2 * content + 3 * styled + 5 * variation]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_generator_that_changes_nothing_has_no_content_loss():
    made = make()
    made.generator = lambda inputs, training: {"stylized": inputs["image"]}
    made.update = lambda *arguments: None
    assert float(made.train_step({"image": tf.constant(pictures(2, 16, 16, 3))})["content_loss"]) == 0


def test_a_step_lowers_the_loss():
    made = make(rate=1e-3)
    data = {"image": tf.constant(pictures(2, 16, 16, 3))}
    step = tf.function(made.train_step)
    losses = [float(step(data)["loss"]) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)


def test_the_frozen_network_is_in_no_state():
    made = make()
    assert {id(weight) for weight in made.variables} == {id(weight) for weight in made.generator.variables}


def test_what_a_run_keeps_names_its_files_by_their_sha256(painting):
    path = painting(0)
    made = make(style=path)
    kept = made.get_config()
    assert kept["style"] == style.pin(path)
    assert kept["features"] == features.pin("")
    assert make(style=path).get_config() == kept
    painting(1)
    assert make(style=path).get_config() != kept, "which a run that is resumed compares"


def test_a_model_comes_back_without_its_picture_but_cannot_train_on(painting, tmp_path):
    made = make(style=painting(0))
    (tmp_path / "painting.png").unlink()
    again = type(made).from_config(made.get_config())
    assert again.get_config() == made.get_config()
    again.compile(generator=keras.optimizers.SGD(0.0))
    with pytest.raises(UserError, match="is missing"):
        again.train_step({"image": tf.constant(pictures(1, 16, 16, 3))})
    painting(1)
    with pytest.raises(UserError, match="put that file back"):
        again.train_step({"image": tf.constant(pictures(1, 16, 16, 3))})
    painting(0)
    assert float(again.train_step({"image": tf.constant(pictures(1, 16, 16, 3))})["loss"]) > 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_map_takes_pictures_of_any_size(channels):
    made = make((16, 16, channels)).maps["stylize"]
    run = as_run(made)
    for sides in ((8, 8), (12, 40)):
        assert run({"image": pictures(2, *sides, channels)})["stylized"].shape == (2, *sides, channels)


@pytest.mark.parametrize(
    ("size", "options", "said"),
    [
        ((10, 16, 3), {}, "multiples of 4 and at least 8, not 10 x 16"),
        ((16, 16, 2), {}, "1 or 3 channels, not 2"),
        ((16, 16, 3), {"blocks": 0}, "model.blocks=0"),
        ((16, 16, 3), {"tv_weight": -1.0}, "model.tv_weight=-1.0: use 0 or more"),
        ((16, 16, 3), {"content_weight": 0.0, "style_weight": 0.0, "tv_weight": 0.0}, "not 0 for all"),
        ((16, 16, 3), {"style": "nowhere.jpg"}, "nowhere.jpg is missing"),
        ((16, 16, 3), {"features": "vgg19:nowhere.h5"}, "genzoo downloads nothing"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(size, options, said):
    with pytest.raises(UserError) as refused:
        make(size, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_run_refuses_another_picture_and_is_exported_without_it(painting, tmp_path):
    path = painting(0)
    settings = tiny_config("fast_style", **{"model.style": path})
    trained(settings, tmp_path / "run")
    painting(1)
    with pytest.raises(UserError, match="the data or the model changed"):
        trainer(settings, tmp_path / "run")
    painting(0)
    trainer(settings, tmp_path / "run")
    (tmp_path / "painting.png").unlink()
    build.build(tmp_path / "run", tmp_path / "bundle")
    (made,) = serving.load(tmp_path / "bundle").values()
    # 10 x 13 pixels are no multiples of 4: padded and cropped back
    assert made(image=pictures(2, 10, 13, 1))["stylized"].shape == (2, 10, 13, 1)
