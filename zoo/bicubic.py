"""Bicubic resizing as MATLAB's imresize has it, which papers on super-resolution make their small pictures with.

Keys (1981), "Cubic convolution interpolation for digital image processing", with a = -1/2. Where a picture shrinks, the
kernel is stretched by the factor, so that nothing aliases. Beyond its edges a picture is mirrored. Height and width are
resized one after the other, and nothing is rounded. numpy only.
"""

import functools
import math
from fractions import Fraction

import numpy as np

_SUPPORT = 2  # the kernel is 0 farther away than this


def kernel(distance: np.ndarray) -> np.ndarray:
    """Return the weight of a pixel at a distance, in pixels: equation 15 of Keys (1981)."""
    x = np.abs(distance)
    near = 1 + x**2 * (1.5 * x - 2.5)
    far = 2 + x * (x * (2.5 - 0.5 * x) - 4)
    return np.where(x <= 1, near, np.where(x < _SUPPORT, far, 0.0))


@functools.lru_cache(maxsize=64)
def matrix(side: int, scale: Fraction) -> np.ndarray:
    """Return the read-only matrix (ceil(side * scale), side) that resizes one axis; each row's sum is 1."""
    count = math.ceil(side * scale)
    stretch = float(min(scale, Fraction(1)))
    # the centre of each new pixel, among old ones whose centres are whole numbers
    centres = (np.arange(count) + 0.5) / float(scale) - 0.5
    farthest = math.ceil(_SUPPORT / stretch)
    places = np.rint(centres).astype(int)[:, None] + np.arange(-farthest, farthest + 1)
    weights = kernel((places - centres[:, None]) * stretch)
    # ... 1 0 | 0 1 2 ... side - 1 | side - 1 side - 2 ...
    turn = places % (2 * side)
    made = np.zeros((count, side))
    rows = np.arange(count)[:, None]
    np.add.at(made, (rows, np.minimum(turn, 2 * side - 1 - turn)), weights / weights.sum(axis=1, keepdims=True))
    made.flags.writeable = False
    return made


def resized(pictures: np.ndarray, scale: Fraction | int) -> np.ndarray:
    """Return pictures (..., height, width, channels), `scale` times as large: float64, not rounded, not clipped.

    Sides that are no whole number of pixels are rounded up, as MATLAB does.
    """
    made = pictures.astype(np.float64)
    for axis in (-3, -2):
        weights = matrix(pictures.shape[axis], Fraction(scale))
        # many small products: BLAS would wake all cores for a large one, which training needs
        made = np.moveaxis(np.moveaxis(made, axis, -1) @ weights.T, -1, axis)
    return made
