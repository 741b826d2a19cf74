"""Held-out log-likelihood in nats, and the baseline that any model of images must beat. numpy only."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def summary(nats: np.ndarray, dimensions: int) -> dict[str, Any]:
    """Return the mean of log-likelihoods (count,) in nats an example, with its standard error if there is one.

    Also as bits per dimension: -nats / (D ln 2).
    """
    values = np.asarray(nats, np.float64)
    mean = float(values.mean())
    return {
        "nats": mean,
        "standard_error": float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None,
        "bits_per_dimension": -mean / (dimensions * math.log(2)),
        "count": len(values),
    }


def is_binary(images: np.ndarray) -> bool:
    """Return whether uint8 images hold nothing but 0 and 255."""
    return bool(np.isin(images, (0, 255)).all())


def independent_pixels(train_images: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the log-likelihood of a model that draws every pixel on its own, fitted to uint8 `train_images`.

    A pixel has a level with probability (its count + 1) / (images + levels), so that none is impossible. There are two
    levels if the images are binary, else 256. The model takes uint8 images (count, *shape), and returns nats (count,).
    """
    levels, scale = (2, 255) if is_binary(train_images) else (256, 1)
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
