"""What methods of style transfer share: Gram matrices, statistics of channels, total variation, and style pictures.

A style is the path of a picture, or the name of a drawn pattern (`zoo.translation.patterns`). A path may end in
"#sha256=HEX", see `zoo.shared.pinned`.
"""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo import images
from zoo.shared import pinned
from zoo.shared.errors import UserError, first_line
from zoo.translation import patterns

_EPSILON = 1e-5  # of variances, as Huang and Belongie's code has it


def gram(maps: tf.Tensor) -> tf.Tensor:
    """Return the Gram matrices (batch, C, C) of maps (batch, H, W, C), over H W C (Johnson et al. 2016, equation 3)."""
    shape = tf.shape(maps)
    rows = tf.reshape(maps, (shape[0], shape[1] * shape[2], maps.shape[-1]))
    return tf.matmul(rows, rows, transpose_a=True) / tf.cast(shape[1] * shape[2] * shape[3], maps.dtype)


def moments(maps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return mean and standard deviation over height and width of maps (batch, H, W, C), (batch, 1, 1, C) each."""
    mean = tf.reduce_mean(maps, (1, 2), keepdims=True)
    variance = tf.reduce_mean(tf.square(maps - mean), (1, 2), keepdims=True)
    return mean, tf.sqrt(variance + _EPSILON)


def total_variation(pictures: tf.Tensor) -> tf.Tensor:
    """Return the mean squared difference of neighbours, down plus across, of pictures (batch, H, W, C): (batch,)."""
    one, other = parted(pictures)
    down, across = one[:, 1:] - one[:, :-1], other[:, :, 1:] - other[:, :, :-1]
    return tf.reduce_mean(tf.square(down), (1, 2, 3)) + tf.reduce_mean(tf.square(across), (1, 2, 3))


def relative(found: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error of each example over the mean square of what is wanted, (batch,).

    So a loss is a pure number, of the same size whatever the scale of a feature network.
    """
    axes = tuple(range(1, len(found.shape)))
    return tf.reduce_mean(tf.square(found - wanted), axes) / (tf.reduce_mean(tf.square(wanted), axes) + 1e-12)


def parted(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return `x` twice, for two uses of it.

    A tape adds up more than two contributions to a gradient in no fixed order. Where `x` has three uses, parting it
    into two leaves it two, and a sum of two is the same to the last bit in either order.
    """
    return tf.identity(x), tf.identity(x)


def perceptual_losses(
    found: dict[str, tf.Tensor], content_layer: str, content: tf.Tensor, grams: dict[str, tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the content and the style loss of each picture, (batch,) each, from the maps `found` of its layers.

    The content loss is the relative error of the maps of one layer to `content`. The style loss is the mean, over the
    layers of `grams`, of the relative error of the Gram matrix.
    """
    first, second = parted(tf.identity(found[content_layer]))  # the next layer has the other use
    parts = {**found, content_layer: second}
    errors = [relative(gram(tf.identity(parts[layer])), wanted) for layer, wanted in grams.items()]
    return relative(first, content), tf.add_n(errors) / len(errors)


def check(style: str, size: int) -> None:
    """Refuse a style that cannot be, and a size that no style can have."""
    if not 8 <= size <= 4096:
        raise UserError(f"model.style_size={size}: use a number of pixels from 8 to 4096")
    if not style:
        raise UserError(f"model.style is empty: give the path of a picture, or one of {', '.join(patterns.KINDS)}")


def pin(style: str) -> str:
    """Return the style with the SHA-256 of its file; that of a drawn pattern stays its name."""
    path, digest = pinned.split(style)
    return style if path in patterns.KINDS else pinned.joined(path, _read(path, digest)[1])


def read(style: str, size: int) -> np.ndarray:
    """Return the style picture, float32 (1, H, W, 3) in [-1, 1], its shorter side `size` pixels.

    A missing file, one that is no picture, or one of another SHA-256 than the style's is a `UserError`.
    """
    path, digest = pinned.split(style)
    if path in patterns.KINDS:
        pixels = patterns.named(path, size)
    else:
        _read(path, digest)
        place = Path(os.path.expanduser(path))
        try:
            height, width = images.size_of(place)
            scale = size / min(height, width)
            pixels = images.decode(place, (round(height * scale), round(width * scale)), 3)
        except Exception as error:  # a damaged file may make Pillow raise anything
            raise UserError(f"the style picture {place} cannot be read: {first_line(error)}") from None
    return pixels[None] / np.float32(127.5) - np.float32(1)


def _read(path: str, digest: str) -> tuple[bytes, str]:
    place = Path(os.path.expanduser(path))
    if not place.exists():
        told = ", ".join(patterns.KINDS)
        raise UserError(f"the style picture {place} is missing: give a PNG, JPEG or WebP, or one of {told}")
    return pinned.read(place, digest, "the style picture")
