"""Multi-scale structural similarity of images, and the diversity of samples that it measures."""

from typing import Any

import numpy as np

from zoo.metrics.distances import pictures
from zoo.shared.errors import UserError

_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # Wang, Simoncelli & Bovik: finest scale first
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_PAIRS_AT_ONCE = 64


def diversity(images: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Return the mean MS-SSIM over random pairs of uint8 images (count, height, width, channels).

    Odena, Olah & Shlens (2017): the higher, the more alike the samples. Real images measured in the same
    way say what is normal; a class-conditional model is measured class by class. The images are shuffled by `seed` and
    paired off, so that no image is in two pairs: count // 2 pairs. `scales` and `window` tell which form was used: see
    `ms_ssim`. Fewer than 2 images are a `UserError`.
    """
    (images,) = pictures(images=images)
    pairs = len(images) // 2
    if not pairs:
        raise UserError("a single image makes no pair: use 2 or more")
    first, second = np.random.default_rng(seed).permutation(len(images))[: 2 * pairs].reshape(2, pairs)
    values = np.concatenate(
        [
            ms_ssim(images[first[start : start + _PAIRS_AT_ONCE]], images[second[start : start + _PAIRS_AT_ONCE]])
            for start in range(0, pairs, _PAIRS_AT_ONCE)
        ]
    )
    scales, window = form(min(images.shape[1:3]))
    return {
        "ms_ssim": float(values.mean()),
        "standard_error": float(values.std(ddof=1) / np.sqrt(pairs)) if pairs > 1 else None,
        "pairs": pairs,
        "seed": seed,
        "scales": scales,
        "window": window,
    }


def ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the MS-SSIM (count,), from 0 to 1, of the pairs (a[i], b[i]) of uint8 images (count, H, W, channels).

    Wang, Simoncelli & Bovik (2003), with the means over a scale's pixels and channels raised to the
    weights, and negative means taken for 0. Images too small for five scales have as many as `form` says; the weights
    of those are divided by their sum. Figures of different forms cannot be compared.
    """
    a, b = pictures(a=a, b=b)
    if len(a) != len(b):
        raise UserError(f"{len(a)} images cannot be paired with {len(b)}")
    scales, window = form(min(a.shape[1:3]))
    weights = _WEIGHTS[:scales] / _WEIGHTS[:scales].sum()
    x, y = a.astype(np.float64), b.astype(np.float64)
    product = np.ones(len(a))
    for scale, weight in enumerate(weights):
        if scale:
            x, y = _halve(x), _halve(y)
        luminance, contrast_structure = similarity(x, y, window)
        # the luminance is compared at the coarsest scale only
        factor = luminance * contrast_structure if scale == scales - 1 else contrast_structure
        product *= np.maximum(factor.mean(axis=(1, 2, 3)), 0) ** weight
    return product


def form(side: int) -> tuple[int, int]:
    """Return (scales, window) for images whose shorter side is `side`: the paper's are (5, 11).

    As many scales, up to five, as leave room for the window of 11 pixels at the coarsest, so that five need 176
    pixels. Below 11 pixels there is one scale, and the window is the largest odd number of pixels that fits. Programs
    behind published figures of GANs keep five scales and shrink the window instead (progressive growing's does): on
    images of fewer than 176 pixels theirs are other figures.
    """
    scales = sum(side >> scale >= _WINDOW for scale in range(len(_WEIGHTS)))
    return max(1, scales), min(_WINDOW, side - (side + 1) % 2)


def similarity(x: np.ndarray, y: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of luminance, and of contrast times structure, where the window fits."""
    mean_x, mean_y = _blur(x, window), _blur(y, window)
    variances = _blur(x * x, window) - mean_x**2 + _blur(y * y, window) - mean_y**2
    covariance = _blur(x * y, window) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return luminance, (2 * covariance + _C2) / (variances + _C2)


def _blur(images: np.ndarray, window: int) -> np.ndarray:
    from scipy.ndimage import correlate1d

    radius = window // 2
    # a smaller window is the same bell, shrunk
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (_SIGMA * window / _WINDOW)) ** 2)
    for axis in (1, 2):
        images = correlate1d(images, bell / bell.sum(), axis=axis)
    height, width = images.shape[1:3]
    return images[:, radius : height - radius, radius : width - radius]


def _halve(images: np.ndarray) -> np.ndarray:
    height, width = (side // 2 * 2 for side in images.shape[1:3])
    images = images[:, :height, :width]
    return (images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]) / 4
