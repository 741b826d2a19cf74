"""Noise that is the same for the same seed on every machine: sample k of a seed never depends on how many are drawn.

A class that nobody chose is no noise, but follows from k in the same way: the classes come in turn, whatever the seed.

The Philox counter (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") gives each sample its own
run of 64-bit words; only these raw words are taken from numpy, whose streams of floats may change between
versions. Uniform numbers are their top 24 bits; normal ones come from Box and Muller (1958) in float64. A few
lines in any language make the same numbers.
"""

import math

import numpy as np

from zoo.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

MAX_SEED = 2**63 - 1
_WORDS_PER_BLOCK = 4  # Philox 4x64 makes four words per counter value


def draw(spec: GeneratorSpec, count: int, seed: int, start: int = 0) -> dict[str, np.ndarray]:
    """Return the noise and the classes of the samples start .. start + count - 1 of `seed`, by the inputs' names.

    Shapes are (count, *tensor.shape); noise is float32, classes (`classes_in_turn`) are int32. Other conditions, such
    as pictures, are left to the caller. `seed` is from 0 to 2^63 - 1; errors are `UserError`.
    """
    for what, value, low in (("seed", seed, 0), ("start", start, 0), ("count", count, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= MAX_SEED:
            raise UserError(f"{what} {value!r}: use an integer from {low} to 2^63 - 1")
    noise = {
        tensor.name: _tensor(tensor, int(count), int(seed), int(start), stream)
        for stream, tensor in enumerate(spec.noise)
    }
    return noise | classes_in_turn(spec, int(count), int(start))


def classes_in_turn(spec: GeneratorSpec, count: int, start: int = 0) -> dict[str, np.ndarray]:
    """Return each class condition of the samples start .. start + count - 1, int32 (count, *tensor.shape), by its name.

    Sample k has the class low + k mod (high - low + 1), in every element.
    """
    return {tensor.name: _in_turn(tensor, count, start) for tensor in spec.conditions if tensor.is_class}


def _in_turn(tensor: TensorSpec, count: int, start: int) -> np.ndarray:
    low, classes = int(tensor.low), int(tensor.high) - int(tensor.low) + 1
    # Python's own remainder first: start + count may lie beyond int64
    values = low + (start % classes + np.arange(count)) % classes
    return np.full((count, *tensor.shape), values.reshape(count, *[1] * len(tensor.shape)), np.int32)


def _tensor(tensor: TensorSpec, count: int, seed: int, start: int, stream: int) -> np.ndarray:
    size = math.prod(tensor.shape)
    pairs = -(-size // 2)
    blocks = -(-2 * pairs // _WORDS_PER_BLOCK)
    # a 256-bit counter: the low 128 bits hold the block, so a far `start` never runs into another stream
    philox = np.random.Philox(key=[seed, stream], counter=[0, 0, 0, 0]).advance(start * blocks)
    words = philox.random_raw(count * blocks * _WORDS_PER_BLOCK).reshape(count, -1)
    if tensor.role == "uniform":
        unit = (words[:, :size] >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        values = tensor.low + (tensor.high - tensor.low) * unit
        # rounding may carry the largest numbers up to `high` itself, which lies outside
        values = np.clip(values, tensor.low, np.nextafter(np.float32(tensor.high), np.float32(-np.inf)))
    else:
        # (word + 1) / 2^53 lies in (0, 1], so that the logarithm is finite
        radius = np.sqrt(-2 * np.log(((words[:, :pairs] >> np.uint64(11)) + 1.0) * 2.0**-53))
        angle = (2 * np.pi) * ((words[:, pairs : 2 * pairs] >> np.uint64(11)) * 2.0**-53)
        values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :size]
    return values.astype(np.float32).reshape(count, *tensor.shape)
