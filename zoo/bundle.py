"""A bundle on the disk: what it holds, and whether it is whole. Standard library only: no TensorFlow is needed.

A bundle is a directory:

    manifest.json     what this is: see `Manifest`
    model.onnx        the first map; NAME.onnx each other map. Every file repeats the manifest (without `files`) and
                      its map's name in its metadata, and ends with a seal
    saved_model/1/    the same maps in TF Serving's layout, a signature each, the first also as serving_default, with
                      a request for each signature that TF Serving warms it up by; may be left out as a whole, since
                      nothing here reads it
    model.ort         the first map in onnxruntime's own format, NAME.ort each other map, where that was asked for
    examples.npz      conditions from held-out data, and their targets: MAP/TENSOR, rows of each
    reference.npz     what the maps made of their first rows at export, in float32: MAP/TENSOR
    samples.png       a sheet of the first map, made by onnxruntime; NAME.png of each other map that can be shown;
                      samples.wav and NAME.wav the first of its sounds
    README.md         the model card

A preset (`zoo.presets`) is such a bundle with a few files more:

    preset.json       what its card says of the training, see `export.preset`
    real.png          a sheet of the pictures that it was trained on
    training/         the whole model, for new runs that begin with it (`train.rundir.portable`); may be left out as a
                      whole, since serving reads none of it
"""

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.shared import files, protobuf
from zoo.shared.errors import UserError, unknown
from zoo.spec import MapSpec, check_maps

SCHEMA_VERSION = 3
MANIFEST = "manifest.json"
ONNX = "model.onnx"  # of the first map
SAVED_MODEL = "saved_model/1"
_SAVED_MODEL = PurePosixPath(SAVED_MODEL).parts[0]
TRAINING = "training"  # of a preset
_OPTIONAL = (_SAVED_MODEL, TRAINING)  # directories that serving does without
EXAMPLES = "examples.npz"
REFERENCE = "reference.npz"
SAMPLES = "samples.png"
CARD = "README.md"
METADATA_KEY = "genzoo"  # the entry of the ONNX metadata that holds the manifest
MAP_KEY = f"{METADATA_KEY}_map"  # and that which names the map
SEAL_KEY = f"{METADATA_KEY}_sha256"  # the last entry: the SHA-256 of all bytes before it

_METADATA_FIELD = 14  # of ModelProto: metadata_props, each a key (1) and a value (2)
_MAX_MANIFEST_BYTES = 1 << 24  # each map repeats the names of the classes, which may be thousands
MAX_ONNX_BYTES = 2**31 - 1  # protobuf's own limit
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A bundle's account of itself.

    - `model` is the model's name, `recipe` the resolved configuration of the run, `step` its training step.
    - `maps` holds the spec of each map; the first is the default. `targets`: outputs that data show the right value of,
      each with the column that holds it.
    - `versions` are the packages that made the bundle, `parity` the largest differences measured at export, by map.
    - `files` holds the SHA-256 of each file by its relative path; it is empty in the copies inside the ONNX files.
    - `checkpoint` is the run's "last", or its "best" by the metric that the recipe names.
    """

    model: str
    maps: dict[str, MapSpec]
    targets: dict[str, str]
    recipe: dict[str, Any]
    step: int
    versions: dict[str, str]
    parity: dict[str, Any]
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    checkpoint: str = "last"

    @property
    def default(self) -> str:
        """The name of the map that is shown, judged and served unless another is named."""
        return next(iter(self.maps))

    def choose(self, name: str | None) -> str:
        """Return the name of the map `name`, or of the default if that is None; an unknown name is a `UserError`."""
        if name is not None and name not in self.maps:
            raise unknown("map", str(name), self.maps)
        return self.default if name is None else name

    def onnx_file(self, name: str) -> str:
        """Return the name of the map's ONNX file in the bundle."""
        return ONNX if name == self.default else f"{name}.onnx"

    @property
    def has_saved_model(self) -> bool:
        """Whether the bundle holds a SavedModel. A lone ONNX file has none."""
        return any(_root(name) == _SAVED_MODEL for name in self.files)

    def ort_file(self, name: str) -> str:
        """Return the name of the map's file in onnxruntime's own format, which a bundle may have."""
        return str(PurePosixPath(self.onnx_file(name)).with_suffix(".ort"))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the schema version first."""
        return {
            "schema_version": SCHEMA_VERSION,
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "maps": {name: spec.to_json() for name, spec in self.maps.items()},
        }

    @classmethod
    def from_json(cls, value: Any) -> "Manifest":
        """Return the manifest that `to_json` wrote; anything else is a `UserError`."""
        if not isinstance(value, dict):
            raise UserError(f"the manifest must be a JSON object, got {type(value).__name__}")
        version = value.get("schema_version")
        if type(version) is not int or version < 1:
            raise UserError(f"the manifest's schema_version {version!r} is not a positive integer")
        if version != SCHEMA_VERSION:
            remedy = "install the wheel of a newer genzoo" if version > SCHEMA_VERSION else "export the run again"
            raise UserError(f"the manifest has schema {version}, this genzoo reads {SCHEMA_VERSION}: {remedy}")
        types = {"model": str, "recipe": dict, "step": int, "checkpoint": str} | dict.fromkeys(
            ("maps", "targets", "versions", "parity", "files"), dict
        )
        if difference := types.keys() ^ (value.keys() - {"schema_version"}):
            raise UserError(f"the manifest has missing or unknown keys: {', '.join(sorted(difference))}")
        for key, kind in types.items():
            if type(value[key]) is not kind:
                raise UserError(f"the manifest's {key} must be of type {kind.__name__}, got {value[key]!r:.60}")
        for path, digest in value["files"].items():
            _check_relative(path)
            if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                raise UserError(f"the manifest's SHA-256 of {path!r} is not 64 hexadecimal digits")
        if not all(isinstance(column, str) for column in value["targets"].values()):
            raise UserError("the manifest's targets must be names of columns")
        maps = {name: MapSpec.from_json(spec) for name, spec in value["maps"].items()}
        check_maps(maps)
        return cls(**{**{key: value[key] for key in types}, "maps": maps})


def seal(model: bytes) -> bytes:
    """Return the serialised ONNX model with one more metadata entry at its end: the SHA-256 of what comes before.

    Protobuf messages may be continued, so this is an ordinary ONNX file whose every byte is accounted for.
    """
    return model + _seal_of(model)


def describe(model: bytes, manifest: Manifest, name: str) -> bytes:
    """Return the serialised ONNX model with the manifest, the name of its map and a seal in the place of older ones.

    Every other byte stays. What is no ONNX file is a `UserError`.
    """
    ours = {key.encode() for key in (METADATA_KEY, MAP_KEY, SEAL_KEY)}
    kept = []
    for number, start, value, end in protobuf.fields(model):
        if number == _METADATA_FIELD:
            entry = model[value:end]
            if any(part == 1 and entry[a:b] in ours for part, _, a, b in protobuf.fields(entry)):
                continue
        kept.append(model[start:end])
    told = {METADATA_KEY: json.dumps(dataclasses.replace(manifest, files={}).to_json(), allow_nan=False), MAP_KEY: name}
    entries = [
        protobuf.field(_METADATA_FIELD, protobuf.field(1, key.encode()) + protobuf.field(2, value.encode()))
        for key, value in told.items()
    ]
    return seal(b"".join([*kept, *entries]))


def is_sealed(model: bytes) -> bool:
    """Return whether the bytes end in the seal that `seal` made of them."""
    length = len(_seal_of(b""))
    # a view: the model may be large, and a copy as large again
    return len(model) > length and model.endswith(_seal_of(memoryview(model)[:-length]))


def _seal_of(model: bytes | memoryview) -> bytes:
    key, digest = SEAL_KEY.encode(), hashlib.sha256(model).hexdigest().encode()
    entry = b"\x0a%c%s\x12%c%s" % (len(key), key, len(digest), digest)  # StringStringEntryProto: key, value
    return b"\x72%c%s" % (len(entry), entry)  # ModelProto.metadata_props


def parse_manifest(text: str | bytes) -> Manifest:
    """Return the manifest in a JSON text; anything else is a `UserError`."""
    try:
        return Manifest.from_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UserError(f"the manifest is not JSON: {error}") from None


def is_bundle(path: str | os.PathLike[str]) -> bool:
    """Return whether the directory at `path` is a bundle, perhaps a damaged one: a manifest of ours, or the first map.

    Without either, what is left of it would pass for a folder of pictures: its sheets.
    """
    try:
        read_manifest(path)
    except (OSError, UserError):
        return os.path.lexists(Path(path) / ONNX)
    return True


def read_manifest(directory: str | os.PathLike[str]) -> Manifest:
    """Return the manifest of the bundle at `directory`; a missing or foreign one is a `UserError`."""
    path = Path(directory) / MANIFEST
    if not path.is_file():
        raise UserError(f"{directory} is not a bundle: it has no {MANIFEST}")
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise UserError(f"{path} is larger than {_MAX_MANIFEST_BYTES} bytes: not a manifest of ours")
    try:
        return parse_manifest(path.read_bytes())
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read(
    directory: str | os.PathLike[str], maps: Collection[str | None] | None = None
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest of the bundle at `directory` and the bytes of the ONNX files of its `maps`, None for all.

    Among the `maps`, None stands for the default. Every listed file is checked against its SHA-256; the bytes returned
    are those that were checked. A missing, altered or foreign file, or a path that leaves the bundle, is a `UserError`.
    Only the SavedModel and a preset's directory `training` may be missing, each as a whole: the `files` returned are
    those that are there.
    """
    directory = Path(directory)
    manifest = without_what_is_left_out(read_manifest(directory), directory)
    wanted = {manifest.onnx_file(name): name for name in map(manifest.choose, manifest.maps if maps is None else maps)}
    for name in manifest.maps:
        if manifest.onnx_file(name) not in manifest.files:
            raise UserError(f"{directory / MANIFEST} lists no {manifest.onnx_file(name)}")
    models = {}
    for name, digest in manifest.files.items():
        path = inside(directory, name)
        if name in wanted:
            models[wanted[name]] = data = read_onnx(path)
            found = hashlib.sha256(data).hexdigest()
        else:
            found = files.sha256(path)
        if found != digest:
            raise UserError(f"{path} is corrupt: its SHA-256 differs from the manifest's; export or copy it again")
    return manifest, {name: models[name] for name in manifest.maps if name in models}


def without_what_is_left_out(manifest: Manifest, directory: Path) -> Manifest:
    """Return the manifest without the files of those directories that may be missing as a whole and are."""
    missing = {name for name in _OPTIONAL if not os.path.lexists(directory / name)}
    kept = {name: digest for name, digest in manifest.files.items() if _root(name) not in missing}
    return dataclasses.replace(manifest, files=kept)


def _root(name: str) -> str:
    """Return the first part of a file's relative path."""
    return (*PurePosixPath(name).parts, "")[0]


def read_onnx(path: Path) -> bytes:
    """Return the bytes of an ONNX file; one that is missing or too large to be ours is a `UserError`."""
    if not path.is_file():
        raise UserError(f"{path} is no file" if path.exists() else f"{path} does not exist")
    if path.stat().st_size > MAX_ONNX_BYTES:
        raise UserError(f"{path} has 2 GiB or more: not an ONNX file of ours")
    return path.read_bytes()


def inside(directory: Path, name: str) -> Path:
    """Return the path of a file of the bundle; one that is missing, or leads out of the bundle, is a `UserError`."""
    path = directory / name
    # realpath, unlike Path.resolve, does not raise on links that go in a circle
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory)):
        raise UserError(f"{name!r} leads out of the bundle {directory}")
    if not path.is_file():
        hint = f": copy {_root(name)} again, or leave it out as a whole" if _root(name) in _OPTIONAL else ""
        raise UserError(f"the bundle {directory} lacks {name}{hint}")
    return path


def _check_relative(path: str) -> None:
    parts = PurePosixPath(path)
    unspeakable = "\\" in path or "\0" in path or any("\ud800" <= letter <= "\udfff" for letter in path)
    if not path or unspeakable or parts.is_absolute() or ".." in parts.parts:
        raise UserError(f"the manifest names a path that leaves the bundle: {path!r}")
