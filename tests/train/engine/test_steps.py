"""The compiled loop counts the steps and returns every log of each."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from train.engine.steps import CompiledSteps


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
