"""Patches of pictures of any sizes in a folder of the user's own: 'patches:/path', for training on photographs.

Provenance: every PNG, JPEG and WebP file below the folder, in the order of its path; sub-folders are no classes. Every
picture is cut, without resizing, into squares of `image_size` pixels on a grid of `stride`, from its upper left corner
on. What is left at the right and at the bottom is dropped. A picture that is smaller than a patch counts as unreadable.
With `turn` the patches of a picture are turned by 0, 90, 180 and 270 degrees in turn.

The held-out split is that of `folder`, by picture: no picture gives patches to both. Preprocessing: as that of
`folder`, but for the resizing.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from train.data.cache import Row
from train.data.source import Source, Table, image_spec
from train.data.sources import ALL, PICTURES, files, pictures
from train.data.sources import SPLITS as _SPLITS
from train.data.sources.folder import check_unreadable
from zoo import images
from zoo.shared.errors import UserError

PREFIX = "patches:"
OPTIONS = {
    **PICTURES,
    "image_size": 64,  # pixels: the side of a patch
    "stride": 0,  # pixels from one patch to the next; 0 is the side of a patch, so that none overlap
    "turn": False,  # whether patches are turned by quarters
    "unreadable": "skip",  # a file that is no picture: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)
_LARGEST = 1024


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory with at least one picture file, and patches of it."""
    pictures.check(section)
    check_unreadable(section)
    pictures.check_integer("image_size", section.image_size, range(4, _LARGEST + 1), f"a number from 4 to {_LARGEST}")
    pictures.check_integer("stride", section.stride, range(_LARGEST + 1), f"a number of pixels up to {_LARGEST}, or 0")
    if not isinstance(section.turn, bool):
        raise UserError(f"data.turn is {section.turn!r}; it must be true or false")
    root = files.root_of(section.name, PREFIX)
    if next(files.walk(root), None) is None:
        raise UserError(f"no picture file below {root}; {files.reads(root)}")


def kinds(section: Any) -> dict[str, str]:
    """Return the column: the patch."""
    return {"image": "image"}


def load(section: Any, split: str) -> Source:
    """Return the patches of the pictures of a `split`; one that is empty or holds no large picture is a `UserError`."""
    root = files.root_of(section.name, PREFIX)
    names = sorted(files.walk(root))
    chosen = files.chosen(root, names, split)
    side = section.image_size + section.crop
    stride = section.stride or section.image_size

    def prepare() -> Callable[[str], list[Row]]:
        channels = section.channels or files.channels_of(root, names)

        def decode(name: str) -> list[Row]:
            patches = cut(images.decode(root / name, None, channels), side, stride, section.turn)
            return [{"image": patch} for patch in patches]

        return decode

    def rows_in(name: str) -> int:
        size = files.size_of(root / name)
        return math.prod(max(0, (length - side) // stride + 1) for length in size) if size else 0

    key = {**{option: section[option] for option in OPTIONS if option not in ("binarize", "flip")}, "patches": True}
    entry = files.columns_of(root, split, chosen, key, prepare, section.unreadable, names, rows_in)
    spec = image_spec("image", entry.columns["image"], section.crop)
    count, others = len(entry.columns["image"]), files.others(root)
    return (
        Table(
            entry.columns,
            {"image": spec},
            f"{count:,} patches of {pictures.told(spec.shape[:2], section.crop)}, {stride} px apart"
            f"{', turned by quarters' if section.turn else ''}, of {files.printable(str(root))}, split {split!r} "
            f"({len(chosen):,} of {len(names):,} files"
            + ("" if split == ALL else ", by the sha256 of the path")
            + (f"; left out: {others}" if others else "")
            + ")",
            entry.digests,
        ),
    )


def cut(picture: np.ndarray, side: int, stride: int, turn: bool = False) -> np.ndarray:
    """Return the patches (count, side, side, channels) of a picture (height, width, channels), row by row.

    A picture without room for one is an `OSError`, as an unreadable one is.
    """
    height, width = picture.shape[:2]
    if min(height, width) < side:
        raise OSError(f"its {width} x {height} pixels are fewer than a patch of {side}")
    windows = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1))[::stride, ::stride]
    patches = windows.transpose(0, 1, 3, 4, 2).reshape(-1, side, side, picture.shape[-1])
    return np.stack([np.rot90(patch, number % 4 if turn else 0) for number, patch in enumerate(patches)])
