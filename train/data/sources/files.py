"""Picture files below a directory: which there are, which of them are held out, and what they decode to."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import logging
from tqdm import tqdm

from train.data.cache import home_expanded
from train.data.sources import ALL
from zoo import images
from zoo.shared.errors import UserError, first_line

# picture files that are told of and left out: their formats need a decoder or a choice (a frame, a page)
_OTHERS = (".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jp2", ".psd", ".svg")
_HIDDEN = "__MACOSX"


def root_of(name: str, prefix: str) -> Path:
    """Return the directory that 'PREFIX:PATH' names; a home directory that there is not is a `UserError`."""
    path = name.removeprefix(prefix)
    if not path:  # an unset shell variable would mean the current directory
        raise UserError(
            f"data.name is {prefix!r} without a path; it must be {prefix}PATH with the directory of your pictures"
        )
    root = home_expanded(path, "the path of data.name")
    if not os.path.isdir(root):
        what = "not a directory" if os.path.exists(root) else "missing"
        raise UserError(f"{root} is {what}; data.name must be {prefix}PATH with the directory of your pictures")
    return root


def walk(root: Path) -> Iterator[str]:
    """Yield the path below `root`, with forward slashes, of every picture file, in no particular order."""
    for name in _files(root):
        if name.lower().endswith(images.ENDINGS):
            yield name


def left_out(root: Path) -> int:
    """Return the number of picture files below `root` whose format is not read."""
    return sum(name.lower().endswith(_OTHERS) for name in _files(root))


def _files(root: Path) -> Iterator[str]:
    """Yield every file that is not hidden; links to directories are followed, each directory once."""

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot list {error.filename}: {error.strerror}; make it readable") from error

    visited = {os.path.realpath(root)}
    for directory, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        kept = []
        # in a fixed order, links last: a directory that is reached in two ways goes by the first of them
        for folder in sorted(folders, key=lambda folder: (os.path.islink(os.path.join(directory, folder)), folder)):
            place = os.path.realpath(os.path.join(directory, folder))
            if not folder.startswith(".") and folder != _HIDDEN and place not in visited:
                visited.add(place)
                kept.append(folder)
        folders[:] = kept
        for name in names:
            if not name.startswith("."):
                yield Path(directory, name).relative_to(root).as_posix()


def natural(name: str) -> tuple:
    """Return a key that sorts names as people do: "2" before "10"."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name)), name


def chosen(root: Path, names: Sequence[str], split: str) -> list[str]:
    """Return those of the files that belong to a split; `UserError` if there are none.

    The held-out ones are those whose sha256 (of the name) is 0 mod 10, so that a file never changes sides when others
    come or go; but of fewer than 10 none is held out.
    """
    held_out = {name for name in names if int(hashlib.sha256(os.fsencode(name)).hexdigest(), 16) % 10 == 0}
    if len(names) < 10:
        held_out = set()
    of_split = [name for name in names if split == ALL or (name in held_out) == (split == "test")]
    if not of_split:
        raise UserError(
            f"split {split!r} of the {len(names)} picture files below {root} is empty (by the hash of "
            "its path, a tenth is held out, and none of fewer than 10); add pictures"
        )
    return of_split


def fingerprint(root: Path, names: Sequence[str]) -> str:
    """Return a hash of every file's path, size and time of change."""
    digest = hashlib.sha256()
    for name in names:
        status = os.stat(root / name, follow_symlinks=(root / name).exists())  # a link may dangle
        digest.update(os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"))
    return digest.hexdigest()


def own_size(root: Path, names: Sequence[str]) -> tuple[int, int]:
    """Return the (height, width) that all the pictures have; a `UserError` asks for a choice where they differ."""
    sizes = {size for name in names if (size := _size(root / name))}
    if not sizes:
        raise UserError(f"none of the {len(names):,} picture files below {root} is readable")
    if len(sizes) > 1:
        sides = sorted(min(size) for size in sizes)
        raise UserError(
            f"the pictures of {root} differ in size, their sides from {sides[0]} to {sides[-1]} pixels: choose one, "
            "such as --config.data.image_size=64"
        )
    return sizes.pop()


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return images.size_of(path)
    except Exception:  # decoding reports it
        return None


def channels_of(root: Path, names: Sequence[str]) -> int:
    """Return 1 if every picture is stored as grey, else 3."""
    return 1 if all(images.is_grey(root / name) for name in names) else 3


def decoded(
    root: Path, split: str, names: Sequence[str], decode: Callable[[str], dict[str, np.ndarray]], unreadable: str
) -> Iterator[dict[str, np.ndarray]]:
    """Yield what `decode` makes of each name; unreadable files are skipped with a warning, or refused."""
    readable = 0
    for name in tqdm(names, desc=f"decoding {split}", unit=" pictures", disable=None):
        try:
            row = decode(name)
        except Exception as error:  # a damaged file may make Pillow raise anything
            if unreadable == "refuse":
                raise UserError(
                    f"cannot read {root / name}: {first_line(error)}; repair or remove it, or set data.unreadable to "
                    "'skip'"
                ) from error
            logging.warning("skipping unreadable %s: %s", root / name, error)
            continue
        readable += 1
        yield row
    if not readable:
        raise UserError(f"none of the {len(names):,} picture files of split {split!r} below {root} is readable")
