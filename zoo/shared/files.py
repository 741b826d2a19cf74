"""Files that are either whole or absent: write beside the target, then rename over it."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_LEFT = re.compile(r"\..+\.[0-9a-f]{16}")


@contextlib.contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to write to that replaces `path` when the block ends well, and vanishes otherwise.

    A crash leaves the old file or the new one, never a part.
    """
    path = Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file at `path` by `data`; a crash leaves the old file or the new one, never a part."""
    with new_file(path) as file:
        file.write(data)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Replace the file at `path` by `value` as indented JSON; NaN and infinity are refused."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


@contextlib.contextmanager
def new_directory(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty directory that becomes `path` when the block ends well, and vanishes otherwise.

    With `overwrite`, what stood at `path` is replaced; without, `FileExistsError` is raised.
    """
    path = Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _beside(path), _beside(path)
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if path.exists():
            if not overwrite:
                raise FileExistsError(errno.EEXIST, "already exists", str(path))
            os.replace(path, old)
        os.replace(temporary, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def lock(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the file at `path` locked inside the block; `BlockingIOError` if another process holds it.

    The lock goes with the process, however it ends; the empty file stays.
    """
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def without_wildcards(directory: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path of the directory that has none of *, ?, [ and ], by which TensorFlow reads a path as a pattern."""
    directory = Path(os.path.abspath(directory))
    if not set("*?[]") & set(str(directory)):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="genzoo") as temporary:
        link = Path(temporary) / "link"
        link.symlink_to(directory, target_is_directory=True)
        yield link


def sweep(directory: str | os.PathLike[str]) -> None:
    """Remove what killed writers of files and directories left in `directory`: see `_beside`."""
    for path in Path(directory).iterdir():
        if _LEFT.fullmatch(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the file at `path`, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Return the SHA-256 of every file below `directory`, by its relative path with forward slashes."""
    directory = Path(directory)
    return {
        file.relative_to(directory).as_posix(): sha256(file) for file in sorted(directory.rglob("*")) if file.is_file()
    }


def _beside(path: Path) -> Path:
    """Return a hidden name beside `path`, chosen before anything is made, so that no interrupt falls in between."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
