"""The registry of data sources, one file each.

A source's module has `OPTIONS` (its options with their defaults, each explained to users by the comment beside it),
`check(section)`, `kinds(section)` (its columns, each with its kind, without TensorFlow) and `load(section, split)`. A
source over another one (`PREFIX` + its name) has the other's options too.
"""

import importlib
from pathlib import Path
from typing import Any

from zoo import syntax
from zoo.shared.errors import UserError

SPLITS = ("train", "test")
ALL = "all"  # a split that only folders have: those of others differ in law, or have a protocol

# of every source of pictures
PICTURES = {
    "image_size": 0,  # pixels: the side of the square that a picture is cropped and resized to; 0 is the data's own
    "channels": 0,  # 1 is grey, 3 is colour, 0 as many as the data have
    "binarize": "none",  # none; or dynamic: a pixel is white with its grey level as the probability, drawn at each use
    "flip": False,  # whether, in training, a picture is mirrored as often as not
    "crop": 0,  # pixels by which pictures are larger than the window of them that training takes
}

_NAMED = {
    "digits": "digits",
    "shapes": "shapes",
    "faces": "faces",
    "patterns": "patterns",
    "ring": "mixtures",
    "grid": "mixtures",
    "tones": "tones",
    "pendulum": "pendulum",
}
_PREFIXED = {
    "folder": "folder",
    "attributes": "attributes",
    "pairs": "pairs",
    "patches": "patches",
    "domains": "domains",
    "unpaired": "unpaired",
    "grey": "grey",
    "lowres": "lowres",
    "stacked": "stacked",
    "moving_digits": "moving_digits",
    "wav": "wav",
    "episodes": "episodes",
}
_OVER = ("grey", "lowres", "moving_digits", "stacked", "unpaired")
# what folders of the splits of a set are called
SPLIT_FOLDERS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation"))


def names() -> tuple[str, ...]:
    """Return how sources are named, for error lines; any image or audio set of tensorflow-datasets is one too."""
    return (*_NAMED, *(f"{prefix}:{'NAME' if prefix in _OVER else 'PATH'}" for prefix in _PREFIXED))


def module_of(name: str) -> Any:
    """Return the module of the source that `name` names; a set of tensorflow-datasets is any other name."""
    if not isinstance(name, str) or not name:
        raise UserError(f"data.name is {name!r}; it must be one of {', '.join(names())}")
    prefix, colon, _ = name.partition(":")
    file = _NAMED.get(name) or (_PREFIXED.get(prefix) if colon else None)
    if file is None:
        tfds = importlib.import_module("train.data.sources.tfds")
        if not tfds.is_sound(name):
            return tfds
        file = "recordings"
    return importlib.import_module(f"train.data.sources.{file}")


def innermost(name: str) -> str:
    """Return the name of the source that sources over another one are over in the end; of others, the name itself."""
    prefix, colon, other = name.partition(":")
    return innermost(other) if colon and prefix in _OVER else name


def has_path(name: str) -> bool:
    """Return whether the source that `name` names, or the one that it is over, lies at a path that its user chose."""
    prefix, colon, _ = innermost(name).partition(":")
    return bool(colon) and prefix in _PREFIXED


def without_path(name: str) -> str:
    """Return the name of a source with the name of its folder in place of the path: 'folder:/srv/ann/cats/train'.

    That becomes 'folder:cats/train': a folder called after a split keeps the one that it lies in. A source that lies at
    no path keeps its name.
    """
    if not has_path(name):
        return name
    inner = innermost(name)
    prefix, _, path = inner.partition(":")
    parts = [part for part in Path(path).parts if part not in ("/", "..", "~")]
    kept = parts[-2:] if parts and parts[-1].casefold() in SPLIT_FOLDERS else parts[-1:]
    return f"{name.removesuffix(inner)}{prefix}:{'/'.join(kept)}"


def defaults(name: str) -> dict[str, Any]:
    """Return the options of the source that `name` names, with their defaults."""
    other = _other(name)
    return {**(defaults(other) if other else {}), **module_of(name).OPTIONS}


def comments(name: str) -> dict[str, str]:
    """Return what each option of the source that `name` names means: the comment beside it in the source text."""
    other = _other(name)
    return {**(comments(other) if other else {}), **syntax.comments_of(module_of(name).__name__, "OPTIONS")}


def _other(name: str) -> str:
    """Return the name of the source that the named one is over, or "" if it is over none."""
    module_of(name)  # refuses what is no name
    prefix, colon, other = name.partition(":")
    if not (prefix in _OVER and colon):
        return ""
    if not other:
        raise UserError(f"data.name is {name!r} without a NAME; it must be {prefix}:NAME with another data source")
    return other
