"""Samples of one map, in order, at once or as a stream: `Generator(path).sample(count, seed)`."""

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from serving.maps import ServedMap, as_array, check_names, check_shape, enough_memory
from zoo import bundle
from zoo.images import to_uint8
from zoo.noise import fill, integer
from zoo.runtime import open_maps
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec


class Generator:
    """A generator from disk, ready to sample: the first output of one map. Safe to call from several threads at once.

    `path` is a bundle directory, every file of which is checked against its SHA-256, or a lone ONNX file of ours.
    `map` names one of the bundle's maps, by default the first. `threads` is how many cores one call may use. Any
    fault of either is one `UserError`.
    """

    def __init__(self, path: str | os.PathLike[str], map: str | None = None, threads: int = 1) -> None:
        threads = integer("threads", threads, 1, 1024)
        self.manifest: bundle.Manifest
        self.manifest, opened = open_maps(path, threads, [map])
        ((name, made),) = opened.items()
        self._map = ServedMap(made, name, path)
        self.spec: MapSpec = made.spec

    @enough_memory()
    def sample(
        self,
        count: int | None = None,
        seed: int = 0,
        *,
        noise: Any = None,
        dtype: str = "uint8",
        start: int = 0,
        **conditions: Any,
    ) -> np.ndarray:
        """Return samples (count, *shape): those numbered start .. start + count - 1 of `seed`, or those of `noise`.

        `noise` maps each noise input to an array (count, *its shape), or is that array where there is one such
        input. `count` may be left out: then it is that of the noise, else of a condition with a batch axis, else 1.
        Each condition is one value for all samples or an array (count, *its shape); bytes of a picture are scaled. A
        class may be given by its name; one that is left out counts: sample k of a seed, or row k of `noise`, has class
        low + k mod (high - low + 1); a mapping may hold classes too. With `dtype` "uint8", for images only, [-1, 1]
        becomes 0 .. 255; "float32" returns what the network made. Never returns NaN or infinity. Errors are
        `UserError`.
        """
        if noise is None:
            count = self._map.count_of(count, conditions)
            chunks = self.stream(count, seed, dtype=dtype, start=start, **conditions)
            # at once, so that memory which does not suffice is told of before the first sample
            samples = np.empty((count, *self.spec.output.shape), dtype)
            filled = 0
            for chunk in chunks:
                samples[filled : (filled := filled + len(chunk))] = chunk
            return samples
        if seed or start:
            raise UserError("give either a seed or the noise itself, not both")
        self._check_dtype(dtype)
        inputs, classes, batch = self._given_noise(noise)
        if count not in (None, batch):
            raise UserError(f"count {count!r} differs from the noise's batch of {batch}")
        if twice := classes.keys() & conditions.keys():
            raise UserError(f"{', '.join(sorted(twice))}: give it in the noise or as an argument, not both")
        inputs |= self._map.classes_in_turn(batch) | self._map.given(batch, classes | conditions)
        return self._convert(self._made(inputs), dtype)

    def stream(
        self,
        count: int,
        seed: int = 0,
        *,
        batch_size: int = 64,
        dtype: str = "uint8",
        start: int = 0,
        **conditions: Any,
    ) -> Iterator[np.ndarray]:
        """Yield what `sample` returns in chunks of `batch_size`, the last one shorter: only one is in memory.

        Arguments are checked at once, before the first chunk. A `batch_size` that is a multiple of 16 is fastest.
        """
        count, batch_size = self._map.counted("count", count), integer("batch_size", batch_size, 1)
        seed, start = integer("seed", seed, 0), integer("start", start, 0)
        self._check_dtype(dtype)
        given = self._map.given(count, conditions)

        @enough_memory()
        def chunk(first: int) -> np.ndarray:
            size = min(batch_size, count - first)
            part = {name: values[first : first + size] for name, values in given.items()}
            inputs = fill(self.spec, size, seed, start + first, part)
            return self._convert(self._made(inputs, start + first), dtype)

        return map(chunk, range(0, count, batch_size))

    @enough_memory()
    def interpolate(
        self, seed_from: int, seed_to: int, steps: int = 8, *, dtype: str = "uint8", **conditions: Any
    ) -> np.ndarray:
        """Return the walk (steps, *shape) from the first sample of one seed to the first of another, both included.

        Normal noise walks on the sphere, where its samples live (Shoemake 1985); uniform noise straight. A class that
        is left out is the first samples' own, the lowest, all along the way.
        """
        steps = self._map.counted("steps", steps, 2)
        self._check_dtype(dtype)
        if not self.spec.noise:
            raise UserError("this map takes no noise: there is nothing to interpolate")
        given = self._map.given(steps, conditions)
        first = {name: values[:1] for name, values in given.items()}
        begin, end = (fill(self.spec, 1, seed, given=first) for seed in (seed_from, seed_to))
        inputs = {name: values.repeat(steps, axis=0) for name, values in begin.items()} | given
        for tensor in self.spec.noise:
            walk = _slerp if tensor.role == "normal" else _lerp
            inputs[tensor.name] = walk(begin[tensor.name][0], end[tensor.name][0], steps)
        # the far end runs apart from the others, in the row where `sample` would have it
        parts = slice(0, -1), slice(-1, None)
        runs = [self._made({name: values[part] for name, values in inputs.items()}) for part in parts]
        return self._convert(np.concatenate(runs), dtype)

    def _made(self, inputs: Mapping[str, np.ndarray], start: int = 0) -> np.ndarray:
        return self._map.run(inputs, start)[self.spec.output.name]

    def _given_noise(self, noise: Any) -> tuple[dict[str, np.ndarray], dict[str, Any], int]:
        """Return the checked noise by its name, the classes that came with it (unchecked), and its batch size."""
        tensors = {tensor.name: tensor for tensor in self.spec.noise}
        if not isinstance(noise, Mapping):
            if len(tensors) != 1:
                raise UserError(f"noise must be a dict with the keys {', '.join(tensors) or '(none)'}")
            noise = dict.fromkeys(tensors, noise)
        classes = {tensor.name for tensor in self.spec.conditions if tensor.is_class}
        check_names("noise input", noise, tensors.keys(), classes)
        arrays = {name: as_array(tensor, noise[name]) for name, tensor in tensors.items()}
        sizes = {len(values) if values.ndim else 0 for values in arrays.values()}
        if len(sizes) != 1 or sizes == {0}:
            raise UserError("noise needs a batch axis of the same size, 1 or more, in each of its arrays")
        (batch,) = sizes
        for name, values in arrays.items():
            check_shape(tensors[name], values, batch)
        return arrays, {name: noise[name] for name in classes & noise.keys()}, batch

    def _check_dtype(self, dtype: str) -> None:
        if dtype not in ("uint8", "float32"):
            raise UserError(f"dtype {dtype!r}: use 'uint8' or 'float32'")
        if dtype == "uint8" and not is_picture(self.spec.output):
            output = self.spec.output
            raise UserError(f"{output.name} of kind {output.kind} is no picture; use dtype='float32'")

    def _convert(self, samples: np.ndarray, dtype: str) -> np.ndarray:
        return to_uint8(samples) if dtype == "uint8" else samples.astype(dtype, copy=False)


def is_picture(tensor: TensorSpec) -> bool:
    """Whether the tensor holds pictures or videos, which have a form in bytes."""
    return tensor.kind in ("image", "video")


def _lerp(begin: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return the straight walk (steps, *shape) between two arrays of one shape; both ends are exact."""
    t = np.linspace(0, 1, steps).reshape(-1, *[1] * begin.ndim)
    return ((1 - t) * begin.astype(np.float64) + t * end.astype(np.float64)).astype(np.float32)


def _slerp(begin: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return the walk (steps, *shape) along the arc between two arrays of one shape; both ends are exact.

    Where no arc is defined (a vector of zeros, or two on one line) the walk is straight.
    """
    a, b = begin.astype(np.float64), end.astype(np.float64)
    lengths = math.sqrt((a * a).sum()) * math.sqrt((b * b).sum())
    angle = math.acos(np.clip((a * b).sum() / lengths, -1, 1)) if lengths else 0.0
    if math.sin(angle) < 1e-6:
        return _lerp(begin, end, steps)
    t = np.linspace(0, 1, steps).reshape(-1, *[1] * begin.ndim)
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / math.sin(angle)).astype(np.float32)
