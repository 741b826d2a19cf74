"""Videos of moving digits: 'moving_digits:NAME' over a set NAME of digits, such as 'mnist' or 'digits'.

Provenance: after Srivastava, Mansimov & Salakhutdinov, "Unsupervised learning of video representations using LSTMs"
(2015). Digits of NAME move through a dark square and bounce off its sides. The paper's protocol is the default: two
digits, 64 px, 20 frames, of which models are given 10. A digit, its place and its direction are drawn uniformly. Its
speed is the same for all: a tenth of the room between two sides in a frame. Where digits cover each other, the brighter
pixel counts.

Grey levels are rounded to `levels`. There are 100,000 videos to train on, made when they are read; the held-out split
has 1,000 others, of digits from NAME's own held-out split. Figures of another test set, such as the published fixed one
of 10,000 videos, are of other videos.
"""

import hashlib
from functools import partial
from typing import Any

import numpy as np

from train.data import sources
from train.data.source import Derived, Source, Table
from train.data.sources import pictures
from train.data.sources.pictures import check_integer
from zoo import noise
from zoo.shared.errors import UserError
from zoo.spec import EVEN_LEVELS, EVEN_LEVELS_IN_WORDS, MapSpec, TensorSpec

PREFIX = "moving_digits:"
OPTIONS: dict[str, Any] = {
    "frames": 20,  # of a video
    "side": 64,  # pixels of a frame; `image_size` is that of a digit
    "count": 2,  # digits in a video
    "levels": 2,  # grey levels, one of zoo.spec.EVEN_LEVELS
    "channels": 0,  # 1, grey, as 0 is too
}
RATE = 10.0  # frames a second, for players
SPEED = 0.1  # of the room between two sides, in a frame
_TRAIN, _TEST = 100_000, 1000
# beyond the seeds of runs and those of the other drawn data
_SEED = 2**32 + 5


def check(section: Any) -> None:
    """Raise a `UserError` for options that videos cannot have."""
    part = pictures.over(section, PREFIX, channels=1)
    if sources.module_of(part.name).__name__.rpartition(".")[2] not in ("digits", "tfds", "folder"):
        raise UserError(f"data.name is {section.name!r}; let a set of pictures move, such as 'moving_digits:mnist'")
    check_integer("frames", section.frames, range(2, 257), "a number of frames from 2 to 256")
    check_integer("side", section.side, range(4, 257), "a number of pixels from 4 to 256")
    check_integer("count", section.count, range(1, 10), "a number of digits from 1 to 9")
    check_integer("levels", section.levels, EVEN_LEVELS, EVEN_LEVELS_IN_WORDS)
    if section.channels not in (0, 1):
        raise UserError(f"data.channels is {section.channels}; moving digits are grey: use 1 or 0")
    if section.binarize != "none" or section.crop or section.flip:
        raise UserError("data.binarize, data.crop and data.flip are not for videos: use 'none', 0 and false")
    sources.module_of(part.name).check(part)


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the numbers that a video follows from, and the video."""
    return {"course": "latent", "video": "video"}


def load(section: Any, split: str) -> Source:
    """Return the 100,000 videos of the 'train' split or the 1,000 of 'test', of digits from that split of NAME.

    Digits that are larger than a frame are a `UserError`.
    """
    part = pictures.over(section, PREFIX, channels=1)
    (table,) = sources.module_of(part.name).load(part, split)
    height, width, _ = table.specs["image"].shape
    if max(height, width) > section.side:
        raise UserError(
            f"data.side={section.side}: the pictures of {part.name!r} have {pictures.told((height, width))}; take a "
            "larger frame, or a smaller data.image_size"
        )
    digits = np.ascontiguousarray(table.columns["image"][:, :, :, 0])
    shape = (section.count, 4)
    spec = MapSpec((TensorSpec("u", shape, "uniform", low=0.0, high=1.0),), (TensorSpec("video", (1,), "output"),))
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    course = noise.fill(spec, count, _SEED, start)["u"]
    size = (section.frames, section.side, section.side, 1)
    return (
        Table(
            {"course": course, "video": Derived("course", partial(videos, of_level(digits, section.levels), size))},
            {
                "course": TensorSpec("course", shape, "condition", low=0.0, high=1.0),
                "video": TensorSpec("video", size, "condition", "video", rate=RATE, levels=section.levels),
            },
            f"{count:,} videos of {section.frames} frames of {pictures.told(size[1:3])}, {section.levels} levels, "
            f"{section.count} {'digit' if section.count == 1 else 'digits'} in each, drawn with a fixed seed from "
            f"{table.description}",
            {"course": hashlib.sha256(course.tobytes() + digits.tobytes()).hexdigest()},
        ),
    )


def of_level(grey: np.ndarray, levels: int) -> np.ndarray:
    """Return bytes rounded to the nearest of so many evenly spaced levels."""
    spacing = 255 // (levels - 1)
    return (np.rint(grey / spacing) * spacing).astype(np.uint8)


def videos(digits: np.ndarray, size: tuple[int, ...], course: np.ndarray) -> np.ndarray:
    """Return uint8 videos (rows, *size) of digits (count, height, width), by what is drawn for each.

    A row of `course` (digits, 4), numbers in [0, 1], says of each digit which one it is, where it begins, from the top
    and from the left, and in which direction it moves.
    """
    frames, side = size[:2]
    height, width = digits.shape[1:]
    made = np.zeros((len(course), *size[:3]), np.uint8)
    u = course.astype(np.float64)
    chosen = np.minimum((u[..., 0] * len(digits)).astype(int), len(digits) - 1)
    angle = 2 * np.pi * u[..., 3]
    tops = places(u[..., 1], np.sin(angle), frames, side - height)
    lefts = places(u[..., 2], np.cos(angle), frames, side - width)
    for row, digit in np.ndindex(chosen.shape):
        picture = digits[chosen[row, digit]]
        for frame in range(frames):
            top, left = tops[row, digit, frame], lefts[row, digit, frame]
            window = made[row, frame, top : top + height, left : left + width]
            np.maximum(window, picture, out=window)
    return made[..., None]


def places(start: np.ndarray, direction: np.ndarray, frames: int, room: int) -> np.ndarray:
    """Return the pixel (..., frames) from 0 to `room` where something is that moves between two sides and bounces.

    It begins at the share `start` of the room, and moves by `SPEED` times `direction`, from -1 to 1, in a frame.
    """
    way = start[..., None] + SPEED * direction[..., None] * np.arange(frames)
    # as in a row of mirrors, of which every second one is passed the other way round; rounded before the pixel is
    # chosen, so that no last bit of a sine decides
    share = np.round(np.abs((way + 1) % 2 - 1), 9)
    return np.rint(share * room).astype(int)
