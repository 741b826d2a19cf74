"""Augmentations of what a discriminator sees: functions of images and of random numbers that the caller draws.

Images are float32 (batch, height, width, channels) with grey at 0, in [-1, 1] before and possibly outside after.
`uniform(shape)` draws from U[0, 1); each sample depends on its own row of the one tensor that a call draws. All are
differentiable in the images, so that the generator learns through them.
"""

import math

import numpy as np
import tensorflow as tf

from zoo.adversarial.penalties import Uniform
from zoo.shared.errors import unknown

DIFF_AUGMENT = ("colour", "translation", "cutout")
ADA_AUGMENT = ("blit", "geometric", "colour")

_DIFF_AUGMENT_DRAWS = 7
_ADA_AUGMENT_DRAWS = 28
_LARGEST_SHIFT = 0.125  # of a side
# 0 would be minus infinity on the normal scale
_SMALLEST_UNIFORM = 2.0**-24


def parse(option: str, names: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the `names`, separated by commas, in the order of the `known` ones; another name is a `UserError`."""
    given = [name.strip() for name in names.split(",")]
    for name in given:
        if name not in known:
            raise unknown(f"name in model.{option}", name, known)
    return tuple(name for name in known if name in given)


def diff_augment(images: tf.Tensor, uniform: Uniform, policy: tuple[str, ...]) -> tf.Tensor:
    """Return `images` after the steps of DiffAugment that `policy` names, on every sample (Zhao et al. 2020).

    "colour": brightness by U[-1/2, 1/2), saturation times U[0, 2) around the mean of each pixel, contrast times
    U[1/2, 3/2) around the mean of the image; "translation" by whole pixels, up to 1/8 of each side, zeros coming in;
    "cutout": zeros in a rectangle of half of each side, whose centre may lie anywhere in the image.
    """
    draws = tf.unstack(uniform((tf.shape(images)[0], _DIFF_AUGMENT_DRAWS)), axis=1)
    brightness, saturation, contrast, down, right, row, column = draws
    height, width = images.shape[1:3]
    if "colour" in policy:
        images = images + (brightness - 0.5)[:, None, None, None]
        images = _stretch(images, 2.0 * saturation, axes=[3])
        images = _stretch(images, 0.5 + contrast, axes=[1, 2, 3])
    if "translation" in policy:
        images = _translate(_translate(images, down, axis=1), right, axis=2)
    if "cutout" in policy:
        hole = _half(row, height)[:, :, None, None] & _half(column, width)[:, None, :, None]
        images = tf.where(hole, 0.0, images)
    return images


def ada_augment(
    images: tf.Tensor, p: float | tf.Tensor, uniform: Uniform, groups: tuple[str, ...] = ADA_AUGMENT
) -> tf.Tensor:
    """Return `images` after the steps of ADA in `groups`, each on a sample with probability `p` (Karras et al. 2020).

    "blit": mirroring, quarter turns, translation by whole pixels; "geometric": scaling, rotation, scaling along one
    axis, rotation, translation by any fraction; "colour": brightness, contrast, flip of the luma, rotation of the hue,
    saturation, of which grey images have the first three. The first two groups make one map of the plane, so that a
    picture is resampled once, bilinearly, reflected beyond its border; the paper takes a sharper filter.
    """
    numbers = uniform((tf.shape(images)[0], _ADA_AUGMENT_DRAWS))
    draws = _Draws(numbers, tf.convert_to_tensor(p, tf.float32))
    if "blit" in groups or "geometric" in groups:
        images = resample(images, *_origins(draws, groups, *images.shape[1:3]))
    if "colour" in groups:
        images = recolour(
            images,
            brightness=draws.step() * draws.normal(0.2),
            contrast=2.0 ** (draws.step() * draws.normal(0.5)),
            luma_flip=1.0 - 2.0 * draws.step() * draws.choice(2),
            hue=draws.step() * draws.between(-math.pi, math.pi),
            saturation=2.0 ** (draws.step() * draws.normal(1.0)),
        )
    return images


def resample(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Return the pictures whose pixels are those of `images` at the places (`rows`, `columns`), (batch, H, W) each.

    Between pixel centres it interpolates bilinearly; beyond the outermost centres the picture is reflected there.
    """
    height, width, channels = images.shape[1:]
    (row, row_weight), (column, column_weight) = _neighbours(rows, height), _neighbours(columns, width)
    index = row[:, :, None] * width + column[:, None, :]
    weight = row_weight[:, :, None] * column_weight[:, None, :]
    # one gather for all four neighbours: gradients of several would be added up in no fixed order
    pixels = tf.gather(tf.reshape(images, (-1, height * width, channels)), index, batch_dims=1)
    return tf.reduce_sum(weight[..., None] * pixels, axis=[1, 2])


def recolour(
    images: tf.Tensor,
    brightness: tf.Tensor,
    contrast: tf.Tensor,
    luma_flip: tf.Tensor,
    hue: tf.Tensor,
    saturation: tf.Tensor,
) -> tf.Tensor:
    """Return `images` with new colours; the other arguments are (batch, 1, 1).

    A colour is its luma, here the mean of its channels, and the rest, its chroma, at right angles to the grey axis.
    The luma becomes luma_flip * contrast * (luma + brightness); the chroma is turned by `hue`, in radians, about the
    grey axis and becomes contrast * saturation times as long. A single channel is all luma.
    """
    channels = images.shape[-1]
    identity = np.eye(channels, dtype=np.float32)
    luma = np.full_like(identity, 1.0 / channels)
    chroma = identity - luma
    # the cross product with the unit vector of the grey axis
    quarter = (np.roll(identity, 1, axis=0) - np.roll(identity, -1, axis=0)) / np.float32(math.sqrt(3.0))
    turned = tf.cos(hue) * chroma + tf.sin(hue) * quarter
    matrix = contrast * (luma_flip * luma + saturation * turned)
    # no matmul: on a GPU it may round pictures to 10 bits
    mixed = tf.reduce_sum(matrix[:, None, None] * images[..., None, :], axis=-1)
    return mixed + (luma_flip * contrast * brightness)[..., None]


class _Draws:
    """Columns of U[0, 1), taken one after another and turned into what the steps of ADA need, (batch, 1, 1) each."""

    def __init__(self, numbers: tf.Tensor, p: tf.Tensor) -> None:
        self._columns = iter(tf.unstack(numbers[:, :, None, None], axis=1))
        self._p = p

    def step(self) -> tf.Tensor:
        """Return 1 for the samples that take a step, with probability p, and 0 for the others."""
        return self._below(self._p)

    def between(self, low: float, high: float) -> tf.Tensor:
        return low + (high - low) * next(self._columns)

    def choice(self, count: int) -> tf.Tensor:
        """Return 0, 1, ... or count - 1."""
        return tf.floor(count * next(self._columns))

    def normal(self, deviation: float) -> tf.Tensor:
        return deviation * tf.math.ndtri(tf.maximum(next(self._columns), _SMALLEST_UNIFORM))

    def rotation(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return (cosine, sine) of one of the two rotations."""
        # of the two, a sample takes at least one with probability p
        angle = self._below(1.0 - tf.sqrt(1.0 - self._p)) * self.between(-math.pi, math.pi)
        return tf.cos(angle), tf.sin(angle)

    def quarter_turns(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return (cosine, sine) of 0 to 3 quarter turns, exactly."""
        angle = self.step() * self.choice(4) * (0.5 * math.pi)
        return tf.round(tf.cos(angle)), tf.round(tf.sin(angle))

    def _below(self, p: tf.Tensor) -> tf.Tensor:
        return tf.cast(next(self._columns) < p, tf.float32)


def _origins(draws: _Draws, groups: tuple[str, ...], height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (rows, columns), (batch, height, width) each: where each pixel of the augmented picture came from."""
    top, left = 0.5 * (height - 1), 0.5 * (width - 1)
    y = tf.range(height, dtype=tf.float32)[None, :, None] - top
    x = tf.range(width, dtype=tf.float32)[None, None, :] - left
    # the way back: the last step comes first, and is undone
    if "geometric" in groups:
        moved = draws.step()
        x = x - moved * draws.normal(_LARGEST_SHIFT) * width
        y = y - moved * draws.normal(_LARGEST_SHIFT) * height
        x, y = _turn_back(x, y, *draws.rotation())
        stretch = 2.0 ** (draws.step() * draws.normal(0.2))
        x, y = x / stretch, y * stretch
        x, y = _turn_back(x, y, *draws.rotation())
        scale = 2.0 ** (draws.step() * draws.normal(0.2))
        x, y = x / scale, y / scale
    if "blit" in groups:
        moved = draws.step()
        x = x - moved * tf.round(draws.between(-_LARGEST_SHIFT, _LARGEST_SHIFT) * width)
        y = y - moved * tf.round(draws.between(-_LARGEST_SHIFT, _LARGEST_SHIFT) * height)
        x, y = _turn_back(x, y, *draws.quarter_turns())
        x = x * (1.0 - 2.0 * draws.step() * draws.choice(2))
    return y + top, x + left


def _turn_back(x: tf.Tensor, y: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the places that a counter-clockwise turn brings to (x, y), y pointing down."""
    return x * cosine - y * sine, x * sine + y * cosine


def _neighbours(place: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the two pixels around each `place` (batch, H, W) on a side, and their weights: (batch, 2, H, W) each."""
    last = size - 1
    place = tf.abs(tf.math.floormod(place + last, max(2 * last, 1)) - last)
    first = tf.floor(place)
    share = place - first
    pixels = tf.cast(tf.stack([first, tf.minimum(first + 1, last)], axis=1), tf.int32)
    return pixels, tf.stack([1.0 - share, share], axis=1)


def _stretch(images: tf.Tensor, factor: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Return `images` with their distance from the mean over `axes` times `factor` (batch,)."""
    mean = tf.reduce_mean(images, axis=axes, keepdims=True)
    return (images - mean) * factor[:, None, None, None] + mean


def _translate(images: tf.Tensor, draw: tf.Tensor, axis: int) -> tf.Tensor:
    """Return `images` moved along `axis` by whole pixels, up to 1/8 of the side either way; zeros come in."""
    size = images.shape[axis]
    most = math.floor(_LARGEST_SHIFT * size + 0.5)
    shift = tf.cast(tf.floor((2 * most + 1) * draw), tf.int32) - most
    origin = tf.range(size) - shift[:, None]
    moved = tf.gather(images, tf.clip_by_value(origin, 0, size - 1), axis=axis, batch_dims=1)
    is_inside = (origin >= 0) & (origin < size)
    return tf.where(is_inside[:, :, None, None] if axis == 1 else is_inside[:, None, :, None], moved, 0.0)


def _half(draw: tf.Tensor, size: int) -> tf.Tensor:
    """Return which of `size` pixels lie in an interval of half the side with a drawn centre, (batch, size)."""
    length = (size + 1) // 2
    start = size * draw[:, None] - 0.5 * length
    centres = tf.range(size, dtype=tf.float32) + 0.5
    return (centres >= start) & (centres < start + length)
