"""What is given to a map as arrays of its tensors' types: within their range, on their levels, names as numbers."""

import dataclasses
import math
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from zoo import media
from zoo.shared.errors import UserError, shown, unknown
from zoo.spec import TensorSpec

# of a step between two levels; what a grid of 256 levels loses in float32 is a hundredth of it
_LEVEL_TOLERANCE = 1e-3
# what whole numbers beyond the range of a kind were meant to be
_AS_WHOLE = dict.fromkeys(("image", "video"), "; bytes are of type uint8") | {"audio": "; 16 bits are of type int16"}


def as_array(tensor: TensorSpec, values: Any) -> np.ndarray:
    """Return `values` as an array of the tensor's type, finite and within its range, of any shape."""
    values = numbered(tensor, values)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise UserError(f"{tensor.name}: some of its values are masked; fill them")
    try:
        given = np.asarray(values)
    except ValueError:
        raise UserError(f"{tensor.name}: the rows of the array differ in length") from None
    if given.dtype in (np.uint8, np.int16) and tensor.kind in media.FILES:
        given = media.seen(tensor, given)
    if given.dtype == bool and tensor.kind == "mask":
        given = given.astype(tensor.dtype)
    # whole numbers for uniform noise are bytes or levels by mistake
    if given.dtype.kind not in ("f" if tensor.role == "uniform" else "fiu"):
        is_typed = isinstance(values, np.ndarray) and given.dtype.kind not in "OSU"
        got = f"the type {given.dtype}" if is_typed else shown(values)
        raise UserError(f"{tensor.name}: needs {_wanted(tensor)}; got {got}")
    if given.dtype == tensor.dtype:
        array = given.copy()
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            array = given.astype(tensor.dtype)
    if tensor.dtype != "float32" and not np.array_equal(array, given):
        raise UserError(f"{tensor.name}: needs whole numbers that fit into {tensor.dtype}")
    if not np.isfinite(array).all():
        raise UserError(f"{tensor.name}: NaN or infinity, or too large for {tensor.dtype}")
    is_bounded = math.isfinite(tensor.low) or math.isfinite(tensor.high)
    if is_bounded and ((array < tensor.low) | (array > tensor.high)).any():
        raise UserError(
            f"{tensor.name}: values must lie in [{tensor.low}, {tensor.high}]{_AS_WHOLE.get(tensor.kind, '')}"
        )
    if tensor.levels and not tensor.companding:
        _check_levels(tensor, array)
    _check_exclusive(tensor, array)
    if tensor.kind == "mask" and not np.isin(array, (0, 1)).all():
        raise UserError(f"{tensor.name}: a mask holds 0 and 1, or as bytes 0 and 255, and nothing between")
    return array


def _wanted(tensor: TensorSpec) -> str:
    """Return what values of the tensor are, in words."""
    if tensor.kind in ("class", "attributes"):
        return "whole numbers or names" if tensor.names else "whole numbers"
    return "real numbers of a floating-point type" if tensor.role == "uniform" else "real numbers"


def numbered(tensor: TensorSpec, values: Any) -> Any:
    """Return classes and attributes that are given by name as numbers, anything else as it is."""
    if hasattr(values, "__array__") and not isinstance(values, str | np.ndarray):
        values = np.asarray(values)  # a column of a table, or another library's array
    if isinstance(values, np.ndarray) and values.dtype.kind in "OTU":
        values = values.tolist()
    if tensor.kind == "attributes":
        return _set(tensor, values)
    if not tensor.is_class:
        return values
    if isinstance(values, str):
        return tensor.index_of(values)
    if isinstance(values, list | tuple) and any(isinstance(value, str) for value in values):
        return [tensor.index_of(value) if isinstance(value, str) else value for value in values]
    return values


def _set(tensor: TensorSpec, values: Any) -> Any:
    """Return attributes that are given by their names, such as "glasses,long_hair" or ["glasses"], as 0 and 1.

    The names are all that are to be present: an attribute that is not named is 0. A list may hold such a list for each
    sample.
    """
    if isinstance(values, str):
        values = [name.strip() for name in values.split(",")] if values.strip() else []
    if not isinstance(values, list | tuple):
        return values
    if all(isinstance(value, str) for value in values):
        for name in values:
            if name not in tensor.names:
                raise unknown(f"attribute of {tensor.name}", name, tensor.names)
        return [int(name in values) for name in tensor.names] if tensor.names else [0] * tensor.shape[0]
    if any(isinstance(value, str | list | tuple) for value in values):
        return [_set(tensor, value) for value in values]
    return values


def _check_exclusive(tensor: TensorSpec, values: np.ndarray) -> None:
    """Refuse attributes of which more than one of an exclusive group is set."""
    for group in tensor.exclusive:
        numbers = [tensor.names.index(name) for name in group]
        if values.shape[-1:] == tensor.shape and (crowded := values[..., numbers].sum(axis=-1) > 1).any():
            row = values.reshape(-1, *tensor.shape)[crowded.reshape(-1)][0]
            both = " and ".join(name for name, number in zip(group, numbers, strict=True) if row[number])
            raise UserError(f"{tensor.name}: {both} exclude one another; name at most one of {', '.join(group)}")


def _check_levels(tensor: TensorSpec, values: np.ndarray, where: str = "") -> None:
    """Refuse values between the levels of a tensor: it takes these alone."""
    steps = (values.astype(np.float64) - tensor.low) * ((tensor.levels - 1) / (tensor.high - tensor.low))
    between = np.abs(steps - np.rint(steps)) > _LEVEL_TOLERANCE
    if between.any():
        wanted = f"one of {tensor.levels} evenly spaced levels from {tensor.low:g} to {tensor.high:g}"
        if tensor.levels == 2:
            wanted = f"{tensor.low:g} or {tensor.high:g}"
        as_bytes = ""
        if tensor.kind in ("image", "video"):
            as_bytes = ", or as bytes 0 or 255" if tensor.levels == 2 else ", or bytes"
        if tensor.kind == "audio" and tensor.levels == 2**16:
            as_bytes = ", or samples of 16 bits"
        raise UserError(f"{tensor.name}: {values[between][0]:g} is no value of it: use {wanted}{as_bytes}{where}")


def check_kept(mask: TensorSpec, arrays: Mapping[str, np.ndarray], output: TensorSpec) -> None:
    """Refuse values that the output is to keep and cannot hold, because they lie between its levels."""
    if output.levels and not output.companding:
        kept, is_kept = np.broadcast_arrays(arrays[mask.keeps], arrays[mask.name] == 1)
        _check_levels(dataclasses.replace(output, name=mask.keeps), kept[is_kept], f", where {mask.name} is 1")


def check_shape(tensor: TensorSpec, values: np.ndarray, count: int) -> None:
    """Refuse an array that has not one value of the tensor's shape for each sample."""
    if values.shape != (count, *tensor.shape):
        raise UserError(f"{tensor.name}: needs shape {tensor.shape_in_words(count)}, got {values.shape}")


def check_names(kind: str, given: Mapping[str, Any], required: Set[str], optional: Set[str]) -> None:
    """Refuse a name that there is not, and one that is missing."""
    for name in given.keys() - required - optional:
        raise unknown(kind, str(name), required | optional)
    if missing := required - given.keys():
        raise UserError(f"missing {kind} {', '.join(sorted(missing))}")
