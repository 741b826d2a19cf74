"""The complexity of pictures: how many bits a lossless compressor needs for each. numpy and Pillow only."""

import io
from typing import Any

import numpy as np


def compressed_bits(images: np.ndarray) -> np.ndarray:
    """Return the bits of the shortest lossless file of each of uint8 `images` (count, H, W, 1 or 3), int64 (count,).

    An upper bound on Kolmogorov complexity, the L(x) of Serra et al., "Input complexity and out-of-distribution
    detection with likelihood-based generative models" (2020), who take other compressors. The file is the shorter of
    these two, whose headers count:

    - PNG, optimised; of 1 bit a pixel where a picture is black and white
    - WebP, lossless
    """
    return np.array([8 * min(_png(image), _webp(image)) for image in images], np.int64)


def compressors() -> str:
    """Return what `compressed_bits` measures with, with versions, for a protocol: other versions find other lengths."""
    import PIL
    from PIL import features

    is_ng = "zlib_ng" in features.get_supported_features()
    zlib = f"zlib-ng {features.version_feature('zlib_ng')}" if is_ng else f"zlib {features.version_codec('zlib')}"
    return (
        "the shorter of PNG (optimised; 1 bit a pixel where a picture is black and white) and WebP (lossless), headers "
        f"included: Pillow {PIL.__version__}, {zlib}, libwebp {features.version_module('webp')}"
    )


def _png(image: np.ndarray) -> int:
    is_black_and_white = image.shape[-1] == 1 and np.isin(image, (0, 255)).all()
    return _length(image > 0 if is_black_and_white else image, format="PNG", optimize=True)


def _webp(image: np.ndarray) -> int:
    return _length(image, format="WEBP", lossless=True)


def _length(image: np.ndarray, **options: Any) -> int:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, **options)
    return len(buffer.getvalue())
