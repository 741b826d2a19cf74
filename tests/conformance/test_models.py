"""What every model keeps of its promise. A new model is tested by being registered, or by its name:

python -m pytest tests/conformance --model=mine.py:MyModel

Here: what it declares, its training step, its maps. `test_runs.py` has its runs and bundles.
"""

import ast
import importlib
import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from ml_collections import config_flags
from shared import (
    REPOSITORY,
    assert_same_state,
    batch,
    checkpoint,
    flags_of,
    inputs_of,
    recipe_of,
    tiny_config,
    tiny_model,
    trained,
)

import zoo
from train import config
from train.engine import phases
from train.engine.averaging import MovingAverage
from train.engine.optimizers import build as build_optimizer
from train.engine.steps import CompiledSteps, refused_by_xla
from train.loop.trainer import Trainer
from zoo.adversarial.networks import NETWORKS
from zoo.autoregressive.pixel_rnn import VARIANTS
from zoo.autoregressive.pixels import DISTRIBUTIONS
from zoo.latent.vae import HEADS
from zoo.model import GenerativeModel, declaration_of
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

# options that name a model's networks
CHOICES = {
    "network": (*NETWORKS, "convolutional"),
    "likelihood": (*HEADS, *DISTRIBUTIONS),
    "variant": tuple(VARIANTS),
}


def tensors(rows):
    return {name: tf.constant(values) for name, values in rows.items()}


def test_a_registered_model_has_a_recipe_that_states_all_its_options(name):
    if name not in zoo.available():
        pytest.skip("a model of one's own needs no recipe of ours")
    section = config.load(recipe_of(name)).model
    assert set(section) == {"name", *zoo.defaults(name)}


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


def test_a_phase_has_the_options_that_are_declared_and_no_other(name, model):
    with pytest.raises(UserError, match="unknown option of a phase of .* 'nothing_like_it'"):
        model.enter({"nothing_like_it": 1})
    model.enter(zoo.declared(name).phase_options)


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


def test_two_steps_of_each_phase_move_every_trainable_weight_and_keep_losses_finite(name, model):
    settings = tiny_config(name)
    if zoo.declared(name).phase_options and not settings.phases:
        pytest.skip("no recipe says which phases train all weights")
    before = [weight.numpy() for weight in model.trainable_variables]
    for phase in phases.of(settings):
        model.enter(phase.options, phase.start, phase.end)
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


def test_xla_computes_the_same_steps(name, model, reset, monkeypatch):
    """A whole step of the last phase: of all players, the count, the average."""

    def fixed(self, shape, law, name, low=0.0, high=1.0, whole=False):
        waves = tf.sin(tf.cast(tf.range(tf.reduce_prod(shape)) + len(name) * 1000, tf.float32))
        return tf.reshape(low + (high - low) * (0.5 + 0.5 * waves), shape)

    # XLA turns the same random bits into other numbers
    monkeypatch.setattr(GenerativeModel, "noise", fixed)
    monkeypatch.setattr(model, "optimizers", {player: keras.optimizers.SGD(0.01) for player in model.player_names})
    for player, optimizer in model.optimizers.items():
        optimizer.build(model.weights_of(player))
    iterator = iter(tf.data.Dataset.from_tensors(tensors(batch(model))).repeat())
    last = phases.of(tiny_config(name))[-1]
    model.enter(last.options, last.start, last.end)
    results = []
    for jit in (False, True):
        reset()
        averages = MovingAverage(model, 0.9)
        after_step = lambda: averages.update(model.step)  # noqa: B023, E731
        steps = CompiledSteps(model, tf.distribute.get_strategy(), jit, after_step, must=True)
        assert all(np.isfinite(values).all() for values in steps(iterator, 1).values())
        assert int(model.step) == 1
        results.append([weight.numpy() for weight in [*model.trainable_variables, *averages.shadows]])
    for plain, compiled_ in zip(*results, strict=True):
        np.testing.assert_allclose(plain, compiled_, atol=1e-5)


def test_xla_has_a_kernel_for_every_operation_of_the_other_networks_and_phases(name):
    def refused(model):
        return refused_by_xla(tf.function(model.train_step, jit_compile=True), tensors(batch(model)))

    settings = tiny_config(name)
    if settings.phases:
        model = with_optimizers(tiny_model(name), name)
        for phase in phases.of(settings)[:-1]:
            model.enter(phase.options, phase.start, phase.end)
            assert not refused(model), phase.name
    for option, values in CHOICES.items():
        for value in values if option in settings.model else ():
            if value == settings.model[option]:
                continue
            try:
                model = with_optimizers(tiny_model(name, **{option: value}), name)
            except UserError:
                continue  # no choice of this model
            assert not refused(model), f"{option}={value}"


def test_it_trains_in_bfloat16(name):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = with_optimizers(tiny_model(name), name)
        # by XLA, as training on the CPU does: TensorFlow's own gradient of a convolution is NaN here and there
        logs = tf.function(model.train_step, jit_compile=True)(tensors(batch(model)))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert all(np.isfinite(value) for value in logs.values())
    for weight in model.trainable_variables:
        assert weight.dtype == "float32" and np.isfinite(weight.numpy()).all(), weight.path


def with_optimizers(model, name):
    """Return the model with its recipe's optimisers; its maps are not traced, as `compile` would."""
    sections = tiny_config(name).optimizers
    model.optimizers = {player: build_optimizer(sections[player], 10, model.step) for player in model.player_names}
    for player, optimizer in model.optimizers.items():
        optimizer.build(model.weights_of(player))
    return model


def test_two_replicas_train_as_one_device_with_the_whole_batch(name, mirrored, tmp_path, monkeypatch):
    settings = tiny_config(name)
    for player in settings.optimizers:
        settings.optimizers[player] = config.sgd(0.01)  # Adam would hide a wrong scale of the gradients
    two = trained(settings, tmp_path / "two", mirrored)
    monkeypatch.setattr(Trainer, "draw_samples", lambda self: None)  # sheets take as long as training
    trained(settings, tmp_path / "one")
    states = [checkpoint(tmp_path / run, 4) for run in ("one", "two")]
    # sums in another order: up to 2e-6 apart were seen on a processor without AVX-512
    assert_same_state(*states, tolerance=1e-5)
    start = checkpoint(tmp_path / "one", 2)
    assert any(not np.array_equal(value, start[key]) for key, value in states[0].items() if key.startswith("weights"))
    for weight in two.model.variables:
        first, *others = (copy.numpy() for copy in weight.value.values)
        for other in others:
            np.testing.assert_array_equal(first, other, err_msg=f"{weight.path} differs from replica to replica")


def test_every_map_is_deterministic_and_keeps_its_spec(model):
    for name, made in model.maps.items():
        inputs = inputs_of(model, name, 3)
        call = tf.function(made.__call__)  # a sampling loop takes fifty times as long eagerly
        first, again = (call(inputs) for _ in range(2))
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
