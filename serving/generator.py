"""Samples of one map, in order, at once or as a stream: `Generator(path).sample(count, seed)`."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from serving import words
from serving.maps import ServedMap, enough_memory
from serving.rows import STEP, check_step, partial_pictures, rows
from serving.sides import Sides
from zoo import bundle, presets
from zoo.images import to_uint8
from zoo.media import stored
from zoo.noise import fill, integer, threshold
from zoo.runtime import Source, name_of, open_maps
from zoo.shared.errors import UserError, shown
from zoo.spec import MapSpec, TensorSpec

_DRAWN = 256  # samples whose noise is drawn at once, however large the chunk


class Generator:
    """A generator from disk, ready to sample: the first output of one map. Safe to call from several threads at once.

    `path` is a bundle directory, every file of which is checked against its SHA-256, a lone ONNX file of ours, or its
    bytes. `map` names one of the bundle's maps, by default the first. `threads` is how many cores one call may use.
    `sides` says how pictures of any size are run, where the map takes such. `providers` are onnxruntime's execution
    providers, such as ["CUDAExecutionProvider"], by default the CPU. Any fault is one `UserError`. Copies, pickles and
    a fork's children make the same samples, whatever has become of the disk.
    """

    def __init__(
        self,
        path: Source,
        map: str | None = None,
        threads: int = 1,
        sides: Sides | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        threads = integer("threads", threads, 1, 1024)
        self.manifest: bundle.Manifest
        self.manifest, opened = open_maps(path, threads, [map], providers)
        ((name, made),) = opened.items()
        if sides is not None:
            sides.check(made.spec)
        self._map = ServedMap(made, name, self.manifest.maps, sides)
        self._name, self._threads, self._providers = name_of(path), threads, providers
        self.spec: MapSpec = made.spec

    @classmethod
    def from_preset(cls, name: str, map: str | None = None, **options: Any) -> "Generator":
        """Return a generator of a preset, which is fetched if it is not on this machine; `options` as for a path.

        An unknown name is a `UserError`, and so is one that cannot be fetched (see `zoo.presets`).
        """
        return cls(presets.find(name), map, **options)

    def __repr__(self) -> str:
        made = words.of_map(self._map.name, self.spec)
        return f"<Generator {words.of_bundle(self.manifest, self._name)}: {made}>"

    @enough_memory()
    def sample(
        self,
        count: int | None = None,
        seed: int = 0,
        *,
        noise: Any = None,
        dtype: DTypeLike = "uint8",
        start: int = 0,
        truncation: float | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Return samples (count, *shape): those numbered start .. start + count - 1 of `seed`, or those of `noise`.

        `noise` maps each noise input to an array (count, *its shape), or is that array where there is one such
        input; that of one sample needs no batch axis. `count` may be left out: then it is that of the noise, else of a
        condition with a batch axis, else 1. Each condition is one value for all samples or an array (count, *its
        shape); bytes of a picture are scaled. A class may be given by its name; one that is left out counts: sample k
        of a seed, or row k of `noise`, has class low + k mod (high - low + 1); a mapping may hold classes too. With
        `dtype` "uint8", for images only, [-1, 1] becomes 0 .. 255; "float32" returns what the network made.
        `truncation` draws normal noise of a seed anew where its magnitude exceeds this threshold: less varied samples,
        nearer to the usual (see `zoo.noise`). Never returns NaN or infinity. Errors are `UserError`.
        """
        if noise is None:
            count = self._map.count_of(count, conditions)
            chunks = self.stream(
                count, seed, batch_size=count, dtype=dtype, start=start, truncation=truncation, **conditions
            )
            return next(chunks)
        if truncation is not None:
            raise UserError("give either truncation or the noise itself, not both")
        dtype = self._check_dtype(dtype)
        if not isinstance(noise, Mapping):
            names = [tensor.name for tensor in self.spec.noise]
            if len(names) != 1:
                raise UserError(f"noise must be a dict with the keys {', '.join(names) or '(none)'}")
            noise = dict.fromkeys(names, noise)
        return self._convert(self._made(self._map.of_noise(noise, conditions, count, seed, start)), dtype)

    def stream(
        self,
        count: int,
        seed: int = 0,
        *,
        batch_size: int = 64,
        dtype: DTypeLike = "uint8",
        start: int = 0,
        truncation: float | None = None,
        **conditions: Any,
    ) -> Iterator[np.ndarray]:
        """Yield what `sample` returns in chunks of `batch_size`, the last one shorter: only one is in memory.

        Arguments are checked at once, before the first chunk.
        """
        count, batch_size = self._map.counted("count", count), integer("batch_size", batch_size, 1)
        seed, start = integer("seed", seed, 0), integer("start", start, 0)
        dtype = self._check_dtype(dtype)
        given = self._map.given(count, conditions)
        if truncation is not None:
            threshold(self.spec, truncation)
        draw = functools.partial(fill, self.spec, seed=seed, truncation=truncation)
        return self._chunks(count, draw, batch_size, dtype, start, given)

    def _chunks(
        self,
        count: int,
        draw: Callable[..., dict[str, np.ndarray]],
        batch_size: int,
        dtype: str,
        start: int,
        given: Mapping[str, np.ndarray],
    ) -> Iterator[np.ndarray]:
        """Run block by block, none of them twice, and yield what they make in chunks of `batch_size`."""

        def of(part: range) -> np.ndarray:
            own = {name: values[part.start - start : part.stop - start] for name, values in given.items()}
            return self._convert(self._made(draw(len(part), start=part.start, given=own), part.start), dtype)

        parts = map(of, self._map.parts(start, count, min(batch_size, _DRAWN)))
        shapes = self.spec.shapes({name: values.shape[1:] for name, values in given.items()})
        rest = np.empty((0, *shapes[self.spec.output.name]), dtype)
        for first in range(0, count, batch_size):
            with enough_memory():
                # at once, so that memory which does not suffice is told of before the first block
                chunk = np.empty((min(batch_size, count - first), *rest.shape[1:]), dtype)
                filled = 0
                while filled < len(chunk):
                    rest = rest if len(rest) else next(parts)
                    taken = rest[: len(chunk) - filled]
                    chunk[filled : filled + len(taken)] = taken
                    filled, rest = filled + len(taken), rest[len(taken) :]
            yield chunk

    def stream_rows(
        self, count: int = 1, seed: int = 0, *, start: int = 0, progress: bool = False, **conditions: Any
    ) -> Iterator[np.ndarray]:
        """Yield the pictures of `sample`, uint8 (count, height, width, channels), after each row, from the top.

        Rows to come are grey, 128; the last pictures are those of `sample`. With `progress`, a bar on stderr counts the
        rows, if that is a terminal. Arguments are checked at once. A bundle without the map "step", which models in
        raster order have, is a `UserError`.
        """
        if self.spec.output.kind == "audio":
            raise UserError("this map makes sounds, which have no rows: use stream_sound")
        step = self._step
        count = self._map.counted("count", count)
        seed, start = integer("seed", seed, 0), integer("start", start, 0)
        given = self._map.given(count, conditions)

        def pictures() -> Iterator[np.ndarray]:
            with enough_memory():
                made = partial_pictures(self.spec, step, fill(self.spec, count, seed, start, given), start)
                yield from map(to_uint8, _with_bar(made, self.spec.output.shape[0]) if progress else made)

        return pictures()

    def stream_sound(
        self, count: int = 1, seed: int = 0, *, block: int = 400, start: int = 0, **conditions: Any
    ) -> Iterator[np.ndarray]:
        """Yield the sounds of `sample` in blocks as they are made, int16 (count, `block`), the last one shorter.

        Put together they are what `sample` makes, as a WAV file holds it. Arguments are checked at once. A bundle
        without the map "step", or of another kind than sound, is a `UserError`.
        """
        if self.spec.output.kind != "audio":
            raise UserError(f"this map makes {self.spec.output.kind}, no sound: use stream_rows or stream")
        step = self._step
        count, block = self._map.counted("count", count), integer("block", block, 1)
        seed, start = integer("seed", seed, 0), integer("start", start, 0)
        given = self._map.given(count, conditions)

        def blocks() -> Iterator[np.ndarray]:
            with enough_memory():
                made = rows(self.spec, step, fill(self.spec, count, seed, start, given), start)
                while part := list(itertools.islice(made, block)):
                    yield stored(self.spec.output, np.concatenate(part, axis=1))

        return blocks()

    @enough_memory()
    def interpolate(
        self,
        seed_from: int,
        seed_to: int,
        steps: int = 8,
        *,
        dtype: DTypeLike = "uint8",
        truncation: float | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Return the walk (steps, *shape) from the first sample of one seed to the first of another, both included.

        Normal noise walks on the sphere, where its samples live (Shoemake 1985); uniform noise straight. A class that
        is left out is the first samples' own, the lowest, all along the way. `truncation` is that of both ends.
        """
        steps = self._map.counted("steps", steps, 2)
        dtype = self._check_dtype(dtype)
        inputs = walk(self.spec, seed_from, seed_to, steps, self._map.given(steps, conditions), truncation)
        # the far end runs apart from the others, in the row where `sample` would have it
        parts = slice(0, -1), slice(-1, None)
        runs = [self._made({name: values[part] for name, values in inputs.items()}) for part in parts]
        return self._convert(np.concatenate(runs), dtype)

    @functools.cached_property
    def _step(self) -> ServedMap:
        """The map that makes one row of what this one makes."""
        is_lone = not self.manifest.files
        if is_lone or self._map.name != self.manifest.default or STEP not in self.manifest.maps:
            raise UserError(
                f"{self._name} makes no rows by themselves: use the default map of a bundle directory that has a map "
                f"{STEP!r} too, as models in raster order have"
            )
        check_step(self.manifest.maps[STEP], self.spec)
        manifest, opened = open_maps(self._name, self._threads, [STEP], self._providers)
        if manifest != self.manifest:
            raise UserError(f"{self._name} holds another bundle than when it was opened: open it again")
        return ServedMap(opened[STEP], STEP, self.manifest.maps)

    def _made(self, inputs: Mapping[str, np.ndarray], start: int = 0) -> np.ndarray:
        return self._map.run(inputs, start)[self.spec.output.name]

    def _check_dtype(self, given: DTypeLike) -> str:
        """Return the name of a numpy type; one that this map does not make is refused."""
        try:
            dtype = np.dtype(given).name
        except (TypeError, ValueError, SyntaxError):
            dtype = ""
        if dtype not in ("uint8", "float32"):
            raise UserError(f"dtype {shown(given)}: use 'uint8' or 'float32'")
        if dtype == "uint8" and not is_picture(self.spec.output):
            output = self.spec.output
            raise UserError(f"{output.name} of kind {output.kind} is no picture; use dtype='float32'")
        return dtype

    def _convert(self, samples: np.ndarray, dtype: str) -> np.ndarray:
        return to_uint8(samples) if dtype == "uint8" else samples.astype(dtype, copy=False)


def _with_bar(made: Iterator[np.ndarray], height: int) -> Iterator[np.ndarray]:
    from tqdm import tqdm

    return iter(tqdm(made, total=height, unit="row", disable=None))


def walk(
    spec: MapSpec,
    seed_from: int,
    seed_to: int,
    steps: int,
    given: Mapping[str, np.ndarray],
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs (steps, *shape) of a walk between the first samples of two seeds, see `Generator.interpolate`.

    `given` holds checked conditions, (steps, *shape).
    """
    if not spec.noise:
        raise UserError("this map takes no noise: there is nothing to interpolate")
    first = {name: values[:1] for name, values in given.items()}
    begin, end = (fill(spec, 1, seed, given=first, truncation=truncation) for seed in (seed_from, seed_to))
    inputs = {name: values.repeat(steps, axis=0) for name, values in begin.items()} | dict(given)
    for tensor in spec.noise:
        path = _slerp if tensor.role == "normal" else _lerp
        inputs[tensor.name] = path(begin[tensor.name][0], end[tensor.name][0], steps)
    return inputs


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
