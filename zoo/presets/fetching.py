"""A preset from the project's release page into the cache: whole and checked, or not at all."""

import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection
from http.client import HTTPException
from pathlib import Path

from zoo import bundle
from zoo.presets import archive
from zoo.presets.places import VARIABLE, Entry
from zoo.shared import files
from zoo.shared.errors import UserError, first_line
from zoo.shared.version import VERSION

# where the archives of a version lie: this is the one place that says so
RELEASES = "https://github.com/genzoo/genzoo/releases/download/v{version}/{file}"
RELEASES_VARIABLE = "GENZOO_RELEASES"  # another pattern like it, such as that of a mirror
_NOT_YET = ", as of a version that is not released yet"
_SECONDS = 30  # without a byte
_PIECE = 2**16


def fetch(name: str, entry: Entry, target: Path, what: str, there: Collection[str]) -> Path:
    """Return `target` with the preset in it, which replaces what stood there.

    If it cannot be fetched, the error says that `what` is missing, and `there`, the presets that would do instead. An
    archive that is not the one of the index, byte for byte, and one that no release page hands over, are a
    `UserError`; nothing is left at the target then.
    """
    url = url_of(entry)
    try:
        data = _download(url, name, entry.bytes)
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(
            f"{what} is not on this machine, and {url} cannot be fetched ({_reason(error)}). Take one that "
            f"is here ({', '.join(there) or 'none'}), or copy the directory presets/{name} of a checkout to a place "
            f"DIR/{name} and set {VARIABLE}=DIR"
        ) from None
    if len(data) < entry.bytes:
        raise UserError(f"{url} broke off after {len(data):,} of {entry.bytes:,} bytes: give the command again")
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise UserError(f"{url} is not the preset {name} of genzoo {VERSION}: its SHA-256 differs from the index's")
    try:
        # another process that was faster left the same bytes
        with files.new_directory(target, overwrite=True) as directory:
            archive.unpack(data, directory)
            bundle.read(directory, [])
    except OSError as error:
        raise UserError(f"the preset {name} cannot be kept in {target.parent}: {first_line(error)}") from None
    except UserError as error:
        raise UserError(f"{url} cannot be used: {error}") from None
    return target


def url_of(entry: Entry) -> str:
    """Return where the archive of an entry lies."""
    pattern = os.environ.get(RELEASES_VARIABLE) or RELEASES
    return pattern.replace("{version}", VERSION).replace("{file}", entry.file)


def _download(url: str, name: str, size: int) -> bytes:
    """Return what is at a URL, of which no more than one byte above `size` is read."""
    from tqdm import tqdm

    if urllib.parse.urlsplit(url).scheme not in ("https", "http"):
        raise ValueError("it is no address of the web")
    request = urllib.request.Request(url, headers={"User-Agent": f"genzoo/{VERSION}"})
    data = bytearray()
    with (
        urllib.request.urlopen(request, timeout=_SECONDS) as answer,
        tqdm(total=size, unit="B", unit_scale=True, desc=f"fetching {name}", disable=None) as bar,
    ):
        while len(data) <= size and (piece := answer.read(min(_PIECE, size + 1 - len(data)))):
            data += piece
            bar.update(len(piece))
    return bytes(data)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}{_NOT_YET if error.code == 404 else ''}"
    reason = getattr(error, "reason", None)  # of urllib's own, which hides the system's
    return first_line(reason if isinstance(reason, Exception) else error)
