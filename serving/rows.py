"""Pictures row by row, as they are made: `Generator(path).stream_rows()`.

A model in raster order ships its sampler twice: the map "generate" makes a picture in one run, the map "step" one row
of it. Where "generate" makes an output (height, width, channels) of kind "image", the inputs of "step" are

- every noise input of "generate", with its name and law, one row of it: (1, width, channels of the noise);
- `state`, a condition of kind "latent" and shape (size,): all that the rows above leave. Zeros are the state before the
  first row, whatever its parts are and in whichever order; only the map itself reads it;
- every class of "generate",

and its outputs are

- `row`, of kind "image": (1, width, channels);
- `next_state`, of kind "latent" and the shape of `state`.

Row y of a picture follows from row y of the noise, u[y : y + 1], and from the `next_state` of row y - 1.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from serving.maps import ServedMap
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

STEP = "step"
_STATE, _ROW, _NEXT_STATE = "state", "row", "next_state"


def check_step(step: MapSpec, generate: MapSpec) -> None:
    """Refuse a map that does not make the rows of `generate` by the contract of this module."""
    states = [tensor for tensor in step.inputs if tensor.name == _STATE]
    shape = states[0].shape if states else (1,)
    state = TensorSpec(_STATE, shape, "condition")
    row = dataclasses.replace(_row_of(generate.output), name=_ROW)
    wanted = (
        {*map(_row_of, generate.noise), *generate.conditions, state},
        {row, TensorSpec(_NEXT_STATE, shape, "output")},
    )
    if (set(step.inputs), set(step.outputs)) != wanted:
        raise UserError(f"the map {STEP} does not make one row of {generate.output.name}: export the run again")


def _row_of(tensor: TensorSpec) -> TensorSpec:
    return dataclasses.replace(tensor, shape=(1, *tensor.shape[1:]))


def partial_pictures(
    generate: MapSpec, step: ServedMap, inputs: Mapping[str, np.ndarray], start: int
) -> Iterator[np.ndarray]:
    """Yield the pictures (count, height, width, channels) after every row; those to come are 0, the middle grey.

    `inputs` are those of `generate`, whose samples are numbered from `start`.
    """
    count = len(next(iter(inputs.values())))
    (size,) = next(tensor.shape for tensor in step.spec.inputs if tensor.name == _STATE)
    pictures = np.zeros((count, *generate.output.shape), np.float32)
    state = np.zeros((count, size), np.float32)
    noise = {tensor.name: inputs[tensor.name] for tensor in generate.noise}
    for y in range(len(pictures[0])):
        own = {name: values[:, y : y + 1] for name, values in noise.items()}
        made = step.run({**inputs, **own, _STATE: state}, start)
        pictures[:, y : y + 1], state = made[_ROW], made[_NEXT_STATE]
        yield pictures.copy()
