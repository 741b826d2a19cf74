"""Picture and sound files below a directory: which there are, which are held out, and what they decode to."""

import functools
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from train.data.cache import Decoding, Entry, NoRows, Row, cached, home_expanded
from train.data.sources import ALL, pictures
from zoo import images
from zoo.shared.errors import UserError, first_line

# picture files that are told of and left out: their formats need a decoder or a choice (a frame, a page)
_OTHERS = (
    *(".bmp", ".dib", ".tif", ".tiff", ".gif", ".heic", ".heics", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpf"),
    *(".jpx", ".svg", ".svgz", ".ico", ".icns", ".tga", ".pcx", ".psd", ".xcf", ".exr", ".hdr", ".pbm", ".pgm", ".ppm"),
    *(".pnm", ".raw", ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
)
_ENDINGS_TOLD = 4
# what systems put beside pictures, such as previews and what was deleted; names that begin with a dot are hidden too
_HIDDEN = (
    *("__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "recycler", "lost+found"),
    "system volume information",
)
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_UNREADABLE_TOLD = 20


def root_of(name: str, prefix: str, what: str = "pictures") -> Path:
    """Return the directory that 'PREFIX:PATH' names; a home directory that there is not is a `UserError`.

    `what` lies in it, for error lines.
    """
    path = name.removeprefix(prefix)
    if not path:  # an unset shell variable would mean the current directory
        raise UserError(
            f"data.name is {prefix!r} without a path; it must be {prefix}PATH with the directory of your {what}"
        )
    root = home_expanded(path, "the path of data.name")
    if not os.path.isdir(root):
        fault = "not a directory" if os.path.exists(root) else "missing"
        first = "unpack it: " if os.path.exists(root) and root.suffix.lower() in _ARCHIVES else ""
        raise UserError(f"{root} is {fault}; {first}data.name must be {prefix}PATH with the directory of your {what}")
    return root


def walk(root: Path, endings: tuple[str, ...] = images.ENDINGS) -> Iterator[str]:
    """Yield the path below `root`, with forward slashes, of every file with such an ending, in no particular order."""
    for name in _files(root):
        if name.lower().endswith(endings):
            yield name


def others(root: Path) -> str:
    """Return how many picture files below `root` have endings that are not read, and which, in words; "" for none.

    Files of unknown endings, or without one, are pictures if they begin like one that is read.
    """
    endings: Counter[str] = Counter()
    for name in _files(root):
        ending = os.path.splitext(name)[1].lower()
        if ending not in images.ENDINGS and (ending in _OTHERS or _begins_like_a_picture(root / name)):
            endings[ending] += 1
    if not endings:
        return ""
    told = [f"{count:,} {ending or 'without an ending'}" for ending, count in endings.most_common(_ENDINGS_TOLD)]
    more = ", ..." if len(endings) > _ENDINGS_TOLD else ""
    return f"{endings.total():,} picture files of other endings ({printable(', '.join(told))}{more})"


def reads(root: Path) -> str:
    """Return which endings are read, and which picture files below `root` have others, for an error line."""
    left_out = others(root)
    return f"genzoo reads {', '.join(images.ENDINGS)}" + (f", not the {left_out}" if left_out else "")


def _begins_like_a_picture(path: Path) -> bool:
    try:
        if not path.is_file():  # a pipe would wait for ever
            return False
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (start[:4], start[8:]) == (b"RIFF", b"WEBP")


def printable(text: str) -> str:
    """Return the text with escapes for what would break its line (such as a newline) or cannot be written as UTF-8."""
    broken = ("Cc", "Cs", "Zl", "Zp")
    return "".join(ascii(sign)[1:-1] if unicodedata.category(sign) in broken else sign for sign in text)


def _files(root: Path) -> Iterator[str]:
    """Yield every file that is not hidden; links to directories are followed, each directory once.

    Runs that were made below `root` are left out: a run that reads it would read its own samples when it is resumed.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot list {error.filename}: {error.strerror}; make it readable") from error

    visited = {os.path.realpath(root)}
    for directory, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        if directory != os.fspath(root) and "config.json" in names and "checkpoints" in folders:
            folders[:] = []  # a run, whose samples are pictures too
            continue
        kept = []
        # in a fixed order, links last: a directory that is reached in two ways goes by the first of them
        for folder in sorted(folders, key=lambda folder: (os.path.islink(os.path.join(directory, folder)), folder)):
            place = os.path.realpath(os.path.join(directory, folder))
            if not is_hidden(folder) and place not in visited:
                visited.add(place)
                kept.append(folder)
        folders[:] = kept
        for name in names:
            if not name.startswith("."):
                yield Path(directory, name).relative_to(root).as_posix()


def is_hidden(folder: str) -> bool:
    """Return whether a folder of this name is none of the user's."""
    return folder.startswith(".") or folder.casefold() in _HIDDEN


def natural(name: str) -> tuple:
    """Return a key that sorts names as people do: "2" before "10"."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name)), name


def chosen(
    root: Path, names: Sequence[str], split: str, what: str = "picture files", way_out: str = "add pictures"
) -> list[str]:
    """Return those of the files that belong to a split; a `UserError` with a `way_out` if there are none.

    The held-out ones are those whose sha256 (of the name) is 0 mod 10, so that a file never changes sides when others
    come or go; but of fewer than 10 none is held out.
    """
    held_out = {name for name in names if int(hashlib.sha256(os.fsencode(name)).hexdigest(), 16) % 10 == 0}
    if len(names) < 10:
        held_out = set()
    of_split = [name for name in names if split == ALL or (name in held_out) == (split == "test")]
    if not of_split:
        raise UserError(
            f"split {split!r} of the {len(names)} {what} below {root} is empty (by the hash of its path, a tenth is "
            f"held out, and none of fewer than 10); {way_out}"
        )
    return of_split


def fingerprint(root: Path, names: Sequence[str]) -> str:
    """Return a hash of every file's path, size and time of change."""
    digest = hashlib.sha256()
    for name in names:
        try:
            status = os.stat(root / name)
            told = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError:  # a dangling link, or a file that vanished: decoding reports it
            told = "unreadable"
        digest.update(os.fsencode(f"{name}\0{told}\0"))
    return digest.hexdigest()


def own_size(root: Path, names: Sequence[str], across: int = 1) -> tuple[int, int]:
    """Return the (height, width) that all the pictures have, of which a file holds so many side by side.

    A `UserError` asks for a choice where they differ or are too large to be kept.
    """
    sizes = {size for name in names if (size := size_of(root / name))}
    if not sizes:
        raise UserError(f"none of the {len(names):,} picture files below {root} is readable")
    if len(sizes) > 1:
        sides = sorted(min(height, width // across) for height, width in sizes)
        raise UserError(
            f"the pictures of {root} differ in size, their sides from {sides[0]} to {sides[-1]} pixels: "
            + pictures.choice(sides[0])
        )
    height, width = sizes.pop()
    return pictures.own_size((height, width // across), str(root))


def size_of(path: Path) -> tuple[int, int] | None:
    """Return the (height, width) that a picture file says it has, or None where it cannot be read."""
    try:
        return images.size_of(path)
    except Exception:  # decoding reports it
        return None


def channels_of(root: Path, names: Sequence[str]) -> int:
    """Return 1 if every picture is stored as grey, else 3."""
    return 1 if all(images.is_grey(root / name) for name in names) else 3


def columns_of(
    root: Path,
    split: str,
    names: Sequence[str],
    key: dict[str, Any],
    prepare: Callable[[], Callable[[str], list[Row]]],
    unreadable: str,
    among: Sequence[str] | None = None,
    rows_in: Callable[[str], int] | None = None,
    what: str = "picture files",
) -> Entry:
    """Return the columns that files become, from the cache, or decoded into it.

    `prepare()` returns what makes the rows of each of the `names`, and is called once where something must be decoded:
    it may look at the files `among` them, by default the same. `rows_in` counts the rows of a name at most, by default
    one. With the files, the `key` determines all. Unreadable files are skipped with warnings, or refused; if no row is
    left, that is a `UserError`. `what` the files are stands in it.
    """
    prepared = functools.cache(prepare)
    unreadables = 0

    def rows(start: int, stop: int) -> Iterator[Row]:
        nonlocal unreadables
        decode = prepared()
        for name in names[start:stop]:
            try:
                made = decode(name)
            except UserError:  # of what is no file's fault
                raise
            except Exception as error:  # a damaged file may make Pillow raise anything
                if unreadable == "refuse":
                    raise UserError(
                        f"cannot read {root / name}: {first_line(error)}; repair or remove it, or set data.unreadable "
                        "to 'skip'"
                    ) from error
                unreadables += 1
                if unreadables <= _UNREADABLE_TOLD:
                    logging.warning("skipping unreadable %s: %s", printable(str(root / name)), first_line(error))
                continue
            yield from made

    key = {
        "source": str(root.resolve()),
        "files": fingerprint(root, names if among is None else among),
        "split": split,
        "preprocessing": images.PREPROCESSING,
        **key,
    }
    try:
        entry = cached(key, Decoding(len(names), rows, rows_in and (lambda: sum(map(rows_in, names)))))
    except NoRows:
        raise UserError(f"none of the {len(names):,} {what} of split {split!r} below {root} is readable") from None
    if unreadables > _UNREADABLE_TOLD:
        logging.warning("skipping %d unreadable files in all, of which these were the first", unreadables)
    return entry
