"""The data section of a run's configuration: check it without TensorFlow, then load a split of it.

Its key `name` says which source (see `train.data.sources`); the others are that source's own options:

- 'digits': the scans that come along
- 'shapes': outlines to be coloured, drawn by the program
- 'patterns': coloured shapes, and patterns to paint them with, drawn by the program
- 'folder:PATH': pictures of your own, with a label where each lies in a folder of its class
- 'attributes:PATH': pictures of your own with attributes to be changed; 'faces': such, drawn by the program
- 'patches:PATH': squares cut out of pictures of your own, of any sizes
- 'pairs:PATH': pictures "input" and "image" of your own that belong together
- 'domains:PATH': pictures of your own in two folders that do not belong together; 'unpaired:NAME': pairs torn apart
- 'grey:NAME', 'lowres:NAME': colour to be made from grey, large from small, over any source NAME of pictures
- 'stacked:NAME': pictures of 1,000 modes made of the set NAME
- 'moving_digits:NAME': videos of digits of the set NAME that bounce about
- 'ring', 'grid': points of the plane
- 'wav:PATH': recordings of your own; 'tones': notes, played by the program
- 'episodes:PATH': what an agent saw and did; 'pendulum': such, drawn by the program
- any data set of images or of recordings of tensorflow-datasets by its name
"""

from typing import Any

from train.data.source import Derived, Source, Table
from train.data.sources import ALL, SPLITS, comments, defaults, has_path, innermost, module_of, without_path
from zoo.shared.errors import UserError, unknown

__all__ = [
    "ALL",
    "SPLITS",
    "Derived",
    "Source",
    "Table",
    "check",
    "check_prepared",
    "comments",
    "defaults",
    "has_path",
    "kinds",
    "load",
    "without_path",
]


def check(section: Any) -> None:
    """Raise a `UserError` for anything wrong with a data section that shows without TensorFlow."""
    known = {"name", *defaults(section.name)}
    for key in section:
        if key not in known:
            raise unknown(f"option of the data source {section.name!r}", key, known)
    module_of(section.name).check(section)


def check_prepared(section: Any) -> None:
    """Raise a `UserError` if `load` would have to download the data; no network is tried, nor TensorFlow imported."""
    name = innermost(section.name)
    module = module_of(name)
    if hasattr(module, "check_prepared"):
        module.check_prepared(name)


def kinds(section: Any) -> dict[str, str]:
    """Return the columns that the source has, as far as it is known without TensorFlow, each with its kind."""
    return module_of(section.name).kinds(section)


def load(section: Any, split: str) -> Source:
    """Return the `split` ('train', 'test' or, of a folder, 'all') of the data that a data section names.

    The first time, a folder or a set of tensorflow-datasets is decoded into the cache (`cache`), which takes a while;
    raises `UserError` for whatever the user can put right.
    """
    check(section)
    module = module_of(section.name)
    known = getattr(module, "SPLITS", SPLITS)
    if split == ALL and ALL not in known:
        raise UserError(f"split {ALL!r} is for folders of pictures; of {section.name!r} take 'train' or 'test'")
    if split not in known:
        raise unknown("split", split, known)
    return module.load(section, split)
