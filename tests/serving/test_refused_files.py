"""Files that are not as the export wrote them: serving and evaluation open them alike, and refuse them alike."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import serving
from train.evaluate import makers
from zoo import images
from zoo.bundle import MANIFEST, METADATA_KEY, ONNX, is_bundle, seal
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

RECIPE = {"evaluate": {"metric": ""}, "ema": 0.9, "data": {"name": "digits", "image_size": 4}}
PHOTO, MEAN = TensorSpec("photo", (2, 2, 3), "condition", "image"), TensorSpec("mean", (3,), "output")
OPENERS = {"serving": serving.load, "evaluation": lambda path: makers.create(str(path))}


@pytest.fixture(params=OPENERS)
def opened(request):
    return OPENERS[request.param]


def fixed_batch(model):
    """As tools for phones want it."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1


def half_precision(model):
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))


def other_tensors(model):
    told = json.loads(model.metadata_props[0].value)
    told["maps"]["generate"]["inputs"][0]["name"] = "latent"
    model.metadata_props[0].value = json.dumps(told)


def deep_metadata(model):
    model.metadata_props[0].value = '{"schema_version":' + "[" * 100_000


def newer_ir(model):
    model.ir_version = 99


def newer_opset(model):
    model.opset_import[0].version = 99


def output_twice(model):
    model.graph.output.append(model.graph.output[0])


def input_twice(model):
    model.graph.input.append(model.graph.input[0])


def another_input(model):
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", TensorProto.FLOAT, ["batch", 3]))


def input_that_became_a_weight(model):
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((4, 8), np.float32), "z"))


def another_output(model):
    model.graph.output.append(onnx.helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["batch", 8]))


def free_features(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"


def unknown_map(model):
    model.metadata_props[1].value = "encode"


def earlier_schema(model):
    told = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps(told | {"schema_version": 2})


def without_metadata(model):
    del model.metadata_props[:]


def external_weights(model):
    weight = next(weight for weight in model.graph.initializer if weight.name == "kernel")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="model.onnx.data")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (fixed_batch, ["the batch axis of 'z' is fixed", r"\[1, 8\]"]),
        (half_precision, ["float16", "are not those of its manifest"]),
        (other_tensors, ["inputs", "are not those of its manifest"]),
        (deep_metadata, ["manifest is not JSON"]),
        (output_twice, ["outputs", "are not those of its manifest"]),
        (input_twice, ["Duplicate definition-site for \\(z\\)"]),
        (another_input, ["inputs", "'w'", "are not those of its manifest"]),
        (input_that_became_a_weight, ["inputs", "are not those of its manifest"]),
        (another_output, ["outputs", "'flat'", "are not those of its manifest"]),
        (free_features, ["'features'", "are not those of its manifest"]),
        (unknown_map, ["unknown map 'encode'", "generate"]),
        (earlier_schema, ["schema 2", "export the run again"]),
        (newer_ir, ["Unsupported model IR version: 99, max supported IR version"]),
        (newer_opset, ["domain ai.onnx is till opset"]),
        (without_metadata, ["not one of genzoo's", METADATA_KEY]),
        (external_weights, ["weights lie in another file", "onnx.save", "external_data=False"]),
    ],
)
def test_a_changed_file_is_refused_in_one_line(refused, factory, tmp_path, opened, change, words):
    model = factory.model()
    change(model)
    (tmp_path / "changed.onnx").write_bytes(model.SerializeToString())
    with refused("changed.onnx", *words):
        opened(tmp_path / "changed.onnx")


@pytest.mark.parametrize("name", [b"schema_version", b"image"])
def test_names_that_are_not_utf_8_are_refused_in_one_line(refused, factory, tmp_path, opened, name):
    data = factory.model().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(seal(data.replace(name, b"\xff" * len(name))))
    with refused("model.onnx"):
        opened(tmp_path / "model.onnx")


def test_a_file_larger_than_the_memory_is_refused(refused, factory, opened, monkeypatch):
    def refuse(_):
        raise MemoryError

    path = factory(recipe=RECIPE)
    monkeypatch.setattr("zoo.bundle.read_onnx", refuse)
    for place in (path / ONNX, path):
        with refused("larger than the memory that is left"):
            opened(place)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_that_ends_early_is_refused(refused, factory, opened, share):
    path = factory(recipe=RECIPE)
    data = (path / ONNX).read_bytes()
    (path / ONNX).write_bytes(data[: int(share * len(data))])
    for place in (path / ONNX, path):
        with refused("model.onnx"):
            opened(place)


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("location", ["model.onnx.data", "../model.onnx.data", "/etc/hostname", "linked.data"])
def test_weights_beside_the_file_are_not_read(refused, factory, tmp_path, opened, location, beside):
    """Sealed as ours or not, and whether or not the other file is there."""
    model = factory.model()
    external_weights(model)
    weight = next(weight for weight in model.graph.initializer if weight.name == "kernel")
    weight.external_data[0].value = location
    place = tmp_path / "inner"
    place.mkdir()
    if beside:
        for folder in (place, tmp_path):
            (folder / "model.onnx.data").write_bytes(bytes(8 * 48 * 4))
        (place / "linked.data").symlink_to(tmp_path / "model.onnx.data")
    (place / "model.onnx").write_bytes(seal(model.SerializeToString()))
    named = "at an absolute path" if location.startswith("/") else f"'{location}'"
    with refused("model.onnx", f"weights lie in another file, {named}"):
        opened(place / "model.onnx")


@pytest.mark.parametrize("harm", [lambda file: file.unlink(), lambda file: file.rename(file.with_suffix(".JSON"))])
def test_a_bundle_without_its_manifest_is_no_folder_of_pictures(refused, factory, opened, harm):
    path = factory(recipe=RECIPE)
    (path / "samples.png").write_bytes(images.encode_png(np.zeros((4, 4, 3), np.uint8)))
    harm(path / MANIFEST)
    with refused("is not a bundle: it has no manifest.json"):
        opened(path)


def flipped(path, number):
    """Flip one bit of the file, another for each number; return what stood there."""
    data = path.read_bytes()
    position, bit = number * 7919 % len(data), number % 8
    path.write_bytes(data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :])
    return data


def test_a_bit_flipped_anywhere_in_a_bundle_is_refused(factory):
    """In its models, its manifest and what lies beside them."""
    path = factory(others={"encode": MapSpec((PHOTO,), (MEAN,))}, recipe=RECIPE)
    (path / "saved_model").mkdir()
    for name in ("examples.npz", "README.md", "saved_model/saved_model.pb"):
        (path / name).write_bytes(bytes(range(200)))
    listed = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).unlink()
    files.write_json(path / MANIFEST, listed | {"files": files.checksums(path)})
    members = sorted(file for file in path.rglob("*") if file.is_file())
    assert len(members) == 6
    for number in range(30):
        for file in members:
            data = flipped(file, number)
            for opener in OPENERS.values():
                with pytest.raises(UserError) as refused:
                    opener(path)
                assert "\n" not in str(refused.value)
            file.write_bytes(data)
    for opener in OPENERS.values():
        opener(path)


def corrupt(path):
    """Overwrite weights in the middle of a bundle's file, which onnxruntime would load as it is."""
    data = bytearray((path / ONNX).read_bytes())
    middle = data.index(b"kernel") + 200
    data[middle : middle + 64] = bytes(64)
    (path / ONNX).write_bytes(data)
    return path


def test_corrupt_weights_are_refused(refused, factory, opened):
    path = factory(recipe=RECIPE)
    before = (path / ONNX).read_bytes()
    opened(path)
    corrupt(path)
    assert (path / ONNX).read_bytes() != before
    with refused("model.onnx is corrupt: its SHA-256 differs from the manifest's"):
        opened(path)
    with refused("model.onnx is corrupt or was altered after its export"):
        opened(path / ONNX)


def test_the_program_refuses_corrupt_weights_in_one_line(factory, tmp_path):
    path = corrupt(factory(recipe=RECIPE))
    command = [sys.executable, "-m", "train.evaluate", f"--source={path}", "--metrics=frechet", "--count=100"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{path / ONNX} is corrupt: its SHA-256 differs" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_evaluation_makes_what_serving_makes(several, factory):
    specs = dict(serving.load(several).manifest.maps)
    path = factory(specs.pop("generate"), others=specs, recipe=RECIPE)
    maker, maps = makers.create(str(path)), serving.load(path)
    assert maker.maps == {name: maps[name].spec for name in maps}
    photos = np.random.default_rng(0).uniform(-1, 1, (64, 2, 2, 3)).astype(np.float32)
    for name in maps:
        given = {} if name == "generate" else {"photo": photos}
        for tensor, values in maker.outputs(name, 64, 3, given).items():
            # evaluation uses all cores, which may change last bits
            np.testing.assert_allclose(values, maps[name](64, seed=3, **given)[tensor], atol=1e-6)


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[" * 100_000, b"\xff", b" " * (2**24 + 1)])
def test_a_bundle_with_a_damaged_manifest_is_named_as_one(refused, factory, opened, manifest):
    path = factory(recipe=RECIPE)
    (path / MANIFEST).write_bytes(manifest)
    assert is_bundle(path)
    with refused(MANIFEST):
        opened(path)


@pytest.mark.parametrize("function", ["Path.read_bytes", "files.sha256"])
def test_a_bundle_that_cannot_be_read_is_refused(refused, several, monkeypatch, function):
    """Root may read everything, so the refusal is made here."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(f"zoo.bundle.{function}", refuse)
    # a generator of one map reads its file, and hashes the others
    with refused("cannot read", "Permission denied"):
        serving.Generator(several)


@pytest.mark.parametrize("place", ["", "x" * 5000, "a\0b", os.devnull, "/proc/self/mem"])
def test_a_place_that_holds_no_bundle(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for way in (serving.load, serving.Generator):
        with pytest.raises(UserError):
            way(place)
