"""Our side of `make bench-torch` and `make bench-gpu`: a trainer as `python -m train` makes it, step by step.

python tests/bench_torch_ours.py TOLD.json, a child by `bench_torch_turns`.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import shared
from bench_torch_turns import PRODUCT, serve
from ml_collections import ConfigDict

if TYPE_CHECKING:
    import tensorflow as tf

    from train.loop.trainer import Trainer


def main() -> None:
    """Serve the bench that started this."""
    told = json.loads(Path(sys.argv[1]).read_text())
    trainer = shared.trainer(ConfigDict(told["settings"]), Path(told["directory"]) / "run")
    import tensorflow as tf

    trainer.restart_iterator()
    a, b = tf.random.uniform((PRODUCT, PRODUCT)), tf.random.uniform((PRODUCT, PRODUCT))

    def product(count: int) -> float:
        for _ in range(count):
            made = a @ b
        return float(made[0, 0])

    trainer.train_until(trainer.step + 2)
    serve(
        {"weights": {name: _count(trainer.model.weights_of(name)) for name in trainer.model.player_names}},
        {
            "go": lambda steps: trainer.train_until(trainer.step + steps),
            "product": product,
            "operations": lambda _: operations(trainer),
        },
    )


def _count(weights: list) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def operations(trainer: Trainer) -> int:
    """Return the multiplications and additions of a step's convolutions and products, borders counted as the inside.

    Those are counted that the step's logs and updates depend on, in the graph of the step as it is traced.
    """
    import tensorflow as tf

    batch = next(trainer.iterator)
    specs = {name: tf.TensorSpec(values.shape, values.dtype) for name, values in batch.items()}
    graph = tf.function(trainer.model.train_step).get_concrete_function(specs).graph
    needed, waiting = set(), [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
    return sum(_of(op) for op in needed)


def _of(op: tf.Operation) -> int:
    """Return those of one operation: 0 of all that are neither a convolution nor a product."""
    if op.type == "MatMul":
        inner = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
        return 2 * math.prod(op.outputs[0].shape) * inner
    if op.type == "BatchMatMulV2":
        return 2 * math.prod(op.outputs[0].shape) * op.inputs[0].shape[-2 if op.get_attr("adj_x") else -1]
    # each number of the smaller map, of all channels, meets the kernel
    picture, kernel = {
        "Conv2D": lambda: (op.outputs[0].shape, op.inputs[1].shape),
        "Conv2DBackpropInput": lambda: (op.inputs[2].shape, op.inputs[1].shape),
        "Conv2DBackpropFilter": lambda: (op.inputs[2].shape, op.outputs[0].shape),
    }.get(op.type, lambda: ((0, 0, 0, 0), (0, 0, 0, 0)))()
    return 2 * math.prod(picture[:3]) * math.prod(kernel)


if __name__ == "__main__":
    main()
