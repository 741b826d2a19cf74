"""Run a study: python -m train.study --study=fashion --workdir=runs/fashion

A study trains variants of a recipe with several seeds, each in a process of its own, measures every run under one
protocol, and prints the figures as a Markdown table. It may search settings for each row first (`train.study.search`).
OUTPUT/NAME.json holds the figures with their protocol, OUTPUT/NAME/ a picture per variant, and curves.png where runs
are evaluated as they train. The same command resumes after Ctrl-C, a kill or a crash; what is finished is not done
again.
"""

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from train import config, studies
from train.loop.stopping import has_settled
from train.rundir import logs, pictures
from train.study import curves, results, search
from train.study.preparing import OPTIONAL, SEED, asked, flags_of, prepare, restore, settle
from train.study.programs import Programs
from zoo.shared import files, program
from zoo.shared.errors import UserError

STUDY = flags.DEFINE_string("study", None, f"which: {', '.join(studies.available())}, or a file x.py")
WORKDIR = flags.DEFINE_string("workdir", None, "directory for the runs and their logs, such as runs/fashion")
OUTPUT = flags.DEFINE_string("output", "docs/results", "directory for the results")
JOBS = flags.DEFINE_integer("jobs", 1, "runs at a time; each trains on its share of the cores", lower_bound=1)
TABLE = flags.DEFINE_bool("table", False, "print the table of what is stored, then stop")


def main() -> None:
    """Check everything, run what is not finished, print the table."""
    if not STUDY.value:
        raise UserError(f"--study is missing: name one of {', '.join(studies.available())}, or a file x.py")
    path = Path(OUTPUT.value) / f"{Path(STUDY.value).stem}.json"
    if TABLE.value:
        result, failures = results.read(path), []
    elif not WORKDIR.value:
        raise UserError("--workdir is missing: name a directory for the runs, such as --workdir=runs/fashion")
    else:
        result = prepare(STUDY.value, JOBS.value)
        failures = complete(result, Path(WORKDIR.value), path, JOBS.value)
    told = results.table(result), results.caption(result), search.table(result)
    print("\n\n".join(filter(None, told)), flush=True)
    if failures:
        raise UserError(f"not all runs are finished; {failures[0]}")


def complete(result: results.Result, workdir: Path, path: Path, jobs: int) -> list[UserError]:
    """Run what the stored result lacks, and return what failed; a stored one that was made otherwise is refused."""
    workdir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.lock(workdir / ".lock"))
        except BlockingIOError:
            raise UserError(f"another study runs in --workdir={workdir}: wait for it or name another") from None
        if path.is_file():
            old = results.read(path)
            restore(old, result)
        return Runner(result, workdir, path).run(jobs)


class Runner:
    """Runs what a result lacks, each run in `workdir`, and stores the result at `path` after every one."""

    def __init__(self, result: results.Result, workdir: Path, path: Path) -> None:
        self.result, self.workdir, self.path = result, workdir, path
        self.programs, self.lock = Programs(result["protocol"]["threads"]), threading.Lock()

    def run(self, jobs: int) -> list[UserError]:
        """Run `jobs` runs at a time and return the errors of those that failed, which do not stop the others.

        First comes what rows are to try; a row of which a try is missing does not run.
        """
        rows = self.result["rows"]
        self._store()  # titles and columns may have changed; and what cannot be written had better fail now
        tries = [(row, number) for row in rows for number in range(len(rows[row].get("search", [])))]
        untried = [(row, number) for row, number in tries if not search.is_done(rows[row]["search"][number])]
        failures = self._all(jobs, self._try, untried, len(tries), "try") if untried else []
        settled = []
        for row in rows:
            try:
                settled += [row] if settle(self.result, row) else []
            except UserError as error:
                failures.append(error)
        self._store()
        wanted = [
            (row, seed)
            for seed in self.result["seeds"]
            for row in settled
            if seed in results.seeds_of(self.result, rows[row])
        ]
        missing = [(row, seed) for row, seed in wanted if str(seed) not in rows[row]["runs"]]
        failures += self._all(jobs, self._complete, missing, len(wanted), "run")
        self._draw()
        return failures

    def _all(
        self, jobs: int, do: Callable[[str, int], None], missing: list[tuple[str, int]], total: int, unit: str
    ) -> list[UserError]:
        failures = []
        with ThreadPoolExecutor(jobs) as pool, self._progress(total, total - len(missing), unit) as bar:
            futures = [pool.submit(do, row, number) for row, number in missing]
            try:
                for future in as_completed(futures):
                    error = future.exception()
                    if isinstance(error, UserError):
                        failures.append(error)
                        tqdm.write(f"error: {error}", file=sys.stderr)
                    elif error is not None:
                        raise error
                    bar.update()
            except BaseException:
                self.programs.stop()
                pool.shutdown(cancel_futures=True)
                print("\nstopped; what is finished is stored, and the same command resumes", file=sys.stderr)
                raise
        return failures

    def _try(self, title: str, number: int) -> None:
        """Train and judge one of a row's settings, from wherever it was left, and store its figure."""
        row, how = self.result["rows"][title], self.result["search"]
        one = row["search"][number]
        workdir = self.workdir / studies.slug(title) / "search" / str(number)
        log = workdir.with_name(f"{number}.log")
        overrides = {**row["overrides"], **one["overrides"], "seed": how["seed"], "train_steps": how["steps"]}
        try:
            self._train(f"{title!r}, try {number},", row["recipe"], workdir, log, overrides)
            asked_for = {"split": how["split"], "count": how["count"], "seed": SEED, "metrics": [how["metric"]]}
            printed = self._call(
                log, "train.evaluate", f"--source={workdir}", *asked({**self._looked_at(), **asked_for})
            )
            found = {"figure": json.loads(printed[-1])[how["figure"]]}
        except UserError as error:
            if not search.failed_by_itself(error):
                raise
            found = {"failed": str(error).partition(": ")[2]}
        with self.lock:
            one.update(found)
            self._store()

    def _looked_at(self) -> dict[str, Any]:
        protocol = self.result["protocol"]
        return {flag: protocol[flag] for flag in OPTIONAL if flag in protocol}

    def _complete(self, title: str, seed: int) -> None:
        """Train and measure one run, from wherever it was left, and store it."""
        row, protocol = self.result["rows"][title], self.result["protocol"]
        workdir = self.workdir / studies.slug(title) / str(seed)
        log = workdir.with_name(f"{seed}.log")
        what = f"{title!r} with seed {seed}"
        steps = self._train(what, row["recipe"], workdir, log, {**row["overrides"], "seed": seed})
        step = steps[-1]["step"] if steps else 0
        measure, lines = (f"--source={workdir}", *asked(protocol)), {}
        for checkpoint in protocol["checkpoints"]:
            printed = self._call(log, "train.evaluate", *measure, f"--checkpoint={checkpoint}")
            lines[checkpoint] = [json.loads(line) for line in printed]
        # inside training calls, their tracing included; without start-up, checkpoints and evaluations
        starts = [0, *(line["step"] for line in steps)]
        seconds = sum(
            (line["step"] - start) / line["steps_per_second"] for start, line in zip(starts, steps, strict=False)
        )
        with self.lock:
            row["runs"][str(seed)] = {
                "step": step,
                "seconds": round(seconds, 1),
                "lines": lines,
                **curves.evaluated(workdir),
            }
            row["runs"] = dict(sorted(row["runs"].items(), key=lambda run: int(run[0])))
            drawn = sorted((workdir / pictures.SAMPLES).glob("[0-9]*.png"))
            if seed == results.seeds_of(self.result, row)[0] and drawn:
                row["picture"] = f"{self.path.stem}/{studies.slug(title)}.png"
                files.write_bytes(self.path.parent / row["picture"], drawn[-1].read_bytes())
            self._store()

    def _draw(self) -> None:
        """Draw what the runs were evaluated by while training, if they were, and store where it lies."""
        if picture := curves.draw(self.result):
            self.result["curves"] = f"{self.path.stem}/{curves.CURVES}"
            files.write_bytes(self.path.parent / self.result["curves"], picture)
            self._store()

    def _train(
        self, what: str, recipe: str, workdir: Path, log: Path, overrides: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Train a run to its end and return the lines of its metrics.jsonl; one that was stopped is a `UserError`."""
        told = self._call(log, "train", f"--recipe={recipe}", f"--workdir={workdir}", *flags_of(overrides))
        steps, settings = logs.read_lines(workdir / logs.METRICS), config.read(workdir)
        step = steps[-1]["step"] if steps else 0
        # one that was stopped at its last step is not measured there yet
        is_stopped = any(line.startswith("stopped at step ") for line in told)
        if is_stopped or (step < settings.train_steps and not has_settled(steps, settings.stop)):
            raise UserError(f"{what} was stopped at step {step}; the same command resumes it")
        return steps

    def _call(self, log: Path, module: str, *arguments: str) -> list[str]:
        return self.programs.call(log, module, *arguments)

    def _store(self) -> None:
        rows = {title: {**row, "recipe": Path(row["recipe"]).name} for title, row in self.result["rows"].items()}
        files.write_json(self.path, {**self.result, "rows": rows})

    def _progress(self, total: int, done: int, unit: str) -> tqdm:
        return tqdm(total=total, initial=done, unit=unit, desc=self.path.stem, dynamic_ncols=sys.stderr.isatty())


def run() -> None:
    """Run the program: `python -m train.study`."""
    program.run(main)


if __name__ == "__main__":
    run()
