"""The bundle on disk. Its ONNX files are any bytes here: only `zoo.runtime` looks inside."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.bundle import (
    MANIFEST,
    ONNX,
    SCHEMA_VERSION,
    Manifest,
    is_bundle,
    is_sealed,
    parse_manifest,
    read,
    read_onnx,
    seal,
)
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Z, X = TensorSpec("z", (2,), "normal"), TensorSpec("x", (2,), "output")
SPEC = MapSpec((Z,), (X,))
LABEL = TensorSpec("label", (), "condition", "class", low=1, high=2)
ENCODE = MapSpec(
    (TensorSpec("image", (2, 2, 1), "condition", "image"), LABEL),
    (TensorSpec("mean", (2,), "output"), TensorSpec("log_prob", (), "output", "nats")),
)
MAPS = {"generate": SPEC, "encode": ENCODE}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
VALID = Manifest("tiny", MAPS, {"x": "point"}, {"a": 1}, 3, {"keras": "3"}, {}, {ONNX: "0" * 64}).to_json()


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "bundle"
    (path / "saved_model").mkdir(parents=True)
    (path / ONNX).write_bytes(b"the model")
    (path / "encode.onnx").write_bytes(b"the encoder")
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
    manifest, models = read(bundle)
    assert list(models.items()) == [("generate", b"the model"), ("encode", b"the encoder")]
    assert manifest.maps == MAPS
    assert manifest.targets == {"x": "point"}
    assert manifest.step == 3
    assert sorted(manifest.files) == ["encode.onnx", ONNX, "saved_model/x.pb"]


@pytest.mark.parametrize(
    ("maps", "names"),
    [
        (None, ["generate", "encode"]),
        (["encode"], ["encode"]),
        ([None], ["generate"]),
        ([None, "generate"], ["generate"]),
        ({"encode", "generate"}, ["generate", "encode"]),
        ([], []),
    ],
)
def test_read_the_maps_that_are_wanted(bundle, maps, names):
    assert list(read(bundle, maps)[1]) == names


def test_an_unknown_map_is_refused(bundle):
    with pytest.raises(UserError, match="unknown map 'encod'; did you mean 'encode'"):
        read(bundle, ["encod"])


def test_the_maps_of_a_manifest():
    manifest = Manifest.from_json(VALID)
    assert manifest.default == "generate"
    assert [manifest.choose(name) for name in (None, "generate", "encode")] == ["generate", "generate", "encode"]
    assert [manifest.onnx_file(name) for name in MAPS] == [ONNX, "encode.onnx"]
    for name in ("", "encod", 3):
        with pytest.raises(UserError, match="unknown map"):
            manifest.choose(name)


@given(OBJECTS, st.integers(), OBJECTS, st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), DIGESTS))
def test_json_round_trip(recipe, step, parity, listed):
    manifest = Manifest("tiny", MAPS, {"mean": "image"}, recipe, step, {}, parity, listed, "best")
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
        ({"schema_version": SCHEMA_VERSION + 1}, "install the wheel of a newer genzoo"),
        ({"schema_version": SCHEMA_VERSION - 1}, "export the run again"),
        ({"schema_version": 1}, "export the run again"),
        ({"schema_version": 0}, "positive"),
        ({"checkpoint": 3}, "checkpoint must be of type str"),
        ({"schema_version": True}, "positive"),
        ({"schema_version": "1"}, "positive"),
        ({"surprise": 1}, "unknown keys: surprise"),
        ({"step": 1.5}, "step must be of type int"),
        ({"model": None}, "model must be of type str"),
        ({"maps": []}, "maps must be of type dict"),
        ({"maps": {}}, "at least one map"),
        ({"maps": {"generate": {}}}, "map lacks inputs, outputs"),
        ({"maps": {"model": SPEC.to_json()}}, "map name 'model'"),
        ({"maps": {"serving_default": SPEC.to_json()}}, "map name 'serving_default'"),
        ({"maps": {"../encode": SPEC.to_json()}}, "map name '../encode'"),
        ({"maps": {"": SPEC.to_json()}}, "map name ''"),
        ({"maps": {"generate": {"inputs": [], "outputs": []}}}, "at least one input"),
        ({"targets": {"x": 3}}, "names of columns"),
        ({"targets": ["x"]}, "targets must be of type dict"),
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
    assert read(tmp_path / "latest")[1]["generate"] == b"the model"


def test_no_bundle(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=f"not a bundle.*{MANIFEST}"):
            read(path)


def test_manifest_without_a_model(bundle):
    with pytest.raises(UserError, match=f"lists no {ONNX}"):
        read(edit(bundle, files={}))
    with pytest.raises(UserError, match=r"lists no encode\.onnx"):
        read(edit(bundle, files={ONNX: "0" * 64}), ["generate"])


def test_huge_manifest(bundle):
    (bundle / MANIFEST).write_bytes(b" " * (2**24 + 1))
    with pytest.raises(UserError, match="not a manifest"):
        read(bundle)


def test_error_names_the_file(bundle):
    with pytest.raises(UserError, match=f"{MANIFEST}: .*newer genzoo"):
        read(edit(bundle, schema_version=4))


def test_is_bundle(bundle, tmp_path):
    assert is_bundle(bundle)
    for manifest in (b"", b"{}", b" " * (2**24 + 1)):  # a damaged one is still a bundle, and not a folder of pictures
        (bundle / MANIFEST).write_bytes(manifest)
        assert is_bundle(bundle)
    (bundle / MANIFEST).unlink()  # its sheets are no data set
    assert is_bundle(bundle)
    (bundle / ONNX).unlink()
    assert not is_bundle(bundle)
    (bundle / ONNX).symlink_to("nowhere")
    assert is_bundle(bundle)
    assert not is_bundle(tmp_path)
    assert not is_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["saved_model/x.pb", "encode.onnx"])
def test_a_huge_file_is_hashed_in_pieces(bundle, name):
    """A sparse file costs its sender nothing: it must not cost the reader's memory."""
    with open(bundle / name, "wb") as file:
        file.truncate(2**26)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="corrupt"):
            read(bundle, ["generate"])
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_model_beyond_protobuf_s_limit_is_refused_unread(bundle, monkeypatch):
    with open(bundle / ONNX, "wb") as file:
        file.truncate(2**31)
    monkeypatch.setattr("zoo.bundle.files.sha256", None)
    for attempt in (lambda: read_onnx(bundle / ONNX), lambda: read(edit(bundle, files=first_listed(bundle)))):
        with pytest.raises(UserError, match="2 GiB or more"):
            attempt()


def test_a_seal_is_checked_without_a_copy():
    model = seal(bytes(2**24))
    tracemalloc.start()
    try:
        assert is_sealed(model)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def first_listed(bundle):
    """Return the bundle's checksums, that of the first map in front."""
    listed = json.loads((bundle / MANIFEST).read_text())["files"]
    return {ONNX: listed[ONNX], **listed}


@pytest.mark.parametrize("name", [MANIFEST, "encode.onnx", "saved_model/x.pb", "saved_model"])
def test_links_in_a_circle(bundle, name):
    place = bundle / name
    if place.is_dir():
        (place / "x.pb").unlink()
        place.rmdir()
    else:
        place.unlink()
    place.symlink_to(place.name)
    with pytest.raises(UserError, match=name.partition("/")[0]):
        read(bundle)


def test_two_links_in_a_circle(bundle):
    (bundle / ONNX).unlink()
    (bundle / ONNX).symlink_to("other")
    (bundle / "other").symlink_to(ONNX)
    with pytest.raises(UserError, match=ONNX):
        read(bundle)


def test_a_seal_is_of_every_byte():
    for model in (b"", b"the model", bytes(1000)):
        sealed = seal(model)
        assert sealed.startswith(model)
        assert is_sealed(sealed) == bool(model)
        assert not is_sealed(model)
        assert not is_sealed(sealed + b"\0")
        assert not is_sealed(sealed[:-1])
        assert not is_sealed(b"x" + sealed)
