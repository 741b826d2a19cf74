"""Frozen feature networks: what they compute by hand, the files that they come from, and what is refused."""

import hashlib
import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.shared import pinned
from zoo.shared.errors import UserError
from zoo.translation import features

TINY = ((2, 3), (2,))


def tiny_weights(blocks=TINY, seed=0):
    random, inputs, made = np.random.default_rng(seed), 3, {}
    for block, wide in enumerate(blocks, 1):
        for number, outputs in enumerate(wide, 1):
            kernel = random.normal(0, (2 / 9 / inputs) ** 0.5, (3, 3, inputs, outputs)).astype(np.float32)
            made[f"conv{block}_{number}"] = (kernel, random.normal(0, 0.1, outputs).astype(np.float32))
            inputs = outputs
    return made


def forward(x, weights, pooled_before=("conv2_1",)):
    """Return every layer's maps: sums in float64, one output pixel at a time."""
    made = {}
    for name, (kernel, bias) in weights.items():
        if name in pooled_before:
            height, width = x.shape[1] // 2, x.shape[2] // 2
            x = x[:, : 2 * height, : 2 * width].reshape(len(x), height, 2, width, 2, -1).mean((2, 4))
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        y = np.empty((*x.shape[:3], kernel.shape[-1]))
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                y[:, i, j] = np.tensordot(padded[:, i : i + 3, j : j + 3], kernel.astype(np.float64), 3) + bias
        made[name] = x = np.maximum(y, 0)
    return made


def test_the_layers_are_those_of_a_forward_pass_by_hand():
    weights = tiny_weights()
    x = np.random.default_rng(1).uniform(-1, 1, (2, 5, 7, 3)).astype(np.float32)
    network = features.build(weights, ["conv1_1", "conv2_1"])
    found, expected = network(x), forward(x.astype(np.float64), weights)
    assert set(found) == {"conv1_1", "conv2_1"}
    assert found["conv2_1"].shape == (2, 2, 3, 2)
    for name, maps in found.items():
        np.testing.assert_allclose(maps, expected[name], atol=1e-6)


def test_a_network_has_no_variables_and_a_gradient_to_the_picture():
    network = features.build(tiny_weights(), ["conv2_1"])
    assert network.variables == []
    x = tf.random.stateless_uniform((1, 4, 4, 3), [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(network(x)["conv2_1"])
    assert np.abs(tape.gradient(loss, x)).max() > 0


def test_grey_is_seen_as_colour_of_equal_channels():
    network = features.build(tiny_weights(), ["conv1_2"])
    grey = np.random.default_rng(1).uniform(-1, 1, (1, 4, 6, 1)).astype(np.float32)
    np.testing.assert_array_equal(network(grey)["conv1_2"], network(grey.repeat(3, -1))["conv1_2"])


def test_vgg_takes_bytes_in_blue_green_red_less_the_means():
    picture = np.random.default_rng(1).integers(0, 256, (1, 2, 3, 3)).astype(np.float32)
    found = features.Prepared("caffe")(picture / 127.5 - 1)
    expected = keras.applications.vgg19.preprocess_input(picture.copy())
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("takes", "mode"), [("", "tf"), ("imagenet", "torch"), ("caffe", "caffe")])
def test_a_network_gets_pixels_as_keras_prepares_them(takes, mode):
    from keras.src.applications import imagenet_utils

    picture = np.random.default_rng(1).integers(0, 256, (1, 2, 3, 3)).astype(np.float32)
    expected = imagenet_utils.preprocess_input(picture.copy(), mode=mode)
    np.testing.assert_allclose(features.Prepared(takes)(picture / 127.5 - 1), expected, atol=1e-4)
    np.testing.assert_allclose(features.Prepared("unit")(picture / 127.5 - 1), picture / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer", "found"),
    [
        ("", "conv1_2", "conv1_1"),
        ("", "conv3_3", "conv3_2"),
        ("", "conv5_4", "conv4_1"),
        ("", "conv2_2", "conv2_2"),
        ("vgg19:x.h5", "conv4_2", "conv4_2"),
        ("vgg19:x.h5", "conv1_3", "conv1_2"),
    ],
)
def test_a_layer_that_a_network_lacks_is_the_last_one_before_it(name, layer, found):
    assert features.nearest(name, layer) == found


@pytest.mark.parametrize("layer", ["conv0_1", "block1_conv1", ""])
def test_a_layer_of_no_name_is_refused(layer):
    with pytest.raises(UserError, match="layer"):
        features.nearest("", layer)


def test_widths_and_sides_follow_the_layer():
    assert features.widths("vgg19:x.h5", "conv3_1") == ((64, 64), (128, 128), (256,))
    assert [features.least_side(f"conv{block}_1") for block in (1, 2, 4)] == [1, 2, 8]


def test_the_file_that_comes_along_is_the_one_that_its_description_tells_of():
    frozen = features.load("", ["conv4_1"])
    told = json.loads(features.OURS.with_suffix(".json").read_text())
    assert frozen.sha256 == told["sha256"] == hashlib.sha256(features.OURS.read_bytes()).hexdigest()
    assert features.OURS.stat().st_size < 1e6
    assert frozen.network(np.zeros((1, 8, 16, 3), np.float32))["conv4_1"].shape == (1, 1, 2, 128)
    assert features.pin("") == f"#sha256={frozen.sha256}"


def write_vgg(path, monkeypatch, change=None):
    """Write a file of narrow VGG-19 weights, named as Keras names them."""
    narrow = tuple(tuple(wide // 32 for wide in block) for block in features.VGG19_BLOCKS)
    monkeypatch.setattr(features, "VGG19_BLOCKS", narrow)
    weights = tiny_weights(narrow)
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in weights.items():
            if name == change:
                kernel = kernel[..., :-1]
            layer = f"block{name[4]}_conv{name[6]}"
            for values, place in zip((kernel, bias), PUBLISHED, strict=True):
                file[place.format(layer)] = values
    return weights


PUBLISHED = ("{0}/{0}_W_1:0", "{0}/{0}_b_1:0")


def test_the_weights_of_vgg19_are_found_by_their_names(tmp_path, monkeypatch):
    weights = write_vgg(tmp_path / "w.h5", monkeypatch)
    name = f"vgg19:{tmp_path / 'w.h5'}"
    frozen = features.load(name, ["conv1_2", "conv2_1"])
    x = np.random.default_rng(1).uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32)
    prepared = features.Prepared("caffe")(x).numpy().astype(np.float64)
    kept = {layer: weights[layer] for layer in ("conv1_1", "conv1_2", "conv2_1")}
    expected = forward(prepared, kept)
    for layer, maps in frozen.network(x).items():
        np.testing.assert_allclose(maps, expected[layer], rtol=1e-4, atol=1e-3)
    assert frozen.sha256 == hashlib.sha256((tmp_path / "w.h5").read_bytes()).hexdigest()


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_what_keras_saves_of_a_vgg19_is_read_too(ending, tmp_path, monkeypatch):
    weights = write_vgg(tmp_path / "w.h5", monkeypatch)
    layers, inputs = [], 3
    for name, (kernel, _) in weights.items():
        layers.append(keras.layers.Conv2D(kernel.shape[-1], 3, name=f"block{name[4]}_conv{name[6]}"))
        layers[-1].build((None, 8, 8, inputs))
        layers[-1].set_weights(weights[name])
        inputs = kernel.shape[-1]
    x = y = keras.Input((64, 64, 3))
    for layer in layers:
        y = layer(y)
    model, path = keras.Model(x, y), tmp_path / f"saved{ending}"
    model.save_weights(path) if ending == ".weights.h5" else model.save(path)
    picture = np.random.default_rng(1).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    first, second = (
        features.load(f"vgg19:{place}", ["conv5_4"]).network(picture) for place in (tmp_path / "w.h5", path)
    )
    np.testing.assert_array_equal(first["conv5_4"], second["conv5_4"])


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    write_vgg(tmp_path / "w.h5", monkeypatch, change="conv3_2")
    with pytest.raises(UserError, match="conv3_2 has the shapes"):
        features.load(f"vgg19:{tmp_path / 'w.h5'}", ["conv4_1"])
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file["block2_conv1"]
    with pytest.raises(UserError, match="no kernel and bias of the layer block2_conv1"):
        features.load(f"vgg19:{tmp_path / 'w.h5'}", ["conv4_1"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vgg19:nowhere.h5", "genzoo downloads nothing: get https://"),
        ("nowhere.npz", "cannot read the feature network nowhere.npz"),
        ("nowhere.onnx", "cannot read the feature network nowhere.onnx"),
        ("x.pth", "a chain of convolutions in a file that ends in .onnx, .keras, .h5"),
        ("imagenet:x.npz", "a chain of convolutions in a file that ends in .onnx, .keras, .h5"),
        ("imagenet:{}/bad.onnx", "holds no weights"),
        ("{}/bad.keras", "holds no weights"),
        ("vgg19:{}/bad.h5", "holds no weights"),
        ("{}/bad.npz", "holds no weights"),
    ],
)
def test_what_cannot_be_used_is_one_line(name, said, tmp_path):
    for ending in ("h5", "npz", "onnx", "keras"):
        (tmp_path / f"bad.{ending}").write_bytes(b"no weights")
    with pytest.raises(UserError) as refused:
        features.load(name.format(tmp_path), ["conv1_1"])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_file_than_the_pinned_one_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(features.OURS.read_bytes())
    name = features.pin(str(path))
    assert features.load(name, ["conv1_1"]).sha256 == pinned.split(name)[1]
    with np.load(features.OURS) as held:
        changed = {**held, "conv1_1/bias": held["conv1_1/bias"] + 1}
    np.savez(path, **changed)
    with pytest.raises(UserError, match="the run was made with"):
        features.load(name, ["conv1_1"])
