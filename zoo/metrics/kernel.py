"""Kernel distance between two sets of features: unbiased, so that it can be used on few samples. numpy only."""

import math
from typing import Any

import numpy as np

from zoo.metrics.distances import points
from zoo.shared.errors import UserError


def kernel_distance(
    real: np.ndarray, fake: np.ndarray, subsets: int = 100, subset_size: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Return the mean of `squared_mmd` over random subsets of features (count, D): KID, where Inception made them.

    Binkowski, Sutherland, Arbel & Gretton (2018). Each subset is drawn without replacement from each set;
    `subset_size` is 1,000 unless told, or half of the smaller set where that is less. The expectation is 0 for equal
    laws, so that the figure may be negative. Fewer than 4 samples, or a size that leaves none out, are a `UserError`.

    `standard_deviation` is over the subsets, often printed beside KID. `standard_error` is that of the mean as an
    estimate for the two laws. The subsets share samples, so that it is not s / sqrt(subsets): with m of N samples each,
    and s the deviation, it is s sqrt(m / (N - m) + 1 / subsets), the delete-d jackknife of Shao & Wu (1989) and what
    the choice of subsets adds. Where the laws are equal or nearly so it is too large, with 100 subsets up to about 2.5
    times (at m near N / 10): s then falls with 1 / m, and not with the root that the jackknife counts on.
    """
    real, fake = points(real=real, fake=fake)
    smaller = min(len(real), len(fake))
    size = min(1000, smaller // 2) if subset_size is None else subset_size
    if not 2 <= size < smaller:
        raise UserError(f"a subset has {size} of the smaller set's {smaller} samples: use 2 or more, but not all")
    if subsets < 2:
        raise UserError(f"{subsets} subsets have no deviation: use 2 or more")
    rng = np.random.default_rng(seed)
    values = [
        squared_mmd(*(x[rng.choice(len(x), size, replace=False, shuffle=False)] for x in (real, fake)))
        for _ in range(subsets)
    ]
    deviation = float(np.std(values, ddof=1))
    return {
        "kernel_distance": float(np.mean(values)),
        "standard_error": deviation * math.sqrt(size / (smaller - size) + 1 / subsets),
        "standard_deviation": deviation,
        "subsets": subsets,
        "subset_size": size,
        "seed": seed,
        "count_real": len(real),
        "count_fake": len(fake),
    }


def squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """Return the unbiased estimate of MMD^2 between a (M, D) and b (N, D) with the kernel (x.y / D + 1)^3.

    Gretton, Borgwardt, Rasch, Scholkopf & Smola (2012): no point is compared with itself. May be negative.
    """
    return _within(_kernel(a, a)) + _within(_kernel(b, b)) - 2 * float(_kernel(a, b).mean())


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    base = a @ b.T
    base /= a.shape[1]
    base += 1
    cube = base * base
    cube *= base  # numpy's ** 3 would call pow for each number
    return cube


def _within(kernel: np.ndarray) -> float:
    count = len(kernel)
    return float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))
