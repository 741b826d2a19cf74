"""What a bundle holds, on disk. Standard library only: serving reads it without TensorFlow.

A bundle is a directory:

    manifest.json     what this is: see `Manifest`
    model.onnx        the generator; the manifest (without `files`) is repeated in its metadata, then comes a seal
    saved_model/1/    the same generator in TF Serving's layout
    samples.png       samples of seed 0, made by onnxruntime: a grid of images or a scatter of points, else no such file
    README.md         the model card
"""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.shared.errors import UserError
from zoo.shared.inference import MANIFEST, METADATA_KEY, ONNX
from zoo.spec import GeneratorSpec

SCHEMA_VERSION = 2  # 1 had no `checkpoint`
SAVED_MODEL = "saved_model/1"
SAMPLES = "samples.png"
CARD = "README.md"
SEAL_KEY = f"{METADATA_KEY}_sha256"  # the last entry: the SHA-256 of all bytes before it

_MAX_MANIFEST_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    `model` is the registered name, `recipe` the resolved configuration of the run, `step` its training step,
    `versions` the packages that made it, `parity` the largest differences measured at export, `files` the
    SHA-256 of each file by its relative path (empty in the copy inside the ONNX file), `checkpoint` which of the run's
    this was: the "last", or the "best" by the metric that the recipe names.
    """

    model: str
    spec: GeneratorSpec
    recipe: dict[str, Any]
    step: int
    versions: dict[str, str]
    parity: dict[str, Any]
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    checkpoint: str = "last"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the schema version first."""
        return {
            "schema_version": SCHEMA_VERSION,
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "spec": self.spec.to_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> "Manifest":
        """Return the manifest that `to_json` wrote; anything else is a `UserError`."""
        if not isinstance(value, dict):
            raise UserError(f"the manifest must be a JSON object, got {type(value).__name__}")
        version = value.get("schema_version")
        if type(version) is not int or version < 1:
            raise UserError(f"the manifest's schema_version {version!r} is not a positive integer")
        if version > SCHEMA_VERSION:
            raise UserError(
                f"the manifest has schema {version}, this genzoo reads up to {SCHEMA_VERSION}; install a newer genzoo"
            )
        if version == 1:
            value = {"checkpoint": "last", **value}
        types = {"model": str, "spec": dict, "recipe": dict, "step": int, "checkpoint": str} | dict.fromkeys(
            ("versions", "parity", "files"), dict
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
        fields = {key: value[key] for key in types}
        return cls(**{**fields, "spec": GeneratorSpec.from_json(value["spec"])})


def seal(model: bytes) -> bytes:
    """Return the serialised ONNX model with one more metadata entry at its end: the SHA-256 of what comes before.

    Protobuf messages may be continued, so this is an ordinary ONNX file whose every byte is accounted for.
    """
    key, digest = SEAL_KEY.encode(), hashlib.sha256(model).hexdigest().encode()
    entry = b"\x0a%c%s\x12%c%s" % (len(key), key, len(digest), digest)  # StringStringEntryProto: key, value
    return model + b"\x72%c%s" % (len(entry), entry)  # ModelProto.metadata_props


def is_sealed(model: bytes) -> bool:
    """Return whether the bytes end in the seal that `seal` made of them."""
    length = len(seal(b""))
    return len(model) > length and seal(model[:-length]) == model


def parse_manifest(text: str | bytes) -> Manifest:
    """Return the manifest in a JSON text; anything else is a `UserError`."""
    try:
        return Manifest.from_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UserError(f"the manifest is not JSON: {error}") from None


def read(directory: str | os.PathLike[str]) -> tuple[Manifest, bytes]:
    """Return the manifest of the bundle at `directory` and the bytes of its ONNX file.

    Every listed file is checked against its SHA-256; the ONNX bytes returned are those that were checked. A
    missing, altered or foreign file, or a path that leaves the bundle, is a `UserError`.
    """
    directory = Path(directory)
    path = directory / MANIFEST
    if not path.is_file():
        raise UserError(f"{directory} is not a bundle: it has no {MANIFEST}")
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise UserError(f"{path} is larger than {_MAX_MANIFEST_BYTES} bytes: not a manifest of ours")
    try:
        manifest = parse_manifest(path.read_bytes())
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if ONNX not in manifest.files:
        raise UserError(f"{path} lists no {ONNX}")
    model = b""
    for name, digest in manifest.files.items():
        data = _checked_bytes(directory, name, digest)
        if name == ONNX:
            model = data
    return manifest, model


def _checked_bytes(directory: Path, name: str, digest: str) -> bytes:
    path = directory / name
    # realpath, unlike Path.resolve, does not raise on links that go in a circle
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory)):
        raise UserError(f"{name!r} leads out of the bundle {directory}")
    if not path.is_file():
        raise UserError(f"the bundle {directory} lacks {name}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(f"{path} is corrupt: its SHA-256 differs from the manifest's; export or copy it again")
    return data


def _check_relative(path: str) -> None:
    parts = PurePosixPath(path)
    unspeakable = "\\" in path or "\0" in path or any("\ud800" <= letter <= "\udfff" for letter in path)
    if not path or unspeakable or parts.is_absolute() or ".." in parts.parts:
        raise UserError(f"the manifest names a path that leaves the bundle: {path!r}")
