"""What is compiled by XLA, and where data lie, follows from the device and the strategy."""

import pytest
import tensorflow as tf

from train.engine import backend, strategies
from zoo.shared.errors import UserError


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_auto_compiles_on_a_gpu_and_for_bfloat16_and_never_for_replicas(mirrored, monkeypatch, on_gpu, precision):
    monkeypatch.setattr(backend, "has_gpu", lambda: on_gpu)
    one = tf.distribute.get_strategy()
    assert strategies.use_jit("auto", precision, one) == (on_gpu or precision == "mixed_bfloat16")
    assert not strategies.use_jit("auto", precision, mirrored)
    assert strategies.use_jit("true", precision, one)
    assert not strategies.use_jit("false", precision, one)
    for strategy in (mirrored, tf.distribute.MirroredStrategy(["CPU:0"])):
        with pytest.raises(UserError, match="jit=true compiles the step of one device"):
            strategies.use_jit("true", precision, strategy)


def test_data_lie_on_the_gpu_of_one_replica_alone(mirrored, monkeypatch):
    assert strategies.device_of_data(tf.distribute.get_strategy()) == ""
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    assert strategies.device_of_data(tf.distribute.get_strategy()) == "GPU:0"
    assert strategies.device_of_data(mirrored) == ""
