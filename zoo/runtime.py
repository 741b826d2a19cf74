"""Maps from the disk in onnxruntime: opened only after every byte, name, shape and type was checked.

Bits: onnxruntime's kernels choose their code path by the batch size, and Eigen's by a row's place in memory, so
that a sample's last bits may depend on its neighbours (measured: Elu, Softplus, Log, ReduceMean,
InstanceNormalization, products of two computed matrices). Here sample k of a seed, or row k of what is given, always
sits in the same row of the same block, and each block always runs whole: on one machine, with one number of threads,
its bits depend on nothing else. That holds by construction, whatever the kernels of the machine. The first
sample of a seed is a block of its own, and the blocks after it grow up to `OpenMap.most`.
"""

import dataclasses
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo import bundle
from zoo.shared.errors import UserError, unknown
from zoo.shared.inference import Session, reason
from zoo.spec import MapSpec

# The most samples in a block, and how many times as far a block ends as the one before it, as measured with 1 to 512.
# Networks without a loop make the most of a core at 12 to 32 samples. A sampling loop spends its time on the steps
# rather than on the samples: NADE makes 6 times as many a second in blocks of 256 as of 16, PixelCNN 7 times. A block
# of large tensors holds a quarter, for the memory's sake.
BLOCK, _GROWTH = 16, 4
LOOP_BLOCK, _LOOP_GROWTH = 256, 8
_LARGE = 2**14  # numbers in one tensor of a sample
# a node's operation, as protobuf and as onnxruntime's format write it
_LOOPS = b'"\x04Loop', b"\x04\0\0\0Loop\0"
# the path of a bundle directory or of an ONNX file, or the bytes of such a file
Source = str | os.PathLike[str] | bytes | bytearray | memoryview
_BYTES = "<bytes>"
_ONNX_TYPES = {"float32": "tensor(float)", "int32": "tensor(int32)"}


class ModelFailed(UserError):
    """A model that does not run, or whose numbers are none: the fault is its own rather than the caller's."""


class OpenMap:
    """One map in onnxruntime. Safe to call from several threads at once; copies and pickles as its session does."""

    def __init__(self, spec: MapSpec, session: Session) -> None:
        self.spec = spec
        is_loop = any(loop in session.data for loop in _LOOPS)
        most, self._growth = (LOOP_BLOCK, _LOOP_GROWTH) if is_loop else (BLOCK, _GROWTH)
        tensors = (*spec.inputs, *spec.outputs)
        self.most = most // 4 if max(math.prod(tensor.shape) for tensor in tensors) > _LARGE else most
        if any(tensor.is_free for tensor in tensors):
            self.most = 1  # a picture may be of any size: it never runs beside copies of itself
        self._session = session

    def block_of(self, k: int) -> range:
        """Return the numbers of the samples that run in one block with sample k."""
        if k >= self.most:
            return range(k - k % self.most, k - k % self.most + self.most)
        first, end = 0, 1
        while k >= end:
            first, end = end, min(end * self._growth, self.most)
        return range(first, end)

    def parts(self, start: int, count: int, least: int = 1) -> Iterator[range]:
        """Yield the numbers start .. start + count - 1 in parts of `least` or more, none of which splits a block.

        With `least` 1 each part lies in one block.
        """
        end = start + count
        while start < end:
            stop = min(end, self.block_of(min(start + least, end) - 1).stop)
            yield range(start, stop)
            start = stop

    @property
    def onnx(self) -> bytes:
        """The file that was opened."""
        return self._session.data

    def run(self, inputs: Mapping[str, np.ndarray], start: int = 0) -> dict[str, np.ndarray]:
        """Return every output for checked inputs (count, *shape), which are those of the samples from `start` on.

        Pictures whose sides are free may have others than the spec's, all rows of a call the same. A shape that the
        spec does not promise, NaN or infinity is a `ModelFailed`.
        """
        count = len(next(iter(inputs.values())))
        # at once, so that memory which does not suffice is told of before the first block
        shapes = self.spec.shapes({name: values.shape[1:] for name, values in inputs.items()})
        outputs = {tensor.name: np.empty((count, *shapes[tensor.name]), tensor.dtype) for tensor in self.spec.outputs}
        for part in self.parts(start, count):
            own = slice(part.start - start, part.stop - start)
            made = self._run_part({name: values[own] for name, values in inputs.items()}, part)
            for name, values in made.items():
                outputs[name][own] = values
        return outputs

    def _run_part(self, inputs: Mapping[str, np.ndarray], part: range) -> dict[str, np.ndarray]:
        """Run the whole block of a part of it, in which the first and the last row stand for those that lack."""
        block = self.block_of(part.start)
        before = part.start - block.start
        rows = np.clip(np.arange(len(block)) - before, 0, len(part) - 1)
        # each block is an array of its own, which begins on the boundary of 16 bytes that Eigen's sums look at
        made = self.run_batch({name: values[rows] for name, values in inputs.items()})
        return {name: values[before : before + len(part)] for name, values in made.items()}

    def run_batch(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for checked inputs that run as one batch, whatever blocks there are.

        The last bits of a row may depend on the rows beside it: see the top of this page.
        """
        size = len(next(iter(inputs.values())))
        shapes = self.spec.shapes({name: values.shape[1:] for name, values in inputs.items()})
        names = [tensor.name for tensor in self.spec.outputs]
        try:
            made = dict(zip(names, self._session.run(names, inputs), strict=True))
        except Exception as error:  # onnxruntime's errors have no common base of their own
            raise ModelFailed(f"the model failed to run: {reason(error)}") from None
        for tensor in self.spec.outputs:
            values = made[tensor.name]
            if values.shape != (size, *shapes[tensor.name]):
                raise ModelFailed(
                    f"the model made {tensor.name} of shape {values.shape}, its manifest promises "
                    f"{(size, *shapes[tensor.name])}"
                )
            if not np.isfinite(values).all():
                raise ModelFailed(f"the model made NaN or infinity in {tensor.name}; check its weights and its inputs")
        return made


def open_maps(
    source: Source,
    threads: int = 1,
    maps: Collection[str | None] | None = None,
    providers: Sequence[str] | None = None,
) -> tuple[bundle.Manifest, dict[str, OpenMap]]:
    """Return the manifest and the maps of a bundle, every file of which is checked, or of a lone ONNX file of ours.

    `maps` names those that are wanted, None for all; among them, None stands for the default. A lone file has one map.
    A run of a map may use `threads` cores, and runs on `providers`, see `zoo.shared.inference.open_session`. Any fault
    is one `UserError`.
    """
    path, manifest, models = _read(source, maps)
    opened = {}
    for wanted, model in models.items():
        where = path / manifest.onnx_file(wanted) if manifest and wanted else path
        session = Session(model, where, threads, providers)
        try:
            embedded, name = _embedded(session.opened, where)
            _check_tensors(session.opened, embedded.maps[name], where)
        except UnicodeDecodeError:
            raise UserError(f"{where} is no ONNX file of ours: a name or its metadata is not UTF-8") from None
        if not bundle.is_sealed(model):
            raise UserError(f"{where} is corrupt or was altered after its export: export or copy it again")
        if manifest and (embedded, name) != (dataclasses.replace(manifest, files={}), wanted):
            raise UserError(f"{path}: {bundle.MANIFEST} differs from the copy inside {where.name}: export it again")
        opened[name] = OpenMap(embedded.maps[name], session)
    for asked in maps or ():
        if asked is not None and asked not in opened:
            raise unknown(f"map in {path}", str(asked), opened)
    return manifest or embedded, opened


def name_of(source: Source) -> str:
    """Return what the maker of a `source` would call it, wherever the working directory is moved to."""
    return _BYTES if isinstance(source, bytes | bytearray | memoryview) else os.path.abspath(source)


def _read(
    source: Source, maps: Collection[str | None] | None
) -> tuple[Path, bundle.Manifest | None, dict[str | None, bytes]]:
    """Return what errors call the source, the manifest of a directory, and the ONNX files of its wanted maps."""
    if isinstance(source, bytes | bytearray | memoryview):
        return Path(_BYTES), None, {None: bytes(source)}
    try:
        path = Path(source)
    except TypeError:
        raise UserError(f"{source!r:.60}: give the path of a bundle or of an ONNX file, or the bytes of one") from None
    try:
        if path.is_dir():
            manifest, models = bundle.read(path, maps)
            return path, manifest, dict(models.items())
        return path, None, {None: bundle.read_onnx(path)}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except MemoryError:
        raise UserError(f"cannot read {path}: its ONNX files are larger than the memory that is left") from None


def open_map(model: bytes, spec: MapSpec, path: str | os.PathLike[str]) -> OpenMap:
    """Return the map of an ONNX file that need not be sealed, nor say what it is; its tensors must be the spec's."""
    session = Session(model, path, threads=1)
    try:
        _check_tensors(session.opened, spec, path)
    except UnicodeDecodeError:
        raise UserError(f"{path} is no ONNX file of ours: a name is not UTF-8") from None
    return OpenMap(spec, session)


def _embedded(session: Any, path: Path) -> tuple[bundle.Manifest, str]:
    """Return the manifest in the metadata of an ONNX file, and which of its maps the file holds."""
    metadata = session.get_modelmeta().custom_metadata_map
    text = metadata.get(bundle.METADATA_KEY)
    if text is None:
        raise UserError(f"{path} is an ONNX file, but not one of genzoo's: its metadata has no {bundle.METADATA_KEY!r}")
    try:
        manifest = bundle.parse_manifest(text)
        return manifest, manifest.choose(metadata.get(bundle.MAP_KEY))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _check_tensors(session: Any, spec: MapSpec, path: str | os.PathLike[str]) -> None:
    """Refuse a graph whose inputs and outputs are not exactly those of the spec, each after a free batch axis.

    Free sides have a name, and no number, in the graph too.
    """
    for kind, nodes, tensors in (
        ("inputs", session.get_inputs(), spec.inputs),
        ("outputs", session.get_outputs(), spec.outputs),
    ):
        # lists, since two of a graph's outputs may have one name
        free = {tensor.name for tensor in tensors if tensor.is_free}
        sides = {
            node.name: [None if isinstance(n, str) and node.name in free else n for n in node.shape[1:]]
            for node in nodes
        }
        found = sorted(((node.name, node.type, sides[node.name]) for node in nodes), key=str)
        wanted = sorted(((t.name, _ONNX_TYPES[t.dtype], list(t.free_shape)) for t in tensors), key=str)
        if found != wanted:
            raise UserError(f"{path}: the model's {kind} {found} are not those of its manifest, {wanted}")
        for node in nodes:
            if not node.shape or isinstance(node.shape[0], int):
                raise UserError(f"{path}: the batch axis of {node.name!r} is fixed: {node.shape}")
