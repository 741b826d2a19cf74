"""A training step beside PyTorch's, run by `make bench-torch`: the trainer, and twins of dcgan, wgan_gp and rpgan.

    python tests/bench_torch.py [--only=dcgan_32_8,...] [--seconds=30] [--threads=2] [--clock=passed]

Every variant is a process of its own; they take turns, see `bench_torch_turns` and `turns`. The product of two float32
matrices of 2,048 x 2,048, in TensorFlow and in PyTorch, takes its turns too: the faster is the machine's rate. The
twins are in `torch_twins`; the tests compare their outputs and count their operations.

Where other programs run, PyTorch's threads wait for each other far longer than ours. There --threads=1 --clock=ran is
fair: one thread each, and only the time in which it ran.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from bench_torch_turns import PATIENCE, PRODUCT, TESTS, Child, Failure, torch_command
from turns import Times, progress, ratio, ratio_quartiles, table, take_turns

import train.data
from train import config

# recipe, changes, and whether our XLA is not absurdly slow there (measured: 8 to 14 times as slow elsewhere)
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "dcgan_32_64": ("dcgan_digits", {"data.image_size": 32, "model.base_channels": 64}, False),
    "dcgan_32_8": ("dcgan_digits", {"data.image_size": 32, "model.base_channels": 8}, True),
    "wgan_gp_32_64": ("wgan_gp_cifar10", {"data.image_size": 32, "model.base_channels": 64}, False),
    "wgan_gp_32_8": ("wgan_gp_cifar10", {"data.image_size": 32, "model.base_channels": 8}, True),
    "rpgan_32_8": ("rpgan_cifar10", {"data.image_size": 32, "model.base_channels": 8, "batch_size": 64}, True),
    "dcgan_digits": ("dcgan_digits", {"data.name": "digits"}, True),
    "wgan_gp_digits": ("wgan_gp_digits", {"data.name": "digits"}, True),
    "rpgan_digits": ("rpgan_digits", {"data.name": "digits"}, True),
}
DEFAULT = "dcgan_32_64,dcgan_32_8,wgan_gp_32_8,rpgan_32_8,dcgan_digits,wgan_gp_digits,rpgan_digits"
TWINS = ("eager", "channels_last", "compile")
OURS = [sys.executable, "-P", str(TESTS / "bench_torch_ours.py")]
TWIN = str(TESTS / "torch_twins.py")
SECONDS, TURN = 15.0, 0.5  # of measuring, for each case, and of one turn of a variant
PRODUCTS = {"product of TensorFlow": "ours", "product of PyTorch": "eager"}


def main() -> None:
    """Measure the cases, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=DEFAULT, help=f"of {', '.join(CASES)}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of measuring, for each case")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every variant")
    parser.add_argument("--clock", choices=("passed", "ran"), default="passed", help="which seconds are told")
    parser.add_argument("--twins", default=",".join(TWINS), help="variants of PyTorch")
    parser.add_argument("--torch", default="", help="the command of a Python that has torch")
    options = parser.parse_args()
    if unknown := [name for name in options.only.split(",") if name not in CASES]:
        parser.error(f"no case {unknown[0]}: use some of {', '.join(CASES)}")
    torch = torch_command(options.torch)
    if torch is None:
        parser.error("no Python with torch is here: make bench-torch makes one, or --torch names one")
    print(
        f"ms a step: quartiles over the rounds. {options.threads} thread(s), time that "
        f"{'passed' if options.clock == 'passed' else 'the threads ran'}; load {os.getloadavg()[0]:.1f} at first.\n"
        "ratio: to the variant of PyTorch with the least median, round by round. share: of the machine's rate, by the\n"
        "operations of a step's convolutions and products and by the product of two matrices in the same rounds."
    )
    for name in options.only.split(","):
        recipe, changes, with_xla = CASES[name]
        told = configured(recipe, changes)
        commands: dict[str, tuple[list[str], dict[str, Any]]] = {"ours": (OURS, told)}
        if with_xla:
            commands["ours, XLA"] = (OURS, {**told, "settings": {**told["settings"], "jit": "true"}})
        for variant in options.twins.split(","):
            commands[variant] = ([*torch, TWIN], {**told, "variant": variant})
        progress(f"{name}: starting")
        with started(commands, options.threads) as (children, failed):
            rows = []
            if "ours" in children and set(children) & set(TWINS):
                progress(f"{name}: measuring")
                rows = rows_of(name, children, measured(children, options.seconds, options.clock == "ran"))
        print(flush=True)
        table(["case", "variant", "weights", "GFLOP", "rounds", "ms a step", "ratio", "GFLOP/s", "share"], rows)
        for variant, reason in failed.items():
            print(f"{name}, {variant}: did not run: {reason}", flush=True)


def configured(recipe: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what a child is told: the recipe's settings with the changes, and the shape of its pictures.

    The pictures are drawn shapes in colour, unless the changes name others: any are as good for measuring.
    """
    name = changes.get("data.name", "shapes")
    settings = config.load(recipe, [f"--config.data.name={name}"])
    settings.data.name = name
    settings.update_from_flattened_dict({"train_steps": 10**6, **changes})  # more steps than there is time for
    (table_,) = train.data.load(settings.data, "train")
    return {"settings": settings.to_dict(), "shape": list(table_.specs["image"].shape)}


@contextlib.contextmanager
def started(
    commands: dict[str, tuple[list[str], dict[str, Any]]],
    threads: int,
    environment: dict[str, str] | None = None,
    patience: float = PATIENCE,
) -> Iterator[tuple[dict[str, Child], dict[str, str]]]:
    """Hold children by their commands; hand over those that got ready in time, and why the others did not."""
    children: dict[str, Child] = {}
    ready, failed = {}, {}
    end = time.monotonic() + patience
    try:
        for name, (command, told) in commands.items():
            children[name] = Child(command, told, threads, environment)
        for name, child in children.items():
            try:
                child.wait(max(0.0, end - time.monotonic()))
                ready[name] = child
            except Failure as failure:
                failed[name] = str(failure)
        yield ready, failed
    finally:
        for child in children.values():
            child.close()


def measured(
    children: dict[str, Child], seconds: float, as_ran: bool, turn: float = TURN, products: dict[str, str] = PRODUCTS
) -> Times:
    """Return the seconds of a step of each child in each round, and of a product in some of them."""
    asked: dict[str, tuple[Child, str]] = {name: (child, "go") for name, child in children.items()}
    asked |= {name: (children[child], "product") for name, child in products.items() if child in children}
    counts = {}
    for name, (child, command) in asked.items():
        child.ask(command, 1)  # the first may be slower
        counts[name] = max(1, round(turn / child.ask(command, 1)[0]))
    times: Times = {name: [] for name in asked}

    def turn_of(name: str) -> Callable[[], None]:
        child, command = asked[name]
        return lambda: times[name].append(child.ask(command, counts[name])[as_ran] / counts[name])

    rounds = take_turns({name: turn_of(name) for name in asked}, seconds)
    # without those before the first round
    return {name: values[-len(rounds[name]) :] for name, values in times.items()}


def rows_of(case: str, children: dict[str, Child], times: Times) -> list[list[str]]:
    """Return the rows of a table: our variants, PyTorch's (* is the best), and the products."""
    best = best_of(times, set(children) & set(TWINS))
    fastest = best_of(times, set(PRODUCTS) & set(times))
    # a compiled twin does what the plain one does, and ours with XLA what ours does
    counts = {name: children[name].ask("operations") for name in ("ours", "eager") if name in children}
    product = 2 * PRODUCT**3
    rows = []
    for name, child in children.items():
        operations = counts.get(name, counts["ours"])
        share = operations / product / ratio_quartiles(times, name, fastest)[1]
        weights = f"{sum(child.told['weights'].values()):,}"
        cells = [ratio(times, name, best), rate(operations, times[name]), f"{share:.2f}"]
        rows.append([case, name + " *" * (name == best), weights, f"{operations / 1e9:.2f}", *cells])
    for name in set(PRODUCTS) & set(times):
        rows.append([case, name, "", f"{product / 1e9:.2f}", "", rate(product, times[name]), ""])
    for row in rows:
        values = times[row[1].removesuffix(" *")]
        row[4:4] = [str(len(values)), quartiles(values)]
    return rows


def rate(operations: int, times: list[float]) -> str:
    """Return GFLOP/s."""
    return f"{operations / statistics.median(times) / 1e9:.0f}"


def best_of(times: Times, names: Iterable[str]) -> str:
    """Return the one with the least median."""
    return min(sorted(names), key=lambda name: statistics.median(times[name]))


def quartiles(times: list[float]) -> str:
    """Return the median in ms, and the quartiles."""
    low, middle, high = 1000 * np.percentile(times, (25, 50, 75))
    return f"{middle:.3g} ({low:.3g} {high:.3g})"


if __name__ == "__main__":
    main()
