"""What several workers agree on, so that all take the same steps: one collective after each call."""

import hashlib
import json
from typing import NamedTuple

import tensorflow as tf
from ml_collections import ConfigDict

from zoo.shared.errors import UserError


class Agreed(NamedTuple):
    """What all workers do after a call."""

    is_stopping: bool  # a signal asked any of them to stop
    is_saving: bool  # by the chief's clock
    is_drawing: bool  # by the chief's clock
    has_settled: bool  # by the chief's logs
    steps: int  # of the next call at most, by the chief's measurement


class Workers:
    """All processes that train the model together; there may be only this one."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self.are_several = bool(strategy.extended._in_multi_worker_mode())
        self.is_chief = bool(strategy.extended.should_checkpoint)
        # in a function, since several workers are slow at it outside of one
        self._summed = tf.function(self._reduced, autograph=False)

    def agree(self, is_stopping: bool, is_saving: bool, is_drawing: bool, has_settled: bool, steps: int) -> Agreed:
        """Return what holds for all: whether any is to stop, and all else as the chief has it."""
        if not self.are_several:
            return Agreed(is_stopping, is_saving, is_drawing, has_settled, steps)
        # a worker counts once for each of its replicas, so the chief tells how often it does
        of_the_chief = (is_saving, is_drawing, has_settled, steps, 1) if self.is_chief else (0, 0, 0, 0, 0)
        stopping, saving, drawing, settled, length, times = self._sums(is_stopping, *of_the_chief)
        return Agreed(stopping > 0, saving > 0, drawing > 0, settled > 0, round(length / times))

    def check_same(self, config: ConfigDict) -> None:
        """Raise a `UserError` if the workers have different configurations."""
        digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode()).digest()
        mine = float(int.from_bytes(digest[:2]))  # exact in float32, of up to 256 replicas
        if self.are_several and self._sums(mine) != [mine * self.strategy.num_replicas_in_sync]:
            raise UserError("the workers were started with different configurations: give all the same command")

    def wait(self) -> None:
        """Wait until all are here."""
        if self.are_several:
            self._sums(0)

    def _sums(self, *values: float) -> list[float]:
        """Return the sum of each value over all replicas; every worker waits for the others."""
        found: list[float] = self._summed(tf.constant(values, tf.float32)).numpy().tolist()
        return found

    def _reduced(self, values: tf.Tensor) -> tf.Tensor:
        return self.strategy.reduce("SUM", self.strategy.run(lambda: values), axis=None)
