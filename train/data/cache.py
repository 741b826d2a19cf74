"""Columns decoded once, in files that are memory-mapped afterwards: no memory, and every epoch for free.

An entry is a directory named by the hash of its key: NAME.bin for each column (row after row) and `entry.json` (key,
count, and the type, shape and SHA-256 of each column). It lies below $GENZOO_CACHE, else $XDG_CACHE_HOME/genzoo, else
~/.cache/genzoo, and may be deleted at any time.

An entry is made in parts, in the directory HASH.parts beside it. Each part is made by whichever process comes to it
first. So workers that share the cache decode a share each, and what was decoded before an interruption is kept. Where
the file system knows no locks, each process makes the entry by itself.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zoo.shared import files
from zoo.shared.errors import UserError

Row = dict[str, np.ndarray]

_MOST_PARTS, _SMALLEST_PART = 256, 64  # items
_PAUSE = 0.2  # seconds between two looks at what others make
_YOUNG = 2 * 10**9  # nanoseconds in which a file may change again without another time of change
# the files whose SHA-256 this process has compared, with what told then that they had not changed
_compared: dict[Path, tuple[str | int, ...]] = {}


class NoRows(Exception):
    """No item had a row."""


@dataclass(frozen=True)
class Entry:
    """The columns of an entry by name, read-only memory maps (count, ...), and the SHA-256 of each."""

    columns: dict[str, np.ndarray]
    digests: dict[str, str]


@dataclass(frozen=True)
class Decoding:
    """How an entry is made of `items`, such as files: `rows(start, stop)` yields the rows of some of them, in order.

    A row is a dict of arrays, each column of one shape and type. There are at most `most_rows()` in all, by default one
    an item.
    """

    items: int
    rows: Callable[[int, int], Iterator[Row]]
    most_rows: Callable[[], int] | None = None

    @property
    def parts(self) -> list[tuple[int, int]]:
        """The first item of each part and the one after its last: at most 256 parts, of 64 items and more."""
        size = max(_SMALLEST_PART, math.ceil(self.items / _MOST_PARTS))
        return list(itertools.pairwise([*range(0, self.items, size), self.items]))


def cached(key: dict[str, Any], decoding: Decoding) -> Entry:
    """Return the entry that `key` stands for, a JSON object that determines every byte of it.

    It is made where no whole one exists: one whose bytes changed is made anew. What it will take of the disk is told
    on stderr before anything is written. Raises `UserError` if there is no room for it or the cache cannot be written,
    `NoRows` if there is nothing to be written.
    """
    path = _root() / _digest(key)
    parts = path.with_name(f"{path.name}.parts")
    entry = _open(path)
    if entry is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.sweep(path.parent)
            _Making(path, parts, key, decoding).run()
        except OSError as error:
            entry = _open(path)  # another process may have been faster
            if entry is None:
                raise UserError(
                    f"cannot write the picture cache {path.parent}: {error.strerror or error}; "
                    "set GENZOO_CACHE to a directory that is writable and has room"
                ) from error
    elif parts.is_dir():  # of a process that was killed when all was made
        files.remove(parts)
    entry = entry or _open(path)
    if entry is None:
        raise UserError(f"the picture cache entry {path} is empty or was removed meanwhile; start again")
    return entry


def home_expanded(path: str | Path, where: str) -> Path:
    """Return the path with ~ replaced; a `UserError` names `where` the path is set if there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{where} is {str(path)!r}: {error}") from None


def _root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return home_expanded(os.environ.get("GENZOO_CACHE") or Path(home, "genzoo"), "GENZOO_CACHE (the picture cache)")


def _open(path: Path) -> Entry | None:
    """Return the entry at `path`, or None where it is absent or not whole."""
    try:
        entry = json.loads((path / "entry.json").read_bytes())
        if entry.pop("sha256") != _digest(entry):  # a bit that flips in a type leaves a type
            return None
        columns: dict[str, np.ndarray] = {}
        for name, told in entry["columns"].items():
            file, shape = path / f"{name}.bin", (entry["count"], *told["shape"])
            dtype = np.dtype(told["dtype"])
            if file.stat().st_size != math.prod(shape) * dtype.itemsize or not _holds(file, told["sha256"]):
                return None
            columns[name] = np.memmap(file, dtype, "r", shape=shape)
        return Entry(columns, {name: told["sha256"] for name, told in entry["columns"].items()}) if columns else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _holds(file: Path, sha256: str) -> bool:
    """Return whether a file has this SHA-256; it is read only if it may have changed since this process compared it."""
    status = file.stat()
    unchanged = (sha256, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if _compared.get(file) == unchanged:
        return True
    if files.sha256(file) != sha256:
        return False
    if time.time_ns() - status.st_ctime_ns > _YOUNG:
        _compared[file] = unchanged
    return True


class _Making:
    """The making of the entry at `path`, in which other processes may take part."""

    def __init__(self, path: Path, parts: Path, key: dict[str, Any], decoding: Decoding) -> None:
        self.path, self.parts, self.key, self.decoding = path, parts, key, decoding
        self.most_rows = decoding.most_rows() if decoding.most_rows else decoding.items
        self.joining = parts / "join.lock"
        self.has_begun = False
        self.progress = tqdm(desc="decoding", total=self.most_rows, unit=" rows", disable=None)

    def run(self) -> None:
        """Return when the entry is made, by whomever."""
        try:
            if _knows_locks(self.path.parent):
                self._take_part()
            else:
                items = self.decoding.items
                with self._new() as directory:
                    self._finish(directory, [_write(directory, self._rows(0, items, items))])
        finally:
            self.progress.close()

    def _take_part(self) -> None:
        self.parts.mkdir(exist_ok=True)
        is_told = False
        try:
            if _open(self.path):  # made by others, while this process came here
                return
            while self.parts.is_dir():
                left = [part for part in self.decoding.parts if not self._place(part).is_dir()]
                # looked at after the parts: who joins them removes them
                is_busy = self.joining.exists() and not _is_free(self.joining)
                if not is_busy and (any(self._make(part, left) for part in left) if left else self._join()):
                    continue
                if not is_told:
                    print("waiting for what another process decodes", file=sys.stderr, flush=True)
                    is_told = True
                time.sleep(_PAUSE)
        finally:
            with contextlib.suppress(OSError):
                self.parts.rmdir()  # if it is empty

    def _make(self, part: tuple[int, int], left: list[tuple[int, int]]) -> bool:
        """Make one of the parts that are left; return False if another process is at it."""
        place = self._place(part)
        lock = place.with_suffix(".lock")
        # while the parts are joined, one of those after the first is there twice
        spans = [[stop - start for start, stop in parts] for parts in (left, self.decoding.parts[1:])]
        items = sum(spans[0]) + max(spans[1], default=0)
        try:
            with files.lock(lock):
                try:
                    if not place.is_dir():
                        with files.new_directory(place) as directory:
                            files.write_json(directory / "part.json", _write(directory, self._rows(*part, items)))
                finally:
                    lock.unlink(missing_ok=True)
        except BlockingIOError:
            return False
        except OSError:
            # two may hold the lock, an old file and a new one, where the first to have it failed and removed it
            if not place.is_dir():
                raise
        return True

    def _rows(self, start: int, stop: int, items: int) -> Iterator[Row]:
        """Yield the rows of some items; the first time, look whether there is room for those of so many `items`."""
        for row in self.decoding.rows(start, stop):
            if not self.has_begun:
                self._check_room(row, items)
                self.has_begun = True
            yield row
            self.progress.update()

    def _check_room(self, row: Row, items: int) -> None:
        """Tell what so many items will take of the disk, by one row; a `UserError` if there is less."""
        size, root = sum(value.nbytes for value in row.values()), self.path.parent
        needed, free = size * self.most_rows * items // self.decoding.items, shutil.disk_usage(root).free
        rows = f"{self.most_rows:,} rows of {size:,} bytes"
        if needed > free:
            raise UserError(
                f"the picture cache {root} needs {_told(needed)} for {rows} and has room for {_told(free)}: make room, "
                "set GENZOO_CACHE to a directory that has it, or take smaller pictures (--config.data.image_size)"
            )
        print(f"the picture cache {root} takes {_told(needed)} for {rows}; {_told(free)} are free", file=sys.stderr)

    def _join(self) -> bool:
        """Make the entry of its parts; return False if another process is at it."""
        try:
            with files.lock(self.joining):
                if self.parts.is_dir():  # else another process was faster
                    with self._new() as directory:
                        self._finish(directory, [_moved(self._place(part), directory) for part in self.decoding.parts])
                    files.remove(self.parts)
        except BlockingIOError:
            return False
        except NoRows:
            files.remove(self.parts)
            raise
        return True

    def _new(self) -> contextlib.AbstractContextManager[Path]:
        return files.new_directory(self.path, overwrite=self.path.exists())  # a damaged one

    def _finish(self, directory: Path, parts: list[dict[str, Any]]) -> None:
        """Write `entry.json` beside the columns of all rows, of which `part.json` of each part tells."""
        columns = {name: told for part in parts for name, told in part["columns"].items()}
        if not columns:
            raise NoRows
        for name, told in columns.items():
            told["sha256"] = files.sha256(directory / f"{name}.bin")
        entry = {"key": self.key, "count": sum(part["count"] for part in parts), "columns": columns}
        files.write_json(directory / "entry.json", {**entry, "sha256": _digest(entry)})

    def _place(self, part: tuple[int, int]) -> Path:
        return self.parts / f"{part[0]}-{part[1]}"


def _write(directory: Path, rows: Iterator[Row]) -> dict[str, Any]:
    """Write NAME.bin for each column of the rows; return what `part.json` holds: their count, each type and shape."""
    count, told = 0, {}
    with contextlib.ExitStack() as stack:
        columns: dict[str, Any] = {}
        for row in rows:
            for name, value in row.items():
                if name not in columns:
                    columns[name] = stack.enter_context(open(directory / f"{name}.bin", "wb"))
                    told[name] = {"dtype": value.dtype.str, "shape": list(value.shape)}
                columns[name].write(value.tobytes())
            count += 1
    return {"count": count, "columns": told}


def _moved(place: Path, directory: Path) -> dict[str, Any]:
    """Put the rows of the part at `place` after those in `directory`, and remove it; return its part.json."""
    part: dict[str, Any] = json.loads((place / "part.json").read_bytes())
    for name in part["columns"]:
        _append(directory / f"{name}.bin", place / f"{name}.bin")
    files.remove(place)
    return part


def _append(target: Path, source: Path) -> None:
    if not target.exists():
        os.replace(source, target)
        return
    with open(target, "ab") as to, open(source, "rb") as file:
        shutil.copyfileobj(file, to, 2**20)


def _told(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size < 2**30 else f"{size / 2**30:,.1f} GiB"


def _knows_locks(directory: Path) -> bool:
    """Return whether a file in `directory` can be locked; a cluster's file system may be mounted without that."""
    with tempfile.TemporaryFile(dir=directory) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _is_free(lock: Path) -> bool:
    try:
        with files.lock(lock):
            return True
    except BlockingIOError:
        return False


def _digest(value: dict[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
