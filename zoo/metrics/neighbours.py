"""Does a generator copy its training images, and can a nearest neighbour tell its samples from real ones?

Distances are Euclidean, between pixels or features (count, *shape). All is deterministic.
"""

import math
from typing import Any

import numpy as np

from zoo.metrics.distances import flat, kth_nearest, points
from zoo.shared.errors import UserError


def memorisation(train: np.ndarray, held_out: np.ndarray, fake: np.ndarray, percentile: float = 1.0) -> dict[str, Any]:
    """Compare how near fake samples come to the training set with how near real images do that it does not hold.

    The idea of three sets is that of Meehan, Chaudhuri & Dasgupta (2020). With d(x) the distance from x to its nearest
    training image, and the threshold the given percentile of d over `held_out`:

    - `close_share`: share of fake samples with d at most the threshold, to be read beside `close_share_held_out`, the
      same of the held-out images, which is about percentile / 100. A generator that copies in one sample of five has
      0.2 or more. It is the figure that shows the few copies among many fair samples.
    - `closer_probability`: how often a fake sample is closer than a held-out image (Mann & Whitney's statistic; ties
      count half). 0.5 for new samples of the same law, 1 for copies only, towards 0 for samples unlike the data.
    - `median_ratio`: median d of the fake samples by that of the held-out images: 1 at equality, 0 for copies only;
      None if the latter is 0.

    In pixels a blurred sample lies close to many images without copying any: look at pairs before calling it a copy.
    Held-out images that have duplicates in the training set raise the threshold and blind the check. Too few held-out
    images to have such a percentile, or one outside (0, 100), are a `UserError`.
    """
    from scipy.stats import mannwhitneyu

    train, held_out, fake = flat(train=train, held_out=held_out, fake=fake)
    if not 0 < percentile < 100:
        raise UserError(f"percentile {percentile} must lie between 0 and 100")
    place = round(len(held_out) * percentile / 100, 9)  # n images have the percentile 100 / n, whatever its last bit
    if place < 1:
        raise UserError(
            f"{len(held_out)} held-out images have no percentile {percentile:g}: use {-(-100 // percentile):.0f} or "
            "more, or a higher percentile"
        )
    real_distances, fake_distances = (np.sqrt(kth_nearest(x, among=train)) for x in (held_out, fake))
    # a distance that occurs, and "at most": with discrete data or duplicates both shares then mean the same
    threshold = np.sort(real_distances)[math.ceil(place) - 1]
    typical = float(np.median(real_distances))
    wins = mannwhitneyu(real_distances, fake_distances).statistic
    return {
        "close_share": float((fake_distances <= threshold).mean()),
        "close_share_held_out": float((real_distances <= threshold).mean()),
        "closer_probability": float(wins) / (len(held_out) * len(fake)),
        "median_ratio": float(np.median(fake_distances)) / typical if typical else None,
        "threshold": float(threshold),
        "percentile": percentile,
        "count_train": len(train),
        "count_held_out": len(held_out),
        "count_fake": len(fake),
    }


def nearest_neighbour_test(real: np.ndarray, fake: np.ndarray) -> dict[str, Any]:
    """Return the leave-one-out accuracy of a 1-nearest-neighbour classifier of real against fake samples.

    A classifier two-sample test (Lopez-Paz & Oquab 2017), in the leave-one-out form of Xu et al. (2018). 0.5 for equal
    laws, 1 for sets apart, 0 where each real sample has a fake copy and the reverse. `accuracy_fake` alone near 1:
    fake samples crowd together, far from the data or on few modes. Where a sample is as far from its own set as from
    the other it counts half. Sets of different counts, or of one sample, are a `UserError`: chance would not be 0.5.
    """
    real, fake = points(real=real, fake=fake)
    if len(real) != len(fake):
        raise UserError(f"{len(real)} real and {len(fake)} fake samples: the test needs as many of both")
    real_accuracy, fake_accuracy = (_accuracy(own, other) for own, other in ((real, fake), (fake, real)))
    return {
        "accuracy": (real_accuracy + fake_accuracy) / 2,
        "accuracy_real": real_accuracy,
        "accuracy_fake": fake_accuracy,
        "count": len(real),
    }


def _accuracy(own: np.ndarray, other: np.ndarray) -> float:
    to_own, to_other = kth_nearest(own), kth_nearest(own, among=other)
    return float((to_own < to_other).mean() + (to_own == to_other).mean() / 2)
