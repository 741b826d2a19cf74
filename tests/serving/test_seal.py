"""The lone ONNX file accounts for every byte, and the manifest beside it may not contradict it."""

import json

import numpy as np
import onnx
import pytest

from serving import Generator
from zoo.bundle import MANIFEST, MAP_KEY, METADATA_KEY, SEAL_KEY, is_sealed
from zoo.shared.errors import UserError


def test_a_bit_flipped_anywhere_in_the_lone_file_is_refused(bundle_path, tmp_path):
    data = (bundle_path / "model.onnx").read_bytes()
    for position in np.linspace(0, len(data) - 1, 60).astype(int):
        flipped = bytearray(data)
        flipped[position] ^= 1
        (tmp_path / "flipped.onnx").write_bytes(flipped)
        with pytest.raises(UserError):
            Generator(tmp_path / "flipped.onnx")


def test_the_seal_is_ordinary_metadata_and_covers_every_byte(bundle_path):
    data = (bundle_path / "model.onnx").read_bytes()
    entries = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
    assert list(entries) == [METADATA_KEY, MAP_KEY, SEAL_KEY]
    assert is_sealed(data)
    assert not is_sealed(data + b"\0")
    assert not is_sealed(data[:-1])
    assert not is_sealed(b"")


def test_a_manifest_that_differs_from_the_one_inside_the_model_is_refused(bundle_path, edit_manifest):
    def uniform(manifest):
        manifest["maps"]["generate"]["inputs"][0] |= {"role": "uniform", "low": -1, "high": 1}

    edit_manifest(bundle_path, uniform)
    with pytest.raises(UserError, match="differs from the copy inside model.onnx"):
        Generator(bundle_path)


def test_manifest_reads_as_written(bundle_path):
    assert Generator(bundle_path).manifest.to_json() == json.loads((bundle_path / MANIFEST).read_text())
