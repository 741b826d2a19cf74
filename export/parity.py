"""Proof that the exported files do what the trained maps do: the same inputs through all of them."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from zoo import noise
from zoo.shared.inference import reason
from zoo.spec import MapSpec, TensorSpec

BATCHES = (1, 5, 16)
_AT_OTHER_SIDES = 2  # rows
# of values in [-1, 1], absolute; of numbers without bounds, such as nats and latents, in addition relative
TOLERANCE = 1e-4
RELATIVE = 1e-6
# a map may amplify the last bit of its input, as chains of instance normalisations do; then it may differ by so many
# times what the reference itself makes of another last bit, up to half a level of 8 bits
LAST_BITS = 10
MOST = 1 / 255
# of a sampling loop or a choice: the share of rows in which some threshold falls between two runtimes' last bits; or,
# where rows of a loop are long, that of rows with such a threshold where one value in so many has one
DIFFERING = 0.1
RARE = 1e-4

Run = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


class NotEqual(Exception):
    """Two runtimes make different outputs of the same inputs, or one of them fails on them."""


def measure(
    reference: Run,
    others: Mapping[str, Run],
    spec: MapSpec,
    seed: int,
    given: Mapping[str, np.ndarray] | None = None,
) -> dict[str, float]:
    """Return, for each of `others`, the largest difference from `reference` over fresh noise from `seed`.

    Conditions come from the rows `given`, begun anew where they end. Batches of 1, 5 and 16 are run, so that a batch
    axis that was frozen shows. Where sides are free, a batch of 2 is run at other sides.

    A difference is divided by its tolerance's scale: 1 within [-1, 1], and 1 + |x| / 100 without bounds. It may be as
    large as `TOLERANCE`, or, within bounds, `LAST_BITS` times what the reference itself makes of another last bit of
    its inputs, up to `MOST`. For the output of a sampling loop (`levels`) or of a choice (`chosen`) the figure is the
    share of rows that differ anywhere: a threshold that falls between two last bits changes the rest of a row. A
    missing output, another shape or type, a non-finite value, too large a difference or a runtime that fails raises
    `NotEqual`.
    """
    largest, last_bit = dict.fromkeys(others, 0.0), dict.fromkeys((tensor.name for tensor in spec.outputs), 0.0)
    rows: dict[str, dict[str, list[np.ndarray]]] = {
        name: {tensor.name: [] for tensor in spec.outputs} for name in others
    }
    for inputs in batches(spec, seed, given):
        expected = outputs(reference, inputs, "Keras")
        for runtime, run in others.items():
            made = outputs(run, inputs, runtime)
            for tensor in spec.outputs:
                check(expected[tensor.name], made.get(tensor.name), tensor, runtime)
                differences = _differences(expected[tensor.name], made[tensor.name], tensor)
                rows[runtime][tensor.name].append(differences)
                if differences.max() > TOLERANCE and _is_bounded(tensor) and not tensor.may_flip:
                    again = outputs(reference, _nudged(inputs, seed), "Keras")[tensor.name]
                    own = _differences(expected[tensor.name], again, tensor).max()
                    last_bit[tensor.name] = max(last_bit[tensor.name], float(own))
    for runtime, tensors in rows.items():
        for tensor in spec.outputs:
            differences = np.concatenate(tensors[tensor.name])
            if tensor.may_flip:
                figure, allowed = float((differences > TOLERANCE).mean()), differing(tensor)
            else:
                figure, allowed = float(differences.max()), min(max(TOLERANCE, LAST_BITS * last_bit[tensor.name]), MOST)
            if figure > allowed:
                what = "share of rows" if tensor.may_flip else "difference"
                raise NotEqual(
                    f"{runtime} differs from Keras in {tensor.name}: {what} {figure:.2g} (at most {allowed:.2g} is "
                    "allowed)"
                )
            largest[runtime] = max(largest[runtime], figure)
    return largest


def batches(spec: MapSpec, seed: int, given: Mapping[str, np.ndarray] | None = None) -> Iterator[dict[str, np.ndarray]]:
    """Yield the inputs of each batch: noise of `seed`, conditions of the rows `given`, begun anew where they end."""
    start = 0
    for batch in (*BATCHES, *([_AT_OTHER_SIDES] if _is_free(spec) else [])):
        rows_given = noise.cycled(given or {}, batch, start)
        if batch == _AT_OTHER_SIDES:
            rows_given |= other_sides(spec, rows_given)
        yield noise.fill(spec, batch, seed, start, rows_given)
        start += batch


def protocol(spec: MapSpec, seed: int) -> dict[str, Any]:
    """Return how `measure` compared."""
    told = {
        "tolerance": differing(spec.output) if spec.output.may_flip else TOLERANCE,
        "batches": list(BATCHES),
        "noise_seed": seed,
    }
    if _is_bounded(spec.output) and not spec.output.may_flip:
        told["last_bits"] = LAST_BITS
    return told | ({"batch_at_other_sides": _AT_OTHER_SIDES} if _is_free(spec) else {})


def differing(tensor: TensorSpec) -> float:
    """Return the share of rows of a sampling loop, or of a choice, that may differ anywhere."""
    if tensor.chosen:
        return DIFFERING
    return round(max(DIFFERING, 1 - (1 - RARE) ** math.prod(tensor.shape)), 3)


def _is_bounded(tensor: TensorSpec) -> bool:
    return bool(np.isfinite(tensor.low) and np.isfinite(tensor.high))


def _is_free(spec: MapSpec) -> bool:
    return any(tensor.multiple for tensor in spec.conditions)


def other_sides(spec: MapSpec, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the pictures of free sides larger than they are, each side of each by another number of steps."""
    made = {}
    free = [tensor for tensor in spec.conditions if tensor.multiple]
    for number, tensor in enumerate(free):
        more = [(0, tensor.multiple * steps) for steps in (2 * number + 1, 2 * number + 2)]
        made[tensor.name] = np.pad(given[tensor.name], [(0, 0), *more, (0, 0)], mode="wrap")
    return made


def _nudged(inputs: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the inputs with half of their numbers, chosen by the seed, one last bit nearer to 0."""
    random = np.random.default_rng(seed)
    return {
        name: np.where(random.random(values.shape) < 0.5, np.nextafter(values, np.zeros_like(values)), values)
        if values.dtype == np.float32
        else values
        for name, values in inputs.items()
    }


def outputs(run: Run, inputs: dict[str, np.ndarray], runtime: str) -> dict[str, np.ndarray]:
    """Return what `run` makes of the inputs; whatever it raises becomes a `NotEqual` that names the runtime."""
    try:
        return run(inputs)
    except Exception as error:  # the runtimes' errors have nothing in common
        batch = len(next(iter(inputs.values())))
        raise NotEqual(f"{runtime} fails on a batch of {batch}: {reason(error)}") from error


def check(expected: np.ndarray, made: np.ndarray | None, tensor: TensorSpec, runtime: str) -> None:
    """Raise `NotEqual` unless `made` is what the spec promises: a type and a shape, finite, within its range."""
    if made is None or made.shape != expected.shape or made.dtype != tensor.dtype:
        found = "nothing" if made is None else f"{made.dtype} of shape {made.shape}"
        raise NotEqual(f"{runtime} gives {found} for {tensor.name!r}, not {tensor.dtype} of shape {expected.shape}")
    if not (np.isfinite(expected).all() and np.isfinite(made).all()):
        raise NotEqual(f"{tensor.name!r} holds NaN or infinity in Keras or {runtime}: was the model trained?")
    if made.min() < tensor.low - TOLERANCE or made.max() > tensor.high + TOLERANCE:
        raise NotEqual(f"{runtime} makes {tensor.name!r} outside of [{tensor.low:g}, {tensor.high:g}]")


def _differences(expected: np.ndarray, made: np.ndarray, tensor: TensorSpec) -> np.ndarray:
    """Return the largest difference in each row, (rows,), over its scale."""
    a, b = (np.asarray(values, np.float64).reshape(len(values), -1) for values in (expected, made))
    scale = 1.0 if _is_bounded(tensor) else 1.0 + np.abs(a) * RELATIVE / TOLERANCE
    return (np.abs(a - b) / scale).max(axis=1)
