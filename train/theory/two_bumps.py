"""Data on the line whose density is known: two Gaussians in equal parts."""

import keras
import numpy as np
from scipy.stats import norm

from train.data import Source
from train.theory.training import point_source

BUMPS = ((-1.0, 0.5), (1.5, 0.4))  # mean and standard deviation
AXIS = np.linspace(-5, 5, 2001)


def probabilities(*gaussians: tuple[float, float]) -> np.ndarray:
    """Return the mixture of the Gaussians (mean, standard deviation), in equal parts, as probabilities of `AXIS`."""
    density = sum(norm.pdf(AXIS, *gaussian) for gaussian in gaussians)
    return density / density.sum()


def source(seed: int) -> Source:
    """Return 100,000 points (N, 1) of the two bumps."""
    rng = np.random.default_rng(seed)
    means, deviations = np.array(BUMPS)[rng.integers(len(BUMPS), size=100_000)].T
    return point_source((means + deviations * rng.normal(size=len(means)))[:, None], "points of two bumps")


def over_axis(discriminator: keras.Model) -> np.ndarray:
    """Return the probability of "real" that a discriminator gives to each point of `AXIS`."""
    logits = discriminator(AXIS[:, None].astype(np.float32)).numpy()[:, 0]
    return 1 / (1 + np.exp(-logits.astype(np.float64)))
