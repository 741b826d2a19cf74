"""From a run to a bundle: what is not proven is not written."""

import dataclasses
import json
import shlex
import shutil
import subprocess
import sys

import numpy as np
import onnx as onnx_library
import pytest
import tensorflow as tf
from PIL import Image
from shared import REPOSITORY, python

import serving
from export import build, onnx, parity, saved_model
from zoo import bundle, images, media
from zoo.noise import fill
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

SPEC = MapSpec((TensorSpec("z", (3,), "normal"),), (TensorSpec("image", (2, 2, 1), "output", "image"),))
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)


@pytest.fixture
def exported(three_maps, tmp_path):
    """The bundle of three maps, at a path that TensorFlow reads as a pattern."""
    build.build(tmp_path / "run", tmp_path / "bundle[1]")
    return tmp_path / "bundle[1]"


# --- several maps ------------------------------------------------------------------------------------------------


def test_every_map_has_its_files(exported):
    files = sorted(path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file())
    assert [file for file in files if not file.startswith("saved_model/")] == [
        *("README.md", "examples.npz", "fill_in.onnx", "fill_in.png", "log_prob.onnx"),
        *("manifest.json", "model.onnx", "reference.npz", "samples.png"),
    ]
    manifest = bundle.read_manifest(exported)
    assert list(manifest.maps) == ["generate", "fill_in", "log_prob"]
    assert sorted(manifest.files) == [file for file in files if file != bundle.MANIFEST]
    assert list(manifest.parity) == list(manifest.maps)
    assert manifest.targets == {"filled": "photo"}
    for name in manifest.maps:
        data = (exported / manifest.onnx_file(name)).read_bytes()
        assert bundle.is_sealed(data)
        entries = {entry.key: entry.value for entry in onnx_library.load_from_string(data).metadata_props}
        assert entries[bundle.MAP_KEY] == name
        assert bundle.parse_manifest(entries[bundle.METADATA_KEY]) == dataclasses.replace(manifest, files={})


def test_some_of_the_maps_alone(three_maps, tmp_path):
    manifest = build.build(tmp_path / "run", tmp_path / "some", only=["log_prob", "fill_in"])
    assert list(manifest.maps) == ["fill_in", "log_prob"], "in the model's order; the first is the default"
    assert sorted(path.name for path in (tmp_path / "some").glob("*.onnx")) == ["log_prob.onnx", "model.onnx"]
    assert serving.load(tmp_path / "some").manifest.default == "fill_in"
    with pytest.raises(UserError, match="unknown map 'fil_in'; did you mean 'fill_in'"):
        build.build(tmp_path / "run", tmp_path / "none", only=["fil_in"])
    assert not (tmp_path / "none").exists()


def test_no_file_says_where_the_run_and_its_data_lay(monkeypatch, workdir, tmp_path):
    """The set keeps its name, in the card too; a picture and a run that the recipe names keep theirs."""
    load, place = build.restore.load, "/srv/somebody-s/secret"
    places = (workdir, tmp_path, REPOSITORY, sys.prefix)

    def elsewhere(*arguments):
        config, model, step = load(*arguments)
        config.data.name = f"lowres:folder:{place}/cats/train"
        config.init_from = f"{place}/runs/first/"
        config.model.style = f"{place}/paint.jpg"
        config.model.name = f"{place}/mine.py:Nade"
        return config, model, step

    monkeypatch.setattr(build.restore, "load", elsewhere)
    recipe = build.build(workdir, tmp_path / "bundle").recipe
    assert recipe["data"]["name"] == "lowres:folder:cats/train"
    assert (recipe["init_from"], recipe["model"]["style"]) == ("first", "paint.jpg")
    assert "# mine.py:Nade trained on lowres:folder:cats/train" in (tmp_path / "bundle" / bundle.CARD).read_text()
    files = [path for path in (tmp_path / "bundle").rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        data = path.read_bytes()
        for secret in (b"somebody-s", *(str(place).encode() for place in places)):
            assert secret not in data, f"{path.name} holds {secret}"


def test_serving_makes_what_keras_makes_in_every_map(exported, three_maps):
    served = serving.load(exported)
    given = {"generate": {}, "fill_in": {"photo": 0, "mask": 0}, "log_prob": {"photo": 0}}
    for name, made in three_maps.maps.items():
        conditions = {key: three_maps.examples[name][key] for key in given[name]}
        inputs = fill(made.spec, 5, 7, given=conditions)
        outputs = served[name](5, seed=7, **conditions)
        for tensor, expected in made(inputs).items():
            np.testing.assert_allclose(outputs[tensor], expected, rtol=1e-5, atol=1e-5, err_msg=f"{name}: {tensor}")


def test_tensorflow_serving_has_a_signature_for_each_map(exported, three_maps, tmp_path):
    # TensorFlow itself cannot load from the path with brackets
    served = tf.saved_model.load(shutil.copytree(exported / "saved_model" / "1", tmp_path / "plain"))
    assert sorted(served.signatures) == ["fill_in", "generate", "log_prob", "serving_default"]
    for name in served.signatures:
        made = three_maps.maps["generate" if name == "serving_default" else name]
        signature = served.signatures[name]
        shapes = {key: tensor.shape.as_list() for key, tensor in signature.structured_input_signature[1].items()}
        assert shapes == {tensor.name: [None, *tensor.shape] for tensor in made.spec.inputs}
        assert sorted(signature.structured_outputs) == sorted(tensor.name for tensor in made.spec.outputs)
        inputs = fill(made.spec, 3, 1, given={t.name: np.ones((3, *t.shape)) for t in made.spec.conditions})
        outputs = signature(**{key: tf.constant(values) for key, values in inputs.items()})
        for tensor, expected in made(inputs).items():
            np.testing.assert_allclose(outputs[tensor], expected, rtol=1e-5, atol=1e-5)


def test_the_saved_model_is_loaded_from_a_path_with_brackets(exported, three_maps):
    made = three_maps.maps["log_prob"]
    run = saved_model.load(exported / bundle.SAVED_MODEL, "log_prob")
    inputs = fill(made.spec, 3, 1, given={"photo": np.ones((3, 2, 2, 1))})
    for tensor, expected in made(inputs).items():
        np.testing.assert_allclose(run(inputs)[tensor], expected, rtol=1e-5)


def test_the_examples_go_with_the_bundle(exported, three_maps):
    with np.load(exported / bundle.EXAMPLES) as arrays:
        assert sorted(arrays.files) == ["fill_in/filled", "fill_in/mask", "fill_in/photo", "log_prob/photo"]
        for key in arrays.files:
            name, _, tensor = key.partition("/")
            np.testing.assert_array_equal(arrays[key], three_maps.examples[name][tensor])


def test_the_sheets_show_samples_and_conditions_outputs_targets(exported, three_maps):
    def stored(name):
        with Image.open(exported / name) as picture:
            return np.asarray(picture)

    served, rows = serving.load(exported), three_maps.examples["fill_in"]
    samples = serving.Generator(exported).sample(99)
    np.testing.assert_array_equal(stored(bundle.SAMPLES), images.grid(samples, columns=9)[..., 0])
    filled = served["fill_in"](photo=rows["photo"], mask=rows["mask"])["filled"]
    spec, again = served["fill_in"].spec, np.arange(16) % len(filled)
    parts = [(spec.inputs[0], rows["photo"]), (spec.inputs[1], rows["mask"]), (spec.output, filled)]
    parts.append((spec.output, rows["filled"]))
    expected = media.sheet([(tensor, values[again]) for tensor, values in parts])
    np.testing.assert_array_equal(stored("fill_in.png"), expected[..., 0])


def test_every_command_of_the_card_works(exported, tmp_path):
    """Where the card says FILE, a file of the bundle's examples is put."""
    with np.load(exported / bundle.EXAMPLES) as arrays:
        for tensor in ("photo", "mask"):
            picture = np.uint8(np.round(arrays[f"fill_in/{tensor}"][0] * 255 % 256))
            (exported / f"{tensor}.png").write_bytes(images.encode_png(picture))
    card = (exported / bundle.CARD).read_text()
    commands = [line.strip() for line in card.splitlines() if line.startswith("    python -m serving.sample")]
    assert len(commands) == 3
    commands += [f"{commands[0]} {card.split('with `')[1].split('`')[0]}"]
    for command in commands:
        words = shlex.split(command)[1:]
        words = [word.replace("=FILE", f"={word.split('=')[1]}") if "=FILE" in word else word for word in words]
        result = subprocess.run(
            [sys.executable, *words],
            **{"cwd": exported, "capture_output": True, "text": True, "env": {"PYTHONPATH": str(REPOSITORY)}},
        )
        assert result.returncode == 0, (command, result.stderr)
    code = "import serving\n" + "".join(
        f"print(sorted({line.split('`')[1]}))\n" for line in card.splitlines() if line.startswith("or in Python")
    )
    code = code.replace("...", "np.ones((2, 2, 1))").replace("import serving", "import serving, numpy as np")
    result = subprocess.run(
        [sys.executable, "-c", code],
        **{"cwd": exported, "capture_output": True, "text": True, "env": {"PYTHONPATH": str(REPOSITORY)}},
    )
    assert result.stdout == "['image']\n['filled']\n['log_weight', 'mean']\n", result.stderr


@pytest.mark.parametrize("culprit", ["onnxruntime", "saved_model"])
@pytest.mark.parametrize("name", ["fill_in", "log_prob"])
def test_a_fault_in_any_map_is_seen(three_maps, tmp_path, monkeypatch, culprit, name):
    module = {"onnxruntime": onnx, "saved_model": saved_model}[culprit]
    load, wanted = module.load, {tensor.name for tensor in three_maps.maps[name].spec.outputs}

    def wrong(*source):
        honest = load(*source)
        changed = lambda made: {key: value * np.float32(0.99) for key, value in made.items()}  # noqa: E731
        return lambda inputs: changed(made) if set(made := honest(inputs)) == wanted else made

    monkeypatch.setattr(module, "load", wrong)
    with pytest.raises(UserError, match=f"nade was not exported: {culprit} differs from Keras"):
        build.build(tmp_path / "run", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_an_unconvertible_map_is_seen(three_maps, tmp_path, monkeypatch):
    convert = onnx.convert

    def wrong(made):
        if made is three_maps.maps["log_prob"]:
            raise onnx.NotConvertible("no such operation")
        return convert(made)

    monkeypatch.setattr(onnx, "convert", wrong)
    with pytest.raises(UserError, match="nade was not exported: no such operation"):
        build.build(tmp_path / "run", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_condition_without_examples_is_refused(three_maps, tmp_path):
    del three_maps.examples["fill_in"]["mask"]
    with pytest.raises(UserError, match="missing condition mask"):
        build.build(tmp_path / "run", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_bundle_that_serving_would_refuse_is_not_shown(three_maps, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_MAX_MANIFEST_BYTES", 100)
    with pytest.raises(UserError, match="larger than 100 bytes"):
        build.build(tmp_path / "run", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("high", "grid"),
    [
        (1, (100, 10)),
        (2, (99, 9)),
        (6, (98, 7)),
        (9, (100, 10)),
        (19, (100, 20)),
        (20, (100, None)),  # in turn
        (100, (100, None)),
    ],
)
def test_each_column_of_the_picture_is_one_class(high, grid):
    inputs = (*SPEC.inputs, dataclasses.replace(LABEL, high=high))
    assert build.grid_of(dataclasses.replace(SPEC, inputs=inputs)) == grid
    count, columns = grid
    assert columns is None or (count % columns == 0 and columns % (high + 1) == 0)
    degrees = TensorSpec("degrees", (), "condition")
    for plain in (SPEC, dataclasses.replace(SPEC, inputs=(*SPEC.inputs, degrees))):
        assert build.grid_of(plain) == (64, None)
    point = TensorSpec("image", (2,), "output", "point")
    assert build.grid_of(MapSpec(inputs, (point,))) == (2500, None)


def test_a_class_conditional_generator_is_exported_whole(exported, three_maps):
    made, generator = three_maps.maps["generate"], serving.Generator(exported)
    labels = np.array([1, 2, 3, 1, 2, 3, 1], np.int32)
    noise = {"z": fill(made.spec, 7, seed=5)["z"], "label": labels}
    expected = made(noise)["image"].numpy()
    np.testing.assert_allclose(generator.sample(7, seed=5, dtype="float32"), expected, atol=1e-6)
    threes = made({**noise, "label": np.full(7, 3)})["image"].numpy()
    np.testing.assert_allclose(generator.sample(7, seed=5, dtype="float32", label=3), threes, atol=1e-6)
    assert np.abs(threes - expected).max() > 0.01, "the class makes a difference"


# --- one run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("culprit", ["onnxruntime", "saved_model"])
def test_disagreement_leaves_nothing_at_the_output(workdir, tmp_path, monkeypatch, culprit):
    module = {"onnxruntime": onnx, "saved_model": saved_model}[culprit]
    load = module.load

    def wrong(*source):
        honest = load(*source)
        return lambda inputs: {name: -value for name, value in honest(inputs).items()}

    monkeypatch.setattr(module, "load", wrong)
    message = f"nade was not exported: {culprit} differs from Keras in image: share of rows 1 "
    with pytest.raises(UserError, match=message):
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
    assert json.loads(text)["parity"]["generate"]["batches"] == [1, 5, 16]
    card = (tmp_path / "bundle" / bundle.CARD).read_text()
    for truth in (
        *("nade trained on digits", "Step 4", "## generate", "## log_prob"),
        "| input | `u` | latent | float32 | (batch, 8, 8, 1) | noise, uniform on [0, 1) |",
        "| output | `image` | image | float32 | (batch, 8, 8, 1) | within [-1, 1] |",
        "| output | `log_prob` | nats | float32 | (batch) |",
        "The share of rows that differ from the Keras model",
        "The largest difference from the Keras model",
        "64 samples of seed 0",
    ):
        assert truth in card
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


# --- fewer bits ---------------------------------------------------------------------------------------------------


def test_float16_has_the_same_borders_and_says_what_it_cost(three_maps, tmp_path):
    manifest = build.build(tmp_path / "run", tmp_path / "bundle", bits="float16", has_ort=True)
    served = serving.load(tmp_path / "bundle")
    card = (tmp_path / "bundle" / bundle.CARD).read_text()
    given = {"generate": [], "fill_in": ["photo", "mask"], "log_prob": ["photo"]}
    for name, made in three_maps.maps.items():
        told = served.manifest.parity[name]["precision"]
        assert told == manifest.parity[name]["precision"]
        assert told["stored_as"] == "float16" and told["bytes"] != told["bytes_of_float32"]
        assert max(told["largest_difference_in_levels"].values()) > 0
        graph = onnx_library.load(tmp_path / "bundle" / manifest.onnx_file(name)).graph
        assert {tensor.data_type for tensor in graph.initializer} >= {onnx_library.TensorProto.FLOAT16}
        conditions = {key: three_maps.examples[name][key] for key in given[name]}
        inputs = fill(made.spec, 5, 7, given=conditions)
        alone = serving.load(tmp_path / "bundle" / manifest.ort_file(name))[name]
        for tensor, expected in made(inputs).items():
            np.testing.assert_allclose(served[name](5, seed=7, **conditions)[tensor], expected, rtol=1e-2, atol=1e-2)
            np.testing.assert_allclose(alone(5, seed=7, **conditions)[tensor], expected, rtol=1e-2, atol=1e-2)
    assert card.count("The file is stored as float16") == 3
    # the reference is of float32
    with np.load(tmp_path / "bundle" / bundle.REFERENCE) as kept:
        made = three_maps.maps["generate"]
        np.testing.assert_allclose(kept["generate/image"], made(fill(made.spec, 8, 0))["image"], atol=1e-6)


@pytest.mark.parametrize("bits", ["float16", "int8"])
def test_more_than_the_bound_is_refused_and_nothing_written(three_maps, tmp_path, monkeypatch, bits):
    monkeypatch.setitem(build.cost.MOST_LEVELS, bits, 1e-6)
    message = rf"^nade was not exported: in {bits} its map generate loses too much: image is off by [^\n]+$"
    with pytest.raises(UserError, match=message):
        build.build(tmp_path / "run", tmp_path / "bundle", bits=bits)
    assert list(tmp_path.iterdir()) == []


def test_a_sampling_loop_stays_float32(workdir, tmp_path):
    with pytest.raises(UserError, match="--precision=int8: generate runs in a loop"):
        build.build(workdir, tmp_path / "bundle", bits="int8")
    assert list(tmp_path.iterdir()) == []
