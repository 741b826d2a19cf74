"""What every data source hands over, and the one way its pictures become squares of bytes."""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

# Part of every cache key: raise it when `square` changes what it returns.
PREPROCESSING = 1


@dataclass(frozen=True)
class Source:
    """One split of a data set, ready to be indexed.

    `samples` is either pictures, uint8 (N, image_size, image_size, C), or points, float32 (N, D) in the data's own
    units: an array or a read-only memory map. `labels` is int32 (N,), zeros where the source has none; `label_names`
    is empty where it has none; `description` is one sentence: what, which split, how many, how resized, from where.
    """

    samples: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]
    description: str

    @property
    def holds_pictures(self) -> bool:
        """Whether the samples are pictures, which models see scaled to [-1, 1], or points, which they see as is."""
        return self.samples.dtype == np.uint8

    def fingerprint(self) -> str:
        """Return the SHA-256 of all samples and labels: a run goes on only with the data it began with."""
        digest = hashlib.sha256(repr(self.samples.shape).encode())
        for start in range(0, len(self.samples), 4096):
            digest.update(self.samples[start : start + 4096].tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()


def square(
    picture: Image.Image, size: int, channels: int, resample: Image.Resampling = Image.Resampling.LANCZOS
) -> np.ndarray:
    """Return the centre square of `picture` as uint8 (size, size, channels); it is resized only if it must be.

    16-bit grey is scaled to 8 bits, transparency is laid over white, colour becomes luma (ITU-R 601) for 1 channel.
    """
    if picture.mode.startswith("I;16"):  # Pillow's own conversion to 8 bits clips
        picture = Image.fromarray(np.rint(np.asarray(picture) / 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side))
    if side != size:
        picture = picture.resize((size, size), resample)
    return np.asarray(picture).reshape(size, size, channels)
