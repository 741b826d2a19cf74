"""A bundle's directory becomes maps that serve: checked, and run once before anyone asks."""

import dataclasses
import functools
import io
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

import serving
from serving.maps import ServedMap
from serving.server.batching import Batcher, proven_sizes
from serving.server.limits import Limits
from zoo import bundle
from zoo.noise import cycled, fill
from zoo.spec import MapSpec, TensorSpec

# seconds: a run that takes no longer costs less than the way to another thread and back
_QUICK = 1e-3
_SHORT = 0.05
_EXAMPLES = 8  # rows of each that are kept
_PROVING = 2.0  # for one map
Observe = Callable[[str, int, str, int], None]


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The maps of a bundle, the queue of each, where it lies, its first examples, and what was worked out of maps.

    `tried` holds inputs to try the maps with.
    """

    bundle: serving.Bundle
    batchers: Mapping[str, Batcher]
    path: Path
    examples: Mapping[str, Mapping[str, np.ndarray]]
    tried: Mapping[str, Mapping[str, np.ndarray]]
    kept: dict[str, Any] = dataclasses.field(default_factory=dict)

    def prove(self) -> None:
        """Let requests run together in batches of the sizes that change no bit, which takes seconds to find out.

        Until then each runs alone, so this may wait until the bundle serves.
        """
        for name, map in self.bundle.items():
            if not map.is_free:  # pictures of free sides may differ in shape, and are never joined
                inputs = self.tried[name]
                self.batchers[name].sizes = proven_sizes(map, inputs, len(next(iter(inputs.values()))), _PROVING)


def load(
    path: Path,
    model: str,
    number: int,
    limits: Limits,
    pool: Executor,
    observe: Observe,
    providers: Sequence[str] | None = None,
) -> Loaded:
    """Return the bundle at `path`, every map of which has run; whatever is wrong with it is a `UserError`.

    `observe(model, number, map, requests)` is told of each batch. `providers` are those of `serving.load`.
    """
    opened = serving.load(path, providers=providers)
    examples = _examples(path)
    batchers, tried = {}, {}
    for name, map in opened.items():
        tried[name] = warm_up_inputs(map.spec, examples.get(name, {}), limits.batch)
        is_quick = _seconds(map, tried[name]) < _QUICK
        observe_own = functools.partial(observe, model, number, name)
        batchers[name] = Batcher(map, limits, pool, is_quick=is_quick, observe=observe_own)
    # copies: a view would keep all of them in memory
    first = {name: {key: rows[:_EXAMPLES].copy() for key, rows in held.items()} for name, held in examples.items()}
    return Loaded(opened, batchers, path, first, tried)


def warm_up_inputs(spec: MapSpec, examples: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Return inputs (count, *shape): noise by seed, classes in turn, the bundle's `examples`, else neutral values."""
    given = {
        tensor.name: np.broadcast_to(_neutral(tensor), (count, *tensor.shape))
        for tensor in spec.conditions
        if not tensor.is_class
    }
    given |= cycled({name: values for name, values in examples.items() if name in given}, count)
    return fill(spec, count, seed=0, given=given)


def _neutral(tensor: TensorSpec) -> float:
    """Return the value nearest to 0 that the tensor may hold."""
    return min(max(0.0, tensor.low), tensor.high)


def _examples(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Return the bundle's examples by map and tensor; none if it has no such file. Its checksum was checked."""
    made: dict[str, dict[str, np.ndarray]] = {}
    file = path / bundle.EXAMPLES
    if file.is_file():
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
            for key in held.files:
                name, _, tensor = key.partition("/")
                made.setdefault(name, {})[tensor] = held[key]
    return made


def _seconds(map: ServedMap, inputs: Mapping[str, np.ndarray]) -> float:
    """Return how long a run of one row takes: the first one, or the shortest of four where that is short."""
    one = {name: values[:1] for name, values in inputs.items()}
    times: list[float] = []
    while len(times) < 4 and sum(times) < _SHORT:
        begin = time.perf_counter()
        map.run_batch(one)
        times.append(time.perf_counter() - begin)
    return min(times)
