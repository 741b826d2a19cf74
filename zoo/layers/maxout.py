"""Maxout units."""

import keras
from keras import layers, ops


class Maxout(layers.Layer):
    """Each unit is the largest of `pieces` linear functions (Goodfellow et al. 2013): (batch, n) to (batch, units)."""

    def __init__(self, units: int, pieces: int, kernel_initializer: str | keras.Initializer = "glorot_uniform") -> None:
        super().__init__()
        self.units = units
        self.pieces = pieces
        self.dense = layers.Dense(units * pieces, kernel_initializer=kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of all pieces."""
        self.dense.build(input_shape)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the maximum over the pieces."""
        return ops.max(ops.reshape(self.dense(x), (-1, self.units, self.pieces)), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, units)."""
        return (input_shape[0], self.units)
