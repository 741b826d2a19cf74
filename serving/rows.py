"""Pictures row by row and sounds sample by sample, as they are made: `Generator.stream_rows` and `stream_sound`.

An autoregressive model ships its sampler twice: the map "generate" makes a picture or a sound in one run, the map
"step" one row or sample of it. Where "generate" makes an output (height, width, channels) of kind "image" or (samples,)
of kind "audio", the inputs of "step" are

- every noise input of "generate", with its name and law, one row of it: (1, width, channels of the noise) or (1,);
- `state`, a condition of kind "latent" and shape (size,): all that the rows above leave. Zeros are the state before the
  first row, whatever its parts are and in whichever order; only the map itself reads it;
- every class of "generate", and of a track (frames, features) of kind "action" one frame: (1, features),

and its outputs are

- `row`, of the output's kind: (1, width, channels) or (1,);
- `next_state`, of kind "latent" and the shape of `state`.

Row y of a picture follows from row y of the noise, u[y : y + 1], and from the `next_state` of row y - 1. Sample t of a
sound likewise; of n frames it has number t * n // samples.
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
        {*map(_row_of, generate.inputs), state},
        {row, TensorSpec(_NEXT_STATE, shape, "output")},
    )
    if (set(step.inputs), set(step.outputs)) != wanted:
        raise UserError(f"the map {STEP} does not make one row of {generate.output.name}: export the run again")


def _row_of(tensor: TensorSpec) -> TensorSpec:
    """Return the spec of one row; a class is that of the whole."""
    return dataclasses.replace(tensor, shape=(1, *tensor.shape[1:])) if tensor.shape else tensor


def partial_pictures(
    generate: MapSpec, step: ServedMap, inputs: Mapping[str, np.ndarray], start: int
) -> Iterator[np.ndarray]:
    """Yield the pictures (count, height, width, channels) after every row; those to come are 0, the middle grey."""
    count = len(next(iter(inputs.values())))
    pictures = np.zeros((count, *generate.output.shape), np.float32)
    for y, row in enumerate(rows(generate, step, inputs, start)):
        pictures[:, y : y + 1] = row
        yield pictures.copy()


def rows(generate: MapSpec, step: ServedMap, inputs: Mapping[str, np.ndarray], start: int) -> Iterator[np.ndarray]:
    """Yield the rows (count, 1, ...) of what `generate` makes of its `inputs`, which are numbered from `start`."""
    count, total = len(next(iter(inputs.values()))), generate.output.shape[0]
    (size,) = next(tensor.shape for tensor in step.spec.inputs if tensor.name == _STATE)
    state = np.zeros((count, size), np.float32)
    by_row = [tensor.name for tensor in generate.inputs if tensor.shape]
    for y in range(total):
        places = {name: y * inputs[name].shape[1] // total for name in by_row}
        own = {name: inputs[name][:, place : place + 1] for name, place in places.items()}
        made = step.run({**inputs, **own, _STATE: state}, start)
        state = made[_NEXT_STATE]
        yield made[_ROW]
