"""Pictures decoded once, in a file that is memory-mapped afterwards: no memory, and every epoch for free.

An entry is a directory named by the hash of its key: `images.bin` (uint8, row after row), `labels.bin` (int32) and
`entry.json` (key, count, shape of one image). It lies below $GENZOO_CACHE, else $XDG_CACHE_HOME/genzoo, else
~/.cache/genzoo, and may be deleted at any time.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.shared.errors import UserError
from zoo.shared.files import new_directory, write_json


def cached(key: dict[str, Any], rows: Callable[[], Iterator[tuple[np.ndarray, int]]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (a read-only map, uint8 (N, H, W, C)) and labels (int32 (N,)) that `key` stands for.

    `key` is a JSON object that determines every byte of them. `rows` yields each (uint8 image, label) in turn, all of
    one shape; it is called only where no whole entry exists. Raises `UserError` if the cache cannot be written.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = _root() / digest
    entry = _open(path)
    if entry is None:
        try:
            if path.exists():  # damaged
                shutil.rmtree(path)
            with new_directory(path) as directory:
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


def _root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("GENZOO_CACHE") or Path(home, "genzoo")).expanduser()


def _open(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the entry at `path`, or None where it is absent or not whole."""
    try:
        entry = json.loads((path / "entry.json").read_bytes())
        count, shape = entry["count"], tuple(entry["shape"])
        sizes = [(path / name).stat().st_size for name in ("images.bin", "labels.bin")]
        if sizes != [count * math.prod(shape), count * 4]:
            return None
        images = np.memmap(path / "images.bin", np.uint8, "r", shape=(count, *shape))
        return images, np.fromfile(path / "labels.bin", "<i4")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(directory: Path, key: dict[str, Any], rows: Iterator[tuple[np.ndarray, int]]) -> None:
    labels: list[int] = []
    shape: tuple[int, ...] = ()
    with open(directory / "images.bin", "wb") as file:
        for image, label in rows:
            shape = image.shape
            file.write(image.tobytes())
            labels.append(label)
    np.array(labels, "<i4").tofile(directory / "labels.bin")
    write_json(directory / "entry.json", {"key": key, "count": len(labels), "shape": shape})
