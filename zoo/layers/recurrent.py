"""Recurrent networks as one loop, which stays one in ONNX."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

State = tuple[tf.Tensor, ...]


def lstm(gates: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return h and c of an LSTM; `gates` (..., 4 features) are those of o, f, i and g, before the functions."""
    o, f, i, g = tf.split(gates, 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def walk(x: tf.Tensor, step: Callable[..., State], start: State) -> tuple[tf.Tensor, State]:
    """Return the first tensor of each state, (steps, ...), and the last state.

    `step(x[t], *state)` makes the next state of an entry of x (steps, ...), float32 as all tensors.
    """
    steps = x.shape[0]
    # an array, because the gradient of a gather would be added to all of x in every turn
    entries = tf.TensorArray(tf.float32, steps, element_shape=x.shape[1:]).unstack(x)
    made = tf.TensorArray(tf.float32, steps, element_shape=start[0].shape)

    def turn(t: tf.Tensor, made: tf.TensorArray, *state: tf.Tensor) -> tuple[Any, ...]:
        state = step(entries.read(t), *state)
        return t + 1, made.write(t, state[0]), *state

    _, made, *state = tf.while_loop(lambda t, *_: t < steps, turn, (0, made, *start), maximum_iterations=steps)
    return made.stack(), tuple(state)
