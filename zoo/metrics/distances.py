"""Sets of samples as metrics take them, and Euclidean distances a block at a time, so that memory stays bounded.

numpy only. The distances come from |q - p|^2 = |q|^2 - 2 q.p + |p|^2, one matrix product per block.
"""

from collections.abc import Iterator

import numpy as np

from zoo.errors import UserError

_BLOCK = 2**22  # distances held at once: 32 MB


def points(**sets: np.ndarray) -> list[np.ndarray]:
    """Return each named set (count, *shape) as float64 (count, D), in the order given.

    A set that is empty or not finite, or sets of different D, are a `UserError` that names the set.
    """
    flat = {}
    for name, values in sets.items():
        if not len(values):
            raise UserError(f"the {name} set is empty")
        flat[name] = np.asarray(values, np.float64).reshape(len(values), -1)
        if not np.isfinite(flat[name]).all():
            raise UserError(f"the {name} set holds NaN or infinity")
    dimensions = {name: values.shape[1] for name, values in flat.items()}
    if len(set(dimensions.values())) > 1:
        raise UserError(f"the sets have different numbers of features: {dimensions}; use one extractor for all")
    return list(flat.values())


def pictures(**sets: np.ndarray) -> list[np.ndarray]:
    """Return the named sets, in the order given; each must be uint8 (count, height, width, channels), of one size.

    Anything else is a `UserError`.
    """
    for name, values in sets.items():
        if values.dtype != np.uint8 or values.ndim != 4 or not len(values):
            raise UserError(
                f"the {name} set is {values.dtype} of shape {values.shape}: use uint8 (count, height, width, channels)"
            )
    shapes = {name: values.shape[1:] for name, values in sets.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"the sets hold images of different shapes: {shapes}; resize one of them first")
    return list(sets.values())


def squared_blocks(queries: np.ndarray, centres: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, squares) over slices of `queries` (N, D): squares[i, j] = |queries[rows][i] - centres[j]|^2.

    Both arrays are float64; squares is float64 (rows, len(centres)), never negative, and 0 between copies.
    """
    # distances do not change by a common offset, which would cost digits
    queries, centres = queries - centres[0], centres - centres[0]
    query_squares, centre_squares = (np.einsum("nd,nd->n", x, x) for x in (queries, centres))
    rounding = np.finfo(np.float64).eps * (centres.shape[1] + 4)
    step = max(1, _BLOCK // len(centres))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        sums = query_squares[rows, None] + centre_squares
        squares = sums - 2 * (queries[rows] @ centres.T)
        squares[squares <= rounding * sums] = 0  # rounding error is all that is left of the difference
        yield rows, squares


def kth_nearest(queries: np.ndarray, k: int = 1, among: np.ndarray | None = None) -> np.ndarray:
    """Return the squared distance (N,) of each query (N, D) to its k-th nearest point of the set `among` (M, D).

    Without `among` it is the k-th nearest other point of the queries themselves. Fewer than k points: `UserError`.
    """
    others = len(queries) - 1 if among is None else len(among)
    if not 1 <= k <= others:
        raise UserError(f"there is no neighbour number {k} among {others} points: use more points or another k")
    nearest = np.empty(len(queries))
    for rows, squares in squared_blocks(queries, queries if among is None else among):
        if among is None:
            squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
        nearest[rows] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return nearest
