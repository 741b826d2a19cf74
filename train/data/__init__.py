"""The data section of a run's configuration: check it without TensorFlow, then load a split of it.

- `name`: 'digits', 'folder:/path' or an image data set of tensorflow-datasets by its name; 'stacked:NAME', pictures of
  1,000 modes made of the set NAME (see `stacked`); or, for points of the plane instead of pictures, 'ring' or 'grid'
  (see `mixtures`)
- `image_size`: side of the square images in pixels, 4 to 1024 (stacked: 64); no matter for points
- `channels`: 1, 3, or 0 for as many as the source has; no matter for points
- `binarize`: 'none' or, for pictures, 'dynamic': each pixel is white with its grey level as the probability (see
  `batches`)
- `unreadable`: 'skip' (warn of each unreadable file of a folder, go on) or 'refuse' (stop at the first)
"""

from typing import Any

from train.data.source import Source
from train.data.sources import digits, folder, mixtures, stacked, tfds
from train.data.sources.folder import ALL
from zoo.metrics.mixtures import MIXTURES
from zoo.shared.errors import UserError, unknown

__all__ = ["ALL", "SPLITS", "Source", "check", "load"]

SPLITS = ("train", "test")


def check(config: Any) -> None:
    """Raise a `UserError` for anything wrong with the data section `config` that shows without TensorFlow."""
    _check_integer("image_size", config.image_size, range(4, 1025), "a whole number from 4 to 1024")
    _check_integer("channels", config.channels, (0, 1, 3), "0 (as in the source), 1 or 3")
    for field, known in (("binarize", ("none", "dynamic")), ("unreadable", ("skip", "refuse"))):
        value = getattr(config, field)
        if value not in known:
            raise UserError(f"data.{field} is {value!r}; it must be {known[0]!r} or {known[1]!r}")
    if config.name in MIXTURES:
        if config.binarize != "none":
            raise UserError(f"data.binarize is {config.binarize!r}; the points of {config.name!r} need 'none'")
    elif config.name.startswith(stacked.PREFIX):
        stacked.check(config)
        check(stacked.part(config))
    elif config.name.startswith(folder.PREFIX):
        folder.check(config.name)
    elif config.name != "digits":
        tfds.check(config.name)


def load(config: Any, split: str) -> Source:
    """Return the `split` ('train', 'test' or, of a folder, 'all') of the data set that the data section `config` names.

    The first time, a folder or a set of tensorflow-datasets is decoded into the cache (`cache`), which takes a while;
    raises `UserError` for whatever the user can put right.
    """
    if split == ALL and not config.name.startswith(folder.PREFIX):
        raise UserError(f"split {ALL!r} is for folders of pictures; of {config.name!r} take 'train' or 'test'")
    if split not in (*SPLITS, ALL):
        raise unknown("split", split, (*SPLITS, ALL))
    check(config)
    if config.name in MIXTURES:
        return mixtures.load(config, split)
    if config.name == "digits":
        return digits.load(config, split)
    if config.name.startswith(stacked.PREFIX):
        return stacked.load(load(stacked.part(config), split), config, split)
    return folder.load(config, split) if config.name.startswith(folder.PREFIX) else tfds.load(config, split)


def _check_integer(field: str, value: Any, valid: range | tuple[int, ...], meaning: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in valid:
        raise UserError(f"data.{field} is {value!r}; it must be {meaning}")
