"""The extractors that come along can be made: what is done to pictures, the networks, and a whole small training."""

import json

import keras
import numpy as np
import pytest
from shared import program

from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extractor
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.translation import features

maker = program("train.evaluate.train_extractor")

COLOUR = (10, 100, 200)


def made(*arguments):
    own = maker.KIND._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["train_extractor", *arguments])
    maker.main()


def test_what_was_done_to_a_picture_is_what_its_number_says():
    """On one colour all over, flips and shifts do nothing."""
    images = np.tile(np.array(COLOUR, np.uint8), (4000, 6, 6, 1))
    altered, changes = maker.altered(images, np.random.default_rng(0))
    assert altered.dtype == np.float32
    assert (changes == 0).mean() == pytest.approx(0.5, abs=0.04)
    np.testing.assert_allclose(np.bincount(changes)[1:] / 4000, 1 / 12, atol=0.02)
    orders = {tuple(altered[changes == number][0, 0, 0]) for number in range(6)}
    assert len(orders) == 6
    assert all(sorted(order) == sorted(COLOUR) for order in orders)
    np.testing.assert_array_equal(altered[changes == 0], images[changes == 0])
    np.testing.assert_allclose(altered[changes == 6], 0.299 * 10 + 0.587 * 100 + 0.114 * 200, rtol=1e-5)


def test_pictures_are_flipped_and_shifted_by_no_more_than_is_said():
    image = np.arange(12 * 12 * 3, dtype=np.uint8).reshape(12, 12, 3)
    altered, changes = maker.altered(np.tile(image, (2000, 1, 1, 1)), np.random.default_rng(0))
    padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="reflect")
    windows = {
        (picture[i : i + 12, j : j + 12]).tobytes()
        for picture in (padded, padded[:, ::-1])
        for i in range(7)
        for j in range(7)
    }
    assert {picture.astype(np.uint8).tobytes() for picture in altered[changes == 0]} == windows


@pytest.mark.parametrize(("kind", "path"), [("digits_and_fashion", DIGITS_AND_FASHION), ("pictures", PICTURES)])
def test_the_networks_are_those_of_the_files_that_come_along(kind, path):
    kind = maker.KINDS[kind]
    network, extractor = maker.network(kind), Extractor(path)
    found = network(np.zeros((2, *kind.shape), np.float32))
    of_file = extractor(np.zeros((2, *kind.shape), np.uint8))
    assert extractor.protocol["input"] == list(kind.shape)
    assert found["features"].shape == of_file.features.shape == (2, 64)
    assert found["logits"].shape == of_file.probabilities.shape == (2, kind.classes[0])
    assert path.stat().st_size > 4 * network.count_params() - 4 * 1000, "what the normalisations hold is folded in"


def test_folded_weights_make_what_the_network_makes():
    kind = maker.KINDS["style"]
    network, random = maker.network(kind), np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            gamma, variance = random.uniform(0.5, 1.5, (2, channels))
            beta, mean = random.normal(0, 0.3, (2, channels))
            layer.set_weights([gamma, beta, mean, variance])
    held = {name: values.astype(np.float32) for name, values in maker.folded(network).items()}
    names = [name.partition("/")[0] for name in held if name.startswith("conv") and name.endswith("/kernel")]
    weights = {name: (held[f"{name}/kernel"], held[f"{name}/bias"]) for name in names}
    x = random.integers(0, 256, (2, *kind.shape)).astype(np.float32)
    deepest = features.nearest("", "conv4_1")
    maps = features.build(weights, [deepest])(x / 127.5 - 1)[deepest].numpy()
    expected = network(x)["features"].numpy()
    np.testing.assert_allclose(maps.mean((1, 2)), expected, atol=0.01 * expected.max())


@pytest.mark.slow
def test_a_file_of_weights_is_made_with_its_description(tmp_path, monkeypatch):
    small = maker.KINDS["style"]._replace(sets={"shapes": (0, 1)}, layers=((4, 3, 1), (8, 3, 2)))
    monkeypatch.setitem(maker.KINDS, "style", small)
    monkeypatch.setattr(features, "OUR_BLOCKS", ((4,), (8,)))
    monkeypatch.setattr(maker, "BATCH", 16)
    made("--kind=style", f"--output={tmp_path / 'x.npz'}", "--epochs=8")
    described = json.loads((tmp_path / "x.json").read_text())
    assert described["sha256"] == files.sha256(tmp_path / "x.npz")
    assert described["held_out_accuracy"]["shapes"] > 0.8
    assert features.load(str(tmp_path / "x.npz"), ["conv2_1"]).sha256 == described["sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["digits_and_fashion", "pictures"])
def test_a_file_is_made_with_its_description(kind, tmp_path, monkeypatch):
    names = {"digits_and_fashion": "digits", "pictures": "shapes"}
    small = maker.KINDS[kind]._replace(sets={names[kind]: (0, 1)}, layers=((16, 3, 2), (64, 3, 2)))
    monkeypatch.setitem(maker.KINDS, kind, small)
    monkeypatch.setattr(maker, "BATCH", 16)  # the means of the normalisations take hundreds of steps
    made(f"--kind={kind}", f"--output={tmp_path / 'x.onnx'}", "--epochs=8")
    described = json.loads((tmp_path / "x.json").read_text())
    assert described["sha256"] == files.sha256(tmp_path / "x.onnx")
    assert described["held_out_accuracy"][names[kind]] > 0.8
    assert ("6 ways" in described["training"]) == (kind == "pictures")
    assert Extractor(tmp_path / "x.onnx").protocol["input"] == list(small.shape)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--kind is missing: choose digits_and_fashion or pictures"),
        (["--kind=pictures"], "--output is missing or does not end in .onnx"),
        (["--kind=pictures", "--output=x.txt"], "--output is missing or does not end in .onnx"),
        (["--kind=style", "--output=x.onnx"], "--output is missing or does not end in .npz"),
        (["--kind=pictures", "--output=x.onnx", "--epochs=0"], "--epochs=0: use 1 or more"),
    ],
)
def test_mistakes_are_one_line(flags, message):
    with pytest.raises(UserError, match=message):
        made(*flags)
