"""A small model in raster order, by hand: what its map "step" makes row by row is what "generate" makes at once."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper

from zoo.spec import MapSpec, TensorSpec

HEIGHT, WIDTH = 3, 4
NOISE = TensorSpec("u", (HEIGHT, WIDTH, 1), "uniform", low=0.0, high=1.0)
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
IMAGE = TensorSpec("image", (HEIGHT, WIDTH, 1), "output", "image")
STATE = TensorSpec("state", (WIDTH,), "condition")
GENERATE = MapSpec((NOISE, LABEL), (IMAGE,))
STEP = MapSpec(
    (dataclasses.replace(NOISE, shape=(1, WIDTH, 1)), STATE, LABEL),
    (
        dataclasses.replace(IMAGE, name="row", shape=(1, WIDTH, 1)),
        dataclasses.replace(STATE, name="next_state", role="output"),
    ),
)


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def write(factory: Callable[..., Path]) -> Path:
    """Write a bundle: rows are tanh(u - 0.7 state + label / 10), the state is the row above less half its own."""

    def row(u, state, made, state_after, own):
        return [
            node("Mul", f"{state} minus", f"scaled{own}"),
            node("Reshape", f"{u} vector", f"flat{own}"),
            node("Add", f"flat{own} scaled{own}", f"sum{own}"),
            node("Add", f"sum{own} shift", f"shifted{own}"),
            node("Tanh", f"shifted{own}", f"squashed{own}"),
            node("Mul", f"{state} half", f"halved{own}"),
            node("Sub", f"squashed{own} halved{own}", state_after),
            node("Reshape", f"squashed{own} raster", made),
        ]

    common = [
        node("Cast", "label", "number", to=1),
        node("Mul", "number tenth", "tenths"),
        node("Reshape", "tenths column", "shift"),
    ]
    weights = {
        "minus": np.array(-0.7, np.float32),
        "half": np.array(0.5, np.float32),
        "tenth": np.array(0.1, np.float32),
        "vector": np.array([-1, WIDTH]),
        "raster": np.array([-1, 1, WIDTH, 1]),
        "column": np.array([-1, 1]),
    }
    whole = [node("Split", "u", "u0 u1 u2", axis=1, num_outputs=3), node("Mul", "shift zero", "state0")]
    for y in range(HEIGHT):
        whole += row(f"u{y}", f"state{y}", f"row{y}", f"state{y + 1}", y)
    whole.append(node("Concat", "row0 row1 row2", "image", axis=1))
    one = common + row("u", "state", "row", "next_state", "")
    return factory(
        GENERATE,
        common + whole,
        {"step": STEP},
        graphs={"step": (one, weights)},
        zero=np.array(0, np.float32),
        **weights,
    )
