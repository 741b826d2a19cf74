"""Files that are either whole or absent: write beside the target, then rename over it.

What is being written has a hidden name, .NAME.0123456789abcdef, and its writer holds it locked. A killed writer leaves
it unlocked: the next writer of the same name removes it, and so does `sweep`.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

# of what: NAME; a directory that was moved away, where it cannot be exchanged for the new one, is the .old
_LEFT = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}(?P<old>\.old)?")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux' fcntl.h


@contextlib.contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to write to that replaces `path` when the block ends well, and vanishes otherwise.

    A crash leaves the old file or the new one, never a part.
    """
    path = Path(os.path.abspath(path))
    with _hidden(path, Path.touch) as temporary, open(temporary, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        os.replace(temporary, path)


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

    With `overwrite`, what stood at `path` is replaced; without, `FileExistsError` is raised. A crash leaves the old
    directory or the new one; only where the file system cannot exchange two names may the old one be away until the
    next `sweep` puts it back.
    """
    path = Path(os.path.abspath(path))
    with _hidden(path, Path.mkdir) as temporary:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if not os.path.lexists(path):
            os.replace(temporary, path)
        elif overwrite:
            _swap(temporary, path)
        else:
            raise FileExistsError(errno.EEXIST, "already exists", str(path))


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


def sweep(directory: str | os.PathLike[str], name: str | None = None) -> None:
    """Remove what killed writers left in `directory`, or only what those of its entry `name` left.

    What a living process writes is locked, and stays. An old directory that was moved away is put back if nothing has
    taken its place.
    """
    directory = Path(directory)
    # few are hidden, also where a run left thousands of sheets
    names = [name for name in os.listdir(directory) if name.startswith(".")] if directory.is_dir() else []
    for found in map(_LEFT.fullmatch, sorted(names)):
        if not found or name not in (None, found["name"]):
            continue
        left = directory / found[0]
        if found["old"]:
            new, path = left.with_suffix(""), left.with_name(found["name"])
            with _dead(new) as is_dead:
                if is_dead and not os.path.lexists(path):
                    os.replace(left, path)
                elif is_dead:
                    _remove(left)
        else:
            with _dead(left) as is_dead:
                if is_dead:
                    _remove(left)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file or a whole directory, as far as that is possible; a crash leaves nothing of it in sight."""
    hidden = _beside(Path(os.path.abspath(path)))
    with contextlib.suppress(OSError):
        os.replace(path, hidden)
        _remove(hidden)


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


@contextlib.contextmanager
def _hidden(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Yield what `make` makes under a hidden name beside `path`, locked; what bears that name in the end is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    # the name is chosen before anything is made, so that no interrupt falls in between
    temporary = _beside(path)
    handle = None
    try:
        while handle is None:  # again, if another process swept it before it was locked
            make(temporary)
            handle = _locked(temporary, fcntl.LOCK_EX)
        yield temporary
    finally:
        _remove(temporary)
        if handle is not None:
            os.close(handle)


def _beside(path: Path) -> Path:
    """Return a hidden name beside `path` that nothing bears."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


@contextlib.contextmanager
def _dead(left: Path) -> Iterator[bool]:
    """Tell whether nobody writes to `left`, and keep others from it inside the block."""
    try:
        # nobody holds a link, or what is not there
        handle = _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB) if left.exists() and not left.is_symlink() else None
    except OSError:  # held, or the file system knows no such locks
        yield False
        return
    try:
        yield True
    finally:
        if handle is not None:
            os.close(handle)


def _locked(path: Path, how: int) -> int | None:
    """Return a handle that holds what is at `path` locked until it is closed, or None if that is gone.

    `BlockingIOError` if another process holds it and `how` does not wait. A waiting writer goes on without a lock where
    the file system knows none (NFS: of a file that is open for reading).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, how)
    except OSError:
        if how & fcntl.LOCK_NB:
            os.close(handle)
            raise
    with contextlib.suppress(FileNotFoundError):
        # not by the number of links: there are file systems that give 0
        if os.path.samestat(os.stat(path), os.fstat(handle)):
            return handle
    os.close(handle)
    return None


def _swap(new: Path, path: Path) -> None:
    """Put the directory `new` in the place of `path`, and let the hidden name be that of the old one or of nothing."""
    if _exchange(new, path):
        return
    old = new.with_name(f"{new.name}.old")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise
    _remove(old)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange what two names stand for, at once; return whether the system and the file system can."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    names = os.fsencode(first), os.fsencode(second)
    return call is not None and call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0


def _remove(path: Path) -> None:
    """Remove a file, a link or a directory with all that it holds, as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
