"""Inside another program: copies, pickles, forks, bytes instead of paths, and what is shown of an object."""

import asyncio
import copy
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import serving
import zoo
from serving import Generator
from zoo.bundle import MANIFEST, ONNX
from zoo.shared import files
from zoo.shared.errors import UserError

PHOTO = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)

# --- copies and other processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda held: pickle.loads(pickle.dumps(held))])
def test_a_copy_makes_the_same_though_the_files_are_gone(several, factory, how):
    sides = serving.Sides(tile=8)
    bundle, generator = serving.load(several), Generator(several, "translate")
    expected = {name: map(3, 5, **given(name)) for name, map in bundle.items()}
    shutil.rmtree(several)
    assert factory().name == several.name, "another bundle is at the place of the old one"
    copied = how(bundle)
    assert list(copied) == list(bundle)
    assert copied.manifest == bundle.manifest
    for name, map in copied.items():
        assert map.spec == bundle[name].spec
        for tensor, values in map(3, 5, **given(name)).items():
            np.testing.assert_array_equal(values, expected[name][tensor])
    alone = how(bundle["encode"])
    np.testing.assert_array_equal(alone(photo=PHOTO)["mean"], bundle["encode"](photo=PHOTO)["mean"])
    made = how(generator).sample(3, 5, dtype="float32", photo=PHOTO)
    np.testing.assert_array_equal(made, expected["translate"]["translated"])
    with pytest.raises(UserError, match="did you mean 'encode'"):
        copied["encod"]
    assert how(sides) == sides


def given(name):
    return {} if name == "generate" else {"photo": PHOTO}


def test_a_pickle_opens_its_session_as_it_was_opened(bundle_path, monkeypatch):
    held = pickle.dumps(Generator(bundle_path, threads=3, providers=["CPUExecutionProvider"]))
    opened = []
    monkeypatch.setattr("zoo.shared.inference.open_session", lambda *arguments: opened.append(arguments))
    pickle.loads(held)
    data = (bundle_path / ONNX).read_bytes()
    assert opened == [(data, str(bundle_path / ONNX), 3, ["CPUExecutionProvider"])]


def test_an_error_crosses_processes():
    error = pickle.loads(pickle.dumps(serving.UserError("what was wrong")))
    assert (type(error), str(error)) == (serving.UserError, "what was wrong")


def test_a_spawned_process_makes_the_same(bundle_path):
    generator = Generator(bundle_path, threads=2)
    expected = generator.sample(3, 1)
    shutil.rmtree(bundle_path)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(generator.sample, 3, 1).result(60), expected)


FORK = """
import os, signal, sys, threading
import numpy as np
import serving
generator = serving.Generator(sys.argv[1], threads=2)
expected = generator.sample(64, 3)
for number, use in enumerate((True, False) * 3):
    if number == 2:  # from here on while another thread is in a run
        threading.Thread(target=lambda: [generator.sample(64) for _ in iter(int, 1)], daemon=True).start()
    child = os.fork()
    if not child:
        signal.alarm(20)
        same = not use or (generator.sample(64, 3) == expected).all()
        del generator
        sys.exit(0 if same else 3)
    assert os.waitpid(child, 0)[1] == 0, "a child hung, or made something else"
assert (generator.sample(64, 3) == expected).all()
os._exit(0)  # the thread still runs
"""


def test_the_children_of_a_fork_make_the_same_and_end(bundle_path):
    """onnxruntime's threads stay in the parent: a child would wait for them, at the latest when it ends."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", FORK, bundle_path]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")


def test_threads_of_an_event_loop(bundle_path):
    generator = Generator(bundle_path)

    async def all_at_once():
        return await asyncio.gather(*(asyncio.to_thread(generator.sample, 2, seed) for seed in range(8)))

    for seed, made in enumerate(asyncio.run(all_at_once())):
        np.testing.assert_array_equal(made, generator.sample(2, seed))


# --- where from --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_from_bytes(several, kind):
    whole = serving.load(several)
    data = kind((several / "encode.onnx").read_bytes())
    bundle = serving.load(data)
    assert list(bundle) == ["encode"]
    assert bundle.manifest.files == {}
    np.testing.assert_array_equal(bundle["encode"](photo=PHOTO)["mean"], whole["encode"](photo=PHOTO)["mean"])
    generator = Generator(data, "encode")
    made = generator.sample(photo=PHOTO, dtype="float32")
    np.testing.assert_array_equal(made, whole["encode"](photo=PHOTO)["mean"])


def test_bytes_that_are_no_file_of_ours(refused, bundle_path):
    data = (bundle_path / ONNX).read_bytes()
    with refused("<bytes> holds no ONNX model"):
        serving.load(b"bundles/mine")
    with refused("<bytes> is corrupt"):
        Generator(data[:-1] + b"\0")
    with refused("<bytes>.*makes no rows by themselves"):
        Generator(data).stream_rows()


@pytest.mark.parametrize("source", [None, 3, ["bundles/mine"]])
def test_what_is_neither_path_nor_bytes(refused, source):
    for opened in (serving.load, Generator):
        with refused("give the path of a bundle or of an ONNX file, or the bytes of one"):
            opened(source)


class Place:
    def __init__(self, path):
        self.path = str(path)

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize("kind", [str, Path, Place])
def test_any_kind_of_path(bundle_path, kind):
    for place in (bundle_path, bundle_path / ONNX):
        assert len(Generator(kind(place)).sample(2)) == len(serving.load(kind(place))["generate"](2)["image"]) == 2


def test_a_relative_path_stays_the_same_place(bundle_path, monkeypatch, tmp_path):
    monkeypatch.chdir(bundle_path.parent)
    generator, bundle = Generator(bundle_path.name), serving.load(bundle_path.name)
    monkeypatch.chdir(tmp_path)
    assert repr(str(bundle_path)) in repr(generator)
    assert repr(str(bundle_path)) in repr(bundle)


# --- providers ---------------------------------------------------------------------------------------------------


def test_providers(refused, several):
    expected = Generator(several).sample(3)
    there = onnxruntime.get_available_providers()
    for providers in (None, ["CPUExecutionProvider"], ("CPUExecutionProvider",), there):
        np.testing.assert_array_equal(Generator(several, providers=providers).sample(3), expected)
    for opened in (serving.load, Generator):
        with refused("unknown execution provider 'CUDA'", *there):
            opened(several, providers=["CUDA"])


# --- what is shown -----------------------------------------------------------------------------------------------


def test_what_is_shown(several):
    generate = "generate(z: noise (8,)) -> image: image (4, 4, 3)"
    encode = "encode(photo: image (2, 2, 3)) -> mean: latent (8,), log_variance: latent (8,)"
    bundle = serving.load(several)
    whole = f"<Bundle tiny at step 7 from {str(several)!r}, without saved_model: {generate}; {encode}; translate("
    assert repr(bundle).startswith(whole)
    assert str(bundle) == repr(bundle)
    assert repr(bundle["encode"]) == f"<ServedMap {encode}>"
    translate = Generator((several / "translate.onnx").read_bytes())
    assert repr(translate) == (
        "<Generator tiny at step 7 from '<bytes>': translate(photo: image (2, 2, 3), label: class 0..9, z: noise (8,)) "
        "-> translated: image (4, 4, 3)>"
    )


def test_the_names_that_programs_ask_for():
    assert serving.__version__ == zoo.__version__
    assert serving.UserError is UserError
    assert all(hasattr(serving, name) for name in serving.__all__)


# --- without TF Serving's part -----------------------------------------------------------------------------------


@pytest.fixture
def with_saved_model(bundle_path):
    (bundle_path / "saved_model/1/variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (bundle_path / "saved_model/1" / name).write_bytes(b"a file of TensorFlow's")
    listed = files.checksums(bundle_path)
    del listed[MANIFEST]
    files.write_json(bundle_path / MANIFEST, json.loads((bundle_path / MANIFEST).read_text()) | {"files": listed})
    return bundle_path


def test_a_bundle_whose_saved_model_was_left_out(with_saved_model):
    whole = serving.load(with_saved_model)
    assert "without saved_model" not in repr(whole)
    assert whole.manifest.has_saved_model
    shutil.rmtree(with_saved_model / "saved_model")
    for part in (serving.load(with_saved_model), Generator(with_saved_model)):
        assert "without saved_model" in repr(part)
        assert not part.manifest.has_saved_model
        assert list(part.manifest.files) == [ONNX]
    np.testing.assert_array_equal(Generator(with_saved_model).sample(3), whole_pictures(whole))


def whole_pictures(bundle):
    return np.rint((bundle["generate"](3)["image"].astype(np.float64) + 1) * 127.5).astype(np.uint8)


@pytest.mark.parametrize("missing", ["1", "1/saved_model.pb", "1/variables", "1/variables/variables.index"])
def test_half_a_saved_model_is_refused(refused, with_saved_model, missing):
    place = with_saved_model / "saved_model" / missing
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with refused("lacks saved_model/1/", "copy saved_model again, or leave it out as a whole"):
        serving.load(with_saved_model)


def test_only_the_saved_model_may_be_left_out(refused, several):
    (several / "encode.onnx").unlink()
    with refused("lacks encode.onnx$"):
        serving.load(several)
