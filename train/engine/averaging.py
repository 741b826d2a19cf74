"""The averaged generator: an exponential moving average of its weights over training steps."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


class MovingAverage:
    """shadow <- d * shadow + (1 - d) * weight after each step, with d = min(decay, (1 + step) / (10 + step)).

    The ramp lets early averages forget the random start. Weights that are not trained (statistics of batch
    normalisation) are averages already: the current ones serve. A decay of 0 turns all of it off.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        self.decay = decay
        self.weights = [weight.value for weight in network.trainable_variables] if decay else []
        self.shadows = [tf.Variable(weight, trainable=False) for weight in self.weights]

    def update(self, step: tf.Tensor) -> None:
        """Take the weights after `step` steps into the average; may run inside `strategy.run`."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for shadow, weight in zip(self.shadows, self.weights, strict=True):
            shadow.assign_sub((1.0 - decay) * (shadow - tf.cast(weight, shadow.dtype)))

    def adopt(self) -> None:
        """Give the network the averaged weights, for good."""
        for shadow, weight in zip(self.shadows, self.weights, strict=True):
            weight.assign(shadow)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the averaged weights inside the block, and its own again after it."""
        saved = [tf.identity(weight) for weight in self.weights]
        self.adopt()
        try:
            yield
        finally:
            for weight, value in zip(self.weights, saved, strict=True):
                weight.assign(value)
