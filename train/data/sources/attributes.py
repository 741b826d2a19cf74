"""Pictures with attributes of the user's own: 'attributes:/path', columns "image", "attributes" and "wanted".

Provenance: the folder has one of three layouts.

- A CSV file beside the pictures, or in a folder above them: the first column is the path of a picture below the file's
  folder, each other column is an attribute, 0/1, -1/1 or false/true, and the header has their names.
- CelebA's: img_align_celeba/ with list_attr_celeba.txt, and list_eval_partition.txt for its splits.
- Sub-folders of classes, as those of `folder`: a picture has the attribute of its folder and no other.

Where the path has sub-folders train/ and test/, each laid out in the first or the third way, they are the splits. Else
the held-out split is the files whose sha256 (of the path) is 0 mod 10; but of fewer than 10 files none is held out. The
split 'all' is both. CelebA's partition 1, for validation, is in none of them but 'all'.

The option `attributes` chooses columns by name and orders them; "" is all of them. `exclusive` names those of which at
most one is set, such as "black_hair,brown_hair,blond_hair"; semicolons part several such groups. Classes exclude one
another by themselves. Pictures that have two of a group are left out, with a warning.

"wanted", in a table of its own, holds the attributes of the same pictures in another order: what an editor of
attributes is to make of a picture that it draws independently.

Preprocessing: as that of `folder`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from train.data.cache import Row
from train.data.source import Source, Table, image_spec
from train.data.sources import ALL, PICTURES, files, pictures
from train.data.sources import SPLITS as _SPLITS
from train.data.sources.folder import check_unreadable
from train.data.sources.listing import Listing, listed, of_split
from zoo import images
from zoo.shared.errors import UserError, unknown
from zoo.spec import TensorSpec

PREFIX = "attributes:"
OPTIONS = {
    **PICTURES,
    "attributes": "",  # names of columns, comma-separated, in order; "" is all
    "exclusive": "",  # names of which at most one is set; semicolons part several groups
    "unreadable": "skip",  # a file that is missing or no picture: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)

_VALUES = {**dict.fromkeys(("1", "1.0", "true"), 1), **dict.fromkeys(("0", "0.0", "false", "-1", "-1.0"), 0)}
_TOLD = 12  # names in an error line


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a folder of pictures whose attributes it chooses can be learned."""
    pictures.check(section)
    check_unreadable(section)
    root = files.root_of(section.name, PREFIX)
    listing = listed(root)
    spec = _spec(section, listing)
    known = _vectors(listing, spec)
    training = [known[name] for name in of_split(root, listing, list(known), "train")]
    for name, low, high in zip(spec.names, np.min(training, axis=0), np.max(training, axis=0), strict=True):
        if low == high:
            raise UserError(
                f"the attribute {name!r} is {low} in all pictures of {listing.where} to learn from, so that no other "
                "can be learned: leave it out of data.attributes"
            )


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the picture, its attributes, and those of another picture."""
    return {"image": "image", "attributes": "attributes", "wanted": "attributes"}


def load(section: Any, split: str) -> Source:
    """Return the `split` of the pictures and their attributes, and the table of wanted ones."""
    root = files.root_of(section.name, PREFIX)
    listing = listed(root)
    spec = _spec(section, listing)
    known = _vectors(listing, spec, warns=split != "test")  # which a run loads beside 'train'
    there = [name for name in known if (root / name).is_file()]
    if missing := sorted(known.keys() - set(there)):
        _tell_missing(root, listing, missing, len(known), section.unreadable, warns=split != "test")
    chosen = of_split(root, listing, there, split)

    def prepare() -> Callable[[str], list[Row]]:
        size = (section.image_size,) * 2 if section.image_size else files.own_size(root, there)
        channels = section.channels or files.channels_of(root, there)
        stored = pictures.stored_size(size, section.crop)

        def decode(name: str) -> list[Row]:
            return [{"image": images.decode(root / name, stored, channels), "attributes": known[name]}]

        return decode

    vectors = hashlib.sha256(repr([(name, known[name].tolist()) for name in chosen]).encode()).hexdigest()
    options = {option: section[option] for option in ("image_size", "crop", "channels", "unreadable")}
    key = {**options, "attributes": vectors}
    entry = files.columns_of(root, split, chosen, key, prepare, section.unreadable, among=there)
    image = image_spec("image", entry.columns["image"], section.crop)
    count, shares = len(entry.columns["image"]), entry.columns["attributes"].mean(axis=0)
    told = ", ".join(f"{name} {share:.1%}" for name, share in zip(spec.names, shares, strict=True))
    others = len(listing.rows) - len(known), len(chosen) - count
    table = Table(
        entry.columns,
        {"image": image, "attributes": spec},
        f"{count:,} pictures of {files.printable(str(root))}, split {split!r} ({len(chosen):,} of {len(there):,} "
        f"files, {others[0]:,} left out for their attributes, {others[1]:,} unreadable), centres resized to "
        f"{pictures.told(image.shape[:2], section.crop)} (Lanczos); by {files.printable(listing.where)} {told}",
        entry.digests,
    )
    return table, wanted(table)


def wanted(table: Table) -> Table:
    """Return the table "wanted": the attributes of the same examples, those of each next one."""
    return Table(
        {"wanted": np.roll(table.stored(["attributes"], slice(None))["attributes"], -1, axis=0)},
        {"wanted": replace(table.specs["attributes"], name="wanted")},
        "wanted: the attributes of the same examples in another order",
    )


def vectors_of(section: Any, root: Path) -> dict[str, np.ndarray]:
    """Return the chosen attributes of each picture below `root`, int32 (K,), by its path."""
    listing = listed(root)
    return _vectors(listing, _spec(section, listing))


def _spec(section: Any, listing: Listing) -> TensorSpec:
    """Return the spec of the attributes that the section chooses."""
    chosen = _names(section.attributes) or listing.names
    for name in chosen:
        if name not in listing.names:
            raise unknown(f"attribute of {listing.where} in data.attributes", name, listing.names)
    if len(set(chosen)) != len(chosen):
        raise UserError(f"data.attributes={section.attributes}: name each attribute once")
    groups = tuple(group for text in section.exclusive.split(";") if (group := _names(text)))
    if listing.is_classes and not groups:
        groups = (tuple(chosen),) if len(chosen) > 1 else ()
    for name in (name for group in groups for name in group):
        if name not in chosen:
            raise unknown("attribute in data.exclusive", name, chosen)
    return TensorSpec("attributes", (len(chosen),), "condition", "attributes", names=tuple(chosen), exclusive=groups)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _vectors(listing: Listing, spec: TensorSpec, warns: bool = False) -> dict[str, np.ndarray]:
    """Return the attributes of each picture that is used, int32 (K,), by its path."""
    places = [listing.names.index(name) for name in spec.names]
    _check_values(listing, places)
    known = {
        name: np.array([_VALUES[cells[place].lower()] for place in places], np.int32)
        for name, cells in listing.rows.items()
    }
    if listing.is_classes:
        # of the classes that were not chosen
        known = {name: vector for name, vector in known.items() if vector.any()}
    groups = [[spec.names.index(name) for name in group] for group in spec.exclusive]
    crowded = {name for name, vector in known.items() if any(vector[group].sum() > 1 for group in groups)}
    if crowded and warns:
        logging.warning(
            "%d of %d pictures, such as %s, have two attributes that data.exclusive names: they are left out",
            *(len(crowded), len(known), files.printable(min(crowded))),
        )
    known = {name: vector for name, vector in known.items() if name not in crowded}
    if not known:
        raise UserError(f"no picture of {listing.where} is left: each has two attributes that data.exclusive names")
    return known


def _check_values(listing: Listing, places: list[int]) -> None:
    """Refuse columns that hold anything but two values that mean no and yes."""

    def values(place: int) -> set[str]:
        return {cells[place].lower() for cells in listing.rows.values()}

    def is_legal(found: set[str]) -> bool:
        return found <= _VALUES.keys() and not (found & {"-1", "-1.0"} and found & {"0", "0.0", "false"})

    for place in places:
        if not is_legal(found := values(place)):
            legal = [name for number, name in enumerate(listing.names) if is_legal(values(number))]
            odd = sorted(found - _VALUES.keys()) or sorted(found)
            raise UserError(
                f"the column {listing.names[place]!r} of {listing.where} holds {', '.join(map(repr, odd[:3]))}; an "
                "attribute is 0/1, -1/1 or false/true throughout: choose such by data.attributes"
                + (f", of {','.join(legal[:_TOLD])}" if legal else "")
            )


def _tell_missing(root: Path, listing: Listing, missing: list[str], count: int, unreadable: str, warns: bool) -> None:
    """Tell of files that are not there: by a warning, or an error where they are all or the section refuses these."""
    which = f"the {count:,} pictures that {listing.where} names"
    told = f"{len(missing):,} of {which} are missing, such as {root / missing[0]}"
    if len(missing) == count or unreadable == "refuse":
        raise UserError(f"{told}: the first column holds paths below its file's folder, with their endings")
    if warns:
        logging.warning("%s: they are left out", files.printable(told))
