"""Luma (ITU-R BT.601, over the whole range of the pixels) and the colours that go with it."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("genzoo")
class Luma(layers.Layer):
    """The luma (batch, H, W, 1) of colours (batch, H, W, 3)."""

    def call(self, colours: keras.KerasTensor) -> keras.KerasTensor:
        """Return the luma."""
        return _luma(colours)


@keras.saving.register_keras_serializable("genzoo")
class KeepGrey(layers.Layer):
    """Shift the colours [(batch, H, W, 3), grey (batch, H, W, 1)] to the luma `grey`, within [-1, 1]."""

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return the shifted colours."""
        colours, grey = inputs
        return ops.clip(colours + grey - _luma(colours), -1.0, 1.0)


def _luma(colours: keras.KerasTensor) -> keras.KerasTensor:
    return ops.sum(colours * ops.array([0.299, 0.587, 0.114], colours.dtype), axis=-1, keepdims=True)
