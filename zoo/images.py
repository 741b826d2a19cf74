"""Arrays to pictures and back: images in [-1, 1] to bytes, many to one grid, points to a scatter, files to arrays.

numpy and Pillow only. `zoo.media` says which of these a tensor needs, by its kind.
"""

import contextlib
import io
import math
import stat
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from zoo.shared.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

# part of every cache key: raise it when `fit` changes what it returns
PREPROCESSING = 3
ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
_GREY_MODES = ("1", "L", "LA", "I;16")
# numbers in a picture, up to which Pillow's search for filters is not worth its time: one of 32 x 32 pixels takes
# 55 us with it, 23 us without
SMALL = 2**12
_COLOURS = {1: 0, 3: 2, 4: 6}  # PNG's number of a colour type, by channels
_MAX_TEXT = 2**26  # bytes; some programs keep their whole workflow in a PNG's text

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
    rows, columns, scale = layout(count, height, width, columns, min_side)
    canvas = np.full((rows, height + 1, columns, width + 1, channels), 128, np.uint8)
    for index, image in enumerate(images):
        canvas[index // columns, :height, index % columns, :width] = image
    picture = canvas.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def layout(
    count: int, height: int, width: int, columns: int | None = None, min_side: int = 512
) -> tuple[int, int, int]:
    """Return the rows and columns of the grid of so many images, and how many times it is magnified: see `grid`."""
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    longer = max(rows * (height + 1), columns * (width + 1)) - 1
    return rows, columns, max(1, round(min_side / longer))


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


def encode_png(picture: np.ndarray) -> bytes:
    """Return the PNG file of one uint8 picture (height, width, 1, 3 or 4 channels)."""
    if picture.size <= SMALL:
        return _small_png(picture)
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
    return buffer.getvalue()


def _small_png(picture: np.ndarray) -> bytes:
    """Return what `encode_png` does, each row without a filter (PNG specification, third edition, sections 5 to 9)."""
    height, width, channels = picture.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # a row begins with the number of its filter, 0
    rows[:, 1:] = picture.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    made = [b"\x89PNG\r\n\x1a\n"]
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")):
        made += [struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(name + data))]
    return b"".join(made)


def opened(file: Path | BinaryIO) -> "Image.Image":
    """Return the picture file, or the picture in a file's bytes, of which Pillow has read the header only.

    An `OSError` says, without naming the file, why it cannot be opened; a damaged one may make Pillow raise anything.
    """
    from PIL import Image, PngImagePlugin, UnidentifiedImageError

    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = _MAX_TEXT
    try:
        if isinstance(file, Path):
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
                raise OSError("not a regular file")
            if not status.st_size:
                raise OSError("the file is empty")
        with _quiet:
            picture = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise OSError("the file holds no PNG, JPEG or WebP picture") from None
    except OSError as error:
        raise OSError(error.strerror or str(error)) from None
    # Pillow only warns of it, and raises an error at twice as many pixels
    if Image.MAX_IMAGE_PIXELS is not None and picture.width * picture.height > Image.MAX_IMAGE_PIXELS:
        picture.close()
        raise Image.DecompressionBombWarning(
            f"{picture.width * picture.height:,} pixels are more than {Image.MAX_IMAGE_PIXELS:,}: it may be a "
            "decompression bomb"
        )
    return picture


def upright(file: Path | BinaryIO) -> "Image.Image":
    """Return the decoded picture file, see `opened`, turned as its EXIF orientation says."""
    from PIL import ImageOps

    with _quiet, opened(file) as picture:
        picture.load()
        return picture if _orientation(picture) == 1 else ImageOps.exif_transpose(picture)


def _orientation(picture: "Image.Image") -> int:
    """Return the EXIF orientation of a picture, 1 to 8; it is upright where its EXIF data are damaged."""
    try:
        orientation = picture.getexif().get(0x0112)  # the tag "orientation"
    except Exception:  # Pillow may raise anything
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


class _Quiet:
    """Keeps back Pillow's warnings, as of damaged EXIF data: they leave the pixels as they are, and name no file.

    Python's filters are those of the process, and each `catch_warnings` puts back what it found. Among threads that
    overlap one would put back another's. So the first that enters sets the filter, and the last that leaves removes it.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._filter = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filter.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filter.close()


_quiet = _Quiet()


def is_grey(path: Path) -> bool:
    """Return whether the picture is stored as grey; one that cannot be opened does not count as colour."""
    try:
        with opened(path) as picture:
            return picture.mode in _GREY_MODES
    except Exception:  # decoding reports it
        return True


def size_of(path: Path) -> tuple[int, int]:
    """Return (height, width) of a picture file, upright."""
    with _quiet, opened(path) as picture:
        return picture.size if _orientation(picture) >= 5 else picture.size[::-1]


def decode(path: Path, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    """Return a picture file as uint8 (height, width, channels): upright, fitted to `size` unless that is None."""
    return fit(upright(path), size, channels)


def fit(
    picture: "Image.Image", size: tuple[int, int] | None, channels: int, resample: "Image.Resampling | None" = None
) -> np.ndarray:
    """Return the picture as uint8 (height, width, channels).

    The largest part about its centre that has the shape of `size` is resized to that, if it must be, by Lanczos unless
    `resample` says otherwise; None leaves the picture whole. 16-bit grey is scaled to 8 bits, transparency is laid over
    white, colour becomes luma (ITU-R 601) for 1 channel.
    """
    from PIL import Image

    if picture.mode.startswith("I;16"):  # Pillow's own conversion to 8 bits clips
        levels, clear = np.asarray(picture), picture.info.get("transparency")
        picture = Image.fromarray(np.rint(levels / 257).astype(np.uint8))
        if clear is not None:
            picture.putalpha(Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    # grey is resized as grey: a third of the work
    is_grey = channels == 1 or picture.mode in ("1", "L")
    picture = picture.convert("L" if is_grey else "RGB")
    height, width = size or picture.size[::-1]
    across, down = picture.size
    if across * height > down * width:
        across = max(1, round(down * width / height))
    else:
        down = max(1, round(across * height / width))
    left, top = (picture.width - across) // 2, (picture.height - down) // 2
    picture = picture.crop((left, top, left + across, top + down))
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS if resample is None else resample)
    pixels = np.asarray(picture).reshape(height, width, 1 if is_grey else 3)
    return pixels if pixels.shape[-1] == channels else pixels.repeat(channels, axis=-1)
