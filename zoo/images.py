"""Arrays to pictures: float images in [-1, 1] to bytes, and many images to one grid. numpy and Pillow only."""

import io
import math

import numpy as np

from zoo.errors import UserError


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Return images in [-1, 1] as bytes, -1 to 0 and 1 to 255; non-finite values are a `UserError`."""
    if not np.isfinite(images).all():
        raise UserError("the images hold NaN or infinity; a picture of them would be wrong")
    return np.clip(np.rint((np.asarray(images, np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int | None = None, min_side: int = 512) -> np.ndarray:
    """Return one picture (height, width, channels) of the uint8 `images` (count, height, width, channels).

    Images run left to right, then down, in a square unless `columns` says otherwise; small ones are magnified by
    a whole number, each pixel to a block, so that the picture's side comes near to `min_side` pixels. One blank
    pixel (times the magnification) parts the images.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    canvas = np.full((rows, height + 1, columns, width + 1, channels), 128, np.uint8)
    for index, image in enumerate(images):
        canvas[index // columns, :height, index % columns, :width] = image
    picture = canvas.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    scale = max(1, round(min_side / max(picture.shape[:2])))
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def encode_png(picture: np.ndarray) -> bytes:
    """Return the PNG file of one uint8 picture (height, width, 1, 3 or 4 channels)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
    return buffer.getvalue()
