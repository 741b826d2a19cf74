"""In which form an answer is written: a picture, a sound, a moving picture, an array or JSON, as Accept asks."""

import functools
import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import orjson

from serving.server.http import BINARY, JSON
from serving.server.refused import Refused
from serving.server.service import BESIDE
from serving.server.tensors import json_size
from zoo import images, media
from zoo.spec import MapSpec, TensorSpec

PNG, WEBP, GIF, WAV, NPY = "image/png", "image/webp", "image/gif", "audio/wav", "application/x-npy"
_MOST = 2**24  # pixels of an answer, of all its frames and blank cells: seconds of writing
_SIDE = 512  # pixels, to which small pictures are magnified
_LONGEST = {PNG: 2**31 - 1, WEBP: 16_383, GIF: 65_535}  # pixels of a side that the formats can say
# bytes a pixel while a picture is written: the grid and the same magnified, Pillow's copy, the encoder's, the file
_WRITTEN = 16
_PAUSE = 0.3  # seconds between sounds
_FRAME_RATE = 10.0  # of a walk, and of a video whose rate is unknown


def of(tensor: TensorSpec, is_walk: bool) -> tuple[str, ...]:
    """Return the forms that an output has, the usual one first; a walk is between two pictures."""
    ending = media.ending(tensor)
    if ending == ".png":
        return (WEBP, GIF, PNG, NPY, JSON, BINARY) if is_walk else (PNG, WEBP, NPY, JSON, BINARY)
    if ending == ".gif":
        return (GIF, WEBP, NPY, JSON, BINARY)
    if ending == ".wav":
        return (WAV, NPY, JSON, BINARY)
    if tensor.kind == "point" and tensor.shape == (2,):
        return (PNG, NPY, JSON, BINARY)
    return (JSON, NPY, BINARY)


@functools.lru_cache(256)
def choose(accept: str, there: tuple[str, ...]) -> str:
    """Return the form of an answer: of what weighs most in `accept` the first of `there`; `Refused` 406 if none."""
    weights = {}
    wanted = [_weighed(part) for part in accept.split(",")]
    for form in there:
        # the most exact word counts: image/png before image/* before */*
        fitting = [(len(range_) - 2 * range_.count("*"), weight) for range_, weight in wanted if _fits(range_, form)]
        weights[form] = max(fitting)[1] if fitting else 0.0
    best = max(there, key=lambda form: weights[form])
    if not weights[best]:
        raise Refused(406, f"this is to be had as {', '.join(there)}; the header Accept asks for none of them")
    return best


def _weighed(part: str) -> tuple[str, float]:
    """Return a media range and its weight."""
    range_, *parameters = (word.strip().lower() for word in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return range_, min(1.0, max(0.0, float(value)))
            except ValueError:
                return range_, 0.0
    return range_, 1.0


def _fits(range_: str, form: str) -> bool:
    return range_ in ("*/*", form) or (range_.endswith("/*") and form.startswith(range_[:-1]))


class Plan(NamedTuple):
    """How pictures are laid out: `frames`, each a grid of some `columns`, magnified to about `side` by `images.grid`.

    Each frame has `height` x `width` pixels.
    """

    frames: int
    columns: int | None
    side: int
    height: int
    width: int


def plan(
    form: str, tensor: TensorSpec, shape: Sequence[int], count: int, is_walk: bool, columns: int | None
) -> Plan | None:
    """Return how `count` values of a `shape` are laid out in a picture, None if the form is none.

    More pixels than are written, those of blank cells too, and sides that the form cannot have are refused.
    """
    if form not in _LONGEST:
        return None
    if tensor.kind == "point":
        return Plan(1, None, _SIDE, _SIDE, _SIDE)
    frames, cells = 1, count
    if tensor.kind == "video":
        frames = shape[0]
    elif is_walk and form == PNG:
        columns = columns or count
    elif is_walk:
        frames, cells = count, 1
    columns = min(columns, cells) if columns else None
    height, width = shape[-3:-1]
    # a single picture is the answer itself, as large as the map makes it
    side = 1 if frames == cells == 1 else min(_SIDE, math.isqrt(_MOST // frames))
    rows, across, scale = images.layout(cells, height, width, columns, side)
    pixels = frames * rows * across * height * width
    if pixels > _MOST:
        raise Refused(
            400, f"{form} would have {pixels:,} pixels; at most {_MOST:,} are written: ask for fewer samples, or {NPY}"
        )
    if pixels * scale**2 > _MOST:  # the magnification was rounded up
        side, scale = 1, 1
    made = Plan(frames, columns, side, scale * (rows * (height + 1) - 1), scale * (across * (width + 1) - 1))
    if max(made.height, made.width) > _LONGEST[form]:
        raise Refused(
            400,
            f"{form} would have {made.height:,} x {made.width:,} pixels; its sides end at {_LONGEST[form]:,}: ask for "
            f"other columns, {PNG} or {NPY}",
        )
    return made


def size(form: str, spec: MapSpec, shapes: Mapping[str, Sequence[int]], plan: Plan | None) -> int:
    """Return the bytes at most that `write` takes for outputs of the `shapes` (count, *shape), with its answer."""
    count, numbers = shapes[spec.output.name][0], math.prod(shapes[spec.output.name])
    if plan:
        return 8 * numbers + _WRITTEN * plan.frames * plan.height * plan.width
    if form == JSON:
        return sum(map(json_size, shapes.values()))
    if form == WAV:
        return 8 * numbers + 3 * 2 * (numbers + count * round(_PAUSE * spec.output.rate))
    return 2 * 4 * numbers


def effort(form: str, spec: MapSpec, size: int, plan: Plan | None) -> int:
    """Return what `Service.work` is to be told of `write`: in the event loop's thread only small PNGs are written."""
    if not plan:
        return size
    is_small = form == PNG and plan.height * plan.width * spec.output.shape[-1] <= images.SMALL
    return 0 if is_small else BESIDE


def write(form: str, spec: MapSpec, made: Mapping[str, np.ndarray], is_walk: bool, plan: Plan | None) -> bytes:
    """Return what a map made, in a form of its first output; JSON holds all outputs."""
    tensor, values = spec.output, made[spec.output.name]
    if form == JSON:
        outputs = {name: np.ascontiguousarray(array) for name, array in made.items()}
        return orjson.dumps({"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    if form == WAV:
        return media.encode(tensor, values[0]) if len(values) == 1 else media.joined(tensor, values, _PAUSE)
    if plan is None:
        return npy(values)
    if tensor.kind == "point":
        return images.encode_png(images.scatter(values, side=plan.side))
    pictures = media.stored(tensor, values)
    if tensor.kind == "video":
        frames = [images.grid(frame, plan.columns, plan.side) for frame in pictures.swapaxes(0, 1)]
        return _moving(form, frames, tensor.rate or _FRAME_RATE)
    if is_walk and form != PNG:
        return _moving(form, [images.grid(picture[None], None, plan.side) for picture in pictures], _FRAME_RATE)
    picture = pictures[0] if len(pictures) == 1 else images.grid(pictures, plan.columns, plan.side)
    return images.encode_png(picture) if form == PNG else media.encode_webp([picture])


def npy(values: np.ndarray) -> bytes:
    """Return the .npy file of an array."""
    return _npy_header(values.shape, values.dtype.str) + values.tobytes()


@functools.lru_cache(256)
def _npy_header(shape: tuple[int, ...], descr: str) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _moving(form: str, frames: Sequence[np.ndarray], rate: float) -> bytes:
    return media.encode_gif(frames, rate) if form == GIF else media.encode_webp(frames, rate)
