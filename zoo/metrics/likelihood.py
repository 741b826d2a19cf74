"""Held-out log-likelihood in nats, and the baseline that any model of images must beat. numpy only."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.shared.errors import UserError
from zoo.spec import EVEN_LEVELS, EVEN_LEVELS_IN_WORDS


def summary(nats: np.ndarray, dimensions: int) -> dict[str, Any]:
    """Return the mean of log-likelihoods (count,) in nats an example, with its standard error if there is one.

    Also as bits per dimension: -nats / (D ln 2). Likelihoods that are NaN or infinite, or none, are a `UserError`.
    """
    values = np.asarray(nats, np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise UserError(
            f"the log-likelihoods of {np.isfinite(values).sum()} of {len(values)} examples are finite numbers: a mean "
            "needs all of them; take a model that gives no example the probability 0"
        )
    mean = float(values.mean())
    return {
        "nats": mean,
        "standard_error": float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None,
        "bits_per_dimension": -mean / (dimensions * math.log(2)),
        "count": len(values),
    }


def has_levels(images: np.ndarray, levels: int) -> bool:
    """Return whether uint8 images hold nothing but so many levels, evenly spaced: 0 and 255 if they are two."""
    return bool((images % _spacing(levels) == 0).all())


def independent_pixels(train_images: np.ndarray, levels: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the log-likelihood of a model that draws every pixel on its own, fitted to uint8 `train_images`.

    A pixel has one of the evenly spaced `levels` with probability (its count + 1) / (images + levels), so that none is
    impossible. The model takes uint8 images (count, *shape), and returns nats (count,). It is comparable with models of
    as many levels alone, and all images must have these.
    """
    scale = _spacing(levels)
    flat = (train_images.reshape(len(train_images), -1) // scale).astype(np.int64)
    dimensions = flat.shape[1]
    places = np.arange(dimensions) * levels
    counts = np.zeros(dimensions * levels)
    for start in range(0, len(flat), 4096):
        np.add.at(counts, (flat[start : start + 4096] + places).ravel(), 1.0)
    log_p = np.log((counts + 1.0) / (len(flat) + levels))

    def log_prob(images: np.ndarray) -> np.ndarray:
        chosen = images.reshape(len(images), -1).astype(np.int64) // scale + places
        return log_p[chosen].sum(axis=1)

    return log_prob


def _spacing(levels: int) -> int:
    if levels not in EVEN_LEVELS:
        raise UserError(f"{levels} levels are not evenly spaced over the bytes 0 to 255: use {EVEN_LEVELS_IN_WORDS}")
    return 255 // (levels - 1)
