"""In which form an answer is written: a picture, a sound, a moving picture, an array or JSON, as Accept asks."""

import functools
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from serving.server.http import BINARY, JSON
from serving.server.refused import Refused
from zoo import images, media
from zoo.spec import MapSpec, TensorSpec

PNG, WEBP, GIF, WAV, NPY = "image/png", "image/webp", "image/gif", "audio/wav", "application/x-npy"
_MOST = 2**24  # pixels of an answer, of all its frames: seconds of writing
_SIDE = 512  # pixels, to which small pictures are magnified
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


def check(form: str, tensor: TensorSpec, shape: Sequence[int], count: int) -> None:
    """Refuse a picture of more pixels than are written; `shape` is that of one value, `count` how many there are."""
    pixels = count * math.prod(shape[:-1])
    if form in (PNG, WEBP, GIF) and tensor.kind != "point" and pixels > _MOST:
        raise Refused(
            400, f"{form} would have {pixels:,} pixels; at most {_MOST:,} are written: ask for fewer samples, or {NPY}"
        )


def write(form: str, spec: MapSpec, made: Mapping[str, np.ndarray], is_walk: bool, columns: int | None) -> bytes:
    """Return what a map made, in a form of its first output; JSON holds all outputs."""
    tensor, values = spec.output, made[spec.output.name]
    if form == JSON:
        outputs = {name: np.ascontiguousarray(array) for name, array in made.items()}
        return orjson.dumps({"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    if form in (NPY, BINARY):
        return npy(values)
    if form == WAV:
        return media.encode(tensor, values[0]) if len(values) == 1 else media.joined(tensor, values)
    if tensor.kind == "point":
        return images.encode_png(images.scatter(values))
    if tensor.kind == "video":
        side = _side(tensor.shape[0])
        frames = [images.grid(frame, columns, side) for frame in media.stored(tensor, values).swapaxes(0, 1)]
        return _moving(form, frames, tensor.rate or _FRAME_RATE)
    pictures = media.stored(tensor, values)
    if is_walk and form != PNG:
        side = _side(len(pictures))
        return _moving(form, [images.grid(picture[None], min_side=side) for picture in pictures], _FRAME_RATE)
    if is_walk:
        columns = columns or len(pictures)
    # a single picture is the answer itself, as large as the map makes it
    picture = pictures[0] if len(pictures) == 1 else images.grid(pictures, columns)
    return images.encode_png(picture) if form == PNG else _webp([picture], _FRAME_RATE)


def npy(values: np.ndarray) -> bytes:
    """Return the .npy file of an array."""
    return _npy_header(values.shape, values.dtype.str) + values.tobytes()


@functools.lru_cache(256)
def _npy_header(shape: tuple[int, ...], descr: str) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _side(frames: int) -> int:
    """Return the side to which so many frames are magnified: what is written stays bounded."""
    return min(_SIDE, math.isqrt(_MOST // frames))


def _moving(form: str, frames: Sequence[np.ndarray], rate: float) -> bytes:
    return media.encode_gif(frames, rate) if form == GIF else _webp(frames, rate)


def _webp(frames: Sequence[np.ndarray], rate: float) -> bytes:
    """Return the WebP file of uint8 pictures, none of whose pixels changes; several are frames, `rate` a second."""
    from PIL import Image

    first, *more = (
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("RGB") for frame in frames
    )
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": more, "duration": round(1000 / rate), "loop": 0} if more else {}
    first.save(buffer, "WEBP", lossless=True, exact=True, **options)
    return buffer.getvalue()
