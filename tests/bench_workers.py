"""What several workers cost, run by `make bench-workers`: 1, 2 and 4 processes of this machine train together.

All take the same batch, and share the machine's cores, so more of them cannot be faster. The table shows what they pay
for being several: a step of all beside a step of one, the gradients that they exchange in it, and how long that takes
by itself. Then come the tables of the cost model in BUILD.md, which are computed, not measured. Nothing is asserted.
"""

from __future__ import annotations

import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shared
from turns import progress, table, timed

import zoo
from train import config
from train.engine import backend, strategies

if TYPE_CHECKING:
    from train.loop.trainer import Trainer

WORKERS = (1, 2, 4)
RECIPE = "dcgan_digits"
STEPS, CALLS = 5, 5  # of the measurement: steps in a call, and calls
PATIENCE = 300  # seconds for all of the workers of one row

# Of the cost model: recipe, changes, the shape of its pictures, seconds of a step on one H200, measured without XLA,
# which does not compile steps of several replicas, and the all-reduces in a step, as `reductions` counts them.
MODELS = {
    "DCGAN at 32 px, 64 channels": ("dcgan_digits", {"model.base_channels": 64}, (32, 32, 3), 11.4e-3, 67),
    "WGAN-GP of wgan_gp_cifar10": ("wgan_gp_cifar10", {}, (32, 32, 3), 83.4e-3, 155),
}
# Assumed: the bytes a second that each GPU of an all-reduce sends, over NVLink inside a machine of 8 GPUs and over one
# port of 400 Gbit/s between machines, and the seconds of a round of messages.
GPUS, GPUS_A_MACHINE = (1, 8, 16, 32, 64), 8
INSIDE, BETWEEN = 300e9, 50e9
ROUND_INSIDE, ROUND_BETWEEN = 10e-6, 30e-6


def main() -> None:
    """Measure everything, and print the tables; with --worker be one of the workers."""
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(measure(Path(sys.argv[2]))), flush=True)
        return
    rows = []
    for count in WORKERS:
        progress(f"{count} workers")
        made = together(count)
        step, exchange, size = (made[key] for key in ("step", "exchange", "bytes"))
        sent = size * 2 * (count - 1) / count
        cells = [f"{1000 * step:.1f}", f"{size / 1e6:.2f}", f"{sent / 1e6:.2f}"]
        rows.append([str(count), *cells, f"{made['reductions']}", f"{1000 * exchange:.1f}"])
    print(
        f"\nOne batch of {RECIPE} over so many processes on {os.cpu_count()} cores, medians of {CALLS} calls; load "
        f"{os.getloadavg()[0]:.1f} in the end.\nMB: of gradients in a step, and what each process sends of them. "
        "All-reduces: one for each weight, the others of\nBatchNormalization. Then the ms to exchange the gradients "
        "by themselves.\n"
    )
    table(["processes", "ms a step", "MB", "MB sent", "all-reduces", "ms to exchange"], rows)
    print("\nComputed, not measured: steps on several GPUs, see BUILD.md.")
    for name in MODELS:
        print_costs(name)


def together(count: int) -> dict[str, Any]:
    """Return what the first of so many workers measured."""
    places = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{place.getsockname()[1]}" for place in places]
    for place in places:
        place.close()
    with tempfile.TemporaryDirectory() as directory:
        workers = []
        for index in range(count):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {"TF_CONFIG": json.dumps(task) if count > 1 else "", "PYTHONPATH": str(shared.REPOSITORY)}
            command = (__file__, "--worker", directory)
            workers.append(shared.python(*command, environment=environment, stderr=subprocess.PIPE))
        told = [worker.communicate(timeout=PATIENCE) for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit("\n".join(errors for _, errors in told))
    made: dict[str, Any] = json.loads(told[0][0].splitlines()[-1])
    return made


def measure(workdir: Path) -> dict[str, Any]:
    """Return, of a worker that trains with the others: seconds of a step and of its exchange, bytes, all-reduces."""
    settings = config.load(RECIPE)
    settings.train_steps = 10**6  # more than there is time for
    backend.start()
    trainer = shared.trainer(settings, workdir, strategies.create("auto"))
    trainer.restart_iterator()
    before = updates(trainer)
    trainer.train_until(trainer.step + STEPS)  # compiles
    count = {player: (done - before[player]) // STEPS for player, done in updates(trainer).items()}
    step = statistics.median(timed(lambda: trainer.train_until(trainer.step + STEPS)) for _ in range(CALLS)) / STEPS
    shapes = {player: [weight.shape for weight in trainer.model.weights_of(player)] for player in count}
    sizes = {player: 4 * sum(map(math.prod, shapes[player])) for player in count}
    exchange = exchanging(trainer, [shapes[player] for player, turns in count.items() for _ in range(turns)])
    return {
        "step": step,
        "exchange": exchange,
        "bytes": sum(turns * sizes[player] for player, turns in count.items()),
        "reductions": reductions(trainer),
    }


def updates(trainer: Trainer) -> dict[str, int]:
    """Return how often each player's optimiser has updated its weights."""
    return {player: int(optimizer.iterations.numpy()) for player, optimizer in trainer.model.optimizers.items()}


def exchanging(trainer: Trainer, gradients: Sequence[Sequence[Sequence[int]]]) -> float:
    """Return the seconds in which tensors of these shapes are summed over the workers, update after update."""
    import tensorflow as tf

    def exchange() -> None:
        context = tf.distribute.get_replica_context()
        for shapes in gradients:
            context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.zeros(shape) for shape in shapes])

    @tf.function
    def run() -> None:
        for _ in tf.range(STEPS):
            trainer.strategy.run(exchange)

    run()
    return statistics.median(timed(run) for _ in range(CALLS)) / STEPS


def reductions(trainer: Trainer) -> int:
    """Return the number of all-reduces in the compiled step."""
    import tensorflow as tf

    graph = trainer._steps._run.get_concrete_function(trainer.iterator, tf.constant(STEPS)).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sum(node.op.startswith("CollectiveReduce") for node in nodes)


# ---- the cost model


def cost(size: int, reductions: int, gpus: int) -> float:
    """Return the seconds in which so many GPUs exchange a step's gradients, of `size` bytes, in so many all-reduces.

    A ring sends 2 (n - 1) / n of the bytes from each GPU over the slowest link, and each all-reduce takes the 2 log2(n)
    rounds of a tree. Nothing overlaps.
    """
    if gpus == 1:
        return 0.0
    is_inside = gpus <= GPUS_A_MACHINE
    rounds = 2 * math.ceil(math.log2(gpus)) * (ROUND_INSIDE if is_inside else ROUND_BETWEEN)
    return 2 * (gpus - 1) / gpus * size / (INSIDE if is_inside else BETWEEN) + reductions * rounds


def print_costs(name: str) -> None:
    """Print what a step of a model takes on several GPUs, each with the recipe's whole batch."""
    recipe, changes, shape, step, count = MODELS[name]
    settings = config.load(recipe)
    settings.update_from_flattened_dict(changes)
    options = {key: value for key, value in settings.model.items() if key != "name"}
    model = zoo.create(settings.model.name, columns={"image": shape}, **options)
    sizes = [4 * sum(math.prod(weight.shape) for weight in model.weights_of(player)) for player in model.players]
    size = sizes[0] * settings.model.get("n_critic", 1) + sizes[1]
    pixels = settings.batch_size * math.prod(shape)
    print(f"\n{name}: {size / 1e6:.1f} MB of gradients in {count} all-reduces, {pixels / 1e6:.2f} MB of pictures.\n")
    rows = []
    for gpus in GPUS:
        exchange = cost(size, count, gpus)
        whole = step + exchange
        cells = [f"{1000 * exchange:.2f}", f"{1000 * whole:.1f}", f"{step / whole:.0%}"]
        rows.append([str(gpus), *cells, f"{gpus * settings.batch_size / whole:,.0f}"])
    table(["GPUs", "ms to exchange", "ms a step", "of the time in steps", "pictures a second"], rows)


if __name__ == "__main__":
    main()
