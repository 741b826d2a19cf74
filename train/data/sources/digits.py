"""Real handwritten digits that come with scikit-learn: nothing to download.

Provenance: `sklearn.datasets.load_digits`, 1,797 scans of 8x8 pixels with 17 grey levels (0 to 16). They are the test
part of the UCI "Optical Recognition of Handwritten Digits" set (E. Alpaydin and C. Kaynak, 1998), 13 writers.

Preprocessing: grey level v becomes the byte rint(v * 255 / 16); sizes other than 8 pixels are bicubic resizes. The
held-out split is every 6th scan (index % 6 == 5). Neighbouring scans may share a writer, so that it measures new
digits, not new hands.
"""

from typing import Any

import numpy as np
from PIL import Image

from train.data.source import Source, square


def load(config: Any, split: str) -> Source:
    """Return the 1,498 scans of the 'train' split or the 299 of 'test', as `config` (data section) wants them."""
    from sklearn.datasets import load_digits

    size = config.image_size
    scans, labels = load_digits(return_X_y=True)
    chosen = (np.arange(len(scans)) % 6 == 5) == (split == "test")
    scans = np.rint(scans[chosen].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    images = np.stack(
        [square(Image.fromarray(scan), size, config.channels or 1, Image.Resampling.BICUBIC) for scan in scans]
    )
    return Source(
        samples=images,
        labels=labels[chosen].astype(np.int32),
        label_names=tuple("0123456789"),
        description=f"{len(images):,} of scikit-learn's 1,797 handwritten digits (8x8 scans, UCI), split {split!r} "
        f"(index % 6 {'==' if split == 'test' else '!='} 5), "
        + ("not resized" if size == 8 else f"resized from 8 to {size} px (bicubic)"),
    )
