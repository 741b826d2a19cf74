"""Pairs of pictures of the user's own that belong together: 'pairs:/path', columns "input" and "image".

Provenance: either the sub-folders input/ and image/ hold pictures of equal names (their endings may differ), or each
picture holds both, side by side (Isola et al. 2017), the input on the left unless `input_side` says right. Where the
path has sub-folders train/ and test/, each laid out so, they are the splits. Otherwise the held-out split is the pairs
whose sha256 (of the name) is 0 mod 10; but of fewer than 10 pairs none is held out. The split 'all' is both.

Preprocessing: as that of `folder`, both pictures of a pair alike, except that each has channels of its own. Flips and
crops move both alike.
"""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import logging

from train.data.cache import Row
from train.data.source import Source, Table, image_spec
from train.data.sources import ALL, PICTURES, files, pictures
from train.data.sources import SPLITS as _SPLITS
from train.data.sources.folder import check_unreadable
from zoo import images
from zoo.shared.errors import UserError, first_line

PREFIX = "pairs:"
OPTIONS = {
    **PICTURES,
    "input_channels": 0,  # 1 is grey, 3 is colour, 0 as stored; `channels` is that of the image
    "input_side": "left",  # half of a picture that holds both where the input is: left or right
    "unreadable": "skip",  # a file that is no picture: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)
_COLUMNS = ("input", "image")
# how other programs call the two folders
_MEANT = {"input", "inputs", "image", "images", "source", "target", "a", "b", "traina", "trainb", "testa", "testb"}


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory of pairs."""
    pictures.check(section)
    check_unreadable(section)
    pictures.check_integer("input_channels", section.input_channels, (0, 1, 3), "0 (as stored), 1 or 3")
    if section.input_side not in ("left", "right"):
        raise UserError(f"data.input_side is {section.input_side!r}; it must be 'left' or 'right'")
    root = files.root_of(section.name, PREFIX)
    for part in _parts(root):
        _pairs(root / part)


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the input, and the image that is to be made of it."""
    return dict.fromkeys(_COLUMNS, "image")


def load(section: Any, split: str) -> Source:
    """Return the `split` of the pairs; a split that is empty or holds nothing readable is a `UserError`."""
    root = files.root_of(section.name, PREFIX)
    parts = _parts(root)
    pairs = {
        f"{part}{name}": {column: f"{part}{file}" for column, file in both.items()}
        for part in parts
        for name, both in _pairs(root / part).items()
    }
    names = sorted(pairs)
    if is_hashed := parts == ("",):
        chosen = files.chosen(root, names, split)
    else:
        chosen = [name for name in names if split in (ALL, name.split("/")[0])]
    own = {column: [pairs[name][column] for name in names] for column in _COLUMNS}
    is_joined = own["input"] == own["image"]
    askew: list[str] = []

    def prepare() -> Callable[[str], list[Row]]:
        size = (section.image_size,) * 2 if section.image_size else files.own_size(root, own["image"], 1 + is_joined)
        stored = pictures.stored_size(size, section.crop)
        channels = {
            "input": section.input_channels or files.channels_of(root, own["input"]),
            "image": section.channels or files.channels_of(root, own["image"]),
        }

        def decode(name: str) -> list[Row]:
            row, shapes, both = {}, [], pairs[name]
            for column, file in both.items():
                try:
                    picture = images.upright(root / file)
                except Exception as error:
                    raise OSError(f"{file}: {first_line(error)}") from error  # which of the two
                if both["input"] == both["image"]:
                    middle = picture.width // 2
                    is_left = (column == "input") == (section.input_side == "left")
                    left = 0 if is_left else picture.width - middle
                    picture = picture.crop((left, 0, left + middle, picture.height))
                shapes.append(picture.size)
                row[column] = images.fit(picture, stored, channels[column])
            if not _are_alike(*shapes):
                askew.append(name)
            return [row]

        return decode

    key = {option: section[option] for option in OPTIONS if option not in ("binarize", "flip")}
    among = sorted({*own["input"], *own["image"]})
    entry = files.columns_of(root, split, chosen, key, prepare, section.unreadable, among)
    if askew:
        logging.warning(
            "%d pairs of %s have pictures of different shapes, such as %s: the centre of each is taken, and these may "
            "not match",
            *(len(askew), files.printable(str(root)), files.printable(askew[0])),
        )
    specs = {column: image_spec(column, entry.columns[column], section.crop) for column in _COLUMNS}
    rule = "by the sha256 of the name; " if is_hashed and split != ALL else ""
    others = files.others(root)
    count, size = len(entry.columns["image"]), pictures.told(specs["image"].shape[:2], section.crop)
    return (
        Table(
            entry.columns,
            specs,
            f"{count:,} pairs of {files.printable(str(root))}{', side by side' if is_joined else ''}, split {split!r} "
            f"({len(chosen):,} of {len(names):,} pairs, {rule}{len(chosen) - count:,} unreadable"
            f"{f'; left out: {others}' if others else ''}), centres resized to {size} (Lanczos)",
            entry.digests,
        ),
    )


def _are_alike(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Return whether two sizes have one shape, up to a pixel of either."""
    (width, height), (other_width, other_height) = first, second
    return abs(width * other_height - other_width * height) <= max(*first, *second)


def _parts(root: Path) -> tuple[str, ...]:
    """Return the directories below the root that hold pairs: train/ and test/ if there are both, else the root, ""."""
    return ("train/", "test/") if all((root / name).is_dir() for name in _SPLITS) else ("",)


def _pairs(place: Path) -> dict[str, dict[str, str]]:
    """Return the files of each pair below `place`, by its name; pictures without a partner are a `UserError`."""
    folders = [place / column for column in _COLUMNS]
    if not any(folder.is_dir() for folder in folders):
        found = {name: dict.fromkeys(_COLUMNS, name) for name in files.walk(place)}
        if not found:
            raise UserError(
                f"no pairs below {place}: put pictures of equal names into {place}/input and {place}/image, or both "
                "side by side into one picture"
            )
        named = sorted({name.split("/")[0] for name in found})
        if len(named) > 1 and {name.casefold() for name in named} <= _MEANT:
            raise UserError(
                f"{place} has the folders {', '.join(named)}: pairs must lie in {place}/input and {place}/image"
            )
        if deeper := next((name for name in found if set(name.split("/")[:-1]) & set(_COLUMNS)), None):
            raise UserError(
                f"{place / deeper} lies in a deeper folder: input/ and image/ must lie in {place} itself, or in its "
                "train/ and in its test/"
            )
        return found
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise UserError(f"{missing[0]} is missing: pairs need pictures of equal names in input/ and image/")
    by_stem = [_by_stem(folder) for folder in folders]
    if alone := sorted(by_stem[0].keys() ^ by_stem[1].keys()):
        with_, without = ("input", "image") if alone[0] in by_stem[0] else ("image", "input")
        raise UserError(
            f"pictures of {place} without a partner: {len(alone):,}, such as {with_}/{alone[0]}, whose name is not in "
            f"{without}/" + (f"; {files.reads(place / without)}" if files.others(place / without) else "")
        )
    if not by_stem[0]:
        raise UserError(f"no picture file below {folders[0]}; {files.reads(place)}")
    return {
        stem: {column: f"{column}/{names[stem]}" for column, names in zip(_COLUMNS, by_stem, strict=True)}
        for stem in by_stem[0]
    }


def _by_stem(folder: Path) -> dict[str, str]:
    """Return the picture files below the folder by their names without the endings; two of one name are refused.

    Accents count alike however they are encoded: macOS stores them in another way than other systems.
    """
    found: dict[str, str] = {}
    for name in files.walk(folder):
        stem = unicodedata.normalize("NFC", name.rpartition(".")[0])
        if stem in found:
            raise UserError(f"{folder} has two pictures of the name {stem}: {found[stem]} and {name}; remove one")
        found[stem] = name
    return found
