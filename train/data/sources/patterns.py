"""Coloured shapes and patterns to paint them with: 'patterns', for trying style transfer where nothing is at hand.

Two tables whose rows do not belong together. The column a holds the pictures of `shapes`. The column b holds patterns:
stripes, dots, waves or checks of random period and turn, in two or three random colours.

Always the same ones, at 32 pixels unless the configuration says: 2,000 of each in the train split, 200 others held out.
"""

from typing import Any

import numpy as np

from train.data.source import Source, Table, image_spec
from train.data.sources import pictures, shapes
from zoo import noise
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec
from zoo.translation.patterns import KINDS, draw

OPTIONS = shapes.OPTIONS
# beyond the seeds of runs and those of the other drawn data
_SEED = 2**32 + 7


def check(section: Any) -> None:
    """Raise a `UserError` for options that patterns cannot have."""
    pictures.check(section)
    if section.channels not in (0, 3) or section.binarize != "none":
        raise UserError("data.channels and data.binarize are not for patterns, which have colour: use 0 and 'none'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the shapes, and the patterns."""
    return {"a": "image", "b": "image"}


def load(section: Any, split: str) -> Source:
    """Return the 2,000 shapes and patterns of the 'train' split, or the 200 of 'test'."""
    (table,) = shapes.load(section, split)
    drawn, count = table.stored(["image"], slice(None))["image"], len(table)
    side = drawn.shape[1]
    spec = MapSpec((TensorSpec("u", (13,), "uniform", low=0.0, high=1.0),), (TensorSpec("b", (1,), "output"),))
    start = 2000 if split == "test" else 0
    painted = np.stack([_drawn(u, side) for u in noise.fill(spec, count, _SEED, start)["u"].astype(np.float64)])
    size = pictures.told((side - section.crop,) * 2, section.crop)
    told = f"b: {count:,} patterns, split {split!r}, drawn with a fixed seed at {size}"
    return (
        Table({"a": drawn}, {"a": image_spec("a", drawn, section.crop)}, f"a: the images of {table.description}"),
        Table({"b": painted}, {"b": image_spec("b", painted, section.crop)}, told),
    )


def _drawn(u: np.ndarray, side: int) -> np.ndarray:
    """Return the pattern of the example `u` (13,), uint8 (side, side, 3)."""
    colours = 255 * u[4:].reshape(3, 3)[: 2 + int(2 * u[3])]
    return draw(KINDS[int(u[0] * len(KINDS))], side, side * (0.2 + 0.2 * u[1]), np.pi * u[2], colours)
