"""The discriminator of patches, which pix2pix and CycleGAN share.

Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial networks" (2017, sections 3.2.2 and
6.1.2). Zhu et al. (2017) take the same network, with instance normalisation.
"""

import math

import keras
from keras import layers

from zoo.layers import InstanceNormalization


def patchgan(
    shape: tuple[int, int, int], base_channels: int, halvings: int, name: str = "discriminator"
) -> keras.Model:
    """Return the discriminator of section 6.1.2: pictures (batch, H, W, C) to one logit for each patch.

    A patch's side is 16, 34, 70, 142, 286 pixels for 1, 2, 3 (the paper's), 4, 5 `halvings`, and 1 for 0: then all
    convolutions are 1 x 1 (PixelGAN). A conditional discriminator's pictures are input and output, joined along the
    channels. "same" padding gives H / 2^halvings rows of logits; the paper's code has two fewer.
    """
    x = picture = keras.Input(shape, name="picture")
    kernel, strides = (4, [2] * halvings + [1]) if halvings else (1, [1, 1])
    for level, stride in enumerate(strides):
        x = convolution(layers.Conv2D, x, base_channels * min(2**level, 8), kernel, stride, normalized=level > 0)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    logits = layers.Conv2D(1, kernel, padding="same", kernel_initializer=_normal(), dtype="float32")(x)
    return keras.Model(picture, logits, name=name)


def convolution(
    kind: type[layers.Layer],
    x: keras.KerasTensor,
    filters: int,
    kernel: int = 4,
    stride: int = 2,
    normalized: bool = True,
) -> keras.KerasTensor:
    """Return a (transposed) convolution of `x` with "same" padding, by default followed by instance normalisation."""
    # the normalisation brings its own shift
    x = kind(filters, kernel, stride, "same", use_bias=not normalized, kernel_initializer=_normal())(x)
    return InstanceNormalization()(x) if normalized else x


def most_halvings(height: int, width: int) -> int:
    """Return how often both sides can be halved."""
    common = math.gcd(height, width)
    return (common & -common).bit_length() - 1  # the power of 2 that divides both


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.02)
