"""Proof that the exported files make what the trained model makes: the same noise and classes through all of them."""

from collections.abc import Callable, Mapping

import numpy as np

from zoo import noise
from zoo.spec import GeneratorSpec

TOLERANCE = 1e-4  # of values in [-1, 1]
BATCHES = (1, 5, 16)

Sampler = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


class NotEqual(Exception):
    """Two runtimes make different samples from the same noise."""


def measure(reference: Sampler, others: Mapping[str, Sampler], spec: GeneratorSpec, seed: int) -> dict[str, float]:
    """Return, for each of `others`, the largest absolute difference from `reference` over fresh noise from `seed`.

    Batches of 1, 5 and 16 are run, so that a batch axis that was frozen shows. A missing output, another shape or
    type, a non-finite value or a difference above the tolerance raises `NotEqual`.
    """
    largest = dict.fromkeys(others, 0.0)
    start = 0
    for batch in BATCHES:
        inputs = noise.draw(spec, batch, seed, start)
        start += batch
        expected = reference(inputs)
        for runtime, sampler in others.items():
            made = sampler(inputs)
            for tensor in spec.outputs:
                difference = _difference(
                    expected[tensor.name], made.get(tensor.name), tensor.name, runtime, tensor.dtype
                )
                largest[runtime] = max(largest[runtime], difference)
    for runtime, difference in largest.items():
        if difference > TOLERANCE:
            raise NotEqual(f"{runtime} differs from Keras by {difference:.2g} (at most {TOLERANCE} is allowed)")
    return largest


def _difference(expected: np.ndarray, made: np.ndarray | None, name: str, runtime: str, dtype: str) -> float:
    if made is None or made.shape != expected.shape or made.dtype != dtype:
        found = "nothing" if made is None else f"{made.dtype} of shape {made.shape}"
        raise NotEqual(f"{runtime} gives {found} for {name!r}, not {dtype} of shape {expected.shape}")
    if not (np.isfinite(expected).all() and np.isfinite(made).all()):
        raise NotEqual(f"{name!r} holds NaN or infinity in Keras or {runtime}: was the model trained?")
    return float(np.abs(expected.astype(np.float64) - made.astype(np.float64)).max())
