"""Tensors as they travel: nested lists of JSON, base64 of files, raw bytes. No array is made of a mere claim.

Lists are flattened axis by axis, which tells their shape; bytes must be as many as their shape needs. Only then is an
array made. What the values may be is for `ServedMap.checked` to say.
"""

import base64
import binascii
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from serving.server.limits import Limits
from serving.server.refused import Refused
from zoo.spec import TensorSpec

MAX_AXES = 8
# both protocols' name of each type of ours, and how its bytes are read
TFS_TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32"}
OIP_TYPES = {"float32": "FP32", "int32": "INT32"}
BYTES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}
_WORDS = {"float32": "float", "int32": "int32"}  # TensorFlow's
# what numbers are gathered in before their type is checked: wide enough that none changes
_WIDE: dict[str, type] = {"float32": np.float64, "int32": np.int64}
_JSON_TYPES = {str: "String", bool: "Bool", dict: "Object", list: "Array", type(None): "Null"}
_SHOWN = 60


def from_json(
    tensor: TensorSpec, value: Any, limits: Limits, read: Callable[[list[bytes]], list[np.ndarray]]
) -> np.ndarray:
    """Return the array (count, *shape) in nested lists; rows may be {"b64": ...}, files that `read` reads."""
    if isinstance(value, list):
        if len(value) > limits.rows:
            raise Refused(400, f"{len(value):,} samples in one request; send at most {limits.rows:,} at a time")
        if value and all(isinstance(row, dict) for row in value):
            return _stacked(tensor, read([decoded(tensor, row) for row in value]))
    return numbers(tensor, value, len(tensor.shape) + 1)


def _stacked(tensor: TensorSpec, rows: Sequence[np.ndarray]) -> np.ndarray:
    if len({row.shape for row in rows}) != 1:
        raise Refused(400, f"{tensor.name}: the files hold values of different shapes; send each by itself")
    return np.stack(rows)


def decoded(tensor: TensorSpec, value: Any) -> bytes:
    """Return the bytes in {"b64": "..."}."""
    if not isinstance(value, dict) or value.keys() != {"b64"} or not isinstance(value["b64"], str):
        raise _of_wrong_type(tensor, value)
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, f"{tensor.name}: Unable to base64 decode") from None


def numbers(tensor: TensorSpec, value: Any, rank: int) -> np.ndarray:
    """Return the array of `rank` axes in nested lists of numbers, float64 or int64; errors are TF Serving's."""
    level: list[Any] = [value]
    shape: list[int] = []
    for axis in range(rank):
        if set(map(type, level)) != {list} or len(set(map(len, level))) != 1:
            raise _uneven(tensor, level, axis, rank)
        shape.append(len(level[0]))
        level = list(itertools.chain.from_iterable(level))
        if not level:
            raise Refused(400, f"{tensor.name}: an empty list; {tensor.name} needs shape {tensor.shape_in_words(1)}")
    return _array(tensor, level, rank).reshape(shape)


def _uneven(tensor: TensorSpec, level: list[Any], axis: int, rank: int) -> Refused:
    """Return the error for items of one axis that are not all lists of one length."""
    wrong = next((item for item in level if not isinstance(item, list)), None)
    if all(isinstance(item, list) for item in level):
        size = len(level[0])
        other = next(len(item) for item in level if len(item) != size)
        said = f"Encountered list at unexpected size: {other} at level: {axis} expected size: {size}"
    elif type(wrong) in (int, float):
        said = f"JSON Value: {wrong} found at incorrect level: {axis} in the JSON DOM. Expected at level: {rank}"
    else:
        return _of_wrong_type(tensor, wrong)
    return Refused(400, f"{tensor.name}: {said}")


def _array(tensor: TensorSpec, level: list[Any], rank: int) -> np.ndarray:
    allowed = {int, float} if tensor.dtype == "float32" else {int}
    if not set(map(type, level)) <= allowed:
        wrong = next(item for item in level if type(item) not in allowed)
        if isinstance(wrong, list):
            raise Refused(400, f"{tensor.name}: Encountered list at unexpected level: {rank} expected < {rank}")
        raise _of_wrong_type(tensor, wrong)
    try:
        return np.array(level, _WIDE[tensor.dtype])
    except OverflowError:
        raise Refused(400, f"{tensor.name}: a number does not fit into {tensor.dtype}") from None


def flat(tensor: TensorSpec, value: Any, shape: Sequence[int]) -> np.ndarray:
    """Return the array of a checked `shape` in a flat list, or in lists nested as the shape says."""
    if not isinstance(value, list):
        raise Refused(400, f"{tensor.name}: data must be a list, got {_shown(value)}")
    if value and isinstance(value[0], list):
        made = numbers(tensor, value, len(shape))
        if made.shape != tuple(shape):
            raise Refused(400, f"{tensor.name}: data of shape {list(made.shape)}, but its shape says {list(shape)}")
        return made
    if len(value) != math.prod(shape):
        raise Refused(
            400, f"{tensor.name}: data holds {len(value):,} numbers, shape {list(shape)} needs {math.prod(shape):,}"
        )
    return _array(tensor, value, 1).reshape(shape)


def checked_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Return a shape that was sent as a tuple of whole numbers, none negative, of at most 8 axes."""
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise Refused(400, f"{name}: shape {_shown(shape)} must be a list of whole numbers from 0 to 2^31 - 1")
    if len(shape) > MAX_AXES:
        raise Refused(400, f"{name}: a shape of {len(shape)} axes; at most {MAX_AXES}")
    return tuple(shape)


def from_bytes(tensor: TensorSpec, data: memoryview, shape: Sequence[int]) -> np.ndarray:
    """Return the array of a checked `shape` in little-endian `data`, which is not copied."""
    dtype = BYTES[tensor.dtype]
    needed = math.prod(shape) * dtype.itemsize
    if needed != len(data):
        raise Refused(
            400, f"{tensor.name}: got {len(data):,} bytes, shape {list(shape)} of {tensor.dtype} needs {needed:,}"
        )
    return np.frombuffer(data, dtype).reshape(shape)


def json_size(shape: Sequence[int]) -> int:
    """Return the bytes at most of an array as nested lists of JSON."""
    # -1.17549435e-38 and a comma for each number, two brackets and a comma for each list
    return 16 * math.prod(shape) + 3 * sum(math.prod(shape[:axis]) for axis in range(len(shape)))


def to_bytes(tensor: TensorSpec, values: np.ndarray) -> bytes:
    """Return an array as little-endian bytes, row-major."""
    return np.ascontiguousarray(values, BYTES[tensor.dtype]).tobytes()


def _of_wrong_type(tensor: TensorSpec, value: Any) -> Refused:
    kind = _JSON_TYPES.get(type(value), "Number")
    return Refused(
        400,
        f"{tensor.name}: JSON Value: {_shown(value)} Type: {kind} is not of expected type: {_WORDS[tensor.dtype]}",
    )


def _shown(value: Any) -> str:
    """Return the beginning of a value as JSON."""
    if isinstance(value, list | dict) and len(value) > _SHOWN:
        return f"{_JSON_TYPES[type(value)]} of {len(value):,}"
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return _JSON_TYPES.get(type(value), "Number")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
