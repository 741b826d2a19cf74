"""Faces drawn here, with attributes to be changed: 'faces', for trying editors where nothing is at hand.

Each example is a face of random skin, size and place before a pale ground. Its attributes are drawn independently:
"black_hair" or "blond_hair", which exclude one another, "glasses" and "smile". The ground is the same for all, because
instance normalisation hides the mean colour of a picture from an editor, which would have to guess it.

Always the same ones: 2,000 in the train split, 200 others held out. Pictures are drawn four times as large and
averaged, so that edges are smooth.
"""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from train.data.source import Source, Table, image_spec
from train.data.sources import PICTURES, attributes, pictures
from zoo import noise
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

OPTIONS = PICTURES
NAMES = ("black_hair", "blond_hair", "glasses", "smile")
_SKINS = np.array([(255, 224, 196), (224, 172, 132), (150, 100, 66)])
_HAIR = {0: (40, 32, 30), 1: (240, 208, 96)}
_GROUND = (226, 232, 240)
_DARK = (30, 20, 20)
_OWN, _FINE = 32, 4
_TRAIN, _TEST = 2000, 200
# beyond the seeds of runs and those of the other drawn data
_SEED = 2**32 + 5


def check(section: Any) -> None:
    """Raise a `UserError` for options that faces cannot have."""
    pictures.check(section)
    if section.channels not in (0, 3) or section.binarize != "none":
        raise UserError("data.channels and data.binarize are not for faces, which have colour: use 0 and 'none'")


kinds = attributes.kinds


def load(section: Any, split: str) -> Source:
    """Return the 2,000 examples of the 'train' split or the 200 of 'test', and the table of wanted attributes."""
    size = section.image_size or _OWN
    side = size + section.crop
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    spec = MapSpec((TensorSpec("u", (7,), "uniform", low=0.0, high=1.0),), (TensorSpec("image", (1,), "output"),))
    drawn = noise.fill(spec, count, _SEED, start)["u"].astype(np.float64)
    known = np.stack([drawn[:, 0] < 0.5, drawn[:, 0] >= 0.5, drawn[:, 1] < 0.5, drawn[:, 2] < 0.5], 1).astype(np.int32)
    images = np.stack([draw(u[3:], vector, side) for u, vector in zip(drawn, known, strict=True)])
    table = Table(
        {"image": images, "attributes": known},
        {
            "image": image_spec("image", images, section.crop),
            "attributes": TensorSpec(
                "attributes", (len(NAMES),), "condition", "attributes", names=NAMES, exclusive=(NAMES[:2],)
            ),
        },
        f"{count:,} faces, split {split!r}, drawn with a fixed seed at {pictures.told((size, size), section.crop)}",
    )
    return table, attributes.wanted(table)


def draw(u: np.ndarray, vector: np.ndarray, side: int) -> np.ndarray:
    """Return the face, uint8 (side, side, 3), that `u` (4,) in [0, 1) and its attributes make."""
    fine = side * _FINE
    skin = _SKINS[int(u[0] * len(_SKINS))]
    radius = (0.26 + 0.06 * u[1]) * fine
    x, y = (0.5 + 0.08 * (2 * u[2:4] - 1)) * fine + (0, 0.06 * fine)
    picture = Image.new("RGB", (fine, fine), _GROUND)
    pen = ImageDraw.Draw(picture)

    def box(dx: float, dy: float, width: float, height: float) -> list[float]:
        """Return a box, in radii of the face, around a point that lies off its centre."""
        return [
            x + (dx - width) * radius,
            y + (dy - height) * radius,
            x + (dx + width) * radius,
            y + (dy + height) * radius,
        ]

    line = max(1, round(0.1 * radius))
    pen.ellipse(box(0, -0.3, 1.15, 1.1), fill=_HAIR[int(vector[1])])
    pen.ellipse(box(0, 0.05, 0.9, 1.0), fill=tuple(skin.tolist()))
    for dx in (-0.38, 0.38):
        pen.ellipse(box(dx, -0.1, 0.1, 0.13), fill=_DARK)
        if vector[2]:
            pen.ellipse(box(dx, -0.1, 0.32, 0.3), outline=_DARK, width=line)
    if vector[2]:
        pen.line([x - 0.06 * radius, y - 0.1 * radius, x + 0.06 * radius, y - 0.1 * radius], fill=_DARK, width=line)
    if vector[3]:
        pen.chord(box(0, 0.4, 0.42, 0.36), 0, 180, fill=(180, 40, 50))
    else:
        pen.line(
            [x - 0.3 * radius, y + 0.52 * radius, x + 0.3 * radius, y + 0.52 * radius], fill=(150, 50, 50), width=line
        )
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.uint8)
