"""Pictures for the tests of evaluation: the digits that come along, folders of pictures, samples beside a reference."""

from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from train import config, data
from train.evaluate.comparison import Comparison
from train.evaluate.makers import Maker
from train.evaluate.reference import Reference
from zoo import images
from zoo.metrics.extractor import Extractor

DIGITS = config.source("digits")
# pictures of one colour, and the same as Pillow makes them grey
RED = np.random.default_rng(3).integers(100, 256, (90, 16, 16, 1), np.uint8) * np.array([1, 0, 0], np.uint8)
LUMA = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in RED])[..., None]


def scans(split: str, section: ConfigDict = DIGITS, column: str = "image") -> np.ndarray:
    """Return a column of a split."""
    return data.load(section, split)[0].columns[column]


def save(pictures: np.ndarray, folder: Path) -> str:
    """Write pictures into a new folder and return its path."""
    folder.mkdir()
    for index, picture in enumerate(pictures):
        (folder / f"{index:04d}.png").write_bytes(images.encode_png(picture))
    return str(folder)


def compared(
    samples: np.ndarray, split: str = "test", extractor: Extractor | None = None, section: ConfigDict = DIGITS
) -> Comparison:
    """Return samples, whoever made them, beside as many pictures of a split."""
    maker = Maker({}, {}, None, None, {}, lambda count, seed: samples)
    reference = Reference(section, split, len(samples), 0, extractor or Extractor())
    return Comparison(maker, reference, len(samples), 0, {})
