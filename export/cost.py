"""What a changed file costs: how far its outputs are off, how its samples differ, and the time it takes.

The unit of an error is the grey level, 255 of which are the range of the output: its bounds, or without bounds from the
least to the largest value expected. Of a choice, or of levels, the rows that differ are counted, as in `parity`.
"""

import statistics
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from export import parity
from zoo import media, noise
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extractor
from zoo.metrics.frechet import frechet
from zoo.spec import MapSpec, TensorSpec

# the most that a file may be off: twice to ten times what trained networks were measured to lose, see docs/embedding.md
MOST_LEVELS = {"float16": 4.0, "int8": 48.0}
LEVELS = 255
# samples that the Frechet distance compares, of noise that both files see
SAMPLES = 512
_BATCH = 16
_RUNS, _SECONDS = 31, 4.0  # of each file, for its latency


def differences(
    pairs: Iterable[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]], spec: MapSpec, what: str
) -> dict[str, float]:
    """Return the largest error of each output, in grey levels, or the share of rows that differ.

    `pairs` of what was expected and what `what` made of the same inputs. A wrong shape or type, NaN or infinity raises
    `parity.NotEqual`.
    """
    pairs, found = list(pairs), {}
    for tensor in spec.outputs:
        for expected, made in pairs:
            parity.check(expected[tensor.name], made.get(tensor.name), tensor, what)
        rows = [(one[tensor.name], other[tensor.name]) for one, other in pairs]
        found[tensor.name] = _rows_that_differ(rows) if tensor.may_flip else _levels_off(rows, tensor)
    return found


def check(found: Mapping[str, float], spec: MapSpec, most: float) -> None:
    """Raise `parity.NotEqual` if an output is off by more than `most` grey levels, or too many rows differ."""
    for tensor in spec.outputs:
        figure = found[tensor.name]
        if tensor.may_flip and figure > (allowed := parity.differing(tensor)):
            raise parity.NotEqual(f"{figure:.0%} of the rows of {tensor.name} differ (at most {allowed:.0%} may)")
        if not tensor.may_flip and figure > most:
            raise parity.NotEqual(
                f"{tensor.name} is off by {figure:.3g} of {LEVELS} grey levels (at most {most:g} are allowed)"
            )


def measure(
    reference: parity.Run,
    run: parity.Run,
    spec: MapSpec,
    seed: int,
    given: Mapping[str, np.ndarray],
    precision: str,
) -> dict[str, Any]:
    """Return what the map in fewer bits costs beside `reference`; `parity.NotEqual` past the bounds.

    The errors are those of the batches of `parity`. Where pictures are drawn from noise, the Frechet distance between
    samples of both of the same noise must be no more than that between two seeds of the reference: of as many samples,
    by the extractor that comes along. The latency is that of one sample, over the reference's: the ratio of medians of
    runs in turns.
    """
    batches = list(parity.batches(spec, seed, given))
    pairs = ((reference(inputs), parity.outputs(run, inputs, precision)) for inputs in batches)
    found = differences(pairs, spec, precision)
    check(found, spec, MOST_LEVELS[precision])
    told = {"largest_difference_in_levels": found, "most_levels": MOST_LEVELS[precision]}
    if _draws_pictures(spec):
        own, another = _frechet(reference, run, spec, seed)
        if own > another:
            raise parity.NotEqual(
                f"its samples lie at a Frechet distance of {own:.3g} from those of float32, those of another seed at "
                f"{another:.3g} (no more is allowed)"
            )
        told |= {"frechet_distance": own, "frechet_distance_of_another_seed": another, "samples": SAMPLES}
    return {**told, "latency_ratio": _latency(reference, run, batches[0])}


def _levels_off(rows: list[tuple[np.ndarray, np.ndarray]], tensor: TensorSpec) -> float:
    span = tensor.high - tensor.low
    if not np.isfinite(span):
        values = np.concatenate([expected.ravel() for expected, _ in rows])
        span = float(np.ptp(values)) or 1.0
    return max(float(np.abs(made.astype(np.float64) - expected).max()) for expected, made in rows) * LEVELS / span


def _rows_that_differ(rows: list[tuple[np.ndarray, np.ndarray]]) -> float:
    differ = [(expected != made).reshape(len(made), -1).any(axis=1) for expected, made in rows]
    return float(np.concatenate(differ).mean())


def _draws_pictures(spec: MapSpec) -> bool:
    is_picture = spec.output.kind in ("image", "video") and spec.output.shape[-1] in (1, 3)
    return is_picture and bool(spec.noise) and all(tensor.is_class for tensor in spec.conditions)


def _frechet(reference: parity.Run, run: parity.Run, spec: MapSpec, seed: int) -> tuple[float, float]:
    """Return the distance from samples of `reference` to those of `run`, and to others of its own."""
    extractor = Extractor(PICTURES if spec.output.shape[-1] == 3 else DIGITS_AND_FASHION)

    def features(drawn: parity.Run, start: int) -> np.ndarray:
        made = []
        for first in range(start, start + SAMPLES, _BATCH):
            values = drawn(noise.fill(spec, _BATCH, seed, first))[spec.output.name]
            pictures = media.stored(spec.output, values)
            made.append(extractor(pictures.reshape(-1, *pictures.shape[-3:])).features)
        return np.concatenate(made)

    own = features(reference, 0)
    distances = [frechet(own, other)["frechet_distance"] for other in (features(run, 0), features(reference, SAMPLES))]
    return distances[0], distances[1]


def _latency(reference: parity.Run, run: parity.Run, inputs: dict[str, np.ndarray]) -> float:
    """Return the median time of `run` over that of `reference`, of runs in turns, the first of which does not count."""
    times: dict[parity.Run, list[float]] = {reference: [], run: []}
    end = time.perf_counter() + _SECONDS
    while len(times[run]) <= _RUNS and (len(times[run]) < 3 or time.perf_counter() < end):
        for made, taken in times.items():
            before = time.perf_counter()
            made(inputs)
            taken.append(time.perf_counter() - before)
    medians = [statistics.median(taken[1:]) for taken in times.values()]
    return medians[1] / medians[0]
