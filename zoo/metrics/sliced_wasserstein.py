"""Sliced Wasserstein distance between the patches of two sets of images, scale by scale.

Karras, Aila, Laine & Lehtinen (2018), with the numbers of the code published with it.
"""

from typing import Any

import numpy as np

from zoo.metrics.distances import pictures
from zoo.shared.errors import UserError

_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16
_SMALLEST_LEVEL = 16  # pixels
_IMAGES_AT_ONCE = 64
_DIRECTIONS_AT_ONCE = 8


def sliced_wasserstein(
    real: np.ndarray,
    fake: np.ndarray,
    patches: int = 128,
    patch_size: int = 7,
    directions: int = 512,
    seed: int = 0,
) -> dict[str, Any]:
    """Return 1,000 times the sliced Wasserstein distance at each level of the Laplacian pyramid, and the average.

    Sets are uint8 (count, height, width, channels), as many real images as fake ones. The pyramid halves the images
    while their shorter side stays 16 pixels or more; images too small for that have one level. `levels` is named by the
    shorter side: "128" is the finest detail, "16" the coarse shape. From each image and level come `patches` places of
    `patch_size` pixels square; each set's channels are scaled to mean 0 and deviation 1, so that a wrong contrast or
    tint of a whole level is not seen. The paper's protocol is the defaults on 16,384 images (there the directions are
    4 groups of 128, whose mean is the same).

    Equal laws do not give 0: the patches are a sample. Fewer images give a higher floor: compare equal counts only, and
    beside two real sets. Sets of different counts, and images smaller than a patch, are a `UserError`.
    """
    real, fake = pictures(real=real, fake=fake)
    if len(real) != len(fake):
        raise UserError(f"{len(real)} real and {len(fake)} fake images: use as many of both")
    sides = _sides(min(real.shape[1:3]))
    if patch_size > sides[-1]:
        raise UserError(f"patches of {patch_size} pixels do not fit into {sides[-1]}: use a patch_size of {sides[-1]}")
    levels = {}
    for level, side in enumerate(sides):  # a level at a time: its patches are the largest thing in memory
        rng = np.random.default_rng((seed, level))
        a, b = (_descriptors(x, level, min(level + 2, len(sides)), patches, patch_size, rng) for x in (real, fake))
        slices = rng.normal(size=(directions, a.shape[1]))
        slices /= np.linalg.norm(slices, axis=1, keepdims=True)
        levels[str(side)] = 1000 * sliced_distance(a, b, slices.astype(a.dtype))
    return {
        "average": float(np.mean(list(levels.values()))),
        "levels": levels,
        "patches": patches,
        "patch_size": patch_size,
        "directions": directions,
        "seed": seed,
        "count": len(real),
    }


def sliced_distance(a: np.ndarray, b: np.ndarray, directions: np.ndarray) -> float:
    """Return the mean over the unit `directions` (K, D) of the Wasserstein-1 distance of the projected sets.

    Rabin, Peyre, Delon & Bernot (2011). `a` and `b` are (count, D), of the same count: in one dimension the sorted
    points are matched.
    """
    total = 0.0
    for start in range(0, len(directions), _DIRECTIONS_AT_ONCE):
        some = directions[start : start + _DIRECTIONS_AT_ONCE]
        gaps = np.abs(np.sort(some @ a.T) - np.sort(some @ b.T))
        total += float(gaps.mean(axis=1, dtype=np.float64).sum())
    return total / len(directions)


def laplacian_pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """Return the pyramid of images (count, height, width, channels), finest level first (Burt & Adelson 1983).

    Each level is what the next, blurred and halved one cannot show; the last is the blurred image itself, so that
    level k + upsample(what levels k + 1 ... add up to) gives back the image. Sides are halved, rounded up.
    """
    pyramid = [images.astype(np.float64)]
    for _ in range(levels - 1):
        smaller = _blur(pyramid[-1], _BINOMIAL)[:, ::2, ::2]
        pyramid[-1] -= upsample(smaller, pyramid[-1].shape)
        pyramid.append(smaller)
    return pyramid


def upsample(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the images doubled to `shape` (count, height, width, channels): zeros between the pixels, then a blur."""
    spread = np.zeros(shape)
    spread[:, ::2, ::2] = images
    return _blur(spread, 2 * _BINOMIAL)


def _blur(images: np.ndarray, taps: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate1d

    return correlate1d(correlate1d(images, taps, axis=1, mode="mirror"), taps, axis=2, mode="mirror")


def _sides(side: int) -> list[int]:
    sides = [side]
    while (side := (side + 1) // 2) >= _SMALLEST_LEVEL:
        sides.append(side)
    return sides


def _descriptors(
    images: np.ndarray, level: int, depth: int, count: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return `count` patches per image of a pyramid of `depth` levels, scaled by channel.

    Shape (images * count, channels * size^2).
    """
    channels = images.shape[-1]
    # float32, as a level of the paper's protocol takes 1.2 GB of it for each set
    found = np.empty((len(images), count, channels, size, size), np.float32)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        pixels = laplacian_pyramid(images[start : start + _IMAGES_AT_ONCE], depth)[level]
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (size, size), axis=(1, 2))
        rows, columns = (rng.integers(places, size=(len(pixels), count)) for places in windows.shape[1:3])
        found[start : start + len(pixels)] = windows[np.arange(len(pixels))[:, None], rows, columns]
    for channel in range(channels):
        values = found[:, :, channel]
        values -= values.mean(dtype=np.float64)
        values /= values.std(dtype=np.float64) or 1  # a level without detail stays 0
    return found.reshape(len(images) * count, -1)
