"""The residual generator of pictures from pictures, which CycleGAN and fast style transfer share.

Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution" (2016, supplementary
material), with the instance normalisation of Ulyanov, Vedaldi and Lempitsky (2016), as Zhu et al. use it (2017,
section 7.2). In the notation of Zhu et al. it is c7s1-k, d2k, d4k, R4k once for each block, u2k, uk, c7s1-C.
"""

import keras
from keras import layers, ops

from zoo.layers import InstanceNormalization

# which sides the network takes: it halves them twice, and a map of 2 pixels can be reflected by 1
MULTIPLE, LEAST = 4, 8


def residual_generator(
    input_channels: int,
    output_channels: int,
    base_channels: int = 64,
    blocks: int = 9,
    kernel: int = 7,
    names: tuple[str, str] = ("input", "translated"),
    name: str = "generator",
) -> keras.Model:
    """Return the network from {names[0]: (batch, H, W, input_channels)} to {names[1]: (batch, H, W, output_channels)}.

    H and W are free multiples of `MULTIPLE`, at least `LEAST`. The output lies in [-1, 1] and is float32, whatever the
    precision of training. There are `blocks` residual blocks of 4 x `base_channels`. The first and the last convolution
    have a `kernel` of 7 (Zhu et al.) or 9 (Johnson et al.), an odd number up to 15.

    The first and the last convolution and the blocks pad by reflection. The others pad by zeros, as in the code of Zhu
    et al. A block adds its input to two convolutions; nothing follows the sum.
    """
    inputs = keras.Input((None, None, input_channels), name=names[0])
    x = _normalized(_convolution(inputs, base_channels, kernel))
    for factor in (2, 4):
        x = _normalized(layers.Conv2D(factor * base_channels, 3, 2, **_settings("same"))(x))
    for _ in range(blocks):
        inner = _normalized(_convolution(x, 4 * base_channels, 3))
        x = layers.Add()([x, InstanceNormalization()(_convolution(inner, 4 * base_channels, 3))])
    for factor in (2, 1):
        x = _normalized(layers.Conv2DTranspose(factor * base_channels, 3, 2, **_settings("same"))(x))
    x = _convolution(x, output_channels, kernel, use_bias=True)
    made = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model({names[0]: inputs}, {names[1]: made}, name=name)


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, use_bias: bool = False) -> keras.KerasTensor:
    """Return a convolution that keeps the sides of `x`, padded by reflection."""
    border = (kernel // 2, kernel // 2)
    x = ops.pad(x, ((0, 0), border, border, (0, 0)), mode="reflect")
    return layers.Conv2D(filters, kernel, **{**_settings("valid"), "use_bias": use_bias})(x)


def _normalized(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(InstanceNormalization()(x))


def _settings(padding: str) -> dict:
    # the normalisation brings its own shift
    return {"padding": padding, "use_bias": False, "kernel_initializer": keras.initializers.RandomNormal(0.0, 0.02)}
