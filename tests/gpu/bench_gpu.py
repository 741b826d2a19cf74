"""What a GPU does with a step of ours, beside PyTorch, and one real result: run by `make bench-gpu`.

    python tests/gpu/bench_gpu.py --output=DIRECTORY [--minutes=13] [--torch="python3"] [--tiny]

One prepared script for a machine that is at hand for minutes. First the steps of five recipes, ours by `config.jit`,
in bfloat16 and deterministic, and the PyTorch twins of `torch_twins`: every variant is a process, and they take turns.
Then `wgan_gp_cifar10` trains for the time that is left, is evaluated, and its pictures are kept. Every figure is in
DIRECTORY as soon as it is known. CIFAR-10 is read from TFDS_DATA_DIR; without it drawn shapes take its place, and the
result says so. TensorFlow takes TF32 by itself; the twins are told to.

PyTorch may live in another Python: --torch is its command, such as "env LD_LIBRARY_PATH= python3". With --tiny
everything is so small that a CPU does it in minutes: that is how this file is tested.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from bench_torch import OURS, TWIN, best_of, configured, measured, quartiles, started
from bench_torch_turns import REPOSITORY, torch_command
from turns import Times, progress, ratio, table

from train.rundir import layout

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan, 32 px": ("dcgan_digits", {"data.image_size": 32, "model.base_channels": 64}),
    "dcgan, 64 px": ("dcgan_digits", {"data.image_size": 64, "model.base_channels": 128}),
    "wgan_gp_cifar10": ("wgan_gp_cifar10", {"data.image_size": 32}),
    "rpgan_cifar10": ("rpgan_cifar10", {"data.image_size": 32}),
    "gated_pixel_cnn_cifar10": ("gated_pixel_cnn_cifar10", {"data.image_size": 32}),
}
BFLOAT16 = {"precision": "mixed_bfloat16"}
DETERMINISTIC = {"deterministic": True}
# what is compared within a group has one precision and one determinism
GROUPS: dict[str, dict[str, Any]] = {"float32": {}, "bfloat16": BFLOAT16, "deterministic": DETERMINISTIC}
JITS = {"float32": ("false", "true", "auto"), "bfloat16": ("false", "true"), "deterministic": ("auto",)}
TWINS = {
    "float32": ("eager", "channels_last", "compile", "compile_graphs"),
    "bfloat16": ("channels_last", "compile"),
    "deterministic": ("channels_last",),
}
TINY = {"model.base_channels": 4, "batch_size": 10}
TINY_CASE = "dcgan, 32 px"  # the one that has all variants there
RESULT = "wgan_gp_cifar10"
# seconds: of measuring a group, of one turn, kept for the result whatever the cases take, and of its evaluation
SECONDS, TURN, RESERVE, EVALUATION = 6.0, 0.3, 240.0, 60.0
WATCHED = 3.0  # seconds of training in which the GPU's utilisation is sampled


def main() -> None:
    """Measure, train, and keep what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="a directory for what comes out")
    parser.add_argument("--minutes", type=float, default=13.0, help="for all of it")
    parser.add_argument("--torch", default="", help="the command of a Python that has torch")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, few steps: for a CPU")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    options.output.mkdir(parents=True, exist_ok=True)
    torch = torch_command(options.torch)
    if torch is None:
        print("no Python with torch is here (--torch names one): ours alone is measured", file=sys.stderr)
    # a network that is tiny is no faster on several, and slower beside other programs
    threads = 1 if options.tiny else len(os.sched_getaffinity(0))
    notes: list[str] = []
    rows: list[list[str]] = []
    medians: dict[str, float] = {}
    for case in CASES:
        for group in GROUPS:
            if options.tiny and case != TINY_CASE and group != "float32":
                continue
            left = end - time.monotonic() - RESERVE * (not options.tiny)
            if left < 30:
                notes.append(f"{case}, {group}: no time was left")
                continue
            commands = commands_of(case, group, torch, options.tiny)
            if not commands:
                notes.append(f"{case}, {group}: the configuration has no key {', '.join(GROUPS[group])}")
                continue
            progress(f"{case}, {group}: {left:.0f} s left")
            with started(commands, threads, environment(options.tiny), left) as (children, failed):
                notes += [f"{case}, {group}, {variant}: {reason}" for variant, reason in failed.items()]
                if not children:
                    continue
                times = measured(children, 0.0 if options.tiny else SECONDS, as_ran=False, turn=TURN, products={})
                used = watched(children, times)
                rows += rows_of(
                    case, group, {name: child.told["weights"] for name, child in children.items()}, times, used
                )
                medians |= {f"{case}, {group}, {name}": statistics.median(values) for name, values in times.items()}
                keep(options.output, rows, notes)
    keep(options.output, rows, notes)  # with the notes on what came last, or on everything
    result = train(options.output, medians, end, options.tiny)
    (options.output / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    print((options.output / "steps.txt").read_text())
    print(json.dumps(result, indent=2))


def environment(is_tiny: bool) -> dict[str, str]:
    """Return what several processes on one GPU need, and on the CPU no GPU's."""
    return {"TF_FORCE_GPU_ALLOW_GROWTH": "true", **({"CUDA_VISIBLE_DEVICES": ""} if is_tiny else {})}


def commands_of(
    case: str, group: str, torch: list[str] | None, is_tiny: bool
) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Return the variants' commands and what they are told; none if the configuration lacks the group's keys."""
    recipe, changes = CASES[case]
    told = configured(recipe, {**changes, **(TINY if is_tiny else {})})
    if not GROUPS[group].keys() <= told["settings"].keys():
        return {}
    told["settings"] |= GROUPS[group]
    is_short = is_tiny and case != TINY_CASE
    jits, twins = (("auto",), ("eager",)) if is_short else (JITS[group], TWINS[group])
    commands = {f"ours, jit={jit}": (OURS, {**told, "settings": {**told["settings"], "jit": jit}}) for jit in jits}
    for variant in twins if torch else ():
        commands[variant] = ([*torch, TWIN], {**told, "variant": variant})
    return commands


def watched(children: dict[str, Any], times: Times) -> dict[str, str]:
    """Return the mean utilisation of the GPU in percent while each of our variants trains, by nvidia-smi."""
    used = {}
    for name in children:
        if name.startswith("ours") and shutil.which("nvidia-smi"):
            steps = max(1, round(WATCHED / statistics.median(times[name])))
            with utilisation() as samples:
                children[name].ask("go", steps)
            used[name] = mean_of(samples)
    return used


@contextlib.contextmanager
def utilisation() -> Iterator[list[float]]:
    """Sample the GPU's utilisation inside the block, four times a second; without nvidia-smi there are no samples."""
    samples: list[float] = []
    if not shutil.which("nvidia-smi"):
        yield samples
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "250"]
    with tempfile.TemporaryFile("w+") as file:
        watcher = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        try:
            yield samples
        finally:
            watcher.terminate()
            watcher.wait()
            file.seek(0)
            samples += [float(line) for line in file if line.strip().isdigit()]


def mean_of(samples: list[float]) -> str:
    """Return the mean of percentages, if there are any."""
    return f"{statistics.mean(samples):.0f} %" if samples else ""


def rows_of(
    case: str, group: str, weights: dict[str, dict[str, int]], times: Times, used: dict[str, str]
) -> list[list[str]]:
    """Return the rows of the table; * is PyTorch's best."""
    twins = [name for name in times if not name.startswith("ours")]
    best = best_of(times, twins) if twins else ""
    return [
        [
            case,
            group,
            name + " *" * (name == best),
            f"{sum(weights[name].values()):,}",
            str(len(values)),
            quartiles(values),
            ratio(times, name, best) if best else "",
            used.get(name, ""),
        ]
        for name, values in times.items()
    ]


def keep(output: Path, rows: list[list[str]], notes: list[str]) -> None:
    """Write the table as it is by now, and what did not run."""
    headings = ["case", "group", "variant", "weights", "rounds", "ms a step", "ratio", "GPU used"]
    with open(output / "steps.txt", "w") as file, contextlib.redirect_stdout(file):
        print("Quartiles of a step in ms; ratio: to PyTorch's best of the same group, round by round.\n")
        table(headings, rows)
        print(*(["\nDid not run:", *notes] if notes else []), sep="\n")
    (output / "steps.json").write_text(json.dumps([dict(zip(headings, row, strict=True)) for row in rows], indent=2))


def train(output: Path, medians: dict[str, float], end: float, is_tiny: bool) -> dict[str, Any]:
    """Train the recipe for the time that is left, evaluate it; return the protocol and the figures."""
    has_data = bool(os.environ.get("TFDS_DATA_DIR")) and not is_tiny
    left = end - time.monotonic() - EVALUATION
    known = {
        name.rpartition("=")[2]: step for name, step in medians.items() if name.startswith(f"{RESULT}, float32, o")
    }
    jit = min(known, key=lambda name: known[name], default="auto")
    steps = 4 if is_tiny else int(0.85 * (left - 60) / known.get(jit, 0.1))
    if steps < 1:
        return {"result": "no time was left"}
    changes = {"train_steps": steps, "jit": jit, **({} if has_data else {"data.name": "shapes", "data.image_size": 32})}
    if is_tiny:
        changes |= {**TINY, "jit": "auto", "sample_count": 4}
    place = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, **environment(is_tiny), "PYTHONPATH": place}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", *arguments]
        made = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=REPOSITORY)
        if made.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {made.stderr.strip().splitlines()[-1]}")
        return made.stdout

    kept = output / RESULT
    shutil.rmtree(kept, ignore_errors=True)
    progress(f"{RESULT}: {steps} steps")
    begin = time.monotonic()
    with utilisation() as samples:
        overrides = [f"--config.{key}={value}" for key, value in changes.items()]
        run("train", f"--recipe={RESULT}", f"--workdir={kept.absolute()}", *overrides)
    seconds = time.monotonic() - begin
    progress(f"{RESULT}: evaluation")
    metrics = ("--metrics=frechet,precision_recall", f"--count={100 if is_tiny else 10_000}")
    figures = run("train.evaluate", f"--source={kept.absolute()}", *metrics)
    for name in (layout.CHECKPOINTS[layout.LAST], layout.TENSORBOARD):
        shutil.rmtree(kept / name, ignore_errors=True)
    return {
        "recipe": RESULT,
        "changes": changes,
        "seconds": round(seconds, 1),
        "GPU used": mean_of(samples),
        "figures": [json.loads(line) for line in figures.splitlines() if line.startswith("{")],
    }


if __name__ == "__main__":
    main()
