"""What every model keeps of its promise, continued: a run resumes, and its bundle serves in every runtime."""

import functools
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx as onnx_library
import onnxruntime
import pytest
import tensorflow as tf
from elsewhere import WHOLE, installed
from reference import complaints, run_in_reference
from shared import REPOSITORY, assert_same_state, checkpoint, metrics, tiny_config, trained

import serving
from export import build, onnx, parity, saved_model
from train.loop.trainer import Trainer
from train.rundir import examples
from zoo import bundle, media, noise
from zoo.model import as_run
from zoo.shared.errors import UserError


def held_out_inputs(run, name, count, seed):
    """Return every input of a map of a run, its conditions from the run's examples."""
    workdir, whole = run
    spec = whole.model.maps[name].spec
    given = build.conditions_of(spec, examples.read(workdir, whole.model.maps)[name])
    return noise.fill(spec, count, seed, given=noise.cycled(given, count))


def test_resumed_equals_uninterrupted_bit_for_bit(name, run, tmp_path, monkeypatch):
    workdir, whole = run
    monkeypatch.setattr(Trainer, "draw_samples", lambda self: None)  # sheets take as long as training
    resumed = tmp_path / "run"
    shutil.copytree(workdir, resumed)  # as it was after step 2
    shutil.rmtree(resumed / "checkpoints" / "00000004")
    assert trained(tiny_config(name), resumed).step == 4
    assert_same_state(checkpoint(resumed, 4), checkpoint(workdir, 4))
    assert whole.step == 4


def test_a_run_leaves_what_there_is_to_look_at(run):
    workdir, whole = run
    assert [line["step"] for line in metrics(workdir)] == [2, 4]
    files = ["config.json", "model.json", "examples.npz", "curves.png"]
    first = next(iter(whole.model.maps.values())).spec
    if any(media.is_shown(tensor) for tensor in first.outputs):
        files += ["samples/00000000.png", "samples/00000004.png", "training.gif"]
    for file in files:
        assert (workdir / file).stat().st_size > 0
    assert list((workdir / "tensorboard").iterdir())


def test_keras_saved_model_and_every_runtime_agree_in_every_map(run, exported, monkeypatch):
    """Pictures of free sides come at other sides than those of training."""
    _, whole = run
    monkeypatch.setattr(tf.saved_model, "load", functools.cache(tf.saved_model.load))  # one file holds all maps
    served = serving.load(exported)
    for name, made in whole.model.maps.items():
        inputs = held_out_inputs(run, name, 3, seed=99)
        inputs |= parity.other_sides(made.spec, inputs)
        with whole.averages.applied():
            expected = as_run(made)(inputs)
        file = exported / served.manifest.onnx_file(name)
        conditions = {tensor.name: inputs[tensor.name] for tensor in made.spec.conditions}
        results = {
            "SavedModel": saved_model.load(exported / bundle.SAVED_MODEL, name)(inputs),
            "onnxruntime": onnx.load(file.read_bytes())(inputs),
            "onnx.reference": run_in_reference(file, inputs),
            "serving": served[name](count=3, seed=99, **conditions),
            **{runtime: run_there(file, inputs) for runtime, run_there in installed().items() if runtime in WHOLE},
        }
        for runtime, result in results.items():
            for tensor in made.spec.outputs:
                np.testing.assert_allclose(
                    result[tensor.name], expected[tensor.name], atol=1e-4, rtol=1e-5, err_msg=f"{name} in {runtime}"
                )


def test_no_runtime_has_to_complain_of_a_file(exported, capfd):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2  # warnings
    files = sorted(exported.glob("*.onnx"))
    assert files
    for file in files:
        assert complaints(onnx_library.load(file)) == [], file.name
        capfd.readouterr()
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        assert capfd.readouterr() == ("", ""), file.name


def test_the_bundle_is_whole(exported, run):
    manifest, models = bundle.read(exported)
    specs = {name: made.spec for name, made in run[1].model.maps.items()}
    assert manifest.step == 4
    assert manifest.maps == specs
    assert list(models) == list(specs)
    assert set(manifest.files) >= {bundle.ONNX, bundle.EXAMPLES, bundle.CARD, "saved_model/1/saved_model.pb"}
    for told in manifest.parity.values():
        assert max(told["largest_difference_from_keras"].values()) <= told["tolerance"]


def bad_conditions(spec, given):
    """Yield conditions that a map cannot take, made of those that it can: each with what the refusal says."""

    def between(tensor, levels):
        return tensor.low + (tensor.high - tensor.low) * 0.4 / (levels - 1)

    for tensor in spec.conditions:
        values = given[tensor.name]
        yield tensor, values[..., None], "needs shape"
        if tensor.dtype == "float32":
            yield tensor, np.full_like(values, np.nan), "NaN or infinity"
        if tensor.is_class or (tensor.dtype == "float32" and np.isfinite([tensor.low, tensor.high]).all()):
            yield tensor, np.full_like(values, tensor.high + 1), "values must lie in"
            yield tensor, np.full_like(values, tensor.low - 1), "values must lie in"
        if tensor.levels and not tensor.companding:
            yield tensor, np.full_like(values, between(tensor, tensor.levels)), "is no value of it"
    for mask in spec.masks:
        known = given[mask.name]
        yield mask, known * 0.5, "a mask holds 0 and 1"
        for value in (0, 1):
            yield mask, np.concatenate([known[1:], np.full_like(known[:1], value)]), f"is {value} everywhere in row 2"
        kept = next(tensor for tensor in spec.conditions if tensor.name == mask.keeps)
        if spec.output.levels and not spec.output.companding:
            grey = np.where(known == 1, between(kept, spec.output.levels), given[kept.name])
            yield kept, grey, "where known is 1"


def test_what_a_map_cannot_take_is_refused_in_one_line_and_what_is_known_is_kept(run, exported):
    for name, made in serving.load(exported).items():
        inputs = held_out_inputs(run, name, 3, seed=99)
        given = {tensor.name: inputs[tensor.name] for tensor in made.spec.conditions}
        whole = made(count=3, **given)[made.spec.output.name]
        for mask in made.spec.masks:
            is_known = np.broadcast_to(given[mask.name] == 1, whole.shape)
            np.testing.assert_array_equal(whole[is_known], given[mask.keeps][is_known])
        for tensor, values, said in bad_conditions(made.spec, given):
            with pytest.raises(UserError, match=f"^{tensor.name}: .*{said}.*$"):
                made(count=3, **given | {tensor.name: values})


RUN_WITHOUT_TENSORFLOW = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tf2onnx", "onnx", "ml_collections", "train", "export"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import numpy, serving
(made,) = serving.load(sys.argv[1]).values()
numpy.savez(sys.argv[3], **made(count=6, seed=3, **numpy.load(sys.argv[2])))
"""


def test_the_lone_onnx_file_runs_where_tensorflow_is_blocked(exported, run, tmp_path):
    name, made = next(iter(run[1].model.maps.items()))
    lone, given, result = tmp_path / "lone.onnx", tmp_path / "given.npz", tmp_path / "result.npz"
    lone.write_bytes((exported / bundle.ONNX).read_bytes())
    inputs = held_out_inputs(run, name, 6, seed=3)
    conditions = {tensor.name: inputs[tensor.name] for tensor in made.spec.conditions}
    np.savez(given, **conditions)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-P", "-c", RUN_WITHOUT_TENSORFLOW, str(lone), str(given), str(result)]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
    expected = serving.load(exported)[name](count=6, seed=3, **conditions)
    with np.load(result) as found:
        for tensor in made.spec.outputs:
            np.testing.assert_array_equal(found[tensor.name], expected[tensor.name])
