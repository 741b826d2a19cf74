"""Random pictures, and sources of uniform random numbers whose numbers a test knows."""

import numpy as np
import tensorflow as tf

TAKEN, LEFT_OUT = 0.0, 0.9  # a step is taken where its number lies below its probability


def pictures(count=3, height=9, width=9, channels=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, height, width, channels)).astype(np.float32)


def drawn(seed=0):
    """Return a source of random numbers that gives the same ones again."""
    return lambda shape: tf.constant(np.random.default_rng(seed).uniform(size=tuple(map(int, shape))), tf.float32)


def given(*row):
    """Return a source that gives every sample the same numbers; what is not told is no step."""
    return lambda shape: tf.constant([[*row, *[LEFT_OUT] * (int(shape[1]) - len(row))]] * int(shape[0]), tf.float32)
