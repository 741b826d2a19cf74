"""Pictures in a folder of the user's own: 'folder:/path'.

Provenance: every PNG, JPEG and WebP file below the folder, in the order of its path; symbolic links to directories
are not followed. The label is the first-level sub-folder, if every picture lies in one and there are at least two.

Preprocessing: first frame, EXIF orientation applied, 16-bit grey scaled to 8 bits, transparency over white, centre
square, Lanczos resize. A folder has 1 channel if every picture is stored as grey, else 3, unless the configuration
says. The held-out split is the files whose sha256 (of the path below the folder) is 0 mod 10, so that a file never
changes sides when others come or go; but of fewer than 10 files none is held out. The split 'all' is both.
"""

import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from PIL import Image, ImageOps
from tqdm import tqdm

from train.data.cache import cached
from train.data.source import PREPROCESSING, Source, square
from zoo.shared.errors import UserError

PREFIX = "folder:"
ALL = "all"  # a split that only folders have: those of others differ in law, or have a protocol
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
_GREY = ("1", "L", "LA", "I;16")


def check(name: str) -> None:
    """Raise a `UserError` unless `name` ('folder:/path') is a directory with at least one picture file below it."""
    root = root_of(name)
    if name == PREFIX:  # an unset shell variable would mean the current directory
        raise UserError(
            "data.name is 'folder:' without a path; it must be folder:PATH with the directory of your pictures"
        )
    if not root.is_dir():
        raise UserError(
            f"{root} is {'not a directory' if root.exists() else 'missing'}; data.name must be folder:PATH "
            "with the directory of your pictures"
        )
    if next(walk(root), None) is None:
        raise UserError(f"no picture file below {root}; genzoo reads {', '.join(_ENDINGS)}")


def load(config: Any, split: str) -> Source:
    """Return the `split` of the pictures below the folder that `config` (data section) names.

    Raises `UserError` where the split is empty, or holds a file that is unreadable and `config` refuses these, or no
    readable one.
    """
    root = root_of(config.name)
    files = sorted(walk(root))
    chosen = _chosen(root, files, split)
    classes = sorted({file.split("/")[0] for file in files})
    if len(classes) < 2 or not all("/" in file for file in files):
        classes = []

    def rows() -> Iterator[tuple[np.ndarray, int]]:
        channels = config.channels or (1 if all(is_grey(root / file) for file in files) else 3)
        readable = 0
        for file in tqdm(chosen, desc=f"decoding {split}", unit=" pictures", disable=None):
            try:
                image = decode(root / file, config.image_size, channels)
            except Exception as error:  # a damaged file may make Pillow raise anything
                if config.unreadable == "refuse":
                    raise UserError(
                        f"cannot read {root / file}: {error}; repair or remove it, or set data.unreadable to 'skip'"
                    ) from error
                logging.warning("skipping unreadable %s: %s", root / file, error)
                continue
            readable += 1
            yield image, classes.index(file.split("/")[0]) if classes else 0
        if not readable:
            raise UserError(f"none of the {len(chosen):,} picture files of split {split!r} below {root} is readable")

    images, labels = cached(
        {
            "source": str(root.resolve()),
            "files": _fingerprint(root, files),
            "split": split,
            "image_size": config.image_size,
            "channels": config.channels,
            "unreadable": config.unreadable,
            "preprocessing": PREPROCESSING,
        },
        rows,
    )
    skipped = len(chosen) - len(images)
    rule = "" if split == ALL else "by the sha256 of the path; "
    return Source(
        samples=images,
        labels=labels,
        label_names=tuple(classes),
        description=f"{len(images):,} pictures of {root}, split {split!r} ({len(chosen):,} of {len(files):,} files, "
        f"{rule}{skipped:,} unreadable), centre squares resized to {config.image_size} px (Lanczos)",
    )


def root_of(name: str) -> Path:
    """Return the directory that 'folder:/path' names."""
    return Path(name.removeprefix(PREFIX)).expanduser()


def walk(root: Path) -> Iterator[str]:
    """Yield the path below `root`, with forward slashes, of every picture file, in no particular order."""

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot list {error.filename}: {error.strerror}; make it readable") from error

    for directory, _, names in os.walk(root, onerror=refuse):
        for name in names:
            if name.lower().endswith(_ENDINGS):
                yield Path(directory, name).relative_to(root).as_posix()


def _chosen(root: Path, files: list[str], split: str) -> list[str]:
    """Return those of `files` that belong to `split`; `UserError` if there are none."""
    held_out = {f for f in files if int(hashlib.sha256(os.fsencode(f)).hexdigest(), 16) % 10 == 0}
    if len(files) < 10:
        held_out = set()
    chosen = [file for file in files if split == ALL or (file in held_out) == (split == "test")]
    if not chosen:
        raise UserError(
            f"split {split!r} of the {len(files)} picture files below {root} is empty (by the hash of "
            "its path, a tenth is held out, and none of fewer than 10); add pictures"
        )
    return chosen


def _fingerprint(root: Path, files: list[str]) -> str:
    """Return a hash of every file's path, size and time of change."""
    digest = hashlib.sha256()
    for file in files:
        status = os.stat(root / file, follow_symlinks=(root / file).exists())  # a link may dangle
        digest.update(os.fsencode(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0"))
    return digest.hexdigest()


def side(path: Path) -> int:
    """Return the side, in pixels, of the largest square in the picture."""
    with opened(path) as picture:
        return min(picture.size)


def is_grey(path: Path) -> bool:
    """Return whether the picture is stored as grey; one that cannot be opened does not count as colour."""
    try:
        with opened(path) as picture:
            return picture.mode in _GREY
    except Exception:  # decoding reports it
        return True


def decode(path: Path, size: int, channels: int) -> np.ndarray:
    """Return the picture's centre square as uint8 (size, size, channels); Pillow's errors are those of the file."""
    with opened(path) as picture:
        return square(ImageOps.exif_transpose(picture), size, channels)


def opened(path: Path) -> Image.Image:
    """Return the picture, of which Pillow has read the header only."""
    if not path.is_file():  # a pipe would wait for ever
        raise OSError("not a regular file")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path, formats=_FORMATS)
