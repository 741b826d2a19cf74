"""The importance-weighted bound on a latent variable model's log-likelihood, in nats. numpy and scipy only.

A log weight is log p(x, z) - log q(z | x) for one z drawn from q(z | x); K of them for each of N examples are (K, N).
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from zoo.shared.errors import UserError


def importance_weighted_bound(log_weights: np.ndarray) -> np.ndarray:
    """Return log (1/K) sum_k exp(log_weights[k]), (N,) float64, of log weights (K, N).

    Burda, Grosse & Salakhutdinov (2016), equation 8. Its expectation is the ELBO at K = 1, never falls as K grows, and
    never exceeds log p(x).
    """
    return importance_weighted_bounds([log_weights], [len(log_weights)])[len(log_weights)]


def importance_weighted_bounds(chunks: Iterable[np.ndarray], sizes: Sequence[int]) -> dict[int, np.ndarray]:
    """Return {k: the bound of k samples, (N,) float64} for each k of `sizes`, from log weights that come in pieces.

    Each chunk is (any number, N): the rows of all chunks together are the K samples, of which the function keeps one
    chunk at a time. The bound of k samples is the mean over the K // k groups of k successive rows, so that the ELBO
    (k = 1) comes from all K samples and not from the first alone; rows that fill no group are left out. Where each size
    divides the next and all divide K, the bounds never fall from one to the next, by Jensen's inequality.

    A size that is not positive or above K, chunks of another N, and weights that are NaN or plus infinity are a
    `UserError`. A weight may be minus infinity.
    """
    if not sizes or min(sizes) < 1:
        raise UserError(f"sizes {list(sizes)} are no numbers of samples: use one or more, each 1 or above")
    groups = {size: _Groups(size) for size in sizes}
    seen, examples = 0, None
    for chunk in chunks:
        rows = np.asarray(chunk, np.float64)
        if rows.ndim != 2 or rows.shape[1] != (examples or rows.shape[1]):
            raise UserError(f"log weights of shape {rows.shape} do not fit: use (samples, {examples or 'examples'})")
        if np.isnan(rows).any() or np.isposinf(rows).any():
            raise UserError("the log weights hold NaN or plus infinity")
        seen, examples = seen + len(rows), rows.shape[1]
        for group in groups.values():
            group.add(rows)
    if max(sizes) > seen:
        raise UserError(f"{seen} samples have no bound of {max(sizes)}: use {max(sizes)} samples or more")
    return {size: np.asarray(group.total / group.complete) for size, group in groups.items()}


class _Groups:
    """The running sum, over complete groups of `size` rows, of each group's log-mean-exp."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.complete = 0
        self.total: np.ndarray | float = 0.0
        self._rows = 0  # of the group that is not complete yet, and the log of their sum
        self._log_sum: np.ndarray | float = -np.inf

    def add(self, rows: np.ndarray) -> None:
        from scipy.special import logsumexp

        while len(rows):
            some, rows = np.split(rows, [self.size - self._rows])
            self._log_sum = np.logaddexp(self._log_sum, logsumexp(some, axis=0))
            self._rows += len(some)
            if self._rows == self.size:
                self.total = self.total + self._log_sum - math.log(self.size)
                self.complete, self._rows, self._log_sum = self.complete + 1, 0, -np.inf
