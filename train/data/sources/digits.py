"""Real handwritten digits that come with scikit-learn: nothing to download.

Provenance: `sklearn.datasets.load_digits`, 1,797 scans of 8x8 pixels with 17 grey levels (0 to 16). They are the test
part of the UCI "Optical Recognition of Handwritten Digits" set (E. Alpaydin and C. Kaynak, 1998), 13 writers.

Preprocessing: grey level v becomes the byte rint(v * 255 / 16); sizes other than 8 pixels are bicubic resizes. The
held-out split is every 6th scan (index % 6 == 5). Neighbouring scans may share a writer, so that it measures new
digits, not new hands.
"""

from importlib import metadata
from typing import Any

import numpy as np
from PIL import Image

from train.data.source import Source, Table, image_spec, label_spec
from train.data.sources import PICTURES, pictures
from zoo import images

OPTIONS = PICTURES
_OWN = 8

check = pictures.check


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the scan and the digit."""
    return {"image": "image", "label": "class"}


def load(section: Any, split: str) -> Source:
    """Return the 1,498 scans of the 'train' split or the 299 of 'test', as the data section wants them."""
    size = section.image_size or _OWN
    side = size + section.crop
    # the file that `load_digits` reads: importing scikit-learn takes 30 times as long
    path = metadata.distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(path), delimiter=",")
    scans, labels = table[:, :-1], table[:, -1]
    chosen = (np.arange(len(scans)) % 6 == 5) == (split == "test")
    scans = np.rint(scans[chosen].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    fitted = [
        images.fit(Image.fromarray(scan), (side, side), section.channels or 1, Image.Resampling.BICUBIC)
        for scan in scans
    ]
    stored = np.stack(fitted)
    resized = f"resized from {_OWN} to {pictures.told((size, size), section.crop)} (bicubic)"
    return (
        Table(
            {"image": stored, "label": labels[chosen].astype(np.int32)},
            {"image": image_spec("image", stored, section.crop), "label": label_spec(tuple("0123456789"))},
            f"{len(stored):,} of scikit-learn's 1,797 handwritten digits (8x8 scans, UCI), split {split!r} "
            f"(index % 6 {'==' if split == 'test' else '!='} 5), " + ("not resized" if side == _OWN else resized),
        ),
    )
