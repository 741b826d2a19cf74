"""Two folders of the user's own pictures that do not belong together: 'domains:/path', two tables, "a" and "b".

Provenance: one of three layouts.

- Two sub-folders, one for each domain, in the order of their names; but input/ comes before image/. Held out are the
  pictures whose name has a sha256 that is 0 mod 10, of each domain; but of fewer than 10 none. The name is the path
  below the domain's folder without its ending, so pictures of equal names lie on the same side, as those of `pairs` do.
- train/ and test/, each with these two sub-folders.
- trainA/, trainB/, testA/ and testB/ (Zhu et al. 2017). Without the last two the rule of the first layout holds.

The split 'all' is both. Preprocessing: as that of `folder`. Size and channels are those of each domain, unless the
configuration says. Each domain is mirrored, cropped and put in order by itself.
"""

import os
from pathlib import Path
from typing import Any

from train.data.source import Source
from train.data.sources import ALL, PICTURES, files, pictures
from train.data.sources import SPLITS as _SPLITS
from train.data.sources.folder import are_splits, check_unreadable, table_of
from zoo.shared.errors import UserError

PREFIX = "domains:"
OPTIONS = {
    **PICTURES,
    "unreadable": "skip",  # a file that is no picture: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)
_LETTERED = ("traina", "trainb", "testa", "testb")
_LAYOUT = "two domains need two folders of pictures, or trainA, trainB, testA and testB"


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory of two domains."""
    check_domains(section)
    check_unreadable(section)
    root = files.root_of(section.name, PREFIX)
    for folder in (folder for places in _domains(root).values() for folder in places.values()):
        if next(files.walk(root / folder), None) is None:
            raise UserError(f"no picture file below {root / folder}; {files.reads(root / folder)}")


def check_domains(section: Any) -> None:
    """Raise a `UserError` for options of pictures that domains cannot have."""
    pictures.check(section)
    if section.binarize != "none":
        raise UserError(f"data.binarize is {section.binarize!r}; it is not for two domains: use 'none'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the pictures of each domain."""
    return {"a": "image", "b": "image"}


def load(section: Any, split: str) -> Source:
    """Return the `split` of both domains; one that is empty or holds nothing readable is a `UserError`."""
    root = files.root_of(section.name, PREFIX)
    tables = []
    for column, places in _domains(root).items():
        found = {
            part: sorted(f"{folder}/{name}" for name in files.walk(root / folder)) for part, folder in places.items()
        }
        names = [name for part in found.values() for name in part]
        if ALL in places:
            stems = {name: name.removeprefix(f"{places[ALL]}/").rpartition(".")[0] for name in names}
            held = set(files.chosen(root / places[ALL], sorted(set(stems.values())), split))
            chosen, rule = [name for name in names if stems[name] in held], "by the sha256 of the name; "
        else:
            chosen, rule = names if split == ALL else found[split], f"in {places.get(split, '')}; "
        tables.append(table_of(root, names, chosen, split, section, column, rule=rule))
    return tuple(tables)


def _domains(root: Path) -> dict[str, dict[str, str]]:
    """Return the folder below the root of each split of each domain; ALL stands for splits that are still to be made.

    A layout that is none of the three is a `UserError`.
    """
    named = _folders(root)
    lower = {name.casefold(): name for name in named}
    if lettered := [name for name in _LETTERED if name in lower]:
        if missing := [name for name in (_LETTERED if len(lettered) > 2 else _LETTERED[:2]) if name not in lower]:
            folder = f"{missing[0][:-1]}{missing[0][-1].upper()}"
            raise UserError(f"{root / folder} is missing: {_LAYOUT}")
        splits = _SPLITS if len(lettered) > 2 else (ALL,)
        parts = {"train": "train", "test": "test", ALL: "train"}
        return {column: {split: lower[f"{parts[split]}{column}"] for split in splits} for column in ("a", "b")}
    if set(named) == set(_SPLITS):
        train, test = (_two(root / split) for split in _SPLITS)
        if train != test:
            raise UserError(
                f"{root}: train/ has the folders {', '.join(train)} and test/ {', '.join(test)}: use the same"
            )
        return {
            column: {split: f"{split}/{name}" for split in _SPLITS}
            for column, name in zip(("a", "b"), train, strict=True)
        }
    return {column: {ALL: name} for column, name in zip(("a", "b"), _two(root), strict=True)}


def _two(place: Path) -> list[str]:
    """Return the folders of the two domains below `place`, in order; a `UserError` if there are not two."""
    named = _folders(place)
    if len(named) != 2:
        told = ", ".join(map(files.printable, named[:8])) + (", ..." if len(named) > 8 else "")
        raise UserError(f"{place} has {f'{len(named)} folders ({told})' if named else 'no folder'}: {_LAYOUT}")
    if are_splits(named):
        raise UserError(f"{place} has the folders {' and '.join(named)}, which are splits and no domains: {_LAYOUT}")
    return ["input", "image"] if set(named) == {"input", "image"} else named


def _folders(place: Path) -> list[str]:
    found = (entry.name for entry in os.scandir(place) if entry.is_dir() and not files.is_hidden(entry.name))
    return sorted(found, key=files.natural)
