"""The averaged maps: an exponential moving average of their weights over training steps."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from zoo.model import GenerativeModel


class MovingAverage:
    """shadow <- d * shadow + (1 - d) * weight after each step, with d = min(decay, (1 + step) / (10 + step)).

    The ramp lets early averages forget the random start. The average covers the trainable weights of all maps together,
    in the order of the model's. Weights that are not trained (statistics of batch normalisation) are averages already:
    the current ones serve. A decay of 0 turns all of it off.
    """

    def __init__(self, model: GenerativeModel, decay: float) -> None:
        self.decay = decay
        mapped = {id(weight) for made in model.maps.values() for weight in made.network.trainable_variables}
        # in the order of the maps, exchanging two maps would load each other's averages without an error
        self.weights = [weight.value for weight in model.trainable_variables if id(weight) in mapped] if decay else []
        self.shadows = [tf.Variable(weight, trainable=False) for weight in self.weights]

    def update(self, step: tf.Tensor) -> None:
        """Take the weights after `step` steps into the average; may run inside `strategy.run`."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for shadow, weight in zip(self.shadows, self.weights, strict=True):
            shadow.assign_sub((1.0 - decay) * (shadow - tf.cast(weight, shadow.dtype)))

    def adopt(self) -> None:
        """Give the maps the averaged weights, for good."""
        for shadow, weight in zip(self.shadows, self.weights, strict=True):
            weight.assign(shadow)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the maps the averaged weights inside the block, and their own again after it."""
        saved = [tf.identity(weight) for weight in self.weights]
        self.adopt()
        try:
            yield
        finally:
            for weight, value in zip(self.weights, saved, strict=True):
                weight.assign(value)
