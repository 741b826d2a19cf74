"""What every protocol of the server stands on: find a version, check what was sent, run a map."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from serving.maps import ServedMap, enough_memory
from serving.server.budget import Budget
from serving.server.http import Request
from serving.server.limits import Limits
from serving.server.loading import Loaded
from serving.server.refused import Refused
from serving.server.repository import Repository, Unknown, Version
from serving.server.uploads import header_of, value_in
from serving.sides import Sides
from zoo.spec import MapSpec, TensorSpec

Made = TypeVar("Made")
# what takes longer than the way to another thread and back, in bytes of arrays and JSON that are read or written
_LONG = 2**16
# a size of what is always worked on beside the event loop's thread: files, packed bodies, pictures that are written
BESIDE = 2**62
# bytes that Pillow takes for a pixel while it decodes: the picture, white, one over the other, and without transparency
_DECODED = 16


class Service:
    """The repository, the limits, and the threads that run maps and write pictures."""

    def __init__(
        self, repository: Repository, limits: Limits, pool: Executor, browser_runtime: Path | None = None
    ) -> None:
        """`browser_runtime` is a directory of onnxruntime-web, for the page to run maps in the browser."""
        self.repository, self.limits, self._pool = repository, limits, pool
        self.browser_runtime = browser_runtime
        self.budget = Budget(limits.memory)
        self.is_draining = False
        self.description: tuple[Any, bytes] = (None, b"")  # of all that serves, see `openapi`

    @property
    def is_ready(self) -> bool:
        """Whether the repository was read, something serves, and the server is not about to stop."""
        return self.repository.is_read and bool(self.repository.models) and not self.is_draining

    @property
    def depths(self) -> dict[tuple[str, ...], int]:
        """How many requests wait, by model, version and map."""
        return {
            (version.model, str(version.number), name): batcher.depth
            for versions in self.repository.models.values()
            for version in versions
            for name, batcher in version.loaded.batchers.items()
        }

    def find(self, request: Request, model: str, number: str | None = None, label: str | None = None) -> Version:
        """Return the version that a request asks for, and note it in the request; `Refused` 404 if there is none."""
        try:
            version = self.repository.find(model, as_number(number), label)
        except Unknown as error:
            raise Refused(404, str(error)) from None
        request.model, request.version = version.model, str(version.number)
        return version

    async def body(self, request: Request) -> bytes:
        """Return the body of a request, unpacked, within the limits."""
        is_packed = request.is_packed
        data = await request.body(self.limits.body)
        return await self.work(BESIDE, request.unpack, data, self.limits.body) if is_packed else data

    async def work(self, size: int, function: Callable[..., Made], *arguments: Any) -> Made:
        """Return what `function` returns; beside the event loop's thread if it works on so many bytes.

        `size` is what the work takes rather than what was sent for it: see `BESIDE`.
        """
        with enough_memory():
            if size < _LONG:
                return function(*arguments)
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def run(
        self, version: Version, map: str, inputs: Mapping[str, np.ndarray], start: int = 0, sides: Sides | None = None
    ) -> dict[str, np.ndarray]:
        """Return every output of a map for checked inputs, in the map's queue."""
        return await version.loaded.batchers[map].run(inputs, start, sides)

    def admit(self, request: Request, spec: MapSpec, count: int, given: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse more rows than the limits allow, and take the memory for the rest: inputs and outputs of a map."""
        self.limits.check_rows(spec, count, given)
        outputs = sum(math.prod(shape) for shape in spec.shapes(given).values())
        request.hold(4 * count * outputs + inputs_size(spec, count, given))

    def read(
        self, request: Request, spec: MapSpec, tensor: TensorSpec, files: Sequence[bytes], is_beginning: bool = False
    ) -> list[np.ndarray]:
        """Return the value of an input of the map `spec` in each file, see `uploads.value_in`.

        All headers are read, and what is too much is refused, before the first file is decoded.
        """
        headers = [header_of(tensor, data) for data in files]
        shapes, pictures = [header.shape for header in headers], [header.sides for header in headers if header.sides]
        self.limits.check_pictures(pictures)
        given = {}
        if tensor.is_free:
            for height, width, _ in shapes:  # those of .npy files too
                self.limits.check_pixels(height, width)
            given[tensor.name] = max(shapes, key=math.prod)
        self.limits.check_rows(spec, sum(header.rows for header in headers), given)
        sizes = [header.rows * math.prod(header.shape) for header in headers]
        request.hold(4 * sum(sizes) + _DECODED * max(map(math.prod, pictures), default=0))
        return [value_in(tensor, data, is_beginning) for data in files]

    def checked(self, request: Request, map: ServedMap, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return arrays that were sent for every input of a map, checked, within the limits."""
        for tensor in map.spec.conditions:
            if tensor.is_free and tensor.name in arrays and arrays[tensor.name].ndim == 4:
                self.limits.check_pixels(*arrays[tensor.name].shape[1:3])
        inputs = map.checked(arrays)
        count = len(next(iter(inputs.values())))
        self.admit(request, map.spec, count, {name: values.shape[1:] for name, values in inputs.items()})
        return inputs


def inputs_size(spec: MapSpec, count: int, given: Mapping[str, tuple[int, ...]]) -> int:
    """Return the bytes of so many rows of all inputs; `given` holds shapes of conditions."""
    return 4 * count * sum(math.prod(given.get(tensor.name, tensor.shape)) for tensor in spec.inputs)


def map_of(version: Version, name: str) -> ServedMap:
    """Return the map `name` of a version, its default for ""; `Refused` 400 in TF Serving's words if there is none."""
    loaded: Loaded = version.loaded
    name = loaded.bundle.manifest.default if name in ("", "serving_default") else name
    if name not in loaded.bundle:
        raise Refused(400, f'Serving signature name: "{name[:80]}" not found in signature def')
    return loaded.bundle[name]


def as_number(text: str | None) -> int | None:
    """Return a version's number, None for None; digits that no version could have are `Refused` 400."""
    if text is None:
        return None
    if len(text) > 18:
        raise Refused(400, f"Failed to convert version: {text[:40]} to numeric.")
    return int(text)
