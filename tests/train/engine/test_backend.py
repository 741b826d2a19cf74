"""TensorFlow starts without what it does not need; what memory has no room for is one line that names the settings."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from shared import REPOSITORY

from train.engine import backend
from zoo.shared.errors import UserError


def allocate_with_tensorflow():
    return tf.random.stateless_normal((2**20, 2**30), (0, 0))


def allocate_with_numpy():
    return np.empty((2**20, 2**30))


@pytest.mark.parametrize(
    ("allocate", "told"),
    [(allocate_with_tensorflow, "a tensor of shape[1048576,1073741824]"), (allocate_with_numpy, "Unable to allocate")],
)
def test_what_does_not_fit_names_the_settings(allocate, told):
    with pytest.raises(UserError) as refused, backend.within_memory("--config.batch_size"):
        allocate()
    assert str(refused.value).startswith("this does not fit into memory: make --config.batch_size smaller (")
    assert told in str(refused.value)


def test_sizes_that_no_shape_can_have_do_not_fit_either():
    with (
        pytest.raises(UserError, match="make --config.batch_size smaller"),
        backend.within_memory("--config.batch_size"),
    ):
        tf.zeros((2**40, 2**40))


def test_other_errors_pass():
    with pytest.raises(tf.errors.InvalidArgumentError), backend.within_memory("--config.batch_size"):
        tf.reshape([1, 2, 3], (2, 2))


STARTED = """
import sys
from train.engine import backend
backend.start()
found = [name for name in ("sklearn", "matplotlib.pyplot") if name in sys.modules]
assert "keras" in sys.modules and not found, found
import sklearn.base, matplotlib.pyplot
"""


def test_a_start_imports_no_scikit_learn_and_no_pyplot_and_later_both_can_be():
    subprocess.run([sys.executable, "-c", STARTED], check=True, cwd=REPOSITORY)


@pytest.mark.parametrize(
    ("on_gpu", "deterministic", "options"),
    [
        (False, False, [{"disable_meta_optimizer": True}]),
        (False, True, [{"disable_meta_optimizer": True}]),
        (True, False, []),
        (True, True, [{"dependency_optimization": False}]),
    ],
)
def test_the_cpu_is_always_deterministic_and_a_gpu_if_asked(monkeypatch, on_gpu, deterministic, options):
    told, enabled = [], []
    monkeypatch.setattr(backend, "has_gpu", lambda: on_gpu)
    monkeypatch.setattr(tf.config.optimizer, "set_experimental_options", told.append)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: enabled.append(True))
    backend.start(deterministic=deterministic)
    assert told == options
    assert len(enabled) == len(options)
