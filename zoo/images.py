"""Arrays to pictures: float images in [-1, 1] to bytes, many images to one grid, points of the plane to a scatter.

numpy and Pillow only.
"""

import io
import math

import numpy as np

from zoo.shared.errors import UserError

# from the palette of 216 colours, so that a GIF holds them unchanged
_GREY, _BLUE = (204, 204, 204), (0, 51, 204)
_DOT = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)])


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


def scatter(points: np.ndarray, behind: np.ndarray | None = None, side: int = 512) -> np.ndarray:
    """Return a picture, uint8 (side, side, 3), of `points` (count, 2) in blue over the points `behind` in grey.

    The first axis runs to the right, the second upwards. The frame is the square around `behind` (else around `points`)
    with a margin of a tenth, so that pictures with the same `behind` agree; points outside it are drawn on its border.
    Points that are NaN or infinite are a `UserError`.
    """
    if not np.isfinite(points).all():
        raise UserError("the points hold NaN or infinity; a picture of them would be wrong")
    framed = np.asarray(points if behind is None else behind, np.float64)
    low, high = framed.min(axis=0), framed.max(axis=0)
    width = 1.2 * (high - low).max() or 1.0
    picture = np.full((side, side, 3), 255, np.uint8)
    for cloud, colour in ((framed, _GREY), (points, _BLUE)):
        x, y = ((np.asarray(cloud, np.float64) - (low + high) / 2) / width + 0.5).T
        # clipped before the cast, since a number too large for an integer becomes any
        centres = np.clip(np.stack([1 - y, x], axis=1) * side, 0, side - 1).astype(int)
        rows, columns = np.clip(centres[:, None] + _DOT, 0, side - 1).reshape(-1, 2).T
        picture[rows, columns] = colour
    return picture


def overview(samples: np.ndarray, behind: np.ndarray | None = None, columns: int | None = None) -> np.ndarray | None:
    """Return one picture of what a generator made, or None for samples that are neither of these two.

    Images (count, height, width, channels) in [-1, 1] become a `grid` of so many `columns`, points (count, 2) a
    `scatter` over those `behind`.
    """
    if samples.ndim == 4:
        return grid(to_uint8(samples), columns)
    return scatter(samples, behind) if samples.shape[1:] == (2,) else None


def encode_png(picture: np.ndarray) -> bytes:
    """Return the PNG file of one uint8 picture (height, width, 1, 3 or 4 channels)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
    return buffer.getvalue()
