"""Features by an ONNX file: layouts, ranges, sizes and names on graphs whose outputs are known; the shipped files."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageFilter

from train import config, data
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extractor, luma
from zoo.metrics.frechet import frechet
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import precision_recall
from zoo.shared import files
from zoo.shared.errors import UserError


def prepared(name):
    is_there = (Path(os.environ.get("TFDS_DATA_DIR", "")) / name).is_dir()
    return pytest.mark.skipif(not is_there, reason=f"TFDS_DATA_DIR names no prepared {name}")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an ONNX file: its input flattened, under each of the output names."""

    def write_file(
        shape,
        outputs=("features",),
        input_range=(0, 255),
        kind=TensorProto.FLOAT,
        made=None,
        inputs=1,
        axis=1,
        roots=(),
    ):
        names = [f"image{index}" for index in range(inputs)]
        given = [helper.make_tensor_value_info(name, kind, shape) for name in names]
        nodes = [helper.make_node("Sqrt", [names[0]], ["root"])] if roots else []
        for name in outputs:
            of = "root" if name in roots else names[0]
            options = {} if made else {"axis": axis}
            nodes.append(helper.make_node("Identity" if made else "Flatten", [of], [name], **options))
        made = [helper.make_tensor_value_info(name, kind, made or [None, None]) for name in outputs]
        graph = helper.make_graph(nodes, "flat", given, made)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        if input_range is not None:
            helper.set_model_props(model, {"genzoo_extractor": json.dumps({"input_range": input_range})})
        onnx.save(model, tmp_path / "flat.onnx")
        return tmp_path / "flat.onnx"

    return write_file


def noise(count, side, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("batch", ["batch", 2])
def test_layouts_and_fixed_batches_see_the_same_pixels(write, channels, batch):
    images = noise(5, 6, channels)
    last = Extractor(write((batch, 6, 6, channels)))(images).features
    np.testing.assert_array_equal(last, images.reshape(5, -1))
    first = Extractor(write((batch, channels, 6, 6)))(images).features
    np.testing.assert_array_equal(first, images.transpose(0, 3, 1, 2).reshape(5, -1))


def test_more_images_than_a_batch_keep_their_order(write):
    images = noise(300, 2, 1)
    np.testing.assert_array_equal(Extractor(write(("n", 2, 2, 1)))(images).features, images.reshape(300, -1))


def test_bytes_fill_the_range_of_the_file_or_the_one_that_was_asked_for(write):
    images = np.array([0, 51, 204, 255], np.uint8).reshape(1, 2, 2, 1)
    path = write(("n", 2, 2, 1), input_range=(-1, 1))
    np.testing.assert_allclose(Extractor(path)(images).features, [[-1, -0.6, 0.6, 1]], atol=1e-6)
    np.testing.assert_allclose(Extractor(path, input_range=(0, 1))(images).features, [[0, 0.2, 0.8, 1]], atol=1e-6)


def test_each_channel_may_have_a_range_of_its_own(write):
    """Pixels of grey 0, 51, 255 and 255; ImageNet's mean is (.485, .456, .406), its deviation (.229, .224, .225)."""
    images = np.repeat(np.array([0, 51, 255, 255], np.uint8), 3).reshape(1, 2, 2, 3)
    path, mean, deviation = write((2, 2, 2, 3)), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = [((x - m) / d) for x in (0, 0.2, 1, 1) for m, d in zip(mean, deviation, strict=True)]
    for given in ("imagenet", ["imagenet"], Extractor(path, "imagenet").protocol["input_range"]):
        np.testing.assert_allclose(Extractor(path, given)(images).features, [expected], rtol=1e-5)
    extractor = Extractor(path, ["0", "1", "-1", "1", "0", "255"])
    np.testing.assert_allclose(extractor(images).features, [[0, -1, 0, 0.2, -0.6, 51, *[1, 1, 255] * 2]], rtol=1e-5)
    assert extractor.protocol["input_range"] == [[0, 1], [-1, 1], [0, 255]]


def test_a_vector_may_have_further_axes_of_one_number(write):
    columns = noise(5, 4, 1)[:, :, :1]
    found = Extractor(write((2, 4, 1, 1), made=(2, 4, 1, 1), outputs=("pool", "logits")), output="pool")(columns)
    np.testing.assert_array_equal(found.features, columns.reshape(5, 4))
    assert found.probabilities.shape == (5, 4)
    found = Extractor(write((2, 1, 1, 4), made=(2, 1, 1, 4)))(columns.reshape(5, 1, 4, 1))
    np.testing.assert_array_equal(found.features, columns.reshape(5, 4))


def test_what_fills_up_a_fixed_batch_is_no_matter(write):
    """Of black images, which none of the given ones is, this network makes NaN."""
    images = np.maximum(noise(5, 2, 1), 1)
    found = Extractor(write((4, 2, 2, 1), roots=("features",), input_range=(-1, 254)))(images).features
    np.testing.assert_allclose(found, np.sqrt(images.reshape(5, 4) - 1.0), rtol=1e-5)


def test_what_is_no_finite_vector_for_each_image_is_one_clear_line(write):
    path = write(("n", 2, 2, 1), axis=2)
    with pytest.raises(UserError, match="makes 10 rows of 'features' of 5 images, not one each"):
        Extractor(path)(noise(5, 2, 1))
    for outputs in (("features",), ("features", "probabilities")):
        path = write(("n", 2, 2, 1), outputs=outputs, roots=outputs[-1:], input_range=(-1, 1))
        with pytest.raises(UserError, match=f"makes NaN or infinity of some images, in '{outputs[-1]}'"):
            Extractor(path)(noise(5, 2, 1))


def test_grey_becomes_colour_and_colour_luma(write):
    grey, colour = noise(2, 4, 1), noise(2, 4, 3)
    in_colour = Extractor(write(("n", 4, 4, 3)))(grey).features
    np.testing.assert_array_equal(in_colour, np.repeat(grey, 3, axis=3).reshape(2, -1))
    in_grey = Extractor(write(("n", 4, 4, 1)))(colour).features.reshape(2, 4, 4)
    by_pillow = np.stack([Image.fromarray(image).convert("L") for image in colour])
    assert np.abs(in_grey - by_pillow).max() < 1, "Pillow's own luma, before it is rounded down"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [4, 9, 20])
def test_features_of_grey_do_not_depend_on_how_many_channels_hold_it(write, channels, side):
    """To the last bit, whichever comes first: resizing or the change of channels."""
    grey = noise(3, 9, 1)
    extractor = Extractor(write(("n", side, side, channels), input_range=(-1, 1)))
    np.testing.assert_array_equal(extractor(grey).features, extractor(grey.repeat(3, axis=-1)).features)


@pytest.mark.parametrize("side", [5, 20], ids=["smaller", "larger"])
def test_images_are_resized_as_pillow_does_it(write, side):
    images = noise(3, 12, 3)
    images[:2] = images[:2] // 4 + 96  # no overshoot there: Pillow would clip and round it between its two passes
    found = Extractor(write(("n", side, side, 3)))(images).features.reshape(3, side, side, 3)
    by_pillow = [Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in images[:2]]
    assert np.abs(found[:2] - np.stack(by_pillow)).max() < 1.2, "Pillow rounds after each of its two passes"
    assert np.any(found != np.rint(found)), "no rounding to bytes"
    assert found.min() >= 0
    assert found.max() <= 255


def test_a_free_side_takes_the_images_own(write):
    extractor = Extractor(write(("n", "height", "width", 1)))
    assert extractor(noise(2, 7, 1)).features.shape == (2, 49)
    assert extractor.protocol["input"] == ["as is", "as is", 1]


def test_outputs_are_found_by_name_or_because_there_is_one(write):
    images = noise(2, 2, 1)
    assert Extractor(write(("n", 2, 2, 1), outputs=("pool",))).output == "pool"
    assert Extractor(write(("n", 2, 2, 1), outputs=("logits", "features"))).output == "features"
    several = write(("n", 2, 2, 1), outputs=("a", "b"))
    assert Extractor(several, output="b").output == "b"
    with pytest.raises(UserError, match="has 2 float32 outputs .* name one of a, b"):
        Extractor(several)
    with pytest.raises(UserError, match=r"unknown float32 output .* 'c'"):
        Extractor(several, output="c")
    assert Extractor(several, output="b")(images).probabilities is None


def test_logits_become_probabilities_and_probabilities_stay(write):
    images = np.array([[0, 1, 1, 0], [2, 2, 2, 2]], np.uint8).reshape(2, 2, 2, 1)
    found = Extractor(write(("n", 2, 2, 1), outputs=("features", "logits")))(images)
    low, high = 1 / (2 + 2 * np.e), np.e / (2 + 2 * np.e)
    np.testing.assert_allclose(found.probabilities, [[low, high, high, low], [0.25] * 4], rtol=1e-6)
    np.testing.assert_array_equal(found.features, images.reshape(2, 4))
    path = write(("n", 2, 2, 1), outputs=("features", "probabilities"))
    np.testing.assert_array_equal(Extractor(path)(images).probabilities, images.reshape(2, 4))


def test_the_protocol_names_the_very_file(write):
    path = write(("n", 4, 4, 1))
    assert Extractor(path).protocol == {
        "file": "flat.onnx",
        "sha256": files.sha256(path),
        "output": "features",
        "input": [4, 4, 1],
        "input_range": [0.0, 255.0],
        "resize": "bicubic, antialiased (Pillow), in float32",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": ("n", 4, 4, 2)}, r"has the input image0: tensor\(float\) .* with 1 or 3 channels"),
        ({"shape": ("n", 4, 4)}, "with 1 or 3 channels"),
        ({"shape": ("n", 1, 4, 3)}, "with 1 or 3 channels"),
        ({"shape": ("n", 4, 4, 1), "kind": TensorProto.INT32}, "one float32 tensor"),
        ({"shape": ("n", 4, 4, 1), "inputs": 2}, "one float32 tensor"),
        ({"shape": ("n", 4, 4, 1), "made": ("n", 4, 4, 1)}, "has 0 float32 outputs .* nothing that could be features"),
        ({"shape": ("n", 4, 4, 1), "input_range": None}, "does not say in which range it takes pixels"),
        ({"shape": ("n", 4, 4, 1), "input_range": (1, 0)}, r"\[1, 0\] is no range"),
        ({"shape": ("n", 4, 4, 1), "input_range": "wide"}, "'wide' is no range"),
        ({"shape": ("n", 4, 4, 1), "input_range": "imagenet"}, "'imagenet' is no range .* each of the 1 channels"),
        ({"shape": ("n", 4, 4, 3), "input_range": (0, 1, 0, 1)}, "is no range .* each of the 3 channels"),
    ],
)
def test_a_file_of_no_use_is_one_clear_line(write, options, message):
    path = write(**options)
    with pytest.raises(UserError, match=message):
        Extractor(path)


def test_weights_in_another_file_are_never_read(write, tmp_path, monkeypatch):
    """Their bytes would not be those of the SHA-256 in the protocol."""
    monkeypatch.chdir(tmp_path)
    model = onnx.load(write(("n", 2, 2, 1)))
    (node,) = model.graph.node
    node.output[0] = "flat"
    model.graph.node.append(helper.make_node("MatMul", ["flat", "weight"], ["features"]))
    model.graph.initializer.append(numpy_helper.from_array(np.eye(4, dtype=np.float32), "weight"))
    onnx.save(model, "whole.onnx")
    assert Extractor("whole.onnx")(np.full((1, 2, 2, 1), 7, np.uint8)).features.tolist() == [[7] * 4]
    onnx.save(model, "split.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(UserError, match=r"split.onnx holds no ONNX model that onnxruntime can load: its weights lie"):
        Extractor("split.onnx")


def test_what_is_no_onnx_file_or_no_image_is_one_clear_line(write, tmp_path):
    with pytest.raises(UserError, match="cannot read the extractor .*: No such file"):
        Extractor(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(UserError, match="holds no ONNX model"):
        Extractor(tmp_path / "text.onnx")
    extractor = Extractor(write(("n", 4, 4, 1)))
    for images in (noise(2, 4, 1).astype(np.float32), noise(2, 4, 1)[0]):
        with pytest.raises(UserError, match="use uint8"):
            extractor(images)
    with pytest.raises(UserError, match="the images have 4 channels"):
        extractor(noise(2, 4, 4))


@pytest.mark.parametrize(
    ("path", "known", "accuracy", "size"),
    [(DIGITS_AND_FASHION, "fashion_mnist", 0.88, 500_000), (PICTURES, "cifar10", 0.7, 1_000_000)],
)
def test_a_file_that_comes_along_is_the_one_that_its_description_is_about(path, known, accuracy, size):
    described = json.loads(path.with_suffix(".json").read_text())
    assert described.pop("sha256") == files.sha256(path) == Extractor(path).sha256
    (entry,) = onnx.load(path).metadata_props
    assert (entry.key, json.loads(entry.value)) == ("genzoo_extractor", described)
    assert described["test_accuracy"][known] > accuracy
    assert path.stat().st_size < size


def test_digits_are_judged_where_none_is_named():
    assert Extractor().path == DIGITS_AND_FASHION


def test_it_knows_the_scans_that_were_held_out():
    (scans,) = data.load(config.source("digits", image_size=28), "test")
    found = Extractor()(scans.columns["image"])
    assert found.features.shape == (299, 64)
    assert found.probabilities.shape == (299, 20)
    assert (found.probabilities.argmax(axis=1) == scans.columns["label"]).mean() > 0.97


@pytest.mark.parametrize(
    ("path", "name", "side"),
    [
        pytest.param(DIGITS_AND_FASHION, "mnist", 28, marks=prepared("mnist")),
        pytest.param(PICTURES, "cifar10", 32, marks=prepared("cifar10")),
    ],
)
def test_its_accuracy_is_the_one_described(path, name, side, tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path))
    (test,) = data.load(config.source(name, image_size=side), "test")
    described = json.loads(path.with_suffix(".json").read_text())["test_accuracy"][name]
    measured = (Extractor(path)(test.columns["image"]).probabilities.argmax(axis=1) == test.columns["label"]).mean()
    assert measured == pytest.approx(described, abs=2e-4)


def grey(pictures):
    return np.rint(luma(pictures.astype(np.float32))).astype(np.uint8).repeat(3, axis=-1)


def blurred(pictures, sigma):
    return np.stack([Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)) for picture in pictures])


def noisy(pictures, sigma):
    drawn = np.random.default_rng(0).normal(size=pictures.shape)
    return np.clip(np.rint(pictures + sigma * drawn), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=["shapes", pytest.param("cifar10", marks=prepared("cifar10"))])
def halves(request, tmp_path_factory):
    """Two halves of held-out colour pictures, and the distances of the first one to what becomes of the second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        (table,) = data.load(config.source(request.param), "train" if request.param == "shapes" else "test")
        pictures = np.asarray(table.columns["image"][:600])
    real, other = pictures[:300], pictures[300:]
    extractor = Extractor(PICTURES)
    features = extractor(real).features

    def distances(change):
        changed = extractor(change(other)).features
        kernel = kernel_distance(features, changed, subsets=10)
        return np.array([frechet(features, changed)["frechet_distance"], kernel["kernel_distance"]])

    return distances, np.maximum(distances(lambda x: x), 1e-4)  # that of the kernel may be below 0


@pytest.mark.parametrize(
    ("change", "times"),
    [(grey, 10), (lambda x: x // 2 + grey(x) // 2, 2), (lambda x: x[..., ::-1], 5), (lambda x: x[..., [1, 2, 0]], 5)],
    ids=["none", "half", "red_and_blue_exchanged", "all_exchanged"],
)
def test_the_features_of_pictures_see_colour(halves, change, times):
    distances, nothing = halves
    assert np.all(distances(change) > times * nothing)


@pytest.mark.parametrize("change", [blurred, noisy])
def test_the_more_pictures_are_spoilt_the_farther_they_are(halves, change):
    distances, nothing = halves
    sigmas = (0.5, 1, 2) if change is blurred else (10, 20, 40)
    rising = np.stack([nothing, *(distances(lambda x, s=sigma: change(x, s)) for sigma in sigmas)])
    assert np.all(np.diff(rising, axis=0) > 0)
    assert np.all(rising[-1] > 10 * nothing)


@prepared("mnist")
def test_half_of_the_classes_cost_recall_and_not_precision(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path))
    (test,) = data.load(config.source("mnist", image_size=28), "test")
    features = Extractor()(test.columns["image"][:3000]).features
    real, other = features[:1000], features[1000:2000]
    labels = test.columns["label"][1000:3000]
    half = features[1000:][labels < 5][:1000]
    assert frechet(real, real)["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert frechet(real, half)["frechet_distance"] > 10 * frechet(real, other)["frechet_distance"]
    all_classes, half_of_them = precision_recall(real, other), precision_recall(real, half)
    assert half_of_them["precision"] > all_classes["precision"] - 0.1
    assert half_of_them["recall"] < all_classes["recall"] - 0.2
