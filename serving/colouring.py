"""A photograph of any size in colour, by a map that colours small grey pictures. For `serving.sample`.

Eyes see detail in luma, and much less of it in colour, on which JPEG rests too. So the colours are made coarse and the
luma stays as it is: the photograph is reduced until the network covers its shorter side, and cut into squares that
overlap by half. What the network makes of them is blended, enlarged to the photograph's size, and joins its luma.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from serving.generator import Generator
from zoo import images
from zoo.shared.errors import UserError, first_line
from zoo.spec import MapSpec, TensorSpec

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, ITU-R BT.601


def check(spec: MapSpec) -> TensorSpec:
    """Return the grey picture that a map makes a colour picture of the same size of; another map is a `UserError`."""
    if [tensor.kind for tensor in (*spec.conditions, spec.output)] == ["image", "image"]:
        (grey,) = spec.conditions
        if not grey.is_free and (grey.shape[2], spec.output.shape) == (1, (*grey.shape[:2], 3)):
            return grey
    raise UserError("--full_size: this map does not colour grey pictures of one size; leave it out")


def colour(generator: Generator, path: Path, seed: int = 0) -> np.ndarray:
    """Return the photograph in the file, uint8 (height, width, 3), its luma as it was and its colours made.

    A file that cannot be read is a `UserError`.
    """
    source = check(generator.spec)
    try:
        photograph = images.decode(path, None, 1)
        height, width = _reduced(photograph.shape[:2], source.shape[:2])
        # bicubic curves overshoot at edges
        small = np.clip(_resized(photograph.astype(np.float32), (height, width)) / 127.5 - 1, -1, 1)
    except Exception as error:  # a damaged file may make Pillow raise anything
        raise UserError(f"cannot read {path}: {first_line(error)}") from None
    rows, columns = source.shape[:2]
    corners = itertools.product(places(height, rows), places(width, columns))
    squares = [(slice(top, top + rows), slice(left, left + columns)) for top, left in corners]
    given: dict[str, Any] = {source.name: np.stack([small[square] for square in squares])}
    total, weight = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
    ramp = np.minimum(_ramp(rows)[:, None, None], _ramp(columns)[None, :, None])
    for square, made in zip(squares, generator.sample(seed=seed, dtype="float32", **given), strict=True):
        total[square] += ramp * (made - made @ _LUMA[:, None])
        weight[square] += ramp
    chroma = _resized(127.5 * total / weight, photograph.shape[:2])
    return np.clip(np.rint(photograph + chroma), 0, 255).astype(np.uint8)


def places(side: int, size: int) -> list[int]:
    """Return where squares of `size` begin that cover a `side`, evenly, each over half of the next or more."""
    count = 1 + -(-2 * (side - size) // size)
    return [round(place) for place in np.linspace(0, side - size, count)]


def _reduced(sides: tuple[int, ...], least: tuple[int, ...]) -> tuple[int, int]:
    """Return the sides of a picture as small, or as large, as it covers the `least` sides."""
    scale = max(small / large for small, large in zip(least, sides, strict=True))
    height, width = (max(small, round(scale * large)) for small, large in zip(least, sides, strict=True))
    return height, width


def _ramp(side: int) -> np.ndarray:
    """Return weights that rise from an edge to the middle and fall to the other, above 0."""
    places = np.arange(side) + 0.5
    return np.minimum(places, side - places).astype(np.float32)


def _resized(picture: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """Return a picture of numbers (height, width, channels) at other sides, bicubic, averaged where it shrinks."""
    from PIL import Image

    height, width = sides
    channels = [
        Image.fromarray(np.ascontiguousarray(channel)).resize((width, height), Image.Resampling.BICUBIC)
        for channel in picture.transpose(2, 0, 1)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)
