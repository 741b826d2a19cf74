"""How many of the modes that data are known to have do samples find, and how evenly? numpy only.

Stacked pictures have 1,000 modes: three grey digits laid on each other as the channels of one picture (Metz et al.
2016; Srivastava et al. 2017; Lin et al. 2018). The digits a, b, c make mode 100a + 10b + c.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.metrics.distances import pictures
from zoo.shared.errors import UserError

STACKED, DIGITS = 3, 10
STACKED_MODES = DIGITS**STACKED
_DIGITS_AND_GARMENTS = 20

Classify = Callable[[np.ndarray], np.ndarray | None]


def coverage(found: np.ndarray, modes: int) -> dict[str, Any]:
    """Return how well samples cover `modes` equally likely modes; `found` is the mode of each, integers (N,) from 0.

    - `modes`: how many have at least one sample;
    - `reverse_kl`: KL(q || uniform) in nats, where q_k is the share of the samples that belongs to mode k: 0 if all
      modes have equally many, log K if one has all. None if there are no samples.

    Few samples keep `reverse_kl` above 0: if all modes are equally likely, its mean is about (K - 1) / (2 N).
    """
    counts = np.bincount(found, minlength=modes)
    q = counts[counts > 0] / counts.sum()
    return {
        "modes": len(q),
        "reverse_kl": float((q * np.log(q)).sum() + math.log(modes)) if len(q) else None,
    }


def stacked_mode(digits: np.ndarray) -> np.ndarray:
    """Return the mode 100a + 10b + c, (N,), of each row a, b, c of `digits`, integers (N, 3)."""
    return digits @ np.array([100, 10, 1])


def stacked_coverage(images: np.ndarray, classify: Classify) -> dict[str, Any]:
    """Return the `coverage` of the 1,000 modes by stacked pictures, uint8 (N, H, W, 3), and their `count`.

    `classify` gives grey images, uint8 (M, H, W, 1), their class probabilities (M, 10), of the ten digits in order, or
    (M, 20), of which the first ten are those, as the extractor that comes along does. The likeliest digit counts, even
    where a garment is likelier. A picture that is misread may count for a mode that no sample has.

    Other channels or classes, and probabilities that are NaN, are a `UserError`.
    """
    (images,) = pictures(stacked=images)
    if images.shape[-1] != STACKED:
        raise UserError(f"the images have {images.shape[-1]} channels: stacked pictures have 3, a digit in each")
    probabilities = classify(images.transpose(0, 3, 1, 2).reshape(-1, *images.shape[1:3], 1))
    if probabilities is None or probabilities.shape[1] not in (DIGITS, _DIGITS_AND_GARMENTS):
        given = "no class probabilities" if probabilities is None else f"{probabilities.shape[1]} class probabilities"
        raise UserError(
            f"the extractor gives {given}: to count modes it must give those of the 10 digits, or of 20 classes of "
            "which the digits are the first"
        )
    if np.isnan(probabilities).any():
        raise UserError("the extractor gives class probabilities that are NaN: use one that knows these images")
    digits = probabilities[:, :DIGITS].argmax(axis=1).reshape(-1, STACKED)
    return {**coverage(stacked_mode(digits), STACKED_MODES), "count": len(images)}
