"""What people send as files: pictures, sounds and arrays, told apart by their first bytes."""

import ast
import io
import math
import warnings
from typing import Any

import numpy as np

from serving.server.limits import Limits
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


def value_in(tensor: TensorSpec, data: bytes, limits: Limits, is_beginning: bool = False) -> np.ndarray:
    """Return the one value, of the tensor's shape, that a file of bytes holds, as a model sees it.

    Pictures are cut and resized about their centre unless their sides are free. A sound may be shorter if it
    `is_beginning`. What cannot be read is refused; sizes are checked before memory is taken.
    """
    try:
        if data.startswith(_NPY):
            return _array(tensor, data)
        if tensor.kind == "audio" and data.startswith(_RIFF) and data[8:12] == _WAVE:
            return media.read_wav(tensor, io.BytesIO(data), "the WAV file", is_beginning)[0]
        if media.ending(tensor) == ".png":
            return _picture(tensor, data, limits)
    except (Refused, UserError):
        raise
    except Exception as error:  # a damaged file may make Pillow raise anything
        raise Refused(400, f"{tensor.name}: cannot read the file: {first_line(error)}") from None
    wanted = {".png": "a PNG, JPEG, WebP", ".wav": "a WAV"}.get(media.ending(tensor))
    raise Refused(
        400, f"{tensor.name} is of kind {tensor.kind}: send {f'{wanted} or .npy' if wanted else 'a .npy'} file"
    )


def _picture(tensor: TensorSpec, data: bytes, limits: Limits) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with images.opened(io.BytesIO(data)) as picture:
            limits.check_pixels(picture.height, picture.width)
        picture = images.upright(io.BytesIO(data))
    height, width, channels = tensor.shape
    values = media.seen(tensor, images.fit(picture, None if tensor.is_free else (height, width), channels))
    return (values >= 0.5).astype(np.float32) if tensor.kind == "mask" else values


def _array(tensor: TensorSpec, data: bytes) -> np.ndarray:
    """Return the value in a .npy file, whose claimed shape must agree with its bytes."""
    shape, dtype, start = _header(data)
    rest = len(data) - start
    if math.prod(shape) * dtype.itemsize != rest:
        raise Refused(400, f"{tensor.name}: the .npy file says shape {shape} of {dtype}, and holds {rest:,} bytes")
    if not tensor.fits(shape):
        raise Refused(400, f"{tensor.name}: the .npy file holds shape {shape}; needs {tensor.free_shape}")
    values = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return media.seen(tensor, values) if tensor.kind in media.FILES else values


def _header(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, type and the first byte of the values of a .npy file in C order."""
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
    return tuple(shape), dtype, start
