"""The compiled loop counts the steps and returns every log of each."""

import logging
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from train import config
from train.engine.optimizers import build
from train.engine.steps import CompiledSteps
from zoo.shared.errors import UserError


@pytest.fixture(params=["one device", "mirrored"])
def strategy(request):
    return tf.distribute.get_strategy() if request.param == "one device" else request.getfixturevalue("mirrored")


def test_a_step_sees_the_number_of_those_before_it_and_the_logs_are_means_over_replicas(strategy):
    with strategy.scope():
        step = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        after = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def train_step(data):
        return {"step": tf.cast(step, tf.float16), "mean": tf.reduce_mean(data["image"])}

    model = SimpleNamespace(step=step, train_step=train_step)
    steps = CompiledSteps(model, strategy, after_step=lambda: after.assign(10 * step))
    # the replicas' elements in turn, as the trainer hands them over
    values = tf.data.Dataset.range(100).map(lambda i: {"image": tf.cast(i, tf.float32)[None]})
    iterator = iter(strategy.distribute_datasets_from_function(lambda _: values))
    replicas = strategy.num_replicas_in_sync
    for first, count in ((0, 3), (3, 2)):
        logs = steps(iterator, count)
        assert list(logs) == ["mean", "step"]
        expected = np.arange(first, first + count)
        np.testing.assert_array_equal(logs["step"], expected)
        np.testing.assert_array_equal(logs["mean"], expected * replicas + (replicas - 1) / 2)
        assert logs["step"].dtype == np.float32
        assert after.numpy() == 10 * (first + count)


def counted(train_step):
    """Return a model of one weight whose step this is: a function of the weight and of the data's mean."""
    weight = tf.Variable(1.0)
    step = tf.Variable(0, dtype=tf.int64)
    return SimpleNamespace(step=step, weight=weight, train_step=lambda data: train_step(weight, data["image"]))


def numbered():
    """Return an iterator of batches 0, 1, 2, ..."""
    return iter(tf.data.Dataset.range(100).map(lambda i: {"image": tf.fill((2, 4, 4, 1), tf.cast(i, tf.float32))}))


def adding(weight, image):
    weight.assign_add(tf.reduce_mean(image))
    return {"mean": tf.reduce_mean(image), "weight": weight}


def refused(weight, image):
    """Add as the other does, with an operation that XLA has no kernel for."""
    return adding(weight, tf.raw_ops.ResizeNearestNeighborGrad(grads=image, size=[4, 4]))


def called_back(weight, image):
    return adding(weight, tf.ensure_shape(tf.py_function(lambda x: x, [image], tf.float32), image.shape))


def steps_of(model, **options):
    after = options.pop("after_step", None)
    return CompiledSteps(model, tf.distribute.get_strategy(), True, after, **options)


def test_xla_compiles_the_whole_step():
    model, after = counted(adding), tf.Variable(0, dtype=tf.int64)

    def rows(element):
        return {"image": element["image"] + 1.0}

    logs = steps_of(model, rows=rows, after_step=lambda: after.assign_add(10 * model.step))(numbered(), 3)
    np.testing.assert_array_equal(logs["mean"], [1, 2, 3])
    np.testing.assert_array_equal(logs["weight"], [2, 4, 7])
    assert model.weight.numpy() == 7 and model.step.numpy() == 3 and after.numpy() == 60


@pytest.mark.parametrize("train_step", [refused, called_back])
def test_a_step_that_xla_refuses_is_plain_and_nothing_is_lost(train_step, caplog):
    model, iterator = counted(train_step), numbered()
    with caplog.at_level(logging.WARNING, "absl"):
        logs = steps_of(model)(iterator, 3)
    kernel = {refused: "ResizeNearestNeighborGrad", called_back: "EagerPyFunc"}[train_step]
    assert [record.getMessage() for record in caplog.records if record.name == "absl"] == [
        f"XLA does not compile this step (it has no kernel for {kernel}): it runs without, and slower"
    ]
    np.testing.assert_array_equal(logs["mean"], [0, 1, 2])  # no batch is lost
    assert model.weight.numpy() == 1 + 0 + 1 + 2 and model.step.numpy() == 3  # none is taken twice


def test_a_step_that_must_be_compiled_and_is_refused_is_an_error_before_anything_changed():
    model, iterator = counted(refused), numbered()
    with pytest.raises(UserError, match=r"^XLA does not compile this step: use --config.jit=auto or false \(it has no"):
        steps_of(model, must=True)(iterator, 3)
    assert model.weight.numpy() == 1 and model.step.numpy() == 0
    assert next(iterator)["image"][0, 0, 0, 0] == 0


def test_errors_of_the_model_and_of_the_data_are_no_refusals(caplog):
    def broken(weight, image):
        raise ValueError("the model's own")

    with caplog.at_level(logging.WARNING, "absl"):
        with pytest.raises(ValueError, match="the model's own"):
            steps_of(counted(broken))(numbered(), 1)
        failing = tf.data.Dataset.range(9).map(
            lambda i: {"image": tf.debugging.check_numerics(tf.fill((2, 4, 4, 1), 0.0 / tf.cast(i, tf.float32)), "bad")}
        )
        with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
            steps_of(counted(adding))(iter(failing), 1)
    assert not [record for record in caplog.records if record.name == "absl"]


@pytest.mark.parametrize(
    "section",
    [config.adam(0.1, beta_1=0.5), config.sgd(0.1, momentum=0.9), config.rmsprop(0.1)],
    ids=lambda section: section.name,
)
def test_every_optimiser_and_its_schedule_move_under_xla_as_without(section):
    section.update(schedule="cosine", warmup_steps=2)
    moved = []
    for jit in (False, True):
        model = SimpleNamespace(step=tf.Variable(0, dtype=tf.int64), weight=keras.Variable([1.0, -2.0]))
        optimizer = build(section, 6, model.step)
        optimizer.build([model.weight])

        def train_step(data, model=model, optimizer=optimizer):
            gradient = model.weight * tf.reduce_mean(data["image"])
            optimizer.apply([gradient], [model.weight])
            return {"loss": tf.reduce_sum(model.weight**2)}

        model.train_step = train_step
        logs = CompiledSteps(model, tf.distribute.get_strategy(), jit, must=True)(numbered(), 5)
        moved.append([*logs["loss"], *model.weight.numpy(), float(optimizer.iterations)])
    assert moved[0][-1] == 5 and abs(moved[0][-2] + 2) > 0.05
    np.testing.assert_allclose(*moved, rtol=1e-5)


@pytest.mark.parametrize("where", ["rows", "after_step"])
def test_what_is_around_the_model_s_own_step_is_compiled_too(where):
    """So XLA refuses what it cannot compile there."""

    def unknown(*_):
        tf.py_function(lambda: None, [], [])
        return {"image": tf.zeros((2, 4, 4, 1))}

    with pytest.raises(UserError, match="no kernel for EagerPyFunc"):
        steps_of(counted(adding), must=True, **{where: unknown})(numbered(), 1)
