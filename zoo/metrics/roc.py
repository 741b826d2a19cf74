"""How well a score tells two sets apart: the area under the ROC curve and its standard error. numpy and scipy only."""

import math

import numpy as np

from zoo.shared.errors import UserError


def auroc(positive: np.ndarray, negative: np.ndarray) -> dict[str, float]:
    """Return the area under the ROC curve of scores (count,) of both sets, `auroc`, and its `standard_error`.

    The area is the probability that a positive scores above a negative, where ties count half (Hanley & McNeil 1982).
    It is 1 if every positive scores above every negative, 0.5 for equal laws and 0 in the reverse order.

    The standard error is that of DeLong, DeLong & Clarke-Pearson (1988), here by ranks (Sun & Xu 2014): the variance,
    over positives, of the share of negatives below each, divided by their number; plus the same over negatives. For
    sets that are apart it is 0, which says nothing of other samples of their laws.

    Fewer than two scores of a set, another shape, or NaN are a `UserError`. Scores may be infinite.
    """
    from scipy.stats import rankdata

    scores = [np.asarray(values, np.float64) for values in (positive, negative)]
    if any(values.ndim != 1 or len(values) < 2 or np.isnan(values).any() for values in scores):
        shapes = " and ".join(str(values.shape) for values in scores)
        raise UserError(f"scores of shapes {shapes}: the area needs two or more of each set, (count,), and none NaN")
    above, below = map(len, scores)
    ranks = np.split(rankdata(np.concatenate(scores)), [above])
    # the rank among all, less that among its own set, counts the scores of the other set below
    beaten, unbeaten = ((whole - rankdata(own)) for whole, own in zip(ranks, scores, strict=True))
    shares = beaten / below, unbeaten / above
    variance = sum(share.var(ddof=1) / len(share) for share in shares)
    return {"auroc": float(shares[0].mean()), "standard_error": math.sqrt(variance)}
