"""Colour to be made from grey: 'grey:NAME' over any source NAME of pictures, columns "input" and "image".

The input is the luma of the image (ITU-R BT.601, as Pillow rounds it), 1 channel; the image has 3. It is computed when
a row is read, after flips and crops.
"""

from typing import Any

import numpy as np

from train.data import sources
from train.data.source import Derived, Source
from train.data.sources import pictures
from zoo.shared.errors import UserError

PREFIX = "grey:"
OPTIONS: dict[str, Any] = {}


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a source of pictures that may have colour."""
    pictures.check_over(section, PREFIX, channels=3)
    if section.channels not in (0, 3) or section.binarize != "none":
        raise UserError("data.channels and data.binarize are not for colour: use 0 and 'none'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns of NAME, and the grey picture."""
    inner = pictures.over(section, PREFIX, channels=3)
    return {**sources.module_of(inner.name).kinds(inner), "input": "image"}


def load(section: Any, split: str) -> Source:
    """Return the `split` of NAME in colour, with its grey pictures."""
    inner = pictures.over(section, PREFIX, channels=3)
    (table,) = sources.module_of(inner.name).load(inner, split)
    height, width, _ = table.specs["image"].shape
    return (pictures.with_input(table, Derived("image", luma), (height, width, 1), "inputs are their luma"),)


def luma(rows: np.ndarray) -> np.ndarray:
    """Return uint8 (rows, H, W, 3) as uint8 (rows, H, W, 1): Pillow's 16-bit weights of BT.601."""
    weights = np.array([19595, 38470, 7471], np.uint32)
    return ((rows.astype(np.uint32) @ weights + 0x8000) >> 16).astype(np.uint8)[..., None]
