"""What people send as files: pictures, sounds and arrays, told apart by their first bytes."""

import ast
import contextlib
import io
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from serving.server.refused import Refused
from zoo import images, media
from zoo.shared.errors import UserError, first_line
from zoo.spec import TensorSpec

_NPY, _RIFF, _WAVE = b"\x93NUMPY", b"RIFF", b"WAVE"
_BEGINNINGS = (_NPY, _RIFF, b"\x89PNG", b"\xff\xd8\xff")  # WebP is a RIFF file, as WAV is
_MAX_HEADER = 4096


def is_file(data: bytes) -> bool:
    """Return whether the bytes begin as a PNG, JPEG, WebP, WAV or .npy file does."""
    return data.startswith(_BEGINNINGS)


def may_hold_files(body: bytes) -> bool:
    """Return whether a body is a file, or JSON that may have {"b64": ...} in it, however that is escaped."""
    return is_file(body) or b"b64" in body or b"\\u" in body


class Header(NamedTuple):
    """What a file says of itself: the `shape` of a value, the `sides` (height, width) of a picture, how many values.

    A picture of free sides may yet be turned: then its value has these the other way round. Only a .npy file may hold
    several values, along an axis of their own.
    """

    shape: tuple[int, ...]
    sides: tuple[int, int] | None = None
    rows: int = 1


def header_of(tensor: TensorSpec, data: bytes) -> Header:
    """Return what the header of a file says of its value; what is no file for the tensor is refused."""
    with _readable(tensor):
        if data.startswith(_NPY):
            shape, *_ = _header(tensor, data)
            return Header(shape) if tensor.fits(shape) else Header(shape[1:], rows=shape[0])
        if _is_wave(tensor, data):
            return Header(tensor.shape)
        if media.ending(tensor) == ".png":
            with images.opened(io.BytesIO(data)) as picture:
                sides = picture.height, picture.width
            return Header((*sides, tensor.shape[2]) if tensor.is_free else tensor.shape, sides)
    raise _of_wrong_type(tensor)


def value_in(tensor: TensorSpec, data: bytes, is_beginning: bool = False) -> np.ndarray:
    """Return the value, of the tensor's shape, that a file of bytes holds, as a model sees it; or several, (n, *shape).

    Pictures are cut and resized about their centre unless their sides are free. A sound may be shorter if it
    `is_beginning`. What cannot be read is refused. How large it becomes, `header_of` tells before.
    """
    with _readable(tensor):
        if data.startswith(_NPY):
            return _array(tensor, data)
        if _is_wave(tensor, data):
            return media.read_wav(tensor, io.BytesIO(data), "the WAV file", is_beginning)[0]
        if media.ending(tensor) == ".png":
            return _picture(tensor, data)
    raise _of_wrong_type(tensor)


def _is_wave(tensor: TensorSpec, data: bytes) -> bool:
    return tensor.kind == "audio" and data.startswith(_RIFF) and data[8:12] == _WAVE


@contextlib.contextmanager
def _readable(tensor: TensorSpec) -> Iterator[None]:
    """Tell in one line of what cannot be read."""
    try:
        yield
    except (Refused, UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file may make Pillow raise anything
        raise Refused(400, f"{tensor.name}: cannot read the file: {first_line(error)}") from None


def _of_wrong_type(tensor: TensorSpec) -> Refused:
    wanted = {".png": "a PNG, JPEG, WebP", ".wav": "a WAV"}.get(media.ending(tensor))
    return Refused(
        400, f"{tensor.name} is of kind {tensor.kind}: send {f'{wanted} or .npy' if wanted else 'a .npy'} file"
    )


def _picture(tensor: TensorSpec, data: bytes) -> np.ndarray:
    picture = images.upright(io.BytesIO(data))
    height, width, channels = tensor.shape
    values = media.seen(tensor, images.fit(picture, None if tensor.is_free else (height, width), channels))
    return (values >= 0.5).astype(np.float32) if tensor.kind == "mask" else values


def _array(tensor: TensorSpec, data: bytes) -> np.ndarray:
    shape, dtype, start = _header(tensor, data)
    values = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return media.seen(tensor, values) if tensor.kind in media.FILES else values


def _header(tensor: TensorSpec, data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, type and the first byte of the values of a .npy file in C order.

    Its shape must agree with its bytes, and be the tensor's, perhaps with an axis for several before it.
    """
    major = data[6] if len(data) > 12 else 0
    size = {1: 2, 2: 4, 3: 4}.get(major, 0)
    length = int.from_bytes(data[8 : 8 + size], "little")
    if not size or length > _MAX_HEADER:
        raise Refused(400, "the .npy file's header is damaged")
    start = 8 + size + length
    said = ast.literal_eval(data[8 + size : start].decode("latin-1").strip())
    shape, dtype = said["shape"], np.dtype(said["descr"])
    if said["fortran_order"] or dtype.kind not in "biuf" or not all(type(side) is int and side >= 0 for side in shape):
        raise Refused(400, "the .npy file must hold real numbers, in C order")
    rest = len(data) - start
    if math.prod(shape) * dtype.itemsize != rest:
        raise Refused(400, f"{tensor.name}: the .npy file says shape {shape} of {dtype}, and holds {rest:,} bytes")
    if not tensor.fits(tuple(shape)) and not (0 not in shape[:1] and tensor.fits(tuple(shape[1:]))):
        raise Refused(
            400,
            f"{tensor.name}: the .npy file holds shape {tuple(shape)}; needs {tensor.shape_in_words()}, or several "
            "along an axis",
        )
    return tuple(shape), dtype, start
