"""The lightweight Python API: a bundle or an ONNX file in, samples out.

Bits: onnxruntime's kernels choose their code path by the batch size, and Eigen's by a row's place in memory, so
that a sample's last bits may depend on its neighbours (measured: Elu, Softplus, Log, ReduceMean,
InstanceNormalization, products of two computed matrices). Here the graph always runs on blocks of `BLOCK` samples
(`LOOP_BLOCK` if it loops), and sample k of a seed always sits in the same row of its block: on one machine, with one
number of threads, its bits depend on nothing else. (Four float32 rows are a multiple of 16 bytes, so that each block
begins, as numpy's own arrays do, on the 16-byte boundary that Eigen's sums look at.)
"""

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from zoo import bundle
from zoo.images import to_uint8
from zoo.noise import MAX_SEED, classes_in_turn, draw
from zoo.shared.errors import UserError, first_line, unknown
from zoo.shared.inference import open_session
from zoo.spec import GeneratorSpec, TensorSpec

# Of 1, 2, 4, 8, 16: a dense network answers one sample as fast as with 1, and many at two fifths of its peak; a
# convolutional network makes many at its peak, but one takes the time of four, and would take that of all in a
# larger block. A sampling loop spends its time on the steps rather than on the samples: it runs larger blocks.
BLOCK = 4
LOOP_BLOCK = 16
_LOOP = b'"\x04Loop'  # a node's operation, as protobuf writes it

_MAX_ONNX_BYTES = 2**31  # protobuf's own limit
_ARGUMENTS = {"count", "seed", "noise", "dtype", "start", "batch_size", "seed_from", "seed_to", "steps"}
_ONNX_TYPES = {"float32": "tensor(float)", "int32": "tensor(int32)", "uint8": "tensor(uint8)"}


class Generator:
    """A generator from disk, ready to sample. Safe to call from several threads at once.

    `path` is a bundle directory, every file of which is checked against its SHA-256, or a lone ONNX file of ours.
    `threads` is how many cores one call may use. Whatever is wrong with either is one `UserError`.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        _check_integer("threads", threads, 1, 1024)
        path = Path(path)
        try:
            manifest, model = bundle.read(path) if path.is_dir() else (None, _read_file(path))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        self._session = open_session(model, path, threads)
        self._block = LOOP_BLOCK if _LOOP in model else BLOCK
        self.manifest: bundle.Manifest = manifest or _embedded_manifest(self._session, path)
        self.spec: GeneratorSpec = self.manifest.spec
        _check_tensors(self._session, self.spec, path)
        if not bundle.is_sealed(model):
            raise UserError(f"{path} is corrupt or was altered after its export: export or copy it again")
        if manifest and _embedded_manifest(self._session, path) != dataclasses.replace(manifest, files={}):
            raise UserError(f"{path}: {bundle.MANIFEST} differs from the copy inside {bundle.ONNX}: export it again")
        if clash := _ARGUMENTS & {tensor.name for tensor in self.spec.conditions}:
            raise UserError(f"{path}: no condition may be called {', '.join(sorted(clash))}")

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
        input; `count` may then be left out, and otherwise is 1. Each condition is one number for all samples or
        an array (count, *its shape). A class that is left out counts: sample k of a seed, or row k of `noise`, has
        class low + k mod (high - low + 1); a mapping may hold classes too. With `dtype` "uint8", for images only,
        [-1, 1] becomes 0 .. 255; "float32" returns what the network made. Never returns NaN or infinity. Errors are
        `UserError`.
        """
        if noise is None:
            count = 1 if count is None else count
            return np.concatenate(list(self.stream(count, seed, dtype=dtype, start=start, **conditions)))
        if seed or start:
            raise UserError("give either a seed or the noise itself, not both")
        self._check_dtype(dtype)
        inputs, classes, batch = self._given_noise(noise)
        if count not in (None, batch):
            raise UserError(f"count {count!r} differs from the noise's batch of {batch}")
        if twice := classes.keys() & conditions.keys():
            raise UserError(f"{', '.join(sorted(twice))}: give it in the noise or as an argument, not both")
        inputs |= classes_in_turn(self.spec, batch) | self._given_conditions(batch, classes | conditions)
        return self._convert(self._run(inputs), dtype)

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
        for what, value in (("count", count), ("batch_size", batch_size)):
            _check_integer(what, value, 1, MAX_SEED)
        for what, value in (("seed", seed), ("start", start)):
            _check_integer(what, value, 0, MAX_SEED)
        self._check_dtype(dtype)
        given = self._given_conditions(count, conditions)

        def chunks() -> Iterator[np.ndarray]:
            for first in range(0, count, batch_size):
                size = min(batch_size, count - first)
                inputs = draw(self.spec, size, seed, start + first)
                inputs |= {name: values[first : first + size] for name, values in given.items()}
                yield self._convert(self._run(inputs, (start + first) % self._block, size), dtype)

        return chunks()

    def interpolate(
        self, seed_from: int, seed_to: int, steps: int = 8, *, dtype: str = "uint8", **conditions: Any
    ) -> np.ndarray:
        """Return the walk (steps, *shape) from the first sample of one seed to the first of another, both included.

        Normal noise walks on the sphere, where its samples live (Shoemake 1985); uniform noise straight. A class that
        is left out is the first samples' own, the lowest, all along the way.
        """
        _check_integer("steps", steps, 2, MAX_SEED)
        self._check_dtype(dtype)
        if not self.spec.noise:
            raise UserError("this generator takes no noise: there is nothing to interpolate")
        begin, end = draw(self.spec, 1, seed_from), draw(self.spec, 1, seed_to)
        inputs = {name: first.repeat(steps, axis=0) for name, first in classes_in_turn(self.spec, 1).items()}
        inputs |= self._given_conditions(steps, conditions)
        for tensor in self.spec.noise:
            walk = _slerp if tensor.role == "normal" else _lerp
            inputs[tensor.name] = walk(begin[tensor.name][0], end[tensor.name][0], steps)
        # the far end runs apart from the others, in the row where `sample` would have it
        parts = slice(0, -1), slice(-1, None)
        runs = [self._run({name: values[part] for name, values in inputs.items()}) for part in parts]
        return self._convert(np.concatenate(runs), dtype)

    def _run(self, inputs: dict[str, np.ndarray], row: int = 0, count: int | None = None) -> np.ndarray:
        """Return the network's output for `inputs`, the first of which is put into row `row` of its block."""
        count = count or len(next(iter(inputs.values())))
        after = -(row + count) % self._block
        padded = {
            name: np.pad(values, [(row, after)] + [(0, 0)] * (values.ndim - 1), mode="edge")
            for name, values in inputs.items()
        }
        blocks = [
            self._run_block({name: values[first : first + self._block] for name, values in padded.items()})
            for first in range(0, row + count, self._block)
        ]
        return np.concatenate(blocks)[row : row + count]

    def _run_block(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        output = self.spec.output
        try:
            samples: np.ndarray = self._session.run([output.name], inputs)[0]
        except Exception as error:  # onnxruntime's errors have no common base of their own
            raise UserError(f"the model failed to run: {first_line(error)}") from None
        if samples.shape != (self._block, *output.shape):
            raise UserError(
                f"the model made shape {samples.shape}, its manifest promises {(self._block, *output.shape)}"
            )
        if not np.isfinite(samples).all():
            raise UserError("the model made NaN or infinity; check its weights and its inputs")
        return samples

    def _given_noise(self, noise: Any) -> tuple[dict[str, np.ndarray], dict[str, Any], int]:
        """Return the checked noise by its name, the classes that came with it (unchecked), and its batch size."""
        tensors = {tensor.name: tensor for tensor in self.spec.noise}
        if not isinstance(noise, Mapping):
            if len(tensors) != 1:
                raise UserError(f"noise must be a dict with the keys {', '.join(tensors) or '(none)'}")
            noise = dict.fromkeys(tensors, noise)
        classes = _class_names(self.spec)
        _check_names("noise input", noise, tensors.keys(), classes)
        arrays = {name: _array(tensor, noise[name]) for name, tensor in tensors.items()}
        sizes = {len(values) if values.ndim else 0 for values in arrays.values()}
        if len(sizes) != 1 or sizes == {0}:
            raise UserError("noise needs a batch axis of the same size, 1 or more, in each of its arrays")
        (batch,) = sizes
        for name, values in arrays.items():
            _check_shape(tensors[name], values, batch)
        return arrays, {name: noise[name] for name in classes & noise.keys()}, batch

    def _given_conditions(self, count: int, conditions: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the checked conditions by their name, each (count, *shape); only classes may be left out."""
        tensors = {tensor.name: tensor for tensor in self.spec.conditions}
        classes = _class_names(self.spec)
        _check_names("condition", conditions, tensors.keys() - classes, classes)
        arrays = {name: _array(tensors[name], value) for name, value in conditions.items()}
        for name, values in arrays.items():
            if values.ndim == 0:
                arrays[name] = np.broadcast_to(values, (count, *tensors[name].shape))
            _check_shape(tensors[name], arrays[name], count)
        return arrays

    def _check_dtype(self, dtype: str) -> None:
        if dtype not in ("uint8", "float32"):
            raise UserError(f"dtype {dtype!r}: use 'uint8' or 'float32'")
        if dtype == "uint8" and not is_picture(self.spec.output):
            raise UserError(f"samples of shape {self.spec.output.shape} are no pictures; use dtype='float32'")

    def _convert(self, samples: np.ndarray, dtype: str) -> np.ndarray:
        if dtype == "uint8" and samples.dtype != np.uint8:
            return to_uint8(samples)
        return samples.astype(dtype, copy=False)


def is_picture(tensor: TensorSpec) -> bool:
    """Whether the tensor holds pictures (..., height, width, 1, 3 or 4 channels), as bytes or within [-1, 1]."""
    values = tensor.dtype == "uint8" or (tensor.dtype == "float32" and (tensor.low, tensor.high) == (-1, 1))
    return values and len(tensor.shape) >= 3 and tensor.shape[-1] in (1, 3, 4)


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path} is no file" if path.exists() else f"{path} does not exist")
    if path.stat().st_size > _MAX_ONNX_BYTES:
        raise UserError(f"{path} is larger than 2 GiB: not an ONNX file of ours")
    return path.read_bytes()


def _embedded_manifest(session: Any, path: Path) -> bundle.Manifest:
    text = session.get_modelmeta().custom_metadata_map.get(bundle.METADATA_KEY)
    if text is None:
        raise UserError(f"{path} is an ONNX file, but not one of genzoo's: its metadata has no {bundle.METADATA_KEY!r}")
    try:
        return bundle.parse_manifest(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _check_tensors(session: Any, spec: GeneratorSpec, path: Path) -> None:
    """Refuse a graph whose inputs and outputs are not exactly those of the spec, each after a free batch axis."""
    for kind, nodes, tensors in (
        ("inputs", session.get_inputs(), spec.inputs),
        ("outputs", session.get_outputs(), spec.outputs),
    ):
        found = {node.name: (node.type, node.shape[1:]) for node in nodes}
        wanted = {tensor.name: (_ONNX_TYPES[tensor.dtype], list(tensor.shape)) for tensor in tensors}
        if found != wanted:
            raise UserError(f"{path}: the model's {kind} {found} are not those of its manifest, {wanted}")
        for node in nodes:
            if not node.shape or isinstance(node.shape[0], int):
                raise UserError(f"{path}: the batch axis of {node.name!r} is fixed: {node.shape}")


def _array(tensor: TensorSpec, values: Any) -> np.ndarray:
    """Return `values` as an array of the tensor's type, finite and within its range, of any shape."""
    try:
        given = np.asarray(values)
    except ValueError:
        raise UserError(f"{tensor.name}: the rows of the array differ in length") from None
    # whole numbers for uniform noise are bytes or levels by mistake
    if given.dtype.kind not in ("f" if tensor.role == "uniform" else "fiu"):
        raise UserError(f"{tensor.name}: needs real numbers, {tensor.dtype}; got {given.dtype}")
    with np.errstate(invalid="ignore", over="ignore"):
        array = given.astype(tensor.dtype)
    if tensor.dtype != "float32" and not np.array_equal(array, given):
        raise UserError(f"{tensor.name}: needs whole numbers that fit into {tensor.dtype}")
    if not np.isfinite(array).all():
        raise UserError(f"{tensor.name}: NaN or infinity, or too large for {tensor.dtype}")
    if ((array < tensor.low) | (array > tensor.high)).any():
        raise UserError(f"{tensor.name}: values must lie in [{tensor.low}, {tensor.high}]")
    return array


def _check_shape(tensor: TensorSpec, values: np.ndarray, count: int) -> None:
    if values.shape != (count, *tensor.shape):
        raise UserError(f"{tensor.name}: needs shape {(count, *tensor.shape)}, got {values.shape}")


def _class_names(spec: GeneratorSpec) -> set[str]:
    return {tensor.name for tensor in spec.conditions if tensor.is_class}


def _check_names(kind: str, given: Mapping[str, Any], required: Set[str], optional: Set[str]) -> None:
    for name in given.keys() - required - optional:
        raise unknown(kind, str(name), required | optional)
    if missing := required - given.keys():
        raise UserError(f"missing {kind} {', '.join(sorted(missing))}")


def _check_integer(what: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise UserError(f"{what} {value!r}: use an integer from {low} to {high}")


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
