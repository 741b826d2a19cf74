"""All that a run is at one step."""

import tensorflow as tf

from train.engine.averaging import MovingAverage
from zoo.model import GenerativeModel


def state_of(model: GenerativeModel, ema: MovingAverage) -> tf.train.Checkpoint:
    """Return all that a run is at one step. Data position and noise follow from the step and `noise_key`."""
    return tf.train.Checkpoint(
        weights=[weight.value for weight in model.variables],
        averages=ema.shadows,
        noise_key=model.noise_key,
        optimizers={
            part: [variable.value for variable in optimizer.variables] for part, optimizer in model.optimizers.items()
        },
    )
