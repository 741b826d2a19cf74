"""The bundle on disk. Its ONNX file is any bytes here: only `serving` looks inside."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.bundle import MANIFEST, ONNX, SCHEMA_VERSION, Manifest, parse_manifest, read
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

SPEC = GeneratorSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("x", (2,), "sample"),))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
VALID = Manifest("tiny", SPEC, {"a": 1}, 3, {"keras": "3"}, {}, {ONNX: "0" * 64}).to_json()


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "bundle"
    (path / "saved_model").mkdir(parents=True)
    (path / ONNX).write_bytes(b"the model")
    (path / "saved_model" / "x.pb").write_bytes(b"another")
    files.write_json(path / MANIFEST, VALID | {"files": files.checksums(path)})
    return path


def edit(bundle, **changes):
    value = json.loads((bundle / MANIFEST).read_text()) | changes
    (bundle / MANIFEST).write_text(json.dumps(value))
    return bundle


def edit_files(bundle, **changes):
    listed = json.loads((bundle / MANIFEST).read_text())["files"]
    return edit(bundle, files=listed | changes)


def test_read(bundle):
    manifest, model = read(bundle)
    assert model == b"the model"
    assert manifest.spec == SPEC
    assert manifest.step == 3
    assert sorted(manifest.files) == [ONNX, "saved_model/x.pb"]


@given(OBJECTS, st.integers(), OBJECTS, st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), DIGESTS))
def test_json_round_trip(recipe, step, parity, listed):
    manifest = Manifest("tiny", SPEC, recipe, step, {}, parity, listed)
    assert parse_manifest(json.dumps(manifest.to_json())) == manifest


@given(JSON)
def test_arbitrary_json_is_a_user_error(value):
    with pytest.raises(UserError):
        parse_manifest(json.dumps(value))


@given(st.binary() | st.text())
def test_arbitrary_text_is_a_user_error(text):
    with pytest.raises(UserError):
        parse_manifest(text)


@given(st.sampled_from(sorted(VALID)), JSON)
def test_one_arbitrary_field_is_a_manifest_or_a_user_error(key, value):
    try:
        manifest = parse_manifest(json.dumps(VALID | {key: value}))
    except UserError:
        return
    assert manifest.to_json() == VALID | {key: value}


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ufeff{}", b"\xff\xfe\x00", "NaN", "1" * 5000])
def test_broken_json(text):
    with pytest.raises(UserError, match="the manifest"):
        parse_manifest(text)


@pytest.mark.parametrize("key", sorted(VALID))
def test_missing_key(key):
    with pytest.raises(UserError, match=key):
        Manifest.from_json({name: value for name, value in VALID.items() if name != key})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "install a newer genzoo"),
        ({"schema_version": 0}, "positive"),
        ({"checkpoint": 3}, "checkpoint must be of type str"),
        ({"schema_version": True}, "positive"),
        ({"schema_version": "1"}, "positive"),
        ({"surprise": 1}, "unknown keys: surprise"),
        ({"step": 1.5}, "step must be of type int"),
        ({"model": None}, "model must be of type str"),
        ({"spec": {}}, "spec lacks"),
        ({"files": {"x": "abc"}}, "SHA-256"),
        ({"files": {"x": None}}, "SHA-256"),
        ({"files": {"x": "A" * 64}}, "SHA-256"),
    ],
)
def test_bad_field(change, word):
    with pytest.raises(UserError, match=word):
        Manifest.from_json(VALID | change)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "..", "/etc/hostname", "", "..\\x", "a\0b", "\ud800"])
def test_paths_that_leave_the_bundle(bundle, path):
    with pytest.raises(UserError, match="leaves the bundle"):
        read(edit_files(bundle, **{path: "0" * 64}))


@pytest.mark.parametrize("name", [ONNX, "saved_model/x.pb"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"\1" + data[1:]])
def test_damaged_file(bundle, name, damage):
    (bundle / name).write_bytes(damage((bundle / name).read_bytes()))
    with pytest.raises(UserError, match=r"corrupt.*SHA-256"):
        read(bundle)


def test_missing_file(bundle):
    (bundle / "saved_model" / "x.pb").unlink()
    with pytest.raises(UserError, match=r"lacks saved_model/x\.pb"):
        read(bundle)


def test_directory_in_place_of_a_file(bundle):
    with pytest.raises(UserError, match="lacks saved_model"):
        read(edit_files(bundle, saved_model="0" * 64))


def test_link_out_of_the_bundle(bundle, tmp_path):
    """Even when the file outside has the right bytes."""
    (bundle / ONNX).rename(tmp_path / "outside")
    (bundle / ONNX).symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="leads out of the bundle"):
        read(bundle)


def test_linked_directory_out_of_the_bundle(bundle, tmp_path):
    (bundle / "saved_model").rename(tmp_path / "outside")
    (bundle / "saved_model").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="leads out of the bundle"):
        read(bundle)


def test_link_in_a_circle(bundle):
    (bundle / ONNX).unlink()
    (bundle / ONNX).symlink_to(ONNX)
    with pytest.raises(UserError, match=ONNX):
        read(bundle)


def test_bundle_behind_a_link(bundle, tmp_path):
    (tmp_path / "latest").symlink_to(bundle)
    assert read(tmp_path / "latest")[1] == b"the model"


def test_no_bundle(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=f"not a bundle.*{MANIFEST}"):
            read(path)


def test_manifest_without_a_model(bundle):
    with pytest.raises(UserError, match=f"lists no {ONNX}"):
        read(edit(bundle, files={}))


def test_huge_manifest(bundle):
    (bundle / MANIFEST).write_bytes(b" " * (2**20 + 1))
    with pytest.raises(UserError, match="not a manifest"):
        read(bundle)


def test_error_names_the_file(bundle):
    with pytest.raises(UserError, match=f"{MANIFEST}: .*newer genzoo"):
        read(edit(bundle, schema_version=3))


def test_a_manifest_of_the_first_schema_is_of_a_last_checkpoint():
    first = {key: value for key, value in VALID.items() if key != "checkpoint"} | {"schema_version": 1}
    assert Manifest.from_json(first) == Manifest.from_json(VALID)
    with pytest.raises(UserError, match="missing or unknown keys: checkpoint"):
        Manifest.from_json({**first, "schema_version": SCHEMA_VERSION})
