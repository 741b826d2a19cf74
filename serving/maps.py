"""Every map of a bundle as a function from named arrays to named arrays: `load(path)["encode"](image=photo)`."""

import contextlib
import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from serving import words
from serving.sides import Sides
from zoo import bundle, media
from zoo.noise import fill, in_turn, integer
from zoo.runtime import OpenMap, Source, name_of, open_maps
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import MapSpec, TensorSpec

# of a step between two levels; what a grid of 256 levels loses in float32 is a hundredth of it
_LEVEL_TOLERANCE = 1e-3
# what whole numbers beyond the range of a kind were meant to be
_AS_WHOLE = dict.fromkeys(("image", "video"), "; bytes are of type uint8") | {"audio": "; 16 bits are of type int16"}


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Tell in one line that the memory does not suffice, as a `UserError`."""
    try:
        yield
    except MemoryError as error:
        raise UserError(f"too many samples for the memory at once: {first_line(error)}") from None


class ServedMap:
    """One map from disk, ready to run. Safe to call from several threads at once."""

    def __init__(self, opened: OpenMap, name: str, maps: Mapping[str, MapSpec], sides: Sides | None = None) -> None:
        """Serve the map `name`, one of the `maps` of its bundle."""
        self.name = name
        self.spec: MapSpec = opened.spec
        self._opened, self._sides = opened, sides or Sides()
        self._whole = _map_of_whole_samples(self.spec, maps)
        self.is_free = any(tensor.multiple for tensor in self.spec.conditions)
        if self.is_free:
            self._sides.check(self.spec)

    def __repr__(self) -> str:
        return f"<ServedMap {words.of_map(self.name, self.spec)}>"

    @enough_memory()
    def __call__(
        self, count: int | None = None, seed: int = 0, start: int = 0, **conditions: Any
    ) -> dict[str, np.ndarray]:
        """Return every output by name, (count, *shape): those numbered start .. start + count - 1 of `seed`.

        Each condition is one value for all, or an array (count, *its shape), where the sides of pictures may be any if
        they are free. `count` may be left out: then it is that of the arrays, or 1. A picture may be bytes, uint8, and
        a sound int16, which are scaled to [-1, 1]. A mask may be bool, or bytes of 0 and 255. A class may be a number
        or a name, and counts in turn if it is left out. Attributes may be 0 and 1, or the names of all that are to be
        present, [] for none. Never returns NaN or infinity. Errors are `UserError`.
        """
        count = self.count_of(count, conditions)
        seed, start = integer("seed", seed, 0), integer("start", start, 0)
        given = self.given(count, conditions)
        return self.run(fill(self.spec, count, seed, start, given), start)

    def run(
        self, inputs: Mapping[str, np.ndarray], start: int = 0, sides: Sides | None = None
    ) -> dict[str, np.ndarray]:
        """Return every output for checked inputs, which are numbered from `start`; `sides` may be others than usual."""
        if not self.is_free:
            return self._opened.run(inputs, start)
        return (sides or self._sides).run(self.spec, lambda padded: self._opened.run(padded, start), inputs)

    def run_batch(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for checked inputs that run as one batch; the last bits of a row may depend on others."""
        return self._opened.run_batch(inputs)

    def checked(self, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return every input, noise too, checked: (count, *shape), from arrays that all have a batch axis."""
        tensors = {tensor.name: tensor for tensor in self.spec.inputs}
        check_names("input", arrays, tensors.keys(), set())
        made = {tensor.name: as_array(tensor, arrays[tensor.name]) for tensor in self.spec.noise}
        sizes = {np.shape(values)[:1] for values in arrays.values()}
        if len(sizes) != 1 or sizes & {(), (0,)}:
            raise UserError("the inputs need a batch axis of the same size, 1 or more, in each of them")
        ((count,),) = sizes
        for name, values in made.items():
            check_shape(tensors[name], values, count)
        for tensor in self.spec.conditions:
            # a value without its batch axis would count as one for all
            if np.ndim(arrays[tensor.name]) != len(tensor.shape) + 1:
                raise UserError(
                    f"{tensor.name}: needs shape {tensor.shape_in_words(count)}, got {np.shape(arrays[tensor.name])}"
                )
        return made | self.given(count, {tensor.name: arrays[tensor.name] for tensor in self.spec.conditions})

    def parts(self, start: int, count: int, least: int) -> Iterator[range]:
        """Yield the numbers start .. start + count - 1 in parts of `least` or more, none of which splits a block."""
        return self._opened.parts(start, count, least)

    def count_of(self, count: int | None, conditions: Mapping[str, Any]) -> int:
        """Return the number of samples: `count`, or else that of the first condition with a batch axis, or 1."""
        if count is not None:
            return self.counted("count", count)
        for tensor in self.spec.conditions:
            try:
                shape = np.shape(_numbered(tensor, conditions.get(tensor.name, 0)))
            except ValueError:  # its rows differ in length: `given` says so
                continue
            if len(shape) == len(tensor.shape) + 1:
                return max(1, shape[0])
        return 1

    def counted(self, what: str, count: Any, low: int = 1) -> int:
        """Return a number of samples, at least `low`, as Python has it; more than an array could hold is refused."""
        # noise takes eight bytes a number while it is drawn, in whole blocks of four
        sizes = [8 * (math.prod(tensor.shape) + 4) for tensor in (*self.spec.inputs, *self.spec.outputs)]
        return integer(what, count, low, sys.maxsize // max(sizes))

    def given(self, count: int, conditions: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the checked conditions by their name, each (count, *shape); only classes may be left out.

        So may the mask of a sound that is a beginning, shorter than a whole one: it keeps what there is.
        """
        tensors = {tensor.name: tensor for tensor in self.spec.conditions}
        for mask in self.spec.masks:
            if tensors[mask.keeps].kind == "audio" and mask.keeps in conditions and mask.name not in conditions:
                conditions = {**conditions, **_beginning(mask, tensors[mask.keeps], conditions[mask.keeps])}
        classes = {name for name, tensor in tensors.items() if tensor.is_class}
        check_names("condition", conditions, tensors.keys() - classes, classes)
        arrays = {}
        for name, value in conditions.items():
            values = as_array(tensors[name], value)
            if values.ndim == len(tensors[name].shape):
                values = values[None]  # one for all
            elif not values.ndim or len(values) != count:
                check_shape(tensors[name], values, count)
            if tensors[name].multiple:
                self._sides.check_sides(tensors[name], values.shape[1:])
            else:
                check_shape(tensors[name], values, len(values))
            arrays[name] = values
        for mask in self.spec.masks:
            self._check_parted(mask, arrays[mask.name])
            _check_kept(mask, arrays, self.spec.output)
        return {name: np.broadcast_to(values, (count, *values.shape[1:])) for name, values in arrays.items()}

    def _check_parted(self, mask: TensorSpec, values: np.ndarray) -> None:
        """Refuse a mask that leaves nothing to make, or nothing to go by."""
        rows = values.reshape(len(values), -1)
        for number in np.flatnonzero(rows.min(axis=1) == rows.max(axis=1))[:1]:
            what = f"{mask.name}: is {rows[number, 0]:g} everywhere{f' in row {number}' if len(rows) > 1 else ''}"
            if rows[number, 0]:
                raise UserError(f"{what}: nothing is left to make; use 0 where {self.spec.output.name} is to be made")
            way_out = f", or the map {self._whole}, which needs nothing that is known" if self._whole else ""
            raise UserError(f"{what}: nothing is known; use 1 where {mask.keeps} is to be kept{way_out}")

    def classes_in_turn(self, count: int, start: int = 0) -> dict[str, np.ndarray]:
        """Return each class condition in turn, by its name."""
        return {tensor.name: in_turn(tensor, count, start) for tensor in self.spec.conditions if tensor.is_class}


class Bundle(dict[str, ServedMap]):
    """The maps of a bundle, by name, in its order; a name that it lacks is a `UserError`.

    Copies, pickles and a fork's children hold the same maps, whatever has become of the disk.
    """

    def __init__(
        self,
        path: Source,
        threads: int = 1,
        sides: Sides | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        threads = integer("threads", threads, 1, 1024)
        self.manifest: bundle.Manifest
        self.manifest, opened = open_maps(path, threads, providers=providers)
        self._name = name_of(path)
        maps = self.manifest.maps
        super().__init__({name: ServedMap(made, name, maps, sides) for name, made in opened.items()})

    def __repr__(self) -> str:
        maps = "; ".join(words.of_map(name, map.spec) for name, map in self.items())
        return f"<Bundle {words.of_bundle(self.manifest, self._name)}: {maps}>"

    def __missing__(self, name: object) -> ServedMap:
        raise unknown("map", str(name), self)


def load(path: Source, threads: int = 1, sides: Sides | None = None, providers: Sequence[str] | None = None) -> Bundle:
    """Return all maps of a bundle directory, every file of which is checked, or of a lone ONNX file of ours.

    `path` may also be the bytes of an ONNX file. `threads` is how many cores one call may use. `sides` says how
    pictures of any size are run, by maps that take such. `providers` are onnxruntime's execution providers, such as
    ["CUDAExecutionProvider"], by default the CPU. Any fault is one `UserError`.
    """
    return Bundle(path, threads, sides, providers)


def as_array(tensor: TensorSpec, values: Any) -> np.ndarray:
    """Return `values` as an array of the tensor's type, finite and within its range, of any shape."""
    values = _numbered(tensor, values)
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
        raise UserError(f"{tensor.name}: needs real numbers, {tensor.dtype}; got {given.dtype}")
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


def _numbered(tensor: TensorSpec, values: Any) -> Any:
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


def _check_kept(mask: TensorSpec, arrays: Mapping[str, np.ndarray], output: TensorSpec) -> None:
    """Refuse values that the output is to keep and cannot hold, because they lie between its levels."""
    if output.levels and not output.companding:
        kept, is_kept = np.broadcast_arrays(arrays[mask.keeps], arrays[mask.name] == 1)
        _check_levels(dataclasses.replace(output, name=mask.keeps), kept[is_kept], f", where {mask.name} is 1")


def _beginning(mask: TensorSpec, tensor: TensorSpec, values: Any) -> dict[str, np.ndarray]:
    """Return a sound's beginning with silence to the length of a whole one after it, and the mask that keeps it."""
    values, (length,) = as_array(tensor, values), tensor.shape
    known = values.shape[-1] if values.ndim else 0
    if not 0 < known < length:
        raise UserError(
            f"{tensor.name}: a beginning has 1 to {length - 1:,} samples, got {known:,}; or give {mask.name}, 1 where "
            f"{tensor.name} is to be kept"
        )
    padded = np.zeros((*values.shape[:-1], length), tensor.dtype)
    padded[..., :known] = values
    return {tensor.name: padded, mask.name: (np.arange(length) < known).astype(mask.dtype)}


def _map_of_whole_samples(spec: MapSpec, maps: Mapping[str, MapSpec]) -> str | None:
    """Return the name of a map that makes the same output of noise and classes alone, or None."""
    wanted = spec.output.kind, spec.output.shape
    for name, other in maps.items():
        if (other.output.kind, other.output.shape) == wanted and all(tensor.is_class for tensor in other.conditions):
            return name
    return None


def check_shape(tensor: TensorSpec, values: np.ndarray, count: int) -> None:
    """Refuse an array that has not one value of the tensor's shape for each sample."""
    if values.shape != (count, *tensor.shape):
        raise UserError(f"{tensor.name}: needs shape {(count, *tensor.shape)}, got {values.shape}")


def check_names(kind: str, given: Mapping[str, Any], required: Set[str], optional: Set[str]) -> None:
    """Refuse a name that there is not, and one that is missing."""
    for name in given.keys() - required - optional:
        raise unknown(kind, str(name), required | optional)
    if missing := required - given.keys():
        raise UserError(f"missing {kind} {', '.join(sorted(missing))}")
