"""Inception-type score: how sure a classifier is of each sample, and how many classes it sees in all."""

from typing import Any

import numpy as np

from zoo.shared.errors import UserError


def inception_score(probabilities: np.ndarray, splits: int = 10, seed: int = 0) -> dict[str, Any]:
    """Return exp(E KL(p(y|x) || p(y))) from the class probabilities (count, classes) of samples.

    Salimans et al. (2016). 1 where all samples look alike to the classifier, `classes` where it is sure of each and
    sees all classes equally often. Mean and standard deviation are over `splits` parts of the samples, each with its
    own p(y); the samples are shuffled first, so that an order by class does no harm. It sees neither memorised images
    nor a lack of variety within a class, and grows with the size of the parts.

    Rows that are no distribution (to 1e-3), or fewer samples than parts, are a `UserError`.
    """
    from scipy.special import rel_entr

    p = np.asarray(probabilities, np.float64)
    # NaN fails both comparisons
    if p.ndim != 2 or not (p >= 0).all() or not (np.abs(p.sum(axis=1) - 1) <= 1e-3).all():
        raise UserError(f"the class probabilities {p.shape} are to be (count, classes), 0 or more, with rows of sum 1")
    if not 1 <= splits <= len(p):
        raise UserError(f"{len(p)} samples cannot be split into {splits} parts")
    scores = [
        float(np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()))
        for part in np.array_split(np.random.default_rng(seed).permutation(p), splits)
    ]
    return {
        "inception_score": float(np.mean(scores)),
        "standard_deviation": float(np.std(scores)),
        "splits": splits,
        "seed": seed,
        "classes": p.shape[1],
        "count": len(p),
    }
