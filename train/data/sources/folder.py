"""Pictures in a folder of the user's own: 'folder:/path'.

Provenance: every PNG, JPEG and WebP file below the folder, in the order of its path; links to directories are followed,
hidden files and folders are left out. The label is the first-level sub-folder, where there are at least two; numbers in
their names count as numbers. Pictures beside them are left out where they are a tenth or less, else none has a label.
Sub-folders that are all splits (train, test, ...) are no classes.

Preprocessing: first frame, EXIF orientation applied, colour profile ignored, 16-bit grey scaled to 8 bits, transparency
over white, centre square, Lanczos resize. Without an `image_size` all pictures must have one size, which is kept. A
folder has 1 channel if every picture is stored as grey, else 3, unless the configuration says. The held-out split is
the files whose sha256 (of the path below the folder) is 0 mod 10; but of fewer than 10 files none is held out. The
split 'all' is both.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from train.data.cache import Row
from train.data.source import Source, Table, image_spec, label_spec
from train.data.sources import ALL, PICTURES, SPLIT_FOLDERS, files, pictures
from train.data.sources import SPLITS as _SPLITS
from zoo import images
from zoo.shared.errors import UserError

PREFIX = "folder:"
OPTIONS = {
    **PICTURES,
    "unreadable": "skip",  # a file that is no picture: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)
_LONGEST = 200  # characters of a class's name
_TOLD = 8  # classes in a warning


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory with at least one picture file below it."""
    pictures.check(section)
    check_unreadable(section)
    root = files.root_of(section.name, PREFIX)
    if next(files.walk(root), None) is None:
        raise UserError(f"no picture file below {root}; {files.reads(root)}")


def check_unreadable(section: Any) -> None:
    """Refuse a rule for unreadable files that there is not."""
    if section.unreadable not in ("skip", "refuse"):
        raise UserError(f"data.unreadable is {section.unreadable!r}; it must be 'skip' or 'refuse'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the picture, and its class where each lies in a folder of its class."""
    _, classes = labelled(list(files.walk(files.root_of(section.name, PREFIX))))
    return {"image": "image", **({"label": "class"} if classes else {})}


def load(section: Any, split: str) -> Source:
    """Return the `split` of the pictures below the folder that the data section names.

    Raises `UserError` where the split is empty, or holds a file that is unreadable and the section refuses these, or no
    readable one.
    """
    root = files.root_of(section.name, PREFIX)
    found = sorted(files.walk(root))
    names, classes = labelled(found)
    if split != "test":  # which a run loads beside 'train'
        _warn(root, found, classes)
    table = table_of(root, names, files.chosen(root, names, split), split, section, classes=classes)
    if classes and split != "test":
        counts = np.bincount(table.stored(["label"], slice(None))["label"], minlength=len(classes))
        if absent := [name for name, count in zip(classes, counts, strict=True) if not count]:
            logging.warning("no readable picture of split %r is of the classes %s", split, _told(absent))
    beside = f"; left out: {beside:,} beside the sub-folders" if (beside := len(found) - len(names)) else ""
    return (replace(table, description=table.description + beside),)


def table_of(
    root: Path,
    names: list[str],
    chosen: list[str],
    split: str,
    section: Any,
    column: str = "image",
    classes: Sequence[str] = (),
    rule: str = "by the sha256 of the path; ",
) -> Table:
    """Return the `chosen` ones of the picture files `names` below the root, which make the `split`, as a column.

    The size and the channels are those of all `names`. With `classes` there is a label, the first folder of a path.
    `rule` says in the description how a split that is not all was chosen.
    """

    def prepare() -> Callable[[str], list[Row]]:
        size = (section.image_size,) * 2 if section.image_size else files.own_size(root, names)
        channels = section.channels or files.channels_of(root, names)
        stored = pictures.stored_size(size, section.crop)

        def decode(name: str) -> list[Row]:
            row = {column: images.decode(root / name, stored, channels)}
            return [{**row, "label": np.array(classes.index(name.split("/")[0]), np.int32)} if classes else row]

        return decode

    options = {option: section[option] for option in ("image_size", "crop", "channels", "unreadable")}
    key = {**options, "column": column, "classes": list(classes)}
    entry = files.columns_of(root, split, chosen, key, prepare, section.unreadable, among=names)
    specs = {column: image_spec(column, entry.columns[column], section.crop)}
    if classes:
        specs["label"] = label_spec(tuple(map(files.printable, classes)))
    count, others = len(entry.columns[column]), files.others(root)
    return Table(
        entry.columns,
        specs,
        f"{count:,} pictures of {files.printable(str(root))}, split {split!r} "
        f"({len(chosen):,} of {len(names):,} files, "
        + ("" if split == ALL else rule)
        + f"{len(chosen) - count:,} unreadable"
        + (f"; left out: {others}" if others else "")
        + f"), centres resized to {pictures.told(specs[column].shape[:2], section.crop)} (Lanczos)",
        entry.digests,
    )


def labelled(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the files that are used, and the first-level sub-folders where these are their classes.

    They are where there are at least two, not all splits, and nine tenths of the files lie in them; the rest is left
    out.
    """
    inside = [name for name in names if "/" in name]
    classes = sorted({name.split("/")[0] for name in inside}, key=files.natural)
    if len(classes) < 2 or are_splits(classes) or len(inside) < 0.9 * len(names):
        return names, []
    if longest := next((name for name in classes if len(files.printable(name)) > _LONGEST), None):
        raise UserError(f"the class {longest!r} has a name of more than {_LONGEST} characters; shorten it")
    return inside, classes


def are_splits(classes: list[str]) -> bool:
    """Return whether folders of these names are splits, such as train and test, not classes."""
    return {name.casefold() for name in classes} <= SPLIT_FOLDERS


def _warn(root: Path, names: list[str], classes: list[str]) -> None:
    """Warn of what the user may not have meant with the sub-folders that hold the files `names`."""
    beside = [name for name in names if "/" not in name]
    folders = sorted({name.split("/")[0] for name in names if "/" in name})
    where = files.printable(str(root))
    if beside and len(folders) > 1:
        logging.warning(
            "%d of %d pictures lie in no sub-folder of %s, such as %s: %s; move them into the folders of their classes",
            *(len(beside), len(names), where, files.printable(beside[0])),
            "they are left out" if classes else "so no picture has a label",
        )
    if len(folders) > 1 and are_splits(folders):
        logging.warning(
            "the sub-folders %s of %s are splits, not classes, and their pictures are taken together: name one of them,"
            " such as folder:%s/%s",
            *(_told(folders), where, where, folders[0]),
        )
    if not classes:
        return
    alike = defaultdict(list)
    for name in classes:
        alike[unicodedata.normalize("NFC", name).casefold()].append(name)
    for several in alike.values():
        if len(several) > 1:
            logging.warning("the classes %s differ only in case or in how their accents are encoded", _told(several))
    empty = [
        entry.name
        for entry in os.scandir(root)
        if entry.is_dir() and not files.is_hidden(entry.name) and entry.name not in classes
    ]
    if empty:
        logging.warning(
            "the sub-folders %s of %s hold no picture file of their own and are no classes", _told(sorted(empty)), where
        )


def _told(classes: list[str]) -> str:
    return ", ".join(map(repr, classes[:_TOLD])) + (", ..." if len(classes) > _TOLD else "")
