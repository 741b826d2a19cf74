"""Instance normalisation."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("genzoo")
class InstanceNormalization(layers.Layer):
    """Normalise every channel of every example over height and width, then scale and shift it by learned numbers.

    Ulyanov, Vedaldi and Lempitsky (2016). Maps (batch, H, W, C) keep their shape. A 1 x 1 map is only scaled and
    shifted, because normalisation would set it to zero.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make a gain, first near 1, and a shift, first 0, for each channel."""
        self.gain = self.add_weight((shape[-1],), keras.initializers.RandomNormal(1.0, 0.02), name="gain")
        self.shift = self.add_weight((shape[-1],), "zeros", name="shift")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the normalised maps."""
        if x.shape[1:3] != (1, 1):
            x = x - ops.mean(x, axis=(1, 2), keepdims=True)
            x = x * ops.rsqrt(ops.mean(ops.square(x), axis=(1, 2), keepdims=True) + 1e-5)
        return x * self.gain + self.shift
