"""Recurrent networks: the cell by hand, and the loop against sums and products that are written out."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.recurrent import lstm, walk


def test_an_lstm_is_that_of_pixel_recurrent_networks():
    """All gates at 0 are a half, but the content's, which is atanh(0.5): c = 0.5 * 0.4 + 0.5 * 0.5."""
    gates = tf.constant([[0.0, 0.0, 0.0, np.arctanh(0.5)]])
    h, c = lstm(gates, tf.constant([[0.4]]))
    assert c.numpy().item() == pytest.approx(0.45)
    assert h.numpy().item() == pytest.approx(0.5 * np.tanh(0.45))
    large = 50.0
    for gates, expected in (  # o, f, i, g one by one
        ([-large, large, large, large], (0.0, 1.4)),
        ([large, -large, large, large], (np.tanh(1.0), 1.0)),
        ([large, large, -large, large], (np.tanh(0.4), 0.4)),
        ([large, large, large, -large], (np.tanh(-0.6), -0.6)),
    ):
        found = [float(value.numpy().item()) for value in lstm(tf.constant([gates]), tf.constant([[0.4]]))]
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_walk_and_its_gradient():
    """h' = x h + c, c' = c + 1: the product rule by hand, and the last state beside all the first ones."""
    x = tf.constant([[2.0, 1.0], [3.0, -1.0], [0.5, 4.0]])
    start = (tf.constant([1.0, 2.0]), tf.constant([0.0, 10.0]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        made, (h, c) = walk(x, lambda x, h, c: (x * h + c, c + 1.0), start)
        total = tf.reduce_sum(h)
    np.testing.assert_allclose(made, [[2.0, 12.0], [7.0, -1.0], [5.5, 8.0]])
    np.testing.assert_allclose(h, made[-1])
    np.testing.assert_allclose(c, [3.0, 13.0])
    # of the last h: the h before a factor, times the factors after it
    expected = [[1.0 * 3 * 0.5, 2.0 * -1 * 4], [2 * 0.5, 12.0 * 4], [7.0, -1.0]]
    np.testing.assert_allclose(tape.gradient(total, x), expected)
