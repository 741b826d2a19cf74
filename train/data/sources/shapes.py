"""Outlines and what they become in colour, drawn here: 'shapes', for trying translations where nothing is at hand.

Each example is a circle, a square or a triangle of random size, place and turn. The input is its outline in white on
black, 1 channel. The image is the shape filled with the colour of its kind (red, green, blue) on a pale ground, and
darker towards its right. The label is the kind.

Always the same ones: 2,000 in the train split, 200 others held out. Pictures are drawn four times as large and
averaged, so that edges are smooth.
"""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from train.data.source import Source, Table, image_spec, label_spec
from train.data.sources import PICTURES, pictures
from zoo import noise
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

OPTIONS = PICTURES
KINDS = ("circle", "square", "triangle")
_COLOURS = np.array([(220, 60, 60), (60, 170, 80), (70, 90, 220)])
_GROUND = 240
_OWN, _FINE = 32, 4
_TRAIN, _TEST = 2000, 200
# beyond the seeds of runs and those of the other drawn data
_SEED = 2**32 + 3


def check(section: Any) -> None:
    """Raise a `UserError` for options that shapes cannot have."""
    pictures.check(section)
    if section.channels not in (0, 3) or section.binarize != "none":
        raise UserError("data.channels and data.binarize are not for shapes, which have colour: use 0 and 'none'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the outline, the picture in colour, and the kind of the shape."""
    return {"input": "image", "image": "image", "label": "class"}


def load(section: Any, split: str) -> Source:
    """Return the 2,000 examples of the 'train' split or the 200 of 'test'."""
    size = section.image_size or _OWN
    side = size + section.crop
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    spec = MapSpec((TensorSpec("u", (5,), "uniform", low=0.0, high=1.0),), (TensorSpec("image", (1,), "output"),))
    drawn = [_draw(u, side) for u in noise.fill(spec, count, _SEED, start)["u"].astype(np.float64)]
    inputs, images = (np.stack([example[part] for example in drawn]) for part in range(2))
    labels = np.array([example[2] for example in drawn], np.int32)
    return (
        Table(
            {"input": inputs, "image": images, "label": labels},
            {
                "input": image_spec("input", inputs, section.crop),
                "image": image_spec("image", images, section.crop),
                "label": label_spec(KINDS),
            },
            f"{count:,} outlines and coloured shapes, split {split!r}, drawn with a fixed seed at "
            f"{pictures.told((size, size), section.crop)}",
        ),
    )


def _draw(u: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the outline (side, side, 1), the coloured picture (side, side, 3) and the kind of the example `u` (5,)."""
    kind = int(u[0] * len(KINDS))
    radius = 0.2 + 0.18 * u[1]
    centre = radius + (1 - 2 * radius) * u[2:4]
    turn = 2 * np.pi * u[4]
    corners = {0: 64, 1: 4, 2: 3}[kind]
    angles = turn + 2 * np.pi * np.arange(corners) / corners
    fine = side * _FINE
    points = [tuple(point) for point in (centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)) * fine]
    filled, outline = (Image.new("L", (fine, fine)) for _ in range(2))
    ImageDraw.Draw(filled).polygon(points, fill=255)
    ImageDraw.Draw(outline).line([*points, points[0], points[1]], fill=255, width=max(_FINE, fine // 24))
    cover, edge = (
        np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float64)[..., None]
        for picture in (filled, outline)
    )
    shade = np.linspace(1.15, 0.7, side)[None, :, None]
    image = _GROUND + (np.clip(_COLOURS[kind] * shade, 0, 255) - _GROUND) * cover / 255
    return np.rint(edge).astype(np.uint8), np.rint(image).astype(np.uint8), kind
