"""Names above the columns of a sheet, in Pillow's own font."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_SIZES = range(14, 8, -1)  # of letters in pixels: the largest that fits is taken
_GAP = 3  # pixels between two names, and above and below them
_PAPER, _INK = 255, 0
_LAST = "\u024f"  # of the Latin letters, which the font has


def above(sheet: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the uint8 sheet (height, width, channels) with a name above each of its columns, which are equally wide.

    A name that does not fit is cut short. One that the font cannot write becomes the number of its class.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = [name if _is_written(name) else str(names.index(name)) for name in names]
    room = sheet.shape[1] / len(names) - _GAP
    fonts = [ImageFont.load_default(size) for size in _SIZES]
    font = next((font for font in fonts if max(map(font.getlength, shown)) <= room), fonts[-1])
    size = next(size for size, one in zip(_SIZES, fonts, strict=True) if one is font)
    strip = Image.new("L", (sheet.shape[1], size + 2 * _GAP), _PAPER)
    pen = ImageDraw.Draw(strip)
    for number, name in enumerate(shown):
        place = ((number + 0.5) * strip.width / len(names), strip.height / 2)
        pen.text(place, _cut(name, font, room), fill=_INK, font=font, anchor="mm")
    return np.concatenate([np.asarray(strip)[..., None].repeat(sheet.shape[-1], axis=-1), sheet])


def _is_written(name: str) -> bool:
    return name.isprintable() and all(letter <= _LAST for letter in name)


def _cut(name: str, font: "FreeTypeFont | ImageFont", room: float) -> str:
    """Return as much of a name as fits into so many pixels."""
    parts = [name, *(f"{name[:end].rstrip()}\u2026" for end in range(len(name) - 1, 0, -1))]
    return next((part for part in parts if font.getlength(part) <= room), "")
