"""Bundles whose files were changed on purpose: sealed again with what the change costs, or left as they were."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import serving
from export import ort, recorded, resealing
from train.rundir import examples
from zoo import bundle
from zoo.runtime import open_maps
from zoo.shared import files, protobuf
from zoo.shared.errors import UserError

HALF = np.full((2, 2, 3), 0.5)


@pytest.fixture
def whole(several):
    """A bundle of three maps with examples and what the maps made of them, as the export writes it."""
    photo = np.random.default_rng(0).uniform(-1, 1, (5, 2, 2, 3)).astype(np.float32)
    held_out = {"generate": {}, "encode": {"photo": photo}, "translate": {"photo": photo}}
    _, opened = open_maps(several)
    made = {name: recorded.outputs(one.run, one.spec, held_out[name]) for name, one in opened.items()}
    (several / bundle.EXAMPLES).write_bytes(examples.encode(held_out))
    (several / bundle.REFERENCE).write_bytes(examples.encode(made))
    (several / bundle.CARD).write_text("# A card\n")
    for name in opened:
        (several / f"{name if name != 'generate' else 'model'}.ort").write_bytes(
            bundle.seal(ort.convert((several / opened_file(name)).read_bytes()))
        )
    list_again(several)
    serving.load(several)
    return several


def opened_file(name):
    return "model.onnx" if name == "generate" else f"{name}.onnx"


def list_again(path):
    listed = json.loads((path / bundle.MANIFEST).read_text())
    (path / bundle.MANIFEST).unlink()
    files.write_json(path / bundle.MANIFEST, listed | {"files": files.checksums(path)})


def change(path, by=0.0, weight="bias", drop=False):
    """Add to a weight; perhaps drop the metadata, as some tools do."""
    model = onnx.load(path)
    (tensor,) = (one for one in model.graph.initializer if one.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(by), weight))
    model.producer_name = "a tool"
    if drop:
        del model.metadata_props[:]
    onnx.save(model, path)


def contents(path):
    return {str(file): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("drop", [False, True])
def test_a_changed_file_is_served_again_and_says_what_it_costs(whole, refused, drop):
    before = bundle.read_manifest(whole)
    expected = serving.load(whole)["encode"](photo=HALF)["mean"]
    change(whole / "encode.onnx", 0.001, drop=drop)
    with refused("encode.onnx is corrupt"):
        serving.load(whole)
    found = resealing.seal(whole)
    # tanh lets through at most what was added; without bounds 255 levels are the range of what was expected
    with np.load(whole / bundle.REFERENCE) as kept:
        span = np.ptp(kept["encode/mean"])
    assert 0 < found["encode"]["mean"] <= 0.001 * 255 / span + 1e-3
    assert found["encode"]["log_variance"] == 0
    assert list(found) == ["encode"]
    served = serving.load(whole)
    made = served["encode"](photo=HALF)["mean"]
    assert not np.array_equal(made, expected)
    np.testing.assert_allclose(made, expected, atol=2e-3)
    told = served.manifest.parity["encode"]["sealed_again"]
    assert told["largest_difference_in_levels"] == found["encode"]
    assert (told["most_levels"], told["on"][:2], told["on"][-6:]) == (resealing.MOST, "20", "+00:00")
    assert "sealed_again" not in served.manifest.parity.get("translate", {})
    assert (served.manifest.maps, served.manifest.recipe) == (before.maps, before.recipe)
    card = (whole / bundle.CARD).read_text()
    assert (
        card.startswith("# A card\n\n## Sealed again\n") and f"On {told['on']}" in card and "- encode: mean by" in card
    )
    metadata = [entry.key for entry in onnx.load(whole / "encode.onnx").metadata_props]
    assert metadata == [bundle.METADATA_KEY, bundle.MAP_KEY, bundle.SEAL_KEY]
    np.testing.assert_array_equal(serving.load(whole / "encode.ort")["encode"](photo=HALF)["mean"], made)
    # and once more
    change(whole / "model.onnx", 0.001)
    assert list(resealing.seal(whole)) == ["generate"]
    assert serving.load(whole).manifest.parity["encode"]["sealed_again"] == told


def test_a_bundle_that_left_its_saved_model_out_is_sealed_again(whole):
    (whole / bundle.SAVED_MODEL).mkdir(parents=True)
    (whole / bundle.SAVED_MODEL / "saved_model.pb").write_bytes(b"of TF Serving alone")
    list_again(whole)
    shutil.rmtree(whole / "saved_model")
    change(whole / "encode.onnx", 0.001)
    assert list(resealing.seal(whole)) == ["encode"]
    assert not serving.load(whole).manifest.has_saved_model


def corrupt_examples(path):
    (path / bundle.EXAMPLES).write_bytes(b"\0" + (path / bundle.EXAMPLES).read_bytes()[1:])
    change(path / "encode.onnx", 0.001)


def too_far(path):
    change(path / "model.onnx", 0.6)


def no_model(path):
    (path / "encode.onnx").write_bytes(b"no model")


def other_tensors(path):
    shutil.copy(path / "translate.onnx", path / "encode.onnx")


def nan(path):
    change(path / "encode.onnx", np.nan)


def beside(path):
    model, where = onnx.load(path / "encode.onnx"), {"location": "encode.onnx.data", "size_threshold": 0}
    onnx.save(model, path / "encode.onnx", save_as_external_data=True, **where)


def missing(path):
    (path / "translate.onnx").unlink()


def without_reference(path):
    (path / bundle.REFERENCE).unlink()
    list_again(path)
    change(path / "encode.onnx", 0.001)


def link_out(path):
    shutil.move(path / "encode.onnx", path.parent.parent / "out.onnx")
    (path / "encode.onnx").symlink_to(path.parent.parent / "out.onnx")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: None, ["there is nothing to seal again"]),
        (corrupt_examples, ["examples.npz is corrupt", "only ONNX files"]),
        (too_far, ["is not sealed", "generate", r"of 255 grey levels \(at most 48 are allowed\)"]),
        (no_model, ["encode.onnx holds no ONNX model that onnxruntime can load"]),
        (other_tensors, ["encode.onnx", "inputs", "are not those of its manifest"]),
        (nan, ["NaN or infinity"]),
        (beside, ["encode.onnx", "weights lie in another file"]),
        (missing, ["lacks translate.onnx"]),
        (
            without_reference,
            [r"^\S+/bundles/bundle\d+ has no reference.npz", "exported before", "export the run again"],
        ),
        (link_out, ["leads out of the bundle"]),
    ],
)
def test_what_cannot_be_sealed_is_left_as_it_was(whole, refused, harm, words):
    harm(whole)
    before, beside = contents(whole), sorted(whole.parent.iterdir())
    with refused(*words):
        resealing.seal(whole)
    assert contents(whole) == before
    assert sorted(whole.parent.iterdir()) == beside


def test_a_killed_seal_leaves_the_bundle_as_it_was(whole):
    change(whole / "encode.onnx", 0.001)
    before = contents(whole)
    code = (
        "import os, signal, sys; from export import resealing; from zoo import runtime; from pathlib import Path\n"
        f"runtime.open_maps = lambda _: os.kill(os.getpid(), signal.SIGKILL)\nresealing.seal(Path({str(whole)!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert contents(whole) == before
    resealing.seal(whole)
    assert [path.name for path in whole.parent.iterdir()] == [whole.name]
    serving.load(whole)


def test_a_linked_bundle_stays_a_link(whole, tmp_path):
    (tmp_path / "latest").symlink_to(whole)
    change(whole / "encode.onnx", 0.001)
    resealing.seal(tmp_path / "latest")
    assert os.readlink(tmp_path / "latest") == str(whole)
    serving.load(tmp_path / "latest")


def test_the_program_says_it_without_tensorflow(whole):
    change(whole / "encode.onnx", 0.001)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['tensorflow', 'keras', 'onnx']))\n"
        f"sys.argv = ['seal', '--bundle={whole}']; from export.seal import run; run()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    first, *_, last = result.stdout.splitlines()
    assert first.startswith("encode: mean differs from the export by at most ")
    assert last.startswith(f"{whole} is sealed again")
    again = subprocess.run([sys.executable, "-m", "export.seal", f"--bundle={whole}"], capture_output=True, text=True)
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (2, "", 1)


# --- onnxruntime's own format -------------------------------------------------------------------------------------


def test_the_ort_file_makes_the_same_and_is_sealed(whole, refused):
    for name, served in serving.load(whole).items():
        place = whole / bundle.read_manifest(whole).ort_file(name)
        given = {} if name == "generate" else {"photo": HALF}
        alone = serving.load(place)[name](3, seed=1, **given)
        for tensor, values in served(3, seed=1, **given).items():
            np.testing.assert_allclose(alone[tensor], values, atol=1e-6)
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    with refused("translate.ort"):
        serving.load(place)


def test_a_file_that_cannot_be_converted_is_told_in_one_line():
    with pytest.raises(UserError, match=r"^onnxruntime cannot write its own format: [^\n]+$"):
        ort.convert(b"no model")


# --- protobuf -----------------------------------------------------------------------------------------------------


def test_a_model_is_its_fields_in_order(factory):
    data = factory.model().SerializeToString()
    found = list(protobuf.fields(data))
    assert b"".join(data[start:end] for _, start, _, end in found) == data
    assert {number for number, *_ in found} <= {field.number for field in onnx.ModelProto.DESCRIPTOR.fields}
    assert [number for number, *_ in found].count(14) == 2


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 2**14])
def test_a_field_is_as_protobuf_writes_it(size):
    text = "x" * size
    expected = onnx.ModelProto(doc_string=text).SerializeToString() if size else b"\x32\x00"
    assert protobuf.field(6, text.encode()) == expected
    ((number, start, value, end),) = protobuf.fields(expected)
    assert (number, start, expected[value:end], end) == (6, 0, text.encode(), len(expected))


@pytest.mark.parametrize("data", [b"\x32\x05abc", b"\x33", b"\x08" + b"\xff" * 11, b"\x32", b"\x0d\0\0"])
def test_what_is_no_message_is_refused(data):
    with pytest.raises(UserError, match="no protobuf message"):
        list(protobuf.fields(data))
