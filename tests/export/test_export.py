"""The gates of the export: what is not proven is not written."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import onnx as onnx_library
import pytest
import tensorflow as tf
from PIL import Image
from shared import python, tiny_config, trained

import serving
import zoo
from export import build, onnx, parity, saved_model
from zoo import bundle, images
from zoo.noise import draw
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

SPEC = GeneratorSpec(
    inputs=(TensorSpec("z", (3,), "normal"),),
    outputs=(TensorSpec("image", (2, 2, 1), "sample", low=-1.0, high=1.0),),
)


LABEL = TensorSpec("label", (), "condition", "int32", low=0, high=9)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    trained(tiny_config("nade"), directory)
    return directory


def dense(function):
    """A generator of SPEC whose image is `function` of a dense layer's output."""
    z = keras.Input((3,), name="z")
    image = keras.layers.Reshape((2, 2, 1))(keras.layers.Lambda(function, output_shape=(4,))(keras.layers.Dense(4)(z)))
    return keras.Model({"z": z}, {"image": image})


def test_batch_norm_is_folded_and_the_batch_axis_is_named():
    model = zoo.create("dcgan", sample_shape=(16, 16, 1), latent_dim=4, base_channels=4)
    rng = np.random.default_rng(0)
    for weight in model.generator.variables:  # every scale, shift, mean and variance away from 1 and 0
        weight.assign(rng.uniform(0.2, 0.9, weight.shape))
    converted = onnx.convert(model.generator, model.generator_spec)
    graph = converted.graph
    kinds = [node.op_type for node in graph.node]
    assert not {"BatchNormalization", "Mul", "Sub"} & set(kinds), kinds
    assert kinds.count("Add") <= 1, "the bias of the last layer"
    assert kinds.count("ConvTranspose") == 2
    inputs = {"z": rng.uniform(-1, 1, (5, 4)).astype(np.float32)}
    expected = model.generator(inputs)["image"].numpy()
    np.testing.assert_allclose(onnx.load(converted.SerializeToString())(inputs)["image"], expected, atol=1e-5)
    assert np.ptp(expected) > 0.1, "the comparison has something to compare"
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_file_is_of_opset_18_for_older_runtimes():
    model = onnx.convert(dense(tf.tanh), SPEC)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version <= 10


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: tf.math.erfc(x), "Erfc"),
        (lambda x: x + tf.random.stateless_normal(tf.shape(x), [1, 2]), "Stateless"),
    ],
)
def test_an_operation_that_onnx_lacks_is_refused_by_name(function, what):
    with pytest.raises(onnx.NotConvertible, match=what):
        onnx.load(onnx.convert(dense(function), SPEC).SerializeToString())


def test_a_captured_constant_that_becomes_an_input_is_refused():
    constant = tf.random.normal((4,))
    with pytest.raises(onnx.NotConvertible, match="inputs"):
        onnx.convert(dense(lambda x: x * constant), SPEC)


def sampler(change=lambda image: image):
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    return lambda inputs: {"image": change(np.tanh(inputs["z"] @ weights).reshape(-1, 2, 2, 1))}


def test_parity_measures_the_largest_difference_over_all_batches():
    far = sampler(lambda image: image + np.float32(5e-5) * (len(image) == 16))
    measured = parity.measure(sampler(), {"same": sampler(), "far": far}, SPEC, seed=1)
    assert measured["same"] == 0
    assert measured["far"] == pytest.approx(5e-5, rel=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image + np.float32(2e-4), "differs from Keras by 0.0002"),
        (lambda image: image.astype(np.float64), "float64"),
        (lambda image: image[:1], "shape"),
        (lambda image: image * np.float32("nan"), "NaN"),
    ],
)
def test_runtimes_that_disagree_are_named(change, message):
    with pytest.raises(parity.NotEqual, match=message):
        parity.measure(sampler(), {"other": sampler(change)}, SPEC, seed=1)


def test_a_missing_output_is_named():
    with pytest.raises(parity.NotEqual, match="other gives nothing for 'image'"):
        parity.measure(sampler(), {"other": lambda _: {}}, SPEC, seed=1)


def test_a_runtime_that_ignores_the_class_is_named():
    spec = dataclasses.replace(SPEC, inputs=(*SPEC.inputs, LABEL))

    def by_class(inputs):
        return {"image": np.tanh(inputs["label"].astype(np.float32)).repeat(4).reshape(-1, 2, 2, 1)}

    assert parity.measure(by_class, {"same": by_class}, spec, seed=1) == {"same": 0}
    with pytest.raises(parity.NotEqual, match="other differs from Keras by 1 "):
        parity.measure(by_class, {"other": lambda inputs: by_class({"label": 0 * inputs["label"]})}, spec, seed=1)


@pytest.mark.parametrize(
    ("high", "grid"),
    [
        (1, (100, 10)),
        (2, (99, 9)),
        (6, (98, 7)),
        (9, (100, 10)),
        (25, (78, 26)),
        (99, (100, 100)),
        (100, (100, None)),
    ],
)
def test_each_column_of_the_picture_is_one_class(high, grid):
    inputs = (*SPEC.inputs, dataclasses.replace(LABEL, high=high))
    assert build.grid_of(dataclasses.replace(SPEC, inputs=inputs)) == grid
    count, columns = grid
    assert columns is None or (count % columns == 0 and columns % (high + 1) == 0)
    degrees = dataclasses.replace(LABEL, dtype="float32")
    for plain in (SPEC, dataclasses.replace(SPEC, inputs=(*SPEC.inputs, degrees))):
        assert build.grid_of(plain) == (64, None)


def test_a_class_conditional_generator_is_exported_whole(tmp_path, monkeypatch):
    spec = dataclasses.replace(SPEC, inputs=(*SPEC.inputs, dataclasses.replace(LABEL, low=1, high=3)))
    z, label = keras.Input((3,), name="z"), keras.Input((), dtype="int32", name="label")
    hidden = keras.layers.Dense(4)(z) + keras.layers.Embedding(4, 4, "normal")(label)
    image = keras.layers.Reshape((2, 2, 1))(keras.layers.Activation("tanh")(hidden))
    model = SimpleNamespace(generator=keras.Model({"z": z, "label": label}, {"image": image}), generator_spec=spec)
    monkeypatch.setattr(build.restore, "load", lambda *_: (tiny_config("nade"), model, 4))

    build.build(tmp_path / "run", tmp_path / "bundle")
    generator = serving.Generator(tmp_path / "bundle")
    labels = np.array([1, 2, 3, 1, 2, 3, 1], np.int32)
    noise = {"z": draw(spec, 7, seed=5)["z"], "label": labels}
    expected = model.generator(noise)["image"].numpy()
    np.testing.assert_allclose(generator.sample(7, seed=5, dtype="float32"), expected, atol=1e-6)
    threes = model.generator({**noise, "label": np.full(7, 3)})["image"].numpy()
    np.testing.assert_allclose(generator.sample(7, seed=5, dtype="float32", label=3), threes, atol=1e-6)
    assert np.abs(threes - expected).max() > 0.01, "the class makes a difference"

    with Image.open(tmp_path / "bundle" / bundle.SAMPLES) as picture:
        np.testing.assert_array_equal(np.asarray(picture), images.grid(generator.sample(99), columns=9)[..., 0])
    card = (tmp_path / "bundle" / bundle.CARD).read_text()
    for truth in (
        "99 samples of seed 0",
        "not selected; the classes come in turn.",
        "`--condition=label=3`",
        "`label`\n1 + (k mod 3).\n\n| |",
        "| input | `label` | int32 | (batch) | a class, within [1, 3] |",
    ):
        assert truth in card


@pytest.mark.parametrize("culprit", ["onnxruntime", "saved_model"])
def test_disagreement_leaves_nothing_at_the_output(workdir, tmp_path, monkeypatch, culprit):
    module = {"onnxruntime": onnx, "saved_model": saved_model}[culprit]
    load = module.load

    def wrong(source):
        honest = load(source)
        return lambda inputs: {name: -value for name, value in honest(inputs).items()}

    monkeypatch.setattr(module, "load", wrong)
    with pytest.raises(UserError, match=f"nade was not exported: {culprit} differs from Keras by 2"):
        build.build(workdir, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_failure_leaves_the_old_bundle(workdir, tmp_path, monkeypatch):
    build.build(workdir, tmp_path / "bundle")
    before = (tmp_path / "bundle" / bundle.MANIFEST).read_bytes()
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="was not exported"):
        build.build(workdir, tmp_path / "bundle", overwrite=True)
    assert (tmp_path / "bundle" / bundle.MANIFEST).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_output_that_exists_is_refused_without_overwrite_and_replaced_with_it(workdir, tmp_path):
    build.build(workdir, tmp_path / "bundle")
    with pytest.raises(UserError, match="exists: give --overwrite"):
        build.build(workdir, tmp_path / "bundle")
    (tmp_path / "bundle" / "stray").touch()
    build.build(workdir, tmp_path / "bundle", overwrite=True)
    assert not (tmp_path / "bundle" / "stray").exists()
    bundle.read(tmp_path / "bundle")


def test_overwrite_replaces_bundles_only(workdir, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").touch()
    for output, what in ((tmp_path / "photos", "no bundle"), (tmp_path / "photos" / "1.jpg", "no bundle")):
        with pytest.raises(UserError, match=what):
            build.build(workdir, output, overwrite=True)
    assert (tmp_path / "photos" / "1.jpg").exists()


def test_the_newest_torn_checkpoint_is_passed_over(workdir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(workdir, run)
    (run / "checkpoints" / "00000004" / "state.index").unlink()
    assert build.build(run, tmp_path / "bundle").step == 2


def test_a_run_without_checkpoints_says_so(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(UserError, match="holds no checkpoint yet"):
        build.build(tmp_path / "run", tmp_path / "bundle")


def test_export_needs_neither_the_data_nor_the_optimizers(workdir, tmp_path, monkeypatch):
    monkeypatch.setattr("train.data.load", None)
    assert build.build(workdir, tmp_path / "bundle").step == 4


def test_the_lone_file_repeats_the_manifest_and_the_card_tells_the_truth(workdir, tmp_path):
    manifest = build.build(workdir, tmp_path / "bundle")
    model = onnx_library.load(tmp_path / "bundle" / bundle.ONNX)
    (text,) = [entry.value for entry in model.metadata_props if entry.key == bundle.METADATA_KEY]
    repeated = bundle.parse_manifest(text)
    assert repeated == bundle.Manifest(**{**vars(manifest), "files": {}})
    assert json.loads(text)["parity"]["batches"] == [1, 5, 16]
    card = (tmp_path / "bundle" / bundle.CARD).read_text()
    for truth in ("nade trained on digits", "Step 4", "| input | `u` | float32 | (batch, 8, 8, 1)", "`image`"):
        assert truth in card
    assert "64 samples of seed 0" in card
    assert "class" not in card.split("## How it was made")[0]


def test_tensorflow_serving_s_layout_and_names(workdir, tmp_path):
    build.build(workdir, tmp_path / "bundle")
    served = tf.saved_model.load(str(tmp_path / "bundle" / "saved_model" / "1"))
    signature = served.signatures["serving_default"]
    assert list(signature.structured_input_signature[1]) == ["u"]
    assert list(signature.structured_outputs) == ["image"]
    assert signature.structured_input_signature[1]["u"].shape.as_list() == [None, 8, 8, 1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--workdir is missing"),
        (["--workdir=/nowhere", "--output=x"], "/nowhere holds no run"),
        (["--workdr=x"], "unknown flag '--workdr'; did you mean '--workdir'?"),
    ],
)
def test_the_program_says_what_is_wrong_in_one_line(flags, message):
    process = python("-m", "export", *flags)
    output, _ = process.communicate()
    assert process.returncode == 2
    assert message in output
    assert output.count("\n") == 1
