"""Files that a model is made with, named by their path and their SHA-256: "PATH#sha256=HEX".

A run's configuration holds the path alone. What the run keeps of the model holds both, so that a run which is resumed
refuses another file, and an export that does not need the file does without it.
"""

import hashlib
import os
from pathlib import Path

from zoo.shared.errors import UserError

_MARK = "#sha256="


def split(name: str) -> tuple[str, str]:
    """Return the path and the SHA-256 of a name; "" for the latter where the name is a path alone."""
    path, _, digest = name.partition(_MARK)
    return path, digest


def joined(path: str, digest: str) -> str:
    """Return the name of the file at `path` whose SHA-256 is `digest`."""
    return f"{path}{_MARK}{digest}"


def read(path: str | os.PathLike[str], digest: str, what: str) -> tuple[bytes, str]:
    """Return the bytes of a file and their SHA-256.

    `what` is the file's role in an error line. A file that is missing, or whose SHA-256 is not `digest` (unless that is
    ""), is a `UserError`.
    """
    place = Path(os.path.expanduser(path))
    try:
        if place.exists() and not place.is_file():  # a pipe would wait for ever
            raise UserError(f"{what} {place} is no file")
        data = place.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {what} {place}: {error.strerror}") from None
    found = hashlib.sha256(data).hexdigest()
    if digest and found != digest:
        raise UserError(
            f"{what} {place} has the SHA-256 {found[:12]}..., and the run was made with {digest[:12]}...: put that "
            "file back, or begin a new run"
        )
    return data, found
