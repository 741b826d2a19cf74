"""What every model keeps of its promise. A new model is tested by being registered, or by its name:

python -m pytest tests/conformance --model=mine.py:MyModel
"""

import ast
import importlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import onnx as onnx_library
import onnxruntime
import pytest
import tensorflow as tf
from absl import flags
from ml_collections import config_flags
from reference import complaints, run_in_reference
from shared import (
    REPOSITORY,
    assert_same_state,
    checkpoint,
    flags_of,
    metrics,
    recipe_of,
    tiny_config,
    tiny_model,
    trained,
    trainer,
)

import serving
import zoo
from export import build, onnx, saved_model
from train import config
from train.engine.optimizers import build as build_optimizer
from train.rundir import examples
from zoo import bundle, media, noise
from zoo.model import GenerativeModel, as_run, declaration_of
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--model")
        metafunc.parametrize("name", [chosen] if chosen else zoo.available(), scope="module")


@pytest.fixture(scope="module")
def run(name, tmp_path_factory):
    """A tiny run, trained to its end."""
    workdir = tmp_path_factory.mktemp("run") / "run"
    return workdir, trained(tiny_config(name), workdir)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The bundle of that run."""
    directory = tmp_path_factory.mktemp("bundles") / "bundle"
    build.build(run[0], directory)
    return directory


@pytest.fixture
def model(name):
    return compiled(name)


def compiled(name, optimizer=None):
    """Return a tiny model with the optimisers of its recipe, or with new ones of `optimizer`."""
    settings = tiny_config(name)
    made = tiny_model(name)
    made.compile(
        **{
            player: optimizer() if optimizer else build_optimizer(settings.optimizers[player], 10, made.step)
            for player in made.player_names
        }
    )
    return made


def batch(model, count=4, seed=0):
    """Return rows of the columns that the model reads: binary pictures, classes and attributes in turn."""
    random, rows = np.random.default_rng(seed), {}
    for name, spec in model.columns.items():
        if spec.kind == "class":
            rows[name] = noise.in_turn(spec, count)
        elif spec.kind == "attributes":
            rows[name] = np.eye(*spec.shape, dtype=np.int32)[(seed + np.arange(count)) % spec.shape[0]]
        else:
            rows[name] = np.sign(random.uniform(-1, 1, (count, *spec.shape))).astype(np.float32)
    return rows


def tensors(rows):
    return {name: tf.constant(values) for name, values in rows.items()}


def inputs_of(model, name, count, seed=1):
    """Return every input of a map, its conditions from rows of data."""
    given = model.conditions(name, batch(model, count))
    return noise.fill(model.maps[name].spec, count, seed, given=given)


def held_out_inputs(run, name, count, seed):
    """Return every input of a map of a run, its conditions from the run's examples."""
    workdir, whole = run
    spec = whole.model.maps[name].spec
    given = build.conditions_of(spec, examples.read(workdir, whole.model.maps)[name])
    return noise.fill(spec, count, seed, given=noise.cycled(given, count))


def test_a_registered_model_has_a_recipe_that_states_all_its_options(name):
    if name not in zoo.available():
        pytest.skip("a model of one's own needs no recipe of ours")
    section = config.load(recipe_of(name)).model
    assert set(section) == {"name", *zoo.defaults(name)}


def test_its_declaration_is_read_from_the_source_as_python_sees_it(name, model):
    assert zoo.declared(name) == declaration_of(type(model))
    assert model.player_names
    assert set(model.columns) == set(zoo.declared(name).columns_read(model.chosen))


def test_the_docstrings_name_paper_and_options(name, model):
    module = importlib.import_module(type(model).__module__)
    told = "".join(base.__doc__ for base in type(model).__mro__ if issubclass(base, GenerativeModel))
    for option in zoo.defaults(name):
        assert f"`{option}`" in told
    assert "train_step" in type(model).__dict__, "the paper's algorithm stands in the model's own class"
    if name in zoo.available():
        assert any(f"({year})" in module.__doc__ for year in range(1990, 2030)), "the module names its paper and year"


def test_config_round_trips_through_json(model):
    written = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(written)
    assert again.get_config() == model.get_config()
    assert [weight.shape for weight in again.variables] == [weight.shape for weight in model.variables]


def test_an_unknown_option_is_refused_with_the_nearest_one(name, model):
    option = next(iter(zoo.defaults(name)), None)
    if option is None:
        pytest.skip("it has no options")
    with pytest.raises(UserError, match=f"did you mean '{option}'"):
        zoo.create(name, columns=model.columns, **{option + "s": 1})


def test_a_missing_column_and_one_of_another_kind_are_refused(name, model):
    column = next(iter(model.columns))
    with pytest.raises(UserError, match=f"reads a column '{column}'"):
        zoo.create(name, columns={})
    other = TensorSpec(column, (3, 3), "condition")
    with pytest.raises(UserError, match=f"reads '{column}' of kind"):
        zoo.create(name, columns={**model.columns, column: other})


def test_two_steps_move_every_trainable_weight_and_keep_losses_finite(model):
    before = [weight.numpy() for weight in model.trainable_variables]
    step = tf.function(model.train_step)
    for seed in range(2):
        logs = step(tensors(batch(model, seed=seed)))
        model.step.assign_add(1)
        assert any(name.endswith("loss") for name in logs)
        assert all(np.isfinite(value) and value.shape == () for value in logs.values())
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(weight.numpy(), old), f"{weight.path} did not move"
    owned = [id(weight) for player in model.player_names for weight in model.weights_of(player)]
    assert sorted(owned) == sorted(id(weight) for weight in model.trainable_variables), "each weight has one optimiser"


def test_it_trains_under_fit(model):
    history = model.fit(tf.data.Dataset.from_tensors(tensors(batch(model))).repeat(3), verbose=0)
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert int(model.step) == 3


def test_xla_computes_the_same_step(name, monkeypatch):
    def fixed(self, shape, law, name, low=0.0, high=1.0, whole=False):
        waves = tf.sin(tf.cast(tf.range(tf.reduce_prod(shape)) + len(name) * 1000, tf.float32))
        return tf.reshape(low + (high - low) * (0.5 + 0.5 * waves), shape)

    # XLA turns the same random bits into other numbers
    monkeypatch.setattr(GenerativeModel, "noise", fixed)
    results = []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        made = compiled(name, lambda: keras.optimizers.SGD(0.01))
        tf.function(made.train_step, jit_compile=jit)(tensors(batch(made)))
        results.append([weight.numpy() for weight in made.trainable_variables])
    for plain, compiled_ in zip(*results, strict=True):
        np.testing.assert_allclose(plain, compiled_, atol=1e-5)


def test_resumed_equals_uninterrupted_bit_for_bit(name, run, tmp_path):
    workdir, whole = run
    first = trainer(tiny_config(name), tmp_path)
    first._resume()
    first.train_until(2)
    first.step = 2
    first.save()
    trained(tiny_config(name), tmp_path)
    assert_same_state(checkpoint(tmp_path, 4), checkpoint(workdir, 4))
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


def test_two_replicas_train_as_one_device_with_the_whole_batch(name, mirrored, tmp_path):
    settings = tiny_config(name)
    for player in settings.optimizers:
        settings.optimizers[player] = config.sgd(0.01)  # Adam would hide a wrong scale of the gradients
    trained(settings, tmp_path / "one")
    two = trained(settings, tmp_path / "two", mirrored)
    states = [checkpoint(tmp_path / run, 4) for run in ("one", "two")]
    assert_same_state(*states, tolerance=1e-6)
    start = checkpoint(tmp_path / "one", 2)
    assert any(not np.array_equal(value, start[key]) for key, value in states[0].items() if key.startswith("weights"))
    for weight in two.model.variables:
        first, *others = (copy.numpy() for copy in weight.value.values)
        for other in others:
            np.testing.assert_array_equal(first, other, err_msg=f"{weight.path} differs from replica to replica")


def test_every_map_is_deterministic_and_keeps_its_spec(model):
    for name, made in model.maps.items():
        inputs = inputs_of(model, name, 3)
        first, again = (made(inputs) for _ in range(2))
        assert set(first) == {tensor.name for tensor in made.spec.outputs}
        for tensor in made.spec.outputs:
            value = first[tensor.name].numpy()
            assert value.shape == (3, *tensor.shape)
            assert value.dtype == tensor.dtype
            assert value.min() >= tensor.low
            assert value.max() <= tensor.high
            np.testing.assert_array_equal(value, again[tensor.name])


def test_a_likelihood_if_any_is_one_number_per_example_in_nats(model):
    if "log_prob" not in model.maps:
        pytest.skip(f"{type(model).__name__} has no likelihood")
    made = model.maps["log_prob"]
    assert made.spec.output.kind == "nats"
    assert made.spec.output.name == ("log_weight" if made.spec.noise else "log_prob")
    inputs = inputs_of(model, "log_prob", 4)
    nats = made(inputs)[made.spec.output.name].numpy()
    assert nats.shape == (4,)
    alone = made({key: values[2:3] for key, values in inputs.items()})[made.spec.output.name]
    np.testing.assert_allclose(alone, nats[2:3], rtol=1e-5)


def test_keras_saved_model_onnxruntime_and_the_reference_agree_in_every_map(run, exported):
    _, whole = run
    served = serving.load(exported)
    for name, made in whole.model.maps.items():
        inputs = held_out_inputs(run, name, 3, seed=99)
        with whole.averages.applied():
            expected = as_run(made)(inputs)
        file = exported / served.manifest.onnx_file(name)
        conditions = {tensor.name: inputs[tensor.name] for tensor in made.spec.conditions}
        results = {
            "SavedModel": saved_model.load(exported / bundle.SAVED_MODEL, name)(inputs),
            "onnxruntime": onnx.load(file.read_bytes())(inputs),
            "onnx.reference": run_in_reference(file, inputs),
            "serving": served[name](count=3, seed=99, **conditions),
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


def test_flags_reproduce_the_configuration(name, monkeypatch):
    settings, values = tiny_config(name), flags.FlagValues()
    monkeypatch.setattr(sys, "argv", ["train", *flags_of(settings)])  # config_flags looks there
    loaded = config.load(recipe_of(name), flags_of(settings))
    config_flags.DEFINE_config_dict("config", loaded, flag_values=values)
    values(sys.argv)
    assert values.config.to_dict() == settings.to_dict()


def test_the_file_reads_on_its_own(name):
    """One paper, one file: a model imports from its floor and below, and from no other model."""
    if name not in zoo.available():
        pytest.skip("a model of one's own may import what it likes")
    module, _ = zoo._MODELS[name].split(":")
    others = {path.split(":")[0] for path in zoo._MODELS.values()} - {module}
    tree = ast.parse((REPOSITORY / (module.replace(".", "/") + ".py")).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & others
