"""Every map of a bundle as a function from named arrays to named arrays: `load(path)["encode"](image=photo)`."""

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from serving import words
from serving.arrays import as_array, check_kept, check_names, check_shape, numbered
from serving.sides import Sides
from zoo import bundle, presets
from zoo.noise import fill, in_turn, integer
from zoo.runtime import OpenMap, Source, name_of, open_maps
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import MapSpec, TensorSpec


class TooLittleMemory(UserError):
    """More samples at once than the memory holds now."""


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Tell in one line that the memory does not suffice, as `TooLittleMemory`."""
    try:
        yield
    except MemoryError as error:
        raise TooLittleMemory(f"too many samples for the memory at once: {first_line(error)}") from None


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
    def __call__(self, count: int | None = None, seed: int = 0, start: int = 0, **given: Any) -> dict[str, np.ndarray]:
        """Return every output by name, (count, *shape): those numbered start .. start + count - 1 of `seed`.

        Noise may be given by its name in the place of a seed, all inputs of it or none: arrays (count, *its shape),
        where that of one sample needs no batch axis. Class conditions that are left out then follow from the rows.

        Each condition is one value for all, or an array (count, *its shape), where the sides of pictures may be any if
        they are free. `count` may be left out: then it is that of the arrays, or 1. A picture may be bytes, uint8, and
        a sound int16, which are scaled to [-1, 1]. A mask may be bool, or bytes of 0 and 255. A class may be a number
        or a name, and counts in turn if it is left out. Attributes may be 0 and 1, or the names of all that are to be
        present, [] for none. Never returns NaN or infinity. Errors are `UserError`.
        """
        noise = {tensor.name: given.pop(tensor.name) for tensor in self.spec.noise if tensor.name in given}
        if noise:
            return self.run(self.of_noise(noise, given, count, seed, start))
        count = self.count_of(count, given)
        seed, start = integer("seed", seed, 0), integer("start", start, 0)
        return self.run(fill(self.spec, count, seed, start, self.given(count, given)), start)

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

    @property
    def onnx(self) -> bytes:
        """The ONNX file that runs."""
        return self._opened.onnx

    def parts(self, start: int, count: int, least: int) -> Iterator[range]:
        """Yield the numbers start .. start + count - 1 in parts of `least` or more, none of which splits a block."""
        return self._opened.parts(start, count, least)

    def count_of(self, count: int | None, conditions: Mapping[str, Any]) -> int:
        """Return the number of samples: `count`, or else that of the first condition with a batch axis, or 1."""
        if count is not None:
            return self.counted("count", count)
        for tensor in self.spec.conditions:
            try:
                shape = np.shape(numbered(tensor, conditions.get(tensor.name, 0)))
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
            check_kept(mask, arrays, self.spec.output)
        return {name: np.broadcast_to(values, (count, *values.shape[1:])) for name, values in arrays.items()}

    def of_noise(
        self, noise: Mapping[str, Any], conditions: Mapping[str, Any], count: int | None, seed: int, start: int
    ) -> dict[str, np.ndarray]:
        """Return every input, checked, for `noise` that is given in the place of a seed; it may hold classes too.

        Each noise is an array (count, *its shape); that of one sample needs no batch axis. A class that is left out
        follows from the row.
        """
        if integer("seed", seed, 0) or integer("start", start, 0):
            raise UserError("give either a seed or the noise itself, not both")
        tensors = {tensor.name: tensor for tensor in self.spec.noise}
        classes = {tensor.name for tensor in self.spec.conditions if tensor.is_class}
        check_names("noise input", noise, tensors.keys(), classes)
        arrays = {name: as_array(tensor, noise[name]) for name, tensor in tensors.items()}
        arrays = {name: made[None] if made.shape == tensors[name].shape else made for name, made in arrays.items()}
        sizes = {len(values) if values.ndim else 0 for values in arrays.values()}
        if len(sizes) != 1 or sizes == {0}:
            raise UserError("noise needs a batch axis of the same size, 1 or more, in each of its arrays")
        (batch,) = sizes
        for name, values in arrays.items():
            check_shape(tensors[name], values, batch)
        if count is not None and self.counted("count", count) != batch:
            raise UserError(f"count {count} differs from the noise's batch of {batch}")
        chosen = {name: noise[name] for name in classes & noise.keys()}
        if twice := chosen.keys() & conditions.keys():
            raise UserError(f"{', '.join(sorted(twice))}: give it in the noise or as an argument, not both")
        return arrays | self.classes_in_turn(batch) | self.given(batch, {**chosen, **conditions})

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


def load_preset(name: str, **options: Any) -> Bundle:
    """Return all maps of a preset, which is fetched if it is not on this machine; `options` are those of `load`.

    An unknown name is a `UserError`, and so is one that cannot be fetched (see `zoo.presets`).
    """
    return load(presets.find(name), **options)


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
