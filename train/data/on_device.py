"""Columns of bytes in the memory of the device: the host draws numbers of rows, the compiled step gathers the rows."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

import numpy as np

from train.data.batches import MOVING, let_go
from train.data.source import Source
from zoo import media
from zoo.spec import TensorSpec

if TYPE_CHECKING:
    import tensorflow as tf

# Bytes. No share of what is free: a run would be compiled otherwise, to other bits, where it is resumed.
_MOST = 2**30
_DRAWN = ("rows", "corners", "mirrored", "thresholds")


class OnDevice:
    """The columns of a source that lie on a device, by their names in `columns`: those of bytes, if all of them fit.

    Others stay on the host: classes and attributes, which are small, and what is derived by numpy. Without a device all
    do. The batches are those of the host to the last bit, since the same numbers are drawn, and since a byte is not
    scaled but looked up: XLA would multiply where TensorFlow divides.
    """

    def __init__(self, source: Source, reads: Container[str], device: str = "") -> None:
        import tensorflow as tf

        self.source = source
        self.columns: dict[str, tf.Tensor] = {}
        stored = {
            name: column
            for table in source
            for name, column in table.columns.items()
            if name in reads and isinstance(column, np.ndarray) and column.dtype == np.uint8
        }
        self.bytes = sum(column.nbytes for column in stored.values())
        if device and self.bytes <= _MOST:
            with tf.device(device):
                self.columns = {name: tf.constant(column) for name, column in stored.items()}
            for column in stored.values():
                let_go(column)

    def rows(self, element: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the batch, each column as models see it, of an element of `Batches.dataset(held=self.columns)`."""
        import tensorflow as tf

        made = {name: values for name, values in element.items() if "/" not in name}
        for number, table in enumerate(self.source):
            drawn = {key: element[f"{number}/{key}"] for key in _DRAWN if f"{number}/{key}" in element}
            for name in (name for name in table.specs if name in self.columns):
                spec, rows = table.specs[name], tf.gather(self.columns[name], drawn["rows"])
                if spec.kind in MOVING:
                    rows = _moved(spec, rows, drawn)
                if name == "image" and "thresholds" in drawn:
                    rows = tf.where(drawn["thresholds"] < rows, np.uint8(255), np.uint8(0))
                values = media.seen(spec, np.arange(256, dtype=np.uint8))
                made[name] = tf.gather(values, tf.cast(rows, tf.int32))
        return made


def _moved(spec: TensorSpec, rows: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    """Return windows of stored pictures, of the size in their spec, mirrored where it is drawn."""
    import tensorflow as tf

    if "corners" in drawn:
        top, left = tf.split(drawn["corners"], 2, axis=1)  # (batch, 1) each
        height, width, _ = spec.shape
        rows = tf.gather(rows, top + tf.range(height, dtype=top.dtype), axis=1, batch_dims=1)
        rows = tf.gather(rows, left + tf.range(width, dtype=left.dtype), axis=2, batch_dims=1)
    if "mirrored" in drawn:
        rows = tf.where(drawn["mirrored"][:, None, None, None], tf.reverse(rows, [2]), rows)
    return rows
