"""Measure what the theory of adversarial training claims: python -m train.theory --output=runs/theory

Each experiment trains small models of the zoo and compares them with what the theory says. Its numbers go to standard
output as one line of JSON; in the end the directory holds numbers.json and the page index.html, with all figures.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from absl import flags

import zoo
from train.engine import backend
from train.theory import EXPERIMENTS
from zoo.shared import files, program
from zoo.shared.errors import UserError, unknown

OUTPUT = flags.DEFINE_string("output", "runs/theory", "directory for index.html and numbers.json")
NAMES = flags.DEFINE_list("experiments", list(EXPERIMENTS), f"which, comma-separated: {', '.join(EXPERIMENTS)}")
SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of all that is random, comma-separated")
BUDGET = flags.DEFINE_float("budget", 1.0, "share of the full number of training steps: 0.1 for a first look")


def main() -> None:
    """Check the flags, run the experiments, write the page."""
    for name in NAMES.value:
        if name not in EXPERIMENTS:
            raise unknown("experiment", name, EXPERIMENTS)
    if not NAMES.value or not SEEDS.value:
        raise UserError("--experiments and --seeds: name at least one of each")
    if not all(seed.isdecimal() and len(seed) < 11 and int(seed) < 2**31 for seed in SEEDS.value):
        raise UserError(f"--seeds={','.join(SEEDS.value)}: use whole numbers from 0 to 2^31 - 1")
    seeds = [int(seed) for seed in SEEDS.value]
    for flag, values in (("experiments", NAMES.value), ("seeds", seeds)):
        if len(set(values)) < len(values):
            raise UserError(f"--{flag}={','.join(map(str, values))}: one stands there twice, name each once")
    if not 0 < BUDGET.value < float("inf"):
        raise UserError(f"--budget={BUDGET.value}: use a positive number")
    backend.start()
    measure(Path(OUTPUT.value), NAMES.value, seeds, BUDGET.value)


def measure(output: Path, names: list[str], seeds: list[int], budget: float) -> None:
    """Run the experiments called `names`, print their numbers, and write the page and numbers.json to `output`.

    Both are written after every experiment, with what is measured by then.
    """
    from tqdm import tqdm

    from train.theory import page

    output.mkdir(parents=True, exist_ok=True)  # what cannot be written had better fail now
    results, lines = {}, []
    bar = tqdm(names, unit=" experiments", desc="theory")
    for name in bar:
        bar.set_postfix_str(name)
        begin = time.monotonic()
        result = importlib.import_module(f"train.theory.{name}").run(seeds, budget)
        line: dict[str, Any] = {
            "experiment": name,
            "holds": result.holds,
            "numbers": result.numbers,
            "protocol": result.protocol,
            "seconds": round(time.monotonic() - begin, 1),
        }
        tqdm.write(json.dumps(line, allow_nan=False))  # around the bar, if both go to one terminal
        sys.stdout.flush()
        tqdm.write(f"{name}: {page.verdict(result)}, {line['seconds']:.0f} s", file=sys.stderr)
        results[name] = result
        lines.append(line)
        about = (
            f"genzoo {zoo.__version__}, {len(lines)} of {len(names)} experiments, seeds {', '.join(map(str, seeds))}, "
            f"budget {budget:g} (1 is the full number of training steps), {sum(line['seconds'] for line in lines):.0f} "
            "s of computing."
        )
        files.write_json(output / "numbers.json", {"seeds": seeds, "budget": budget, "experiments": lines})
        files.write_bytes(output / "index.html", page.render(results, about).encode())
    print(f"look at {output / 'index.html'}", file=sys.stderr)


def run() -> None:
    """Run the program: `python -m train.theory`."""
    program.run(main)


if __name__ == "__main__":
    run()
