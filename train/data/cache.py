"""Columns decoded once, in files that are memory-mapped afterwards: no memory, and every epoch for free.

An entry is a directory named by the hash of its key: NAME.bin for each column (row after row) and `entry.json` (key,
count, and the type, shape and SHA-256 of each column). It lies below $GENZOO_CACHE, else $XDG_CACHE_HOME/genzoo, else
~/.cache/genzoo, and may be deleted at any time.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.shared.errors import UserError
from zoo.shared.files import new_directory, sha256, sweep, write_json

Row = dict[str, np.ndarray]


def cached(key: dict[str, Any], rows: Callable[[], Iterator[Row]]) -> dict[str, np.ndarray]:
    """Return the columns that `key` stands for, by name: read-only memory maps (count, ...).

    `key` is a JSON object that determines every byte of them. `rows` yields each row in turn, a dict of arrays, each
    column of one shape and type. It is called only where no whole entry exists: one whose bytes changed is made anew.
    Raises `UserError` if the cache cannot be written.
    """
    path = _root() / _digest(key)
    entry = _open(path)
    if entry is None:
        try:
            sweep(path.parent)
            with new_directory(path, overwrite=path.exists()) as directory:  # a damaged one
                _write(directory, key, rows())
        except OSError as error:
            entry = _open(path)  # another process may have been faster
            if entry is None:
                raise UserError(
                    f"cannot write the picture cache {path.parent}: {error.strerror or error}; "
                    "set GENZOO_CACHE to a directory that is writable and has room"
                ) from error
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


def _open(path: Path) -> dict[str, np.ndarray] | None:
    """Return the entry at `path`, or None where it is absent or not whole."""
    try:
        entry = json.loads((path / "entry.json").read_bytes())
        if entry.pop("sha256") != _digest(entry):  # a bit that flips in a type leaves a type
            return None
        columns: dict[str, np.ndarray] = {}
        for name, told in entry["columns"].items():
            file, shape = path / f"{name}.bin", (entry["count"], *told["shape"])
            dtype = np.dtype(told["dtype"])
            if file.stat().st_size != math.prod(shape) * dtype.itemsize or sha256(file) != told["sha256"]:
                return None
            columns[name] = np.memmap(file, dtype, "r", shape=shape)
        return columns or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(directory: Path, key: dict[str, Any], rows: Iterator[Row]) -> None:
    count, told = 0, {}
    with contextlib.ExitStack() as stack:
        files: dict[str, Any] = {}
        for row in rows:
            for name, value in row.items():
                if name not in files:
                    files[name] = stack.enter_context(open(directory / f"{name}.bin", "wb"))
                    told[name] = {"dtype": value.dtype.str, "shape": list(value.shape)}
                files[name].write(value.tobytes())
            count += 1
    for name, column in told.items():
        column["sha256"] = sha256(directory / f"{name}.bin")
    entry = {"key": key, "count": count, "columns": told}
    write_json(directory / "entry.json", {**entry, "sha256": _digest(entry)})


def _digest(value: dict[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
