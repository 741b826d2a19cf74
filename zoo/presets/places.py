"""Where presets lie, and the index of those that the release page holds: see `zoo.presets`."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import bundle

VARIABLE = "GENZOO_PRESETS"
ABOUT = "preset.json"  # of a preset: what its card says of the training, and in a line what it is
INDEX = Path(__file__).parent / "presets.json"

_PACKAGE = Path(__file__).parents[2]
# of a checkout; an installed package has none
CHECKOUT = _PACKAGE / "presets" if (_PACKAGE / "pyproject.toml").is_file() else None
_OWN = Path(__file__).parent / "own"
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Entry:
    """A preset on the release page: its archive `file` of so many `bytes`, and `about`, what it is in a line."""

    about: str
    file: str
    bytes: int
    sha256: str


def is_name(text: str) -> bool:
    """Return whether a preset may be called so: small letters, digits and '_', which never lead out of a directory."""
    return bool(_NAME.fullmatch(text))


def index() -> dict[str, Entry]:
    """Return what the release page holds, by name."""
    held: dict[str, dict[str, Any]] = json.loads(INDEX.read_bytes())
    return {name: Entry(**entry) for name, entry in sorted(held.items())}


def here() -> dict[str, Path]:
    """Return the presets that lie on this machine, each where it is found first."""
    found: dict[str, Path] = {}
    for place in directories():
        found = dict(in_directory(place)) | found
    for name, entry in index().items():
        if name not in found and bundle.is_bundle(cached(name, entry)):
            found[name] = cached(name, entry)
    return dict(sorted(found.items()))


def in_directory(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield the presets in a directory, which need not be there, by their names."""
    for path in sorted(place.iterdir() if place.is_dir() else ()):
        if is_name(path.name) and bundle.is_bundle(path):
            yield path.name, path


def cached(name: str, entry: Entry) -> Path:
    """Return where a fetched preset is kept; another archive of its name has another place."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "genzoo" / "presets" / entry.sha256[:16] / name


def lines() -> Iterator[str]:
    """Yield a line for each preset: its name, whether it is here or how large it is to fetch, and what it is."""
    known, found = index(), here()
    for name in sorted({*known, *found}):
        where = "here" if name in found else f"{known[name].bytes / 1e6:.1f} MB to fetch"
        yield f"{name:28} {where:16} {about(found[name]) if name in found else known[name].about}"


def about(path: Path) -> str:
    """Return what the preset at `path` is, in a line; of a bundle of another kind, its model."""
    try:
        return str(json.loads((path / ABOUT).read_bytes())["about"])
    except (OSError, ValueError, KeyError, TypeError):
        return bundle.read_manifest(path).model


def directories() -> list[Path]:
    """Return the directories that may hold presets by their names, the first the one that counts."""
    own = [Path(place).expanduser() for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]
    return [*own, *([CHECKOUT] if CHECKOUT else []), _OWN]
