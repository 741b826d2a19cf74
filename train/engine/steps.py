"""The compiled loop: several training steps in one call, on any strategy."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from zoo.model import GenerativeModel
from zoo.shared.errors import UserError, first_line

Batch = dict[str, tf.Tensor]


class CompiledSteps:
    """Training steps of a model, compiled; each counts up `model.step` after the model's own `train_step`.

    `rows` makes the batch, a tensor for each column, of an element of the iterator; without it the element is the
    batch. `after_step` runs at the end of each step, inside `strategy.run`.

    With `jit` XLA compiles all of this, for one device: a step is then one launch, not hundreds. Before the first step
    is taken XLA translates it, from the shapes of its data alone. What it has no kernel for shows there, while no
    variable has changed and no batch is lost. Then the steps are plain and a warning says so, or, if they `must` be
    compiled, that is a `UserError`.
    """

    def __init__(
        self,
        model: GenerativeModel,
        strategy: tf.distribute.Strategy,
        jit: bool = False,
        after_step: Callable[[], None] | None = None,
        rows: Callable[[Batch], Batch] | None = None,
        must: bool = False,
    ) -> None:
        self._jit = jit
        self._must = must

        def one_step(element: Batch) -> tf.Tensor:
            logs = model.train_step(rows(element) if rows else element)
            model.step.assign_add(1)
            if after_step:
                after_step()
            self._names = sorted(logs)
            return tf.stack([tf.cast(logs[name], tf.float32) for name in self._names])

        def looped(step: Callable[[Batch], tf.Tensor]) -> tf.types.experimental.PolymorphicFunction:
            @tf.function
            def run(iterator: Iterator, steps: tf.Tensor) -> tf.Tensor:
                series = tf.TensorArray(tf.float32, size=steps)
                for index in tf.range(steps):
                    logs = strategy.run(step, args=(next(iterator),))
                    series = series.write(index, strategy.reduce("MEAN", logs, axis=None))
                return series.stack()

            return run

        self._one_step = one_step
        self._looped = looped
        self._run: Callable[[Iterator, tf.Tensor], tf.Tensor] | None = None

    def __call__(self, iterator: Iterator, steps: int) -> dict[str, np.ndarray]:
        """Take so many steps on the iterator's elements; return each log for every step, float32 (steps,)."""
        try:
            if self._run is None:
                self._run = self._looped(self._translated(iterator.element_spec) if self._jit else self._one_step)
            values = self._run(iterator, tf.constant(steps)).numpy()
        except UserError as error:
            # where the step is traced, TensorFlow puts the user's code before what was wrong
            raise UserError(str(error).rpartition("UserError: ")[-1].strip()) from error
        return dict(zip(self._names, values.T, strict=True))

    def _translated(self, element: dict[str, tf.TensorSpec]) -> Callable[[Batch], tf.Tensor]:
        """Return the step for XLA, or the plain one where XLA refuses it."""

        @tf.function(jit_compile=True)
        def compiled(*columns: tf.Tensor) -> tf.Tensor:
            return self._one_step(dict(zip(element, columns, strict=True)))

        compiled.get_concrete_function(*element.values())  # what the model's own code raises is no refusal
        if refusal := refused_by_xla(compiled, *element.values()):
            if self._must:
                raise UserError(f"XLA does not compile this step: use --config.jit=auto or false ({refusal})")
            logging.warning("XLA does not compile this step (%s): it runs without, and slower", refusal)
            return self._one_step
        return lambda batch: compiled(*(batch[name] for name in element))


def refused_by_xla(function: tf.types.experimental.PolymorphicFunction, *arguments: Any) -> str:
    """Return why XLA cannot translate a function for the present device, in a line; "" if it can. Nothing is run.

    The `arguments` are tensors, or each is a `tf.TensorSpec`. TensorFlow raises a `ValueError` there, whatever was
    wrong, and an `InvalidArgumentError` or `UnimplementedError` where the function is called.
    """
    generate = function.experimental_get_compiler_ir(*arguments)
    try:
        generate(stage="hlo_serialized")
    except ValueError as error:
        found = re.search(r"on XLA_\w+: (\w+)", str(error))
        return f"it has no kernel for {found[1]}" if found else first_line(error)
    return ""
