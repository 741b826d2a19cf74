"""Measure what generators are good for: python -m train.uses --use=augmentation --data=fashion_mnist --workdir=runs/few

OUTPUT/USE_DATA.json holds every figure with its protocol, OUTPUT/README.md tables and figures of all that lies there.
The same command resumes after Ctrl-C, a kill or a crash. Without --use the page is written anew from what is stored.
"""

import contextlib
import importlib
import os
import sys
from pathlib import Path

from absl import flags
from tqdm import tqdm

from train.engine import backend
from train.uses import USES, page, stored
from zoo.shared import files, program
from zoo.shared.errors import UserError, unknown

USE = flags.DEFINE_string("use", None, f"which: {', '.join(USES)}")
DATA = flags.DEFINE_string("data", "digits", "data set: digits, which come along, mnist or fashion_mnist")
WORKDIR = flags.DEFINE_string("workdir", None, "directory for the trainings, such as runs/features_digits")
OUTPUT = flags.DEFINE_string("output", "docs/uses", "directory for the results")
SEEDS = flags.DEFINE_list("seeds", None, "seeds of all that is random, comma-separated; by default those of the use")
BUDGET = flags.DEFINE_float("budget", 1.0, "share of the full number of training steps: 0.1 for a first look")


def main() -> None:
    """Check the flags, measure what is missing, write the page."""
    output = Path(OUTPUT.value)
    if USE.value:
        measure(USE.value, output)
    if not any(output.glob("*.json")):
        raise UserError(f"--use is missing, and {output} holds no result: name one of {', '.join(USES)}")
    page.write(output)
    print(f"look at {output / page.PAGE}", file=sys.stderr)


def measure(name: str, output: Path) -> None:
    """Measure the cells that the stored result of a use lacks."""
    if name not in USES:
        raise unknown("use", name, USES)
    if not WORKDIR.value:
        raise UserError(f"--workdir is missing: name a directory for the trainings, such as runs/{name}")
    if not 0 < BUDGET.value < float("inf"):
        raise UserError(f"--budget={BUDGET.value}: use a positive number")
    use = importlib.import_module(f"train.uses.{name}")
    seeds = use.SEEDS if SEEDS.value is None else program.seeds(SEEDS.value)
    values = {SEEDS.name: ",".join(map(str, seeds)), BUDGET.name: BUDGET.value}
    given = [f"--{flag.name}={values[flag.name]}" for flag in (SEEDS, BUDGET) if flag.present]
    path = output / f"{name}_{DATA.value}.json"
    result = stored.resumed(path, stored.new(name, DATA.value, use.protocol(DATA.value, BUDGET.value), seeds, given))
    study = stored.Study(result, Path(WORKDIR.value), path)
    for directory in (study.workdir, output):
        directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.lock(study.workdir / ".lock"))
        except BlockingIOError:
            raise UserError(f"another study runs in --workdir={study.workdir}: wait for it or name another") from None
        missing = [key for key in use.keys(result["protocol"], seeds) if key not in study.cells]
        if missing:
            backend.start()
        for key in tqdm(missing, unit=" cells", desc=name, disable=None):
            begin = _seconds()
            cell = use.measure(study, key)
            study.add(key, {**cell, "seconds": round(_seconds() - begin, 1)})
            page.write(output)
            tqdm.write(f"{key}: {cell}", file=sys.stderr)


def _seconds() -> float:
    """Return for how long this process and those that it started have run."""
    return sum(os.times()[:4])


def run() -> None:
    """Run the program: `python -m train.uses`."""
    program.run(main)


if __name__ == "__main__":
    run()
