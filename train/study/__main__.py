"""Run a study: python -m train.study --study=fashion --workdir=runs/fashion

A study trains variants of a recipe with several seeds, each in a process of its own, measures every run under one
protocol, and prints the figures as a Markdown table. OUTPUT/NAME.json holds them with their protocol, OUTPUT/NAME/ a
picture per variant. The same command resumes after Ctrl-C, a kill or a crash; what is finished is not done again.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

import zoo
from train import config, data, studies
from train.check import check
from train.data import SPLITS
from train.loop.stopping import has_settled
from train.rundir import layout, logs, pictures
from train.study import results
from zoo.shared import files, program
from zoo.shared.errors import UserError, unknown

STUDY = flags.DEFINE_string("study", None, f"which: {', '.join(studies.available())}, or a file x.py")
WORKDIR = flags.DEFINE_string("workdir", None, "directory for the runs and their logs, such as runs/fashion")
OUTPUT = flags.DEFINE_string("output", "docs/results", "directory for the results")
JOBS = flags.DEFINE_integer("jobs", 1, "runs at a time; each trains on its share of the cores", lower_bound=1)
TABLE = flags.DEFINE_bool("table", False, "print the table of what is stored, then stop")

SEED = 0  # of the evaluations
_OPTIONAL = "map", "reference"  # flags of `train.evaluate` that a study need not give
_THREADS = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"


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
    print(f"{results.table(result)}\n\n{results.caption(result)}", flush=True)
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
            results.check_same(old, result)
            for title, row in old["rows"].items():
                if row["runs"]:
                    result["rows"][title].update(runs=row["runs"], picture=row["picture"])
        return Runner(result, workdir, path).run(jobs)


def prepare(name: str, jobs: int) -> results.Result:
    """Return the result of a study before any run.

    A run or a column that could not be is a `UserError`, as far as it can be told without TensorFlow.
    """
    study, text = studies.load(name)
    _check(study)
    rows = {title: _row(study, title) for title in study.rows}
    title, _, about = text.partition("\n\n")
    cores = len(os.sched_getaffinity(0))
    libraries = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "onnxruntime", "numpy")}
    return {
        "title": " ".join(title.split()),
        "about": about,
        "command": f"python -m train.study --study={Path(name).name} --workdir=runs/{Path(name).stem} --jobs={jobs}",
        "protocol": {
            "metrics": list(study.metrics),
            "checkpoints": list(study.checkpoints),
            "count": study.count,
            "split": study.split,
            "seed": SEED,
            "cores": cores,
            "threads": max(1, cores // jobs),
            **{flag: getattr(study, flag) for flag in _OPTIONAL if getattr(study, flag)},
        },
        "versions": {"genzoo": zoo.__version__, **libraries, "python": platform.python_version()},
        "seeds": list(study.seeds),
        "columns": {column: shown._asdict() for column, shown in study.columns.items()},
        "published": {row: list(texts) for row, texts in study.published.items()},
        "source": study.source,
        "rows": rows,
    }


def _check(study: studies.Study) -> None:
    from train.evaluate.metrics import METRICS

    if not all(isinstance(column, studies.Column) for column in study.columns.values()):
        raise UserError("the study's columns are no train.studies.Column")
    for kind, names, known in (
        ("metric", study.metrics, [name for name, metric in METRICS.items() if not metric.has_other]),
        ("metric of a column", [column.metric for column in study.columns.values()], study.metrics),
        ("checkpoint", study.checkpoints, layout.CHECKPOINTS),
        ("split", [study.split], SPLITS),
    ):
        for name in names:
            if name not in known:
                raise unknown(kind, name, known)
    slugs = {studies.slug(title) for title in study.rows}
    for what, values, distinct in (("rows", study.rows, slugs), ("seeds", study.seeds, set(study.seeds))):
        if not values or len(distinct) < len(values) or "" in distinct:
            raise UserError(f"the study's {what} are {', '.join(map(str, values)) or 'none'}: it needs different ones")
    for what in ("metrics", "columns", "checkpoints"):
        named = getattr(study, what)
        if not named or len(set(named)) < len(named):
            raise UserError(f"the study's {what} are {', '.join(named) or 'none'}: it needs different ones")
    if bars := [title for title in (*study.rows, *study.columns, *study.published) if "|" in title]:
        raise UserError(f"the title {bars[0]!r} would break the table: use no |")
    if study.reference:
        data.check(config.source(study.reference))
    if not isinstance(study.count, int) or study.count < 2:
        raise UserError(f"the study's count is {study.count}: use a whole number of samples, 2 or more")
    cells = len(study.columns) * len(study.checkpoints)
    if any(len(texts) != cells for texts in study.published.values()):
        raise UserError(f"the study has published rows of other than {cells} texts, one for each column and checkpoint")
    if study.published and not study.source:
        raise UserError("the study has published rows and no source: say whose they are and how they were measured")


def asked(protocol: Mapping[str, Any]) -> list[str]:
    """Return the flags of `train.evaluate` that ask for what the protocol says, at any checkpoint."""
    told = {flag: protocol[flag] for flag in ("count", "split", "seed", *_OPTIONAL) if flag in protocol}
    return [*(f"--{flag}={value}" for flag, value in told.items()), f"--metrics={','.join(protocol['metrics'])}"]


def _row(study: studies.Study, title: str) -> dict[str, Any]:
    overrides = dict(study.rows[title])
    recipe = overrides.pop("recipe", study.recipe)
    try:
        if "seed" in overrides:
            raise UserError("it sets the seed, which is the study's")
        if not isinstance(recipe, str):
            raise UserError(f"its recipe is {recipe!r}, not a name or a file")
        settings = config.load(recipe, _flags(overrides))
        settings.update_from_flattened_dict(overrides)
        for seed in study.seeds:
            settings.seed = seed
            check(settings)
        for checkpoint in study.checkpoints:
            layout.check_kept(settings, checkpoint)
    except (UserError, TypeError) as error:
        raise UserError(f"row {title!r}: {error}") from None
    told = dict(config.flatten(settings.to_dict()))
    known = {key: value for key, value in told.items() if key != "seed" and config.LATER.get(key) != value}
    row = {"recipe": recipe, "overrides": overrides, "settings": known, "picture": None, "runs": {}}
    return json.loads(json.dumps(row))  # as it is read back: lists for tuples


def _flags(overrides: Mapping[str, Any]) -> list[str]:
    return [f"--config.{key}={value}" for key, value in overrides.items()]


class Runner:
    """Runs what a result lacks, each run in `workdir`, and stores the result at `path` after every one."""

    def __init__(self, result: results.Result, workdir: Path, path: Path) -> None:
        self.result, self.workdir, self.path = result, workdir, path
        threads = str(result["protocol"]["threads"])
        # our own programs, whatever file called train.py stands in the current directory: -m alone would look there
        # first (see -P below); last, it is there for a recipe of one's own that imports its neighbours
        places = [str(Path(config.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")]), os.getcwd()]
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            **dict.fromkeys(_THREADS, threads),
        }
        self.lock, self.processes, self.stopping = threading.Lock(), set[subprocess.Popen[str]](), False

    def run(self, jobs: int) -> list[UserError]:
        """Run `jobs` runs at a time and return the errors of those that failed, which do not stop the others."""
        rows, seeds = self.result["rows"], self.result["seeds"]
        missing = [(row, seed) for seed in seeds for row in rows if str(seed) not in rows[row]["runs"]]
        self._store()  # titles and columns may have changed; and what cannot be written had better fail now
        failures, total = [], len(seeds) * len(rows)
        with ThreadPoolExecutor(jobs) as pool, self._progress(total, total - len(missing)) as bar:
            futures = [pool.submit(self._complete, row, seed) for row, seed in missing]
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
                self._stop()
                pool.shutdown(cancel_futures=True)
                print("\nstopped; what is finished is stored, and the same command resumes", file=sys.stderr)
                raise
        return failures

    def _complete(self, title: str, seed: int) -> None:
        """Train and measure one run, from wherever it was left, and store it."""
        row, protocol = self.result["rows"][title], self.result["protocol"]
        workdir = self.workdir / studies.slug(title) / str(seed)
        log = workdir.with_name(f"{seed}.log")
        overrides = [*_flags(row["overrides"]), f"--config.seed={seed}"]
        told = self._call(log, "train", f"--recipe={row['recipe']}", f"--workdir={workdir}", *overrides)
        steps, settings = logs.read_lines(workdir / logs.METRICS), config.read(workdir)
        step = steps[-1]["step"] if steps else 0
        # one that was stopped at its last step is not measured there yet
        is_stopped = any(line.startswith("stopped at step ") for line in told)
        if is_stopped or (step < settings.train_steps and not has_settled(steps, settings.stop)):
            raise UserError(f"{title!r} with seed {seed} was stopped at step {step}; the same command resumes it")
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
            row["runs"][str(seed)] = {"step": step, "seconds": round(seconds, 1), "lines": lines}
            row["runs"] = dict(sorted(row["runs"].items(), key=lambda run: int(run[0])))
            drawn = sorted((workdir / pictures.SAMPLES).glob("[0-9]*.png"))
            if seed == self.result["seeds"][0] and drawn:
                row["picture"] = f"{self.path.stem}/{studies.slug(title)}.png"
                files.write_bytes(self.path.parent / row["picture"], drawn[-1].read_bytes())
            self._store()

    def _call(self, log: Path, module: str, *arguments: str) -> list[str]:
        """Return the lines that a program of ours prints; its errors go to the end of the `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", module, *arguments]
        # a process group of its own: Ctrl-C reaches it through `_stop` alone (a second signal would end it at once)
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "process_group": 0}
        with open(log, "a") as errors:
            begin = errors.tell()
            with self.lock:
                if self.stopping:
                    raise CancelledError
                process = subprocess.Popen(command, text=True, stderr=errors, env=self.environment, **options)
                self.processes.add(process)
            output, _ = process.communicate()
        with self.lock:
            self.processes.remove(process)
        if process.returncode:
            said = log.read_bytes()[begin:].decode(errors="replace").splitlines()
            last = next((line for line in reversed(said) if line.startswith("error: ")), "")
            last = last or f"it ended with status {process.returncode}, a signal if below 0"
            raise UserError(f"python -m {module} failed, see {log}: {last.removeprefix('error: ')}")
        return output.splitlines()

    def _stop(self) -> None:
        """Start no other process, and ask those that run to save their state and leave."""
        with self.lock:
            self.stopping = True
            for process in self.processes:
                process.terminate()

    def _store(self) -> None:
        rows = {title: {**row, "recipe": Path(row["recipe"]).name} for title, row in self.result["rows"].items()}
        files.write_json(self.path, {**self.result, "rows": rows})

    def _progress(self, total: int, done: int) -> tqdm:
        return tqdm(total=total, initial=done, unit="run", desc=self.path.stem, dynamic_ncols=sys.stderr.isatty())


def run() -> None:
    """Run the program: `python -m train.study`."""
    program.run(main)


if __name__ == "__main__":
    run()
