"""Maps from the disk in onnxruntime: opened only after every byte, name, shape and type was checked.

Bits: onnxruntime's kernels choose their code path by the batch size, and Eigen's by a row's place in memory, so
that a sample's last bits may depend on its neighbours (measured: Elu, Softplus, Log, ReduceMean,
InstanceNormalization, products of two computed matrices). Here the graph always runs on blocks of `BLOCK` samples
(`LOOP_BLOCK` if it loops), and sample k of a seed always sits in the same row of its block: on one machine, with one
number of threads, its bits depend on nothing else. (Four float32 rows are a multiple of 16 bytes, so that each block
begins, as numpy's own arrays do, on the 16-byte boundary that Eigen's sums look at.)
"""

import dataclasses
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo import bundle
from zoo.shared.errors import UserError, unknown
from zoo.shared.inference import open_session, reason
from zoo.spec import MapSpec

# Of 1, 2, 4, 8, 16: a dense network answers one sample as fast as with 1, and many at two fifths of its peak; a
# convolutional network makes many at its peak, but one takes the time of four, and would take that of all in a
# larger block. A sampling loop spends its time on the steps rather than on the samples: it runs larger blocks.
BLOCK = 4
LOOP_BLOCK = 16
_LOOP = b'"\x04Loop'  # a node's operation, as protobuf writes it
_ONNX_TYPES = {"float32": "tensor(float)", "int32": "tensor(int32)"}


class OpenMap:
    """One map in onnxruntime. Safe to call from several threads at once."""

    def __init__(self, model: bytes, spec: MapSpec, session: Any) -> None:
        self.spec = spec
        self.block = LOOP_BLOCK if _LOOP in model else BLOCK
        self._session = session

    def run(self, inputs: Mapping[str, np.ndarray], row: int = 0) -> dict[str, np.ndarray]:
        """Return every output for checked inputs (count, *shape), the first of which sits in row `row` of its block.

        A shape that the spec does not promise, NaN or infinity is a `UserError`.
        """
        count = len(next(iter(inputs.values())))
        after = -(row + count) % self.block
        padded = {
            name: np.pad(values, [(row, after)] + [(0, 0)] * (values.ndim - 1), mode="edge")
            for name, values in inputs.items()
        }
        blocks = [
            self._run_block({name: values[first : first + self.block] for name, values in padded.items()})
            for first in range(0, row + count, self.block)
        ]
        return {
            tensor.name: np.concatenate([block[tensor.name] for block in blocks])[row : row + count]
            for tensor in self.spec.outputs
        }

    def _run_block(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [tensor.name for tensor in self.spec.outputs]
        try:
            made = dict(zip(names, self._session.run(names, inputs), strict=True))
        except Exception as error:  # onnxruntime's errors have no common base of their own
            raise UserError(f"the model failed to run: {reason(error)}") from None
        for tensor in self.spec.outputs:
            values = made[tensor.name]
            if values.shape != (self.block, *tensor.shape):
                raise UserError(
                    f"the model made {tensor.name} of shape {values.shape}, its manifest promises "
                    f"{(self.block, *tensor.shape)}"
                )
            if not np.isfinite(values).all():
                raise UserError(f"the model made NaN or infinity in {tensor.name}; check its weights and its inputs")
        return made


def open_maps(
    path: str | os.PathLike[str], threads: int = 1, maps: Collection[str | None] | None = None
) -> tuple[bundle.Manifest, dict[str, OpenMap]]:
    """Return the manifest and the maps of a bundle, every file of which is checked, or of a lone ONNX file of ours.

    `maps` names those that are wanted, None for all; among them, None stands for the default. A lone file has one map.
    A run of a map may use `threads` cores. Any fault is one `UserError`.
    """
    path = Path(path)
    try:
        manifest, models = bundle.read(path, maps) if path.is_dir() else (None, {None: bundle.read_onnx(path)})
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except MemoryError:
        raise UserError(f"cannot read {path}: its ONNX files are larger than the memory that is left") from None
    opened = {}
    for wanted, model in models.items():
        where = path / manifest.onnx_file(wanted) if manifest and wanted else path
        session = open_session(model, where, threads)
        try:
            embedded, name = _embedded(session, where)
            _check_tensors(session, embedded.maps[name], where)
        except UnicodeDecodeError:
            raise UserError(f"{where} is no ONNX file of ours: a name or its metadata is not UTF-8") from None
        if not bundle.is_sealed(model):
            raise UserError(f"{where} is corrupt or was altered after its export: export or copy it again")
        if manifest and (embedded, name) != (dataclasses.replace(manifest, files={}), wanted):
            raise UserError(f"{path}: {bundle.MANIFEST} differs from the copy inside {where.name}: export it again")
        opened[name] = OpenMap(model, embedded.maps[name], session)
    for asked in maps or ():
        if asked is not None and asked not in opened:
            raise unknown(f"map in {path}", str(asked), opened)
    return manifest or embedded, opened


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
    """Refuse a graph whose inputs and outputs are not exactly those of the spec, each after a free batch axis."""
    for kind, nodes, tensors in (
        ("inputs", session.get_inputs(), spec.inputs),
        ("outputs", session.get_outputs(), spec.outputs),
    ):
        # lists, since two of a graph's outputs may have one name
        found = sorted(((node.name, node.type, node.shape[1:]) for node in nodes), key=str)
        wanted = sorted(((t.name, _ONNX_TYPES[t.dtype], list(t.shape)) for t in tensors), key=str)
        if found != wanted:
            raise UserError(f"{path}: the model's {kind} {found} are not those of its manifest, {wanted}")
        for node in nodes:
            if not node.shape or isinstance(node.shape[0], int):
                raise UserError(f"{path}: the batch axis of {node.name!r} is fixed: {node.shape}")
