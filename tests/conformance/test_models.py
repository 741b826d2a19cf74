"""What every registered model keeps of its promise. A new model is tested by being registered."""

import ast
import importlib
import inspect
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from ml_collections import config_flags
from shared import REPOSITORY, assert_same_state, checkpoint, flags_of, metrics, tiny_config, trained, trainer

import serving
import zoo
from export import build, onnx, saved_model
from train import config
from train.engine.optimizers import build as build_optimizer
from zoo import bundle, noise
from zoo.model import GenerativeModel
from zoo.shared.errors import UserError

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module", params=zoo.available())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def run(name, tmp_path_factory):
    """A tiny run, trained to its end."""
    workdir = tmp_path_factory.mktemp(name) / "run"
    return workdir, trained(tiny_config(name), workdir)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The bundle of that run."""
    directory = tmp_path_factory.mktemp("bundles") / "bundle"
    build.build(run[0], directory)
    return directory


@pytest.fixture
def model(name):
    settings = tiny_config(name)
    options = {key: value for key, value in settings.model.items() if key != "name"}
    made = zoo.create(name, sample_shape=SHAPE, **options)
    made.compile(**{part: build_optimizer(section, 10) for part, section in settings.optimizers.items()})
    return made


def batch(count=4, seed=0):
    images = np.sign(np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE))).astype(np.float32)
    return {"image": tf.constant(images), "label": tf.zeros(count, tf.int32)}


def test_every_model_has_a_recipe_that_states_all_its_options(name):
    section = config.load(config.example_of(name)).model
    assert set(section) == {"name", *zoo.defaults(name)}


def test_defaults_are_read_from_the_source_as_python_sees_them(name, model):
    parameters = inspect.signature(type(model)).parameters
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    assert zoo.defaults(name) == {
        key: parameter.default for key, parameter in parameters.items() if parameter.default is not parameter.empty
    }


def test_the_docstrings_name_paper_and_options(name, model):
    module = importlib.import_module(type(model).__module__)
    assert any(f"({year})" in module.__doc__ for year in range(1990, 2030)), "the module names its paper and year"
    for option in zoo.defaults(name):
        assert f"`{option}`" in type(model).__doc__
    assert "train_step" in type(model).__dict__, "the paper's algorithm stands in the model's own class"


def test_config_round_trips_through_json(name, model):
    written = json.loads(json.dumps(model.get_config()))
    again = zoo.create(name, **{**written, "sample_shape": tuple(written["sample_shape"])})
    assert again.get_config() == model.get_config()
    assert [weight.shape for weight in again.variables] == [weight.shape for weight in model.variables]


def test_an_unknown_option_is_refused_with_the_nearest_one(name):
    option = next(iter(zoo.defaults(name)))
    with pytest.raises(UserError, match=f"did you mean '{option}'"):
        zoo.create(name, sample_shape=SHAPE, **{option + "s": 1})


def test_two_steps_move_every_trainable_weight_and_keep_losses_finite(model):
    before = [weight.numpy() for weight in model.trainable_variables]
    step = tf.function(model.train_step)
    for seed in range(2):
        logs = step(batch(seed=seed))
        assert any(name.endswith("loss") for name in logs)
        assert all(np.isfinite(value) and value.shape == () for value in logs.values())
    assert int(model.step) == 2
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(weight.numpy(), old), f"{weight.path} did not move"
    parts = [id(weight) for variables in model.parts.values() for weight in variables]
    assert sorted(parts) == sorted(id(weight) for weight in model.trainable_variables), "each weight has one optimiser"


def test_it_trains_under_fit(model):
    history = model.fit(tf.data.Dataset.from_tensors(batch()).repeat(3), verbose=0)
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert int(model.step) == 3


def test_xla_computes_the_same_step(name, monkeypatch):
    def fixed(self, shape, law, draw, low=0.0, high=1.0):
        waves = tf.sin(tf.cast(tf.range(tf.reduce_prod(shape)) + draw * 1000, tf.float32))
        return tf.reshape(low + (high - low) * (0.5 + 0.5 * waves), shape)

    # XLA turns the same random bits into other numbers
    monkeypatch.setattr(GenerativeModel, "noise", fixed)
    results = []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        settings = tiny_config(name)
        options = {key: value for key, value in settings.model.items() if key != "name"}
        made = zoo.create(name, sample_shape=SHAPE, **options)
        made.compile(**{part: keras.optimizers.SGD(0.1) for part in made.parts})
        tf.function(made.train_step, jit_compile=jit)(batch())
        results.append([weight.numpy() for weight in made.trainable_variables])
    for plain, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)


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
    workdir, _ = run
    assert [line["step"] for line in metrics(workdir)] == [2, 4]
    for file in (
        "config.json",
        "model.json",
        "samples/00000000.png",
        "samples/00000004.png",
        "curves.png",
        "training.gif",
    ):
        assert (workdir / file).stat().st_size > 0
    assert list((workdir / "tensorboard").iterdir())


def test_two_replicas_train_as_one_device_with_the_whole_batch(name, mirrored, tmp_path):
    settings = tiny_config(name)
    for part in settings.optimizers:
        settings.optimizers[part] = config.sgd(0.01)  # Adam would hide a wrong scale of the gradients
    trained(settings, tmp_path / "one")
    trained(settings, tmp_path / "two", mirrored)
    one, two = (checkpoint(tmp_path / run, 4) for run in ("one", "two"))
    assert_same_state(one, two, tolerance=1e-6)
    start = checkpoint(tmp_path / "one", 2)
    assert any(not np.array_equal(value, start[key]) for key, value in one.items() if key.startswith("weights"))


def test_generator_is_deterministic_and_keeps_its_spec(model):
    spec = model.generator_spec
    inputs = noise.draw(spec, 3, seed=1)
    first, again = (model.generator(inputs, training=False) for _ in range(2))
    assert set(first) == {tensor.name for tensor in spec.outputs}
    for tensor in spec.outputs:
        value = first[tensor.name].numpy()
        assert value.shape == (3, *tensor.shape)
        assert value.dtype == tensor.dtype
        assert value.min() >= tensor.low
        assert value.max() <= tensor.high
        np.testing.assert_array_equal(value, again[tensor.name])


def test_likelihood_if_any_is_one_number_per_example_in_nats(model):
    if not hasattr(model, "log_prob"):
        pytest.skip(f"{type(model).__name__} has no likelihood")
    x = batch()["image"]
    nats = model.log_prob(x).numpy()
    assert nats.shape == (4,)
    assert (nats < 0).all()
    np.testing.assert_allclose(model.log_prob(x[2:3]), nats[2:3], rtol=1e-5)


@pytest.mark.parametrize("count", [1, 5])
def test_keras_saved_model_and_onnxruntime_agree(run, exported, count):
    workdir, whole = run
    spec = whole.model.generator_spec
    inputs = noise.draw(spec, count, seed=99)
    with whole.ema.applied():
        expected = build.as_sampler(whole.model.generator, spec)(inputs)
    for sampler in (
        saved_model.load(exported / bundle.SAVED_MODEL),
        onnx.load((exported / bundle.ONNX).read_bytes()),
    ):
        made = sampler(inputs)
        for tensor in spec.outputs:
            np.testing.assert_allclose(made[tensor.name], expected[tensor.name], atol=1e-5)
    served = serving.Generator(exported).sample(noise=inputs, dtype="float32")
    np.testing.assert_allclose(served, expected[spec.output.name], atol=1e-5)


def test_the_bundle_is_whole(exported, run):
    manifest, model = bundle.read(exported)
    assert manifest.step == 4
    assert manifest.spec == run[1].model.generator_spec
    assert set(manifest.files) >= {bundle.ONNX, bundle.SAMPLES, bundle.CARD, "saved_model/1/saved_model.pb"}
    assert max(manifest.parity["largest_difference_from_keras"].values()) <= manifest.parity["tolerance"]


SAMPLE_WITHOUT_TENSORFLOW = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tf2onnx", "onnx", "ml_collections", "train"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import numpy, serving
numpy.save(sys.argv[2], serving.Generator(sys.argv[1]).sample(6, seed=3, dtype="float32"))
"""


def test_the_lone_onnx_file_is_sampled_where_tensorflow_is_blocked(exported, tmp_path):
    lone = tmp_path / "lone.onnx"
    lone.write_bytes((exported / bundle.ONNX).read_bytes())
    command = [sys.executable, "-c", SAMPLE_WITHOUT_TENSORFLOW, str(lone), str(tmp_path / "samples.npy")]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    np.testing.assert_array_equal(
        np.load(tmp_path / "samples.npy"), serving.Generator(exported).sample(6, seed=3, dtype="float32")
    )


def test_flags_reproduce_the_configuration(name, monkeypatch):
    settings, values = tiny_config(name), flags.FlagValues()
    monkeypatch.setattr(sys, "argv", ["train", *flags_of(settings)])  # config_flags looks there
    loaded = config.load(config.example_of(name), flags_of(settings))
    config_flags.DEFINE_config_dict("config", loaded, flag_values=values)
    values(sys.argv)
    assert values.config.to_dict() == settings.to_dict()


def test_the_file_reads_on_its_own(name):
    """One paper, one file: a model imports from its floor and below, and from no other model."""
    module, _ = zoo._MODELS[name].split(":")
    others = {path.split(":")[0] for path in zoo._MODELS.values()} - {module}
    tree = ast.parse((REPOSITORY / (module.replace(".", "/") + ".py")).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & others
