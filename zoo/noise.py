"""Fill the inputs of a map: noise by seed, classes in turn, other conditions from what is given.

The same seed gives the same noise on every machine: sample k of a seed never depends on how many are drawn. A class
that nobody chose is no noise, but follows from k in the same way: the classes come in turn, whatever the seed.

The Philox counter (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") gives each sample its own
run of 64-bit words; only these raw words are taken from numpy, whose streams of floats may change between
versions. Uniform numbers are their top 24 bits; normal ones come from Box and Muller (1958) in float64. A few
lines in any language make the same numbers.

Truncation (Brock et al. 2019, BigGAN, section 3.1) draws anew each normal number whose magnitude exceeds a threshold
t, until it lies in [-t, t]: the number then follows the normal law between -t and t. What lies within stays as it is.
The new number is drawn by rejection (von Neumann 1951): in round r = 1, 2, ... place j of a sample tries
x = t (2u - 1), and takes it where v <= exp(-x^2 / 2). The words of u and v come from the counter's third word, r.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.shared.errors import UserError, shown, unknown
from zoo.spec import MapSpec, TensorSpec

MAX_SEED = 2**63 - 1
_FAR = 1e38  # no normal number lies as far out
_WORDS_PER_BLOCK = 4  # Philox 4x64 makes four words per counter value


def fill(
    spec: MapSpec,
    count: int,
    seed: int,
    start: int = 0,
    given: Mapping[str, Any] | None = None,
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Return every input of the samples start .. start + count - 1 of `seed`, by name, (count, *tensor.shape).

    Noise follows from the seed. A condition comes from `given`, an array (count, *tensor.shape), where the sides of a
    picture may be others if they are free. A class that is not given comes in turn: sample k has the class low + k mod
    classes. Another condition that is not given is a `UserError`, as is a name in `given` that no condition has. `seed`
    is from 0 to 2^63 - 1. With `truncation`, a threshold above 0, normal noise lies within it on both sides of 0; a map
    without normal noise is a `UserError`.
    """
    count, seed, start = (
        integer(what, value, low) for what, value, low in (("count", count, 1), ("seed", seed, 0), ("start", start, 0))
    )
    given = given or {}
    conditions = {tensor.name: tensor for tensor in spec.conditions}
    for name in given:
        if name not in conditions:
            raise unknown("condition", name, conditions)
    most = None if truncation is None else threshold(spec, truncation)
    filled = {tensor.name: _noise(tensor, count, seed, start, stream, most) for stream, tensor in enumerate(spec.noise)}
    for name, tensor in conditions.items():
        if name in given:
            filled[name] = np.asarray(given[name], tensor.dtype)
            if filled[name].shape[:1] != (count,) or not tensor.fits(filled[name].shape[1:]):
                raise UserError(f"{name}: needs shape {tensor.shape_in_words(count)}, got {filled[name].shape}")
        elif tensor.is_class:
            filled[name] = in_turn(tensor, count, start)
        else:
            raise UserError(f"missing condition {name}: give {_example(tensor)}")
    return {tensor.name: filled[tensor.name] for tensor in spec.inputs}


def integer(what: str, value: Any, low: int, high: int = MAX_SEED) -> int:
    """Return `value` as a Python integer, which no sum overflows; what is none within [low, high] is a `UserError`."""
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value[()]
    is_number = isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)
    if not is_number or not low <= value <= high:
        most = ""  # an upper bound that was kept helps nobody
        if is_number and value > high:
            most = " to 2^63 - 1" if high == MAX_SEED else f" to {high}"
        raise UserError(f"{what} {shown(value)}: use an integer from {low}{most}")
    return int(value)


def in_turn(tensor: TensorSpec, count: int, start: int = 0) -> np.ndarray:
    """Return the classes of the samples start .. start + count - 1, int32 (count,): low + k mod classes."""
    # Python's own remainder first: start + count may lie beyond int64
    values = int(tensor.low) + (start % tensor.classes + np.arange(count)) % tensor.classes
    return values.astype(np.int32)


def edited(tensor: TensorSpec, rows: np.ndarray, number: int) -> np.ndarray:
    """Return the attributes (count, K) with one of them changed: what was set is cleared, and the other way round.

    One of an exclusive group is set and the rest of its group cleared; where it was set, the next of its group is.
    """
    made, group = np.array(rows), tensor.group_of(number)
    if len(group) == 1:
        made[:, number] = 1 - made[:, number]
        return made
    following = group[(group.index(number) + 1) % len(group)]
    wanted = np.where(made[:, number] == 1, following, number)
    made[:, group] = 0
    made[np.arange(len(made)), wanted] = 1
    return made


def _example(tensor: TensorSpec) -> str:
    shape = ", ".join(map(str, tensor.shape))
    return f"an array of kind {tensor.kind} and shape (count,{f' {shape}' if shape else ''})"


def threshold(spec: MapSpec, truncation: Any) -> np.float32:
    """Return a threshold as noise is stored; what is none, or a map without normal noise, is a `UserError`."""
    is_number = isinstance(truncation, int | float | np.integer | np.floating) and not isinstance(truncation, bool)
    most = np.float32(truncation) if is_number and 0 < truncation <= _FAR else np.float32(0)
    if not most:
        raise UserError(f"truncation {shown(truncation)}: use a number above 0, such as 0.5")
    if all(tensor.role != "normal" for tensor in spec.noise):
        raise UserError("truncation is for normal noise, and this map takes none")
    return most


def _words(size: int, count: int, seed: int, start: int, stream: int, turn: int = 0) -> np.ndarray:
    """Return the words (count, `size` or up to three more) of some samples; each `turn` has words of its own."""
    blocks = -(-size // _WORDS_PER_BLOCK)
    # a 256-bit counter: the low 128 bits hold the block, so a far `start` never runs into another stream
    philox = np.random.Philox(key=[seed, stream], counter=[0, 0, turn, 0]).advance(start * blocks)
    return philox.random_raw(count * blocks * _WORDS_PER_BLOCK).reshape(count, -1)


def _noise(tensor: TensorSpec, count: int, seed: int, start: int, stream: int, most: np.float32 | None) -> np.ndarray:
    size = math.prod(tensor.shape)
    pairs = -(-size // 2)
    words = _words(2 * pairs, count, seed, start, stream)
    if tensor.role == "uniform":
        unit = (words[:, :size] >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        values = tensor.low + (tensor.high - tensor.low) * unit
        # rounding may carry the largest numbers up to `high` itself, which lies outside
        values = np.clip(values, tensor.low, np.nextafter(np.float32(tensor.high), np.float32(-np.inf)))
    else:
        # (word + 1) / 2^53 lies in (0, 1], so that the logarithm is finite
        radius = np.sqrt(-2 * np.log(((words[:, :pairs] >> np.uint64(11)) + 1.0) * 2.0**-53))
        angle = (2 * np.pi) * ((words[:, pairs : 2 * pairs] >> np.uint64(11)) * 2.0**-53)
        values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :size].astype(np.float32)
        if most is not None:
            _draw_anew(values, most, seed, start, stream)
    return values.astype(np.float32, copy=False).reshape(count, *tensor.shape)


def _draw_anew(values: np.ndarray, most: np.float32, seed: int, start: int, stream: int) -> None:
    """Replace what lies beyond a threshold in the noise (count, size) of some samples, see the module's docstring."""
    (count, size), turn = values.shape, 0
    beyond = np.abs(values) > most
    while beyond.any():
        turn += 1
        words = _words(2 * size, count, seed, start, stream, turn)
        u, v = ((words[:, part : part + size][beyond] >> np.uint64(11)) * 2.0**-53 for part in (0, size))
        x = float(most) * (2 * u - 1)
        is_taken = v <= np.exp(-x * x / 2)
        places = np.argwhere(beyond)[is_taken]
        values[*places.T] = x[is_taken]
        beyond[*places.T] = False


def given_by(spec: MapSpec, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what data give for the conditions of a map: those that are columns of `rows`, all from the same rows.

    A map whose conditions are all classes, or no columns, is given nothing: its classes come in turn.
    """
    if all(tensor.is_class or tensor.name not in rows for tensor in spec.conditions):
        return {}
    return {tensor.name: rows[tensor.name] for tensor in spec.conditions if tensor.name in rows}


def cycled(given: Mapping[str, np.ndarray], count: int, start: int = 0) -> dict[str, np.ndarray]:
    """Return the rows start .. start + count - 1 of what is given, begun anew where it ends."""
    # Python's own remainder first, as in `in_turn`
    return {name: values[(start % len(values) + np.arange(count)) % len(values)] for name, values in given.items()}
