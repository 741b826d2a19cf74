"""Causal convolutions over a raster: masks of van den Oord et al. (2016a), and the same sums position by position."""

import math

import keras
import numpy as np
import tensorflow as tf


def causal_mask(
    kernel_size: tuple[int, ...], inputs: int, outputs: int, kind: str, groups: int = 1, parts: int = 1
) -> np.ndarray:
    """Return where the kernel of a causal convolution may look: float32 (*kernel_size, inputs, outputs) of 0 and 1.

    van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel recurrent neural networks" (2016a), for a raster of any number of
    axes. The centre of the kernel lies on the position that is made. Positions before it in raster order are seen,
    later ones are not. At the position itself the channels are parted into `groups`, contiguous and in order (red,
    green, blue): an output sees the groups before its own, and with `kind` "B", not "A", its own too.

    With `parts` above 1 the outputs are so many maps side by side, each parted into the groups: the gates of a cell.
    """
    order = np.arange(math.prod(kernel_size)).reshape(kernel_size)
    centre = order[tuple(size // 2 for size in kernel_size)]
    group_in, group_out = (np.arange(count) * groups // count for count in (inputs, outputs // parts))
    at_centre = group_in[:, None] < group_out if kind == "A" else group_in[:, None] <= group_out
    order = order[..., None, None]
    mask = np.where(order == centre, np.tile(at_centre, parts), order < centre)
    return mask.astype(np.float32)


class MaskedConv2D(keras.layers.Layer):
    """A convolution of a raster (batch, height, width, inputs) that is causal by `causal_mask`; zeros lie outside.

    `kernel_size` is (rows, columns), odd numbers. The mask multiplies the kernel in every call. All is float32,
    whatever the precision: a sampler repeats the sums in another order, and has to come to the same.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: tuple[int, int] = (1, 1),
        kind: str = "B",
        groups: int = 1,
        parts: int = 1,
    ) -> None:
        super().__init__(dtype="float32")
        self.mask = causal_mask(kernel_size, inputs, outputs, kind, groups, parts)
        self.kernel = self.add_weight((*kernel_size, inputs, outputs), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight((outputs,), initializer="zeros", name="bias")
        self.built = True

    @property
    def masked_kernel(self) -> tf.Tensor:
        """The kernel, 0 where it must not look."""
        return self.kernel.value * self.mask

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the whole raster, (batch, height, width, outputs)."""
        return tf.nn.conv2d(x, self.masked_kernel, 1, "SAME") + self.bias


class CausalSteps:
    """A masked convolution step by step: a row takes `above` from the rows before it, a position adds `along`.

    The sum of both is what the layer makes there. The masked kernel is computed once, by the constructor.
    """

    def __init__(self, convolution: MaskedConv2D) -> None:
        kernel, self.bias = convolution.masked_kernel, convolution.bias.value
        rows, columns, self.inputs, self.outputs = convolution.mask.shape
        self.reach = columns // 2
        self._above = kernel[: rows // 2]
        self._along = tf.reshape(kernel[rows // 2, : self.reach + 1], (-1, self.outputs))

    def above(self, rows: tf.Tensor) -> tf.Tensor:
        """Return what a row takes from those before it, (batch, width, outputs).

        `rows` (batch, kernel rows // 2, width, inputs) are these, zeros above the raster.
        """
        return row_of(rows, self._above)

    def along(self, window: tf.Tensor) -> tf.Tensor:
        """Return what a position takes from its own row, with the bias, (batch, outputs).

        `window` (batch, reach + 1, inputs) are the positions up to itself, zeros to the left of the raster. It may be
        flat, (batch, (reach + 1) * inputs).
        """
        flat = window if window.shape.rank == 2 else tf.reshape(window, (-1, self._along.shape[0]))
        return flat @ self._along + self.bias

    def here(self, x: tf.Tensor) -> tf.Tensor:
        """Return what a position makes of itself (batch, inputs) by a kernel of one position, (batch, outputs)."""
        return x @ self._along + self.bias


def row_of(rows: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Return the one row that a kernel as high as `rows` makes of them, (batch, width, outputs); zeros lie beside."""
    reach = kernel.shape[1] // 2
    padded = tf.pad(rows, ((0, 0), (0, 0), (reach, reach), (0, 0)))
    return tf.squeeze(tf.nn.conv2d(padded, kernel, 1, "VALID"), 1)


def follow(past: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Return the window (batch, n, ...) without its oldest entry and with the present one (batch, ...) at its end."""
    if past.shape[1] == 1:
        return tf.expand_dims(present, 1)
    # split, since tf2onnx needs a rank for a slice and has none inside of a loop
    _, kept = tf.split(past, (1, past.shape[1] - 1), axis=1)
    return tf.concat([kept, tf.expand_dims(present, 1)], axis=1)


def by_position(row: tf.Tensor) -> tf.Tensor:
    """Return a row (batch, width, ...) as (width, batch, ...), to be read position by position; and back."""
    return tf.transpose(row, (1, 0, *range(2, row.shape.rank)))
