"""Bicubic enlargement, and the shuffle of channels into pixels."""

from fractions import Fraction

import keras
import numpy as np
from keras import layers, ops

from zoo.bicubic import matrix

_TAPS = 5  # the kernel of every new pixel lies within two old ones to each side


@keras.saving.register_keras_serializable("genzoo")
class BicubicUpsampling(layers.Layer):
    """Enlarge (batch, H, W, C) to (batch, factor H, factor W, C), H and W at least 2: see `zoo.bicubic`.

    A convolution with fixed weights makes all pixels of a block at once, so that it converts with free sides and sees
    two pixels to each side.
    """

    reach = _TAPS // 2

    def __init__(self, factor: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Compute the weights of each place in a block."""
        channels = shape[-1]
        # the rows of the matrix that belong to the pixel in the middle
        axis = matrix(_TAPS, Fraction(self.factor))[2 * self.factor : 3 * self.factor]
        window = np.einsum("ph,qw,cd->hwcpqd", axis, axis, np.eye(channels))
        self.window = window.reshape(_TAPS, _TAPS, channels, -1).astype(np.float32)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the enlarged pictures, not clipped."""
        for axis in (1, 2):
            near, far = (slice(0, 1), slice(1, 2)), (slice(-1, None), slice(-2, -1))
            before, after = ([_cut(x, axis, part) for part in parts] for parts in (near[::-1], far))
            x = ops.concatenate([*before, x, *after], axis=axis)
        return PixelShuffle(self.factor)(ops.conv(x, ops.cast(self.window, x.dtype), padding="valid"))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, factor H, factor W, C)."""
        return (shape[0], *(side and self.factor * side for side in shape[1:3]), shape[3])

    def get_config(self) -> dict[str, object]:
        """Return the factor too."""
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("genzoo")
class PixelShuffle(layers.Layer):
    """Shuffle channels into pixels: (batch, H, W, factor^2 C) to (batch, factor H, factor W, C).

    Equation 4 of Shi et al. (2016): channel (p * factor + q) * C + c is row p, column q of the block of channel c.
    """

    def __init__(self, factor: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the shuffled maps."""
        return ops.depth_to_space(x, self.factor, data_format="channels_last")

    def get_config(self) -> dict[str, object]:
        """Return the factor too."""
        return {**super().get_config(), "factor": self.factor}


def _cut(x: keras.KerasTensor, axis: int, part: slice) -> keras.KerasTensor:
    return x[:, part] if axis == 1 else x[:, :, part]
