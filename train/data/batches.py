"""Batches whose examples are a pure function of (seed, step): nothing to save, every position reachable at once."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from train.data.source import Source
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

# Each use of random numbers has a stream of its own, so that no two ever share a number.
_ORDER, _NOISE, _HELD_OUT = range(3)
# A call from TensorFlow into Python costs a third of a millisecond, as much as several small batches: small ones are
# drawn up to 16 a call (measured: 64 pictures of 8 px take a third of the time), large ones one by one.
_MOST_A_CALL, _BYTES_A_CALL = 16, 2**20


class Batches:
    """The endless stream of batches of one split: epoch after epoch, each in a fresh order, with nothing dropped."""

    def __init__(self, source: Source, batch_size: int, seed: int, binarize: str = "none") -> None:
        """Take `batch_size` (all replicas together) samples of `source` a step.

        `binarize` is 'none' or, for pictures, 'dynamic'.
        """
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.binarize = binarize
        # Two, since a batch may straddle two epochs.
        self._permutation = functools.lru_cache(maxsize=2)(
            lambda epoch: _generator(seed, epoch, _ORDER).permutation(len(source.samples))
        )

    def indices(self, step: int) -> np.ndarray:
        """Return the examples of the global batch of `step`, int64 (batch_size,)."""
        positions = np.arange(self.batch_size) + step * self.batch_size
        epochs, offsets = np.divmod(positions, len(self.source.samples))
        chosen = np.empty_like(positions)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            chosen[here] = self._permutation(epoch)[offsets[here]]
        return chosen

    def example(self, step: int, replica: int = 0, replicas: int = 1) -> dict[str, np.ndarray]:
        """Return the contiguous part of `replica` in the global batch of `step`.

        "image" holds samples of the source in its own type (points too have this name), "label" int32; both have
        batch_size // replicas rows. Raises `UserError` if the batch does not divide evenly.
        """
        share = self._share(replicas)
        part = slice(replica * share, (replica + 1) * share)
        chosen = self.indices(step)[part]
        samples = self.source.samples[chosen]
        if self.binarize == "dynamic":
            # Drawn for the whole batch, so that the number of replicas makes no difference.
            shape = (self.batch_size, *samples.shape[1:])
            samples = _binarized(samples, _thresholds(self.seed, step, _NOISE, shape)[part])
        return {"image": samples, "label": self.source.labels[chosen]}

    def dataset(
        self, first_step: int, steps: int, local_replicas: int = 1, first_replica: int = 0, replicas: int = 1
    ) -> tf.data.Dataset:
        """Return the batches of `steps` steps from `first_step` on, for each local replica in turn within each step.

        An element is {"image": float32 (b, H, W, C) in [-1, 1] or points (b, D) as they are, "label": int32 (b,)} with
        b = batch_size // replicas. The local replicas are `first_replica` and those after it. Raises `UserError` if the
        batch does not divide evenly.
        """
        import tensorflow as tf

        share = self._share(replicas)
        samples = self.source.samples
        shape = (share, *samples.shape[1:])

        def draw(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            steps_and_locals = (divmod(position, local_replicas) for position in positions.tolist())
            drawn = [self.example(step, first_replica + local, replicas) for step, local in steps_and_locals]
            return np.stack([one["image"] for one in drawn]), np.stack([one["label"] for one in drawn])

        def elements(positions: tf.Tensor) -> dict[str, tf.Tensor]:
            image, label = tf.numpy_function(draw, [positions], [samples.dtype, tf.int32])
            image.set_shape((None, *shape))
            label.set_shape((None, share))
            if self.source.holds_pictures:
                image = tf.cast(image, tf.float32) / 127.5 - 1.0
            return {"image": image, "label": label}

        positions = tf.data.Dataset.range(first_step * local_replicas, (first_step + steps) * local_replicas)
        options = tf.data.Options()
        options.deterministic = True
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        at_once = min(_MOST_A_CALL, max(1, _BYTES_A_CALL // (math.prod(shape) * samples.itemsize)))
        drawn = positions.batch(at_once).map(elements, tf.data.AUTOTUNE).unbatch()
        return drawn.prefetch(tf.data.AUTOTUNE).with_options(options)

    def _share(self, replicas: int) -> int:
        if self.batch_size % replicas:
            raise UserError(f"batch_size {self.batch_size} is not divisible by {replicas} replicas; take a multiple")
        return self.batch_size // replicas


def held_out(source: Source, binarize: str, seed: int = 0) -> np.ndarray:
    """Return all samples of `source` as models see them: pictures as float32 (N, H, W, C) in [-1, 1], points as is.

    'dynamic' binarises pictures once, by `seed`.
    """
    samples = source.samples
    if not source.holds_pictures:
        return samples
    if binarize == "dynamic":
        samples = _binarized(samples, _thresholds(seed, 0, _HELD_OUT, samples.shape))
    return samples.astype(np.float32) / 127.5 - 1


def _generator(seed: int, position: int, purpose: int) -> np.random.Generator:
    key = np.array([seed % 2**64, position], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, purpose]))


def _thresholds(seed: int, position: int, purpose: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return bytes 0 to 254, all as likely: a byte v exceeds one with probability exactly v / 255."""
    return _generator(seed, position, purpose).integers(255, size=shape, dtype=np.uint8)


def _binarized(images: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return np.where(thresholds < images, np.uint8(255), np.uint8(0))
