"""Parzen-window log-likelihood, the protocol of the first GAN papers: kept to compare with them, not to trust.

A Gaussian on each sample makes a density; the log-likelihood of test images under it is reported. In the dimensions
of images the figure says little about a model (Theis, van den Oord & Bethge 2016).
"""

import math
from typing import Any

import numpy as np

from zoo.metrics.distances import points, squared_blocks
from zoo.shared.errors import UserError

SIGMAS = np.logspace(-1, 0, 10)


def parzen(
    samples: np.ndarray, validation: np.ndarray, test: np.ndarray, sigmas: np.ndarray = SIGMAS
) -> dict[str, Any]:
    """Return the mean log-likelihood (nats per image) of `test` under a Parzen window on `samples`, and its error.

    Goodfellow et al. (2014), and the code published with it: 10,000 samples, pixels in [0, 1], the sigma that gives
    1,000 validation images the highest likelihood, then the whole test set. Sets are (count, *shape), uint8 or floats
    in [0, 1]. The standard error is over test images. A sigma at either end of `sigmas` asks for a wider range. Pixels
    outside [0, 1], and a sigma that is not positive, are a `UserError`.
    """
    sets = {"samples": samples, "validation": validation, "test": test}
    flat = points(**{name: x / 255.0 if x.dtype == np.uint8 else x for name, x in sets.items()})
    for name, values in zip(sets, flat, strict=True):
        if values.min() < 0 or values.max() > 1:
            raise UserError(
                f"the pixels of the {name} set run from {values.min():.3g} to {values.max():.3g}: scale them to [0, 1]"
            )
    samples, validation, test = flat
    likelihoods = [float(log_density(validation, samples, sigma).mean()) for sigma in sigmas]
    best = int(np.argmax(likelihoods))
    nats = log_density(test, samples, sigmas[best])
    return {
        "nats": float(nats.mean()),
        "standard_error": float(nats.std(ddof=1) / math.sqrt(len(nats))) if len(nats) > 1 else None,
        "sigma": float(sigmas[best]),
        "validation_nats": likelihoods[best],
        "samples": len(samples),
        "validation": len(validation),
        "count": len(test),
    }


def log_density(queries: np.ndarray, samples: np.ndarray, sigma: float) -> np.ndarray:
    """Return ln((1/M) sum_m N(x; samples[m], sigma^2 I)) in nats (N,) at each of the queries (N, D), in float64.

    `samples` is (M, D); a sigma that is not positive is a `UserError`.
    """
    from scipy.special import logsumexp

    if not sigma > 0:
        raise UserError(f"sigma {sigma} is no standard deviation: use a positive number")
    queries, samples = points(queries=queries, samples=samples)
    nats = np.empty(len(queries))
    for rows, squares in squared_blocks(queries, samples):
        nats[rows] = logsumexp(squares / (-2 * sigma**2), axis=1)
    return nats - math.log(len(samples)) - samples.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
