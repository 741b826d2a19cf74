"""Large pictures to be made from small ones: 'lowres:NAME' over any source NAME of pictures.

The column "input" is the image reduced `factor` times: bicubic (Keys 1981, a = -1/2), the kernel stretched so that
nothing aliases, as MATLAB's imresize and Pillow have it. It is computed when a row is read, after flips and crops.
"""

from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from train.data import sources
from train.data.source import Derived, Source
from train.data.sources import pictures
from zoo.shared.errors import UserError

PREFIX = "lowres:"
OPTIONS: dict[str, Any] = {"factor": 4}


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a source of pictures and a factor."""
    pictures.check_over(section, PREFIX)
    pictures.check_integer("factor", section.factor, range(2, 17), "a whole number from 2 to 16")
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
    count, height, width, channels = rows.shape
    size = (width // factor, height // factor)
    made = np.empty((count, size[1], size[0], channels), np.uint8)
    for row, picture in enumerate(rows):
        image = Image.fromarray(picture[..., 0] if channels == 1 else picture).resize(size, Image.Resampling.BICUBIC)
        made[row] = np.asarray(image).reshape(made[row].shape)
    return made
