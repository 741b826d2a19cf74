"""The archive of a preset: a zip of its files, the same bytes wherever it is packed.

Nothing is compressed, since weights hardly shrink and compressors differ from one version to the next; all times are
1980. So whoever packs a preset of the repository again gets the file that the index has the SHA-256 of.
"""

import hashlib
import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

from zoo import bundle
from zoo.presets.places import Entry
from zoo.shared.errors import UserError, first_line

_FIRST = (1980, 1, 1, 0, 0, 0)  # the first moment that the format knows


def pack(path: Path) -> bytes:
    """Return the archive of the preset at `path`: its manifest and the files that this lists, which are checked."""
    manifest, _ = bundle.read(path, [])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted([bundle.MANIFEST, *manifest.files]):
            member = zipfile.ZipInfo(name, _FIRST)
            member.create_system, member.external_attr = 3, (stat.S_IFREG | 0o644) << 16  # Unix, whatever packs it
            archive.writestr(member, (path / name).read_bytes())
    return buffer.getvalue()


def entry(name: str, about: str, data: bytes) -> Entry:
    """Return the line of the index for an archive."""
    digest = hashlib.sha256(data).hexdigest()
    return Entry(about, f"{name}-{digest[:8]}.zip", len(data), digest)


def unpack(data: bytes, directory: Path) -> None:
    """Write the files of an archive below an empty `directory`.

    One that names a path which leads out of it, a link, or anything that is compressed (a few bytes could stand for
    gigabytes) is a `UserError`, and nothing is written.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            for member in members:
                _check(member)
            for member in members:
                path = directory / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(member))
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"it is no archive of a preset: {first_line(error)}") from None


def _check(member: zipfile.ZipInfo) -> None:
    name, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    if name.is_absolute() or {"..", ""} & {*name.parts, member.filename} or "\\" in member.filename:
        raise UserError(f"it is no archive of a preset: {member.filename!r} leads out of it")
    if member.is_dir() or kind not in (0, stat.S_IFREG) or member.compress_type != zipfile.ZIP_STORED:
        raise UserError(f"it is no archive of a preset: {member.filename!r} is no plain file")
