"""Large pictures to be made from small ones: 'lowres:NAME' over any source NAME of pictures.

The column "input" is the image reduced `factor` times as papers on super-resolution do, see `zoo.bicubic`, and rounded
to bytes. It is computed when a row is read, after flips and crops.

Pillow's bicubic differs from it. On Set5 at factors of 2, 3 and 4 the two are 56, 55 and 54 dB apart, on the mean, over
all channels: by at most 2 of 255 levels inside, and by up to 14 within two pixels of an edge, where Pillow leaves out
what lies beyond and MATLAB mirrors. Patches have many edges.
"""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from train.data import sources
from train.data.source import Derived, Source
from train.data.sources import pictures
from zoo.bicubic import resized
from zoo.shared.errors import UserError

PREFIX = "lowres:"
OPTIONS: dict[str, Any] = {
    "factor": 4,  # by which the sides of the input are smaller
}


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a source of pictures and a factor."""
    pictures.check_over(section, PREFIX)
    pictures.check_integer("factor", section.factor, range(2, 17), "a whole number from 2 to 16")
    size, factor = getattr(section, "image_size", 0), section.factor
    if size % factor:
        nearest = max(1, round(size / factor)) * factor
        raise UserError(f"pictures of {size} px do not divide by data.factor={factor}: set data.image_size={nearest}")
    if section.binarize != "none":
        raise UserError(f"data.binarize is {section.binarize!r}; small pictures need 'none'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns of NAME, and the small picture."""
    inner = pictures.over(section, PREFIX)
    return {**sources.module_of(inner.name).kinds(inner), "input": "image"}


def load(section: Any, split: str) -> Source:
    """Return the `split` of NAME with its small pictures; a size that the factor does not divide is a `UserError`."""
    inner = pictures.over(section, PREFIX)
    (table,) = sources.module_of(inner.name).load(inner, split)
    height, width, channels = table.specs["image"].shape
    factor = section.factor
    if height % factor or width % factor:
        raise UserError(f"pictures of {pictures.told((height, width))} do not divide by data.factor={factor}")
    shape = (height // factor, width // factor, channels)
    return (
        pictures.with_input(
            table, Derived("image", partial(reduced, factor=factor)), shape, f"inputs reduced {factor} times"
        ),
    )


def reduced(rows: np.ndarray, factor: int) -> np.ndarray:
    """Return uint8 pictures (rows, H, W, C) as (rows, H / factor, W / factor, C)."""
    return np.clip(np.rint(resized(rows, Fraction(1, factor))), 0, 255).astype(np.uint8)
