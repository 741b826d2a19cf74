"""The equalised learning rate: dense and convolutional layers whose kernels are scaled while they run."""

import math
from typing import Any

import keras
from keras import layers


class Equalized:
    """Draw a layer's kernel from N(0, 1), and multiply it by He's constant gain / sqrt(fan in) whenever it is used.

    Karras, Aila, Laine and Lehtinen (2018), section 4.1. The layer starts as He et al. (2015) initialise it. But Adam,
    whose steps are of one size, changes the kernels of all layers equally fast relative to their range. `gain` is
    sqrt(2) before a rectifier, and 1 where none follows. The bias starts at 0.
    """

    def __init__(self, *args: Any, gain: float = math.sqrt(2.0), **kwargs: Any) -> None:
        super().__init__(*args, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0), **kwargs)
        self.gain = gain

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the layer's weights, and the constant that its kernel is multiplied by."""
        super().build(input_shape)
        self.scale = self.gain / math.sqrt(math.prod(self._kernel.shape[:-1]))

    @property
    def kernel(self) -> keras.KerasTensor:
        """The kernel as the layer uses it."""
        return super().kernel * self.scale


class EqualizedDense(Equalized, layers.Dense):
    """A dense layer with an equalised learning rate."""


class EqualizedConv2D(Equalized, layers.Conv2D):
    """A convolution with an equalised learning rate."""
