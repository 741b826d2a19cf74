"""All that a run is at one step."""

import tensorflow as tf

from train.engine.averaging import MovingAverage
from zoo.model import GenerativeModel


def state_of(model: GenerativeModel, averages: MovingAverage) -> tf.train.Checkpoint:
    """Return what a checkpoint holds; the position in the data and all noise follow from `step` and `noise_key`."""
    return tf.train.Checkpoint(
        weights=[weight.value for weight in model.variables],
        averages=averages.shadows,
        noise_key=model.noise_key,
        step=model.step,
        optimizers={
            player: [variable.value for variable in optimizer.variables]
            for player, optimizer in model.optimizers.items()
        },
    )
