"""Sets of samples as metrics take them, and Euclidean distances a block at a time, so that memory stays bounded.

numpy only. The distances come from |q - p|^2 = |q|^2 - 2 q.p + |p|^2, one matrix product per block.
"""

from collections.abc import Iterator

import numpy as np

from zoo.shared.errors import UserError

_BLOCK = 2**22  # numbers in one array of a block, of which there are a few at once: 32 MB each
_LARGEST = 1e20  # of a feature: what metrics take of it, squares of cubes at most, stays finite
_MIDDLE_OF = 9  # queries, whose median is the origin


def points(**sets: np.ndarray) -> list[np.ndarray]:
    """Return each named set (count, *shape) as float64 (count, D), in the order given.

    A set that is empty, or holds NaN, infinity or a number beyond 1e20, and sets of different D are a `UserError` that
    names the set.
    """
    return [values.astype(np.float64, copy=False) for values in flat(**sets)]


def flat(**sets: np.ndarray) -> list[np.ndarray]:
    """Return what `points` does, but in the sets' own types: bytes take an eighth of the memory."""
    flattened = {}
    for name, values in sets.items():
        if not np.size(values):
            raise UserError(f"the {name} set is empty")
        flattened[name] = np.asarray(values).reshape(len(values), -1)
        if not np.isfinite(flattened[name]).all():
            raise UserError(f"the {name} set holds NaN or infinity")
        if max(-float(flattened[name].min()), float(flattened[name].max())) > _LARGEST:
            raise UserError(f"the {name} set holds numbers beyond {_LARGEST:g}: scale its features down")
    dimensions = {name: values.shape[1] for name, values in flattened.items()}
    if len(set(dimensions.values())) > 1:
        raise UserError(f"the sets have different numbers of features: {dimensions}; use one extractor for all")
    return list(flattened.values())


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

    `squares` is float64 (rows, len(centres)), never negative, and 0 between copies.
    """
    # distances do not change by a common offset, which would cost digits; a single query would be one, if an outlier.
    # The origin is the same whatever the centres are: copies of a centre then come out as far, but for the rounding of
    # matrix products, which may differ by the place of a row
    origin = np.median(queries[:_MIDDLE_OF], axis=0).astype(np.float64)
    rounding = np.finfo(np.float64).eps * (centres.shape[1] + 4)
    parts = _slices(len(centres), _BLOCK // centres.shape[1])
    centre_squares = np.concatenate([_squares(centres[columns] - origin) for columns in parts])
    for rows in _slices(len(queries), _BLOCK // len(centres)):
        shifted = queries[rows] - origin
        squares = np.empty((len(shifted), len(centres)))
        for columns in parts:
            np.matmul(shifted, (centres[columns] - origin).T, out=squares[:, columns])
        sums = _squares(shifted)[:, None] + centre_squares
        squares *= -2
        squares += sums
        squares[squares <= rounding * sums] = 0  # rounding error is all that is left of the difference
        yield rows, squares


def _squares(x: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", x, x)


def _slices(count: int, step: int) -> list[slice]:
    step = max(1, step)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def kth_nearest(queries: np.ndarray, k: int = 1, among: np.ndarray | None = None) -> np.ndarray:
    """Return the squared distance (N,) of each query (N, D) to its k-th nearest point of the set `among` (M, D).

    Without `among` it is the k-th nearest other point of the queries themselves. Fewer than k points: `UserError`.
    """
    return k_nearest(queries, k, among)[:, -1]


def k_nearest(queries: np.ndarray, k: int, among: np.ndarray | None = None) -> np.ndarray:
    """Return the squared distances (N, k), nearest first, of which `kth_nearest` is the last."""
    others = len(queries) - 1 if among is None else len(among)
    if not 1 <= k <= others:
        raise UserError(f"there is no neighbour number {k} among {others} points: use more points or another k")
    nearest = np.empty((len(queries), k))
    for rows, squares in squared_blocks(queries, queries if among is None else among):
        if among is None:
            squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
        nearest[rows] = np.sort(np.partition(squares, k - 1, axis=1)[:, :k], axis=1)
    return nearest


def nearest(queries: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number (N,) of the point of the set `among` (M, D) that is nearest to each query, and the distance."""
    numbers, squared = np.empty(len(queries), int), np.empty(len(queries))
    for rows, squares in squared_blocks(queries, among):
        numbers[rows] = squares.argmin(axis=1)
        squared[rows] = squares.min(axis=1)
    return numbers, np.sqrt(squared)
