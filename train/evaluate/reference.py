"""Real data as models see them, beside which what a model makes is judged; and the extractor that fits such data."""

import re
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from train import data
from train.data.batches import held_out
from train.data.source import renamed
from train.data.sources.lowres import PREFIX as LOWRES_PREFIX
from train.data.sources.stacked import PREFIX as STACKED_PREFIX
from zoo import media
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extracted, Extractor
from zoo.shared.errors import UserError

_DIGITS_AND_GARMENTS = ("digits", "mnist", "fashion_mnist")
_ROWS_AT_ONCE = 1024
_OTHER_SPLIT = {"test": "train", "train": "test"}
# what pairs are called where they stand for two domains
DOMAINS = {"input": "a", "image": "b"}


def ours(section: ConfigDict, metrics: Collection[str], has_colour: bool = False) -> Path:
    """Return the extractor that comes along and fits the data of a section, for those who name none.

    The one of digits and garments is for these alone: grey, or stacked where `metrics` count digits. All other data,
    and what is compared with pictures that have colour, are for the other.
    """
    if section.name.startswith(STACKED_PREFIX):
        return DIGITS_AND_FASHION if "stacked_modes" in metrics else PICTURES
    name = re.split("[/:]", section.name.removeprefix(LOWRES_PREFIX))[0]  # without configuration and version
    is_grey = not has_colour and section.get("channels", 0) != 3
    return DIGITS_AND_FASHION if is_grey and name in _DIGITS_AND_GARMENTS else PICTURES


def has_colour(images: np.ndarray) -> bool:
    """Return whether any pixel of pictures, uint8 (count, H, W, 1 or 3), has colour: three levels that differ."""
    if images.shape[-1] == 1:
        return False
    parts = (images[start : start + _ROWS_AT_ONCE] for start in range(0, len(images), _ROWS_AT_ONCE))
    return any((part != part[..., :1]).any() for part in parts)


def alike(*sets: np.ndarray) -> list[np.ndarray]:
    """Return sets of pictures with 3 channels each if any of them has colour, else with 1.

    What a picture is then compared by depends on its pixels, not on how a file holds them.
    """
    if any(map(has_colour, sets)):
        return [images.repeat(3, axis=-1) if images.shape[-1] == 1 else images for images in sets]
    return [images[..., :1] for images in sets]


def is_paired(section: ConfigDict) -> bool:
    """Return whether the data of a section hold pairs of an input and an image."""
    return DOMAINS.keys() <= data.kinds(section).keys()


def column_for(section: ConfigDict, target: str) -> str:
    """Return the column of images that outputs with this `target` stand beside: that one if the data have it."""
    has_target = target in data.kinds(section) or (target in DOMAINS.values() and is_paired(section))
    return target if has_target else "image"


class Reference:
    """At most `count` rows of a split, chosen by the seed, and whole splits.

    `section` is a data section (`train.data`). `column` is that of `images`. Pairs stand for two domains where the
    column is one of these: then "input" is called "a", and "image" "b". The first `skipped` rows in the order of the
    seed are left out.
    """

    def __init__(
        self,
        section: ConfigDict,
        split: str,
        count: int | None,
        seed: int,
        extractor: Extractor,
        column: str = "image",
        skipped: int = 0,
    ) -> None:
        self.section, self.split, self.seed, self.extractor, self.column = section, split, seed, extractor, column
        self._tables = self._load(split)
        self.description = "; ".join(table.description for table in self._tables)
        total = min(len(table) for table in self._tables)
        self.chosen = np.arange(total)
        self._skipped = skipped
        if skipped or (count is not None and count < total):
            self.chosen = np.random.default_rng(seed).permutation(total)[skipped:][:count]

    def _load(self, split: str) -> data.Source:
        is_of_domains = self.column in DOMAINS.values() and is_paired(self.section)
        return tuple(renamed(table, DOMAINS if is_of_domains else {}) for table in data.load(self.section, split))

    @cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """The chosen rows of every column, as models see them."""
        return self._rows(self._tables, self.chosen)

    @cached_property
    def images(self) -> np.ndarray:
        """The chosen rows of the column of images, uint8 (count, H, W, C)."""
        return self._images(self._tables, self.chosen)

    def of_split(self, split: str) -> np.ndarray:
        """Return all images of the `split`, as uint8 (N, H, W, C)."""
        tables = self._load(split)
        return self._images(tables, np.arange(min(len(table) for table in tables)))

    def rows_of(self, split: str, count: int) -> dict[str, np.ndarray]:
        """Return at most `count` rows of every column of the `split`, chosen by the seed, as models see them."""
        tables = self._load(split)
        total = min(len(table) for table in tables)
        return self._rows(tables, np.random.default_rng(self.seed).permutation(total)[:count])

    def fewer(self, count: int) -> "Reference":
        """Return the first `count` of these rows in the order of the seed, or all if there are no more."""
        if count >= len(self.chosen):
            return self
        return Reference(self.section, self.split, count, self.seed, self.extractor, self.column, self._skipped)

    def with_others(self) -> tuple["Reference", "Reference"]:
        """Return these rows, perhaps fewer, and as many other real ones: train rows beside test rows, or the reverse.

        Where one split is all there is, these are two parts of it that share no row.
        """
        if self.split in _OTHER_SPLIT:
            split, count = _OTHER_SPLIT[self.split], len(self.chosen)
            others = Reference(self.section, split, count, self.seed, self.extractor, self.column)
            return self.fewer(len(others.chosen)), others
        count = min(len(self.chosen), min(map(len, self._tables)) // 2)
        first, second = (
            Reference(self.section, self.split, count, self.seed, self.extractor, self.column, skipped)
            for skipped in (0, count)
        )
        return first, second

    def _images(self, tables: data.Source, chosen: np.ndarray) -> np.ndarray:
        for table in tables:
            column = self.column
            if column in table.specs and table.specs[column].kind == "image":
                if self.section.binarize == "none" and not self.section.crop:
                    rows = table.stored([column], slice(None) if len(chosen) == len(table) else chosen)
                    return table.derive(rows, [column])[column]
                seen = held_out(table, self.section, [column], chosen=chosen)[column]
                return media.stored(table.specs[column], seen)
        raise UserError(f"{self.section.name} holds no images: measure mixture, or what its kind has")

    def _rows(self, tables: data.Source, chosen: np.ndarray) -> dict[str, np.ndarray]:
        rows: dict[str, np.ndarray] = {}
        for table in tables:
            rows |= held_out(table, self.section, chosen=chosen)
        return rows

    @cached_property
    def extracted(self) -> Extracted:
        """The output of the extractor for `images`."""
        return self.extractor(self.images)

    @property
    def protocol(self) -> dict[str, Any]:
        """A description of these rows: so many, chosen from the split that is named."""
        return {
            "name": self.section.name,
            "split": self.split,
            **({"column": self.column} if self.column != "image" else {}),
            "count": len(self.chosen),
            "binarize": self.section.get("binarize", "none"),
            "from": self.description,
        }

    def whole(self, splits: str) -> dict[str, Any]:
        """Return a description of whole `splits`, for the protocol of a metric that looks at these."""
        return {"name": self.section.name, "splits": splits, "binarize": self.section.get("binarize", "none")}
