"""The compiled loop: several training steps in one call, on any strategy."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from zoo.model import GenerativeModel
from zoo.shared.errors import UserError


class CompiledSteps:
    """Training steps of a model, compiled; each counts up `model.step` after the model's own `train_step`.

    `jit` compiles the step with XLA. `after_step` runs at the end of each, inside `strategy.run`.
    """

    def __init__(
        self,
        model: GenerativeModel,
        strategy: tf.distribute.Strategy,
        jit: bool = False,
        after_step: Callable[[], None] | None = None,
    ) -> None:
        train_step = tf.function(model.train_step, jit_compile=True) if jit else model.train_step

        def one_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
            logs = train_step(batch)
            model.step.assign_add(1)
            if after_step:
                after_step()
            self._names = sorted(logs)
            return tf.stack([tf.cast(logs[name], tf.float32) for name in self._names])

        @tf.function
        def run(iterator: Iterator, steps: tf.Tensor) -> tf.Tensor:
            rows = tf.TensorArray(tf.float32, size=steps)
            for index in tf.range(steps):
                logs = strategy.run(one_step, args=(next(iterator),))
                rows = rows.write(index, strategy.reduce("MEAN", logs, axis=None))
            return rows.stack()

        self._run = run

    def __call__(self, iterator: Iterator, steps: int) -> dict[str, np.ndarray]:
        """Take so many steps on the iterator's batches; return each log for every step, float32 (steps,)."""
        try:
            values = self._run(iterator, tf.constant(steps)).numpy()
        except UserError as error:
            # where the step is traced, TensorFlow puts the user's code before what was wrong
            raise UserError(str(error).rpartition("UserError: ")[-1].strip()) from error
        return dict(zip(self._names, values.T, strict=True))
