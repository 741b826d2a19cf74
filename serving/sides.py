"""Pictures of any size: padded to sides that the network takes, and large ones in tiles.

A condition whose sides are free takes multiples of some number of pixels, from a least one. A picture of other sides is
mirrored beyond its right and lower edge, and what is made of the rest is cut off again.

A large picture runs in tiles, each read with a margin around it. A network that sees `reach` pixels to each side makes
of tiles with such a margin what it makes of the whole, to the last rounding. A network without a reach looks at the
whole picture, by a normalisation for example. It makes something else of every tile, and neighbours are blended over
the margins.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from zoo.noise import integer
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]
_SHARE = 4  # a tile's margin is a quarter of its side where no reach says better


@dataclasses.dataclass(frozen=True)
class Sides:
    """How pictures of free sides are run. Errors are `UserError`.

    - `pad`: whether a picture of other sides than the network takes is padded and cropped back, or refused.
    - `tile`: above 0, the side of the tiles of a larger picture, without their margins.
    - `overlap`: the margin on each side of a tile; None is the network's reach, or else a quarter of a tile.
    - `progress`: whether a bar counts the tiles on stderr, if that is a terminal.
    """

    pad: bool = True
    tile: int = 0
    overlap: int | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        # Python's own numbers, which do not overflow as those of numpy
        object.__setattr__(self, "tile", integer("tile", self.tile, 0, 2**16))
        if self.overlap is not None:
            object.__setattr__(self, "overlap", integer("overlap", self.overlap, 0, 2**16))
            if not self.tile:
                raise UserError(f"overlap {self.overlap}: tiles overlap; give tile, the side of one, too")

    def check(self, spec: MapSpec) -> None:
        """Refuse tiles for a map that cannot be run in tiles."""
        if not self.tile:
            return
        sources = {tensor.follows for tensor in spec.outputs}
        if "" in sources or len(sources) != 1:
            raise UserError("tile: only maps from one picture of any size to pictures that follow it run in tiles")
        reach = max(tensor.reach for tensor in spec.outputs)
        if reach and self.overlap is not None and self.overlap < reach:
            raise UserError(f"overlap {self.overlap}: the network sees {reach} pixels to each side; use at least that")

    def check_sides(self, tensor: TensorSpec, shape: tuple[int, ...]) -> None:
        """Refuse a picture (height, width, channels) that the map does not take, and that is not to be padded."""
        if not tensor.fits(shape):
            raise UserError(f"{tensor.name}: needs shape {tensor.shape_in_words()}, got {shape}")
        if not self.pad and not tensor.takes(shape):
            nearest = " x ".join(str(tensor.nearest_side(side)) for side in shape[:2])
            raise UserError(
                f"{tensor.name}: sides of {shape[0]} x {shape[1]} pixels are not {tensor.sides_in_words}; the next "
                f"are {nearest}"
            )

    def run(self, spec: MapSpec, run: Run, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Return the outputs of the pictures in `inputs`, (count, height, width, channels), as large as these ask."""
        shapes = spec.shapes({name: values.shape[1:] for name, values in inputs.items()})
        padded = dict(inputs)
        for tensor in spec.conditions:
            if tensor.multiple:
                sides = inputs[tensor.name].shape[1:3]
                more = [(0, tensor.nearest_side(side) - side) for side in sides]
                padded[tensor.name] = np.pad(inputs[tensor.name], [(0, 0), *more, (0, 0)], mode="symmetric")
        made = self._in_tiles(spec, run, padded) if self.tile else run(padded)
        return {
            name: values[:, : shapes[name][0], : shapes[name][1]] if values.ndim == 4 else values
            for name, values in made.items()
        }

    def _in_tiles(self, spec: MapSpec, run: Run, inputs: Arrays) -> Arrays:
        """Return the outputs of legal pictures, tile by tile."""
        source = next(tensor for tensor in spec.conditions if tensor.name == spec.output.follows)
        reach = max(tensor.reach for tensor in spec.outputs)
        margin = reach if self.overlap is None and reach else self.overlap
        margin = self.tile // _SHARE if margin is None else margin
        values = inputs[source.name]
        rows_of, columns_of = (_windows(side, self.tile, margin, source) for side in values.shape[1:3])
        shapes = spec.shapes({source.name: values.shape[1:]})
        totals = {name: np.zeros((len(values), *shape), np.float32) for name, shape in shapes.items()}
        weights = {name: np.zeros((*shape[:2], 1), np.float32) for name, shape in shapes.items()}
        for down, across in self._counted(list(itertools.product(rows_of, columns_of))):
            made = run({**inputs, source.name: values[:, down.begin : down.end, across.begin : across.end]})
            for tensor in spec.outputs:
                # in pixels of the output
                up = tensor.shape[0], source.shape[0]
                rows, columns = _scaled(down, *up), _scaled(across, *up)
                weight = _weight(rows, not reach)[:, None, None] * _weight(columns, not reach)[None, :, None]
                place = slice(rows.begin, rows.end), slice(columns.begin, columns.end)
                totals[tensor.name][:, *place] += made[tensor.name] * weight
                weights[tensor.name][place] += weight
        return {name: total / weights[name] for name, total in totals.items()}

    def _counted(self, tiles: list[tuple["Window", "Window"]]) -> Iterator[tuple["Window", "Window"]]:
        if not self.progress:
            return iter(tiles)
        from tqdm import tqdm

        return iter(tqdm(tiles, unit="tile", leave=False, disable=None))


class Window(NamedTuple):
    """One tile along one axis: it reads [begin, end), of which [first, last) is its own."""

    begin: int
    first: int
    last: int
    end: int


def _windows(side: int, tile: int, margin: int, tensor: TensorSpec) -> list[Window]:
    """Return the tiles along an axis of a legal `side`; all begin and end where a step of the network does."""
    step = tensor.multiple
    tile = tensor.nearest_side(tile)
    margin = step * -(-margin // step)
    made = []
    for first in range(0, side, tile):
        last = min(first + tile, side)
        begin, end = max(0, first - margin), min(last + margin, side)
        # a short last tile reads more, so that it is no smaller than the network takes
        begin = max(0, min(begin, end - tensor.nearest_side(0)))
        made.append(Window(begin, first, last, end))
    return made


def _scaled(window: Window, numerator: int, denominator: int) -> Window:
    return Window(*(place * numerator // denominator for place in window))


def _weight(window: Window, is_blended: bool) -> np.ndarray:
    """Return the weight of each pixel that the tile reads: 1 for its own and 0 for others, or ramps over margins."""
    places = np.arange(window.begin, window.end) + 0.5
    if not is_blended:
        return ((places > window.first) & (places < window.last)).astype(np.float32)
    # from 0 at the edge of what is read to 1 as far inside; a picture's own edge has no ramp
    left, right = window.first - window.begin, window.end - window.last
    rising = np.clip((places - window.begin) / (2 * left), 0, 1) if left else 1.0
    falling = np.clip((window.end - places) / (2 * right), 0, 1) if right else 1.0
    return (rising * falling * np.ones(len(places))).astype(np.float32)
