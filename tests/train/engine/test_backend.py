"""What memory has no room for is one line that names the settings to make smaller."""

import numpy as np
import pytest
import tensorflow as tf

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
