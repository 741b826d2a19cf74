"""Optimisers and learning-rate schedules from their sections of the configuration."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from train.engine.phases import Phase


def build(
    section: ConfigDict, train_steps: int, step: tf.Variable, phases: Sequence[Phase] = ()
) -> keras.optimizers.Optimizer:
    """Return the Keras optimiser that a checked section of `optimizers` describes; `step` counts training steps."""
    constants = {
        key: value for key, value in section.items() if key not in ("name", "learning_rate", "schedule", "warmup_steps")
    }
    classes = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
    return classes[section.name](Schedule(section, train_steps, step, phases), **constants)


def reset(optimizer: keras.optimizers.Optimizer) -> None:
    """Put an optimiser back to where it began, its count of updates included; its learning rate stays.

    All of ours begin at 0. Weights that wake late, to an average of squares that is 0 and a count that corrects it no
    more, would take steps of up to 1 / sqrt(1 - beta_2) times the learning rate: ten times, with 0.99.
    """
    for variable in optimizer.variables:
        if variable.name != "learning_rate":  # a variable, too, unless it is a schedule
            variable.assign(tf.zeros(variable.shape, variable.dtype))


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up over `warmup_steps`, then constant, or down to zero at `train_steps`: linear or half a cosine.

    "half_linear" is constant for the first half of the rest and linear in the second, as Zhu et al. (2017) have it. All
    count training steps, whatever number of updates a player makes in one. A phase may have a learning rate of its own
    in place of the section's.
    """

    def __init__(self, section: ConfigDict, train_steps: int, step: tf.Variable, phases: Sequence[Phase] = ()) -> None:
        self.peak = section.learning_rate
        peaks = [(phase.start, phase.learning_rate or self.peak) for phase in phases]
        self.peaks = peaks if any(rate != self.peak for _, rate in peaks) else []
        self.kind = section.schedule
        self.warmup_steps = section.warmup_steps
        self.train_steps = train_steps
        self._step = step

    def __call__(self, updates: tf.Tensor) -> tf.Tensor:
        """Return the learning rate of the present training step; the optimiser's count of updates does not matter."""
        step = tf.cast(self._step, tf.float32)
        done = (step - self.warmup_steps) / (self.train_steps - self.warmup_steps)
        done = tf.clip_by_value(done, 0.0, 1.0)
        decay = {
            "constant": lambda: tf.ones_like(done),
            "linear": lambda: 1 - done,
            "half_linear": lambda: tf.minimum(1.0, 2 - 2 * done),
            "cosine": lambda: (1 + tf.cos(3.141592653589793 * done)) / 2,
        }[self.kind]()
        warmup = tf.minimum(1.0, (step + 1) / (self.warmup_steps + 1))
        peak = self.peak
        for start, rate in self.peaks:
            peak = tf.where(self._step >= start, rate, peak)
        return peak * warmup * decay

    def get_config(self) -> dict[str, object]:
        """Return plain values that describe the schedule."""
        return {key: value for key, value in vars(self).items() if key != "_step"}
