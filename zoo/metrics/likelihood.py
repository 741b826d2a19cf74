"""Held-out log-likelihood in nats, and the baseline that any model of binary images must beat. numpy only."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def log_likelihood(
    log_prob: Callable[[np.ndarray], np.ndarray], images: np.ndarray, batch: int = 256
) -> dict[str, Any]:
    """Return the mean of `log_prob` (nats per image) over images (count, *shape), with its standard error if any.

    Also as bits per dimension: -nats / (D ln 2).
    """
    chunks = [np.asarray(log_prob(images[start : start + batch])) for start in range(0, len(images), batch)]
    nats = np.concatenate(chunks).astype(np.float64)
    mean = float(nats.mean())
    return {
        "nats": mean,
        "standard_error": float(nats.std(ddof=1) / math.sqrt(len(nats))) if len(nats) > 1 else None,
        "bits_per_dimension": -mean / (math.prod(images.shape[1:]) * math.log(2)),
        "count": len(images),
    }


def independent_bernoulli(train_images: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the log-likelihood of a model that draws every pixel on its own, fitted to binary `train_images`.

    Pixel i is white (above 0) with probability (white + 1) / (count + 2), so that no pixel is impossible.
    """
    white = (train_images > 0).reshape(len(train_images), -1)
    p = (white.sum(axis=0) + 1.0) / (len(white) + 2.0)

    def log_prob(images: np.ndarray) -> np.ndarray:
        v = (images > 0).reshape(len(images), -1)
        return np.where(v, np.log(p), np.log1p(-p)).sum(axis=1)

    return log_prob
