"""hardware.json: what a run was trained on, and for how long, for cards and tables. No TensorFlow here.

    {"seconds": 812.4,
     "hardware": [{"processor": "AMD EPYC 9B14", "cores": 2, "accelerators": [], "replicas": 1, "seconds": 812.4}]}

`seconds` is the time by the clock of steps, their tracing, sheets, evaluations and checkpoints, summed over all times
that the run was begun or resumed; steps that a rollback or a kill undid count too. The list has an entry for each
hardware that the run was on. `cores` are those that the process may use. The file is written with each checkpoint, so
that a kill loses what came after the last one.
"""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import logging

from train.rundir.layout import HARDWARE
from zoo.shared import files

_OF_A_MACHINE = ("processor", "cores", "accelerators", "replicas")


def here(accelerators: Sequence[str] = (), replicas: int = 1) -> dict[str, Any]:
    """Return what this process trains on; `accelerators` are the names of the GPUs that its strategy uses."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "accelerators": list(accelerators),
        "replicas": replicas,
    }


def words(machine: dict[str, Any]) -> str:
    """Return in a few words what does the work: the GPUs by their names, else so many cores."""
    gpus, cores = machine["accelerators"], machine["cores"]
    if gpus:
        return ", ".join(
            f"{gpus.count(name)} x {name}" if gpus.count(name) > 1 else name for name in dict.fromkeys(gpus)
        )
    return f"{cores} core{'s' if cores > 1 else ''}"


def read(workdir: Path) -> dict[str, Any] | None:
    """Return the record of the run at `workdir`; None where it has none, as runs from before, or a damaged one."""
    path = workdir / HARDWARE
    if not path.is_file():
        return None
    try:
        held: dict[str, Any] = json.loads(path.read_bytes())
        each = [entry["seconds"] for entry in held["hardware"] if all(key in entry for key in _OF_A_MACHINE)]
        is_whole = len(each) == len(held["hardware"]) and all(seconds >= 0 for seconds in (held["seconds"], *each))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        is_whole = False
    if not is_whole:
        logging.warning("%s is damaged: the time that it told of is lost", path)
        return None
    return held


class Stopwatch:
    """Adds the time since it was made to what earlier processes recorded of the run at `workdir`."""

    def __init__(self, workdir: Path, machine: dict[str, Any]) -> None:
        self.workdir, self.machine = workdir, machine
        held = read(workdir) or {"hardware": []}
        own = [entry for entry in held["hardware"] if _machine(entry) == machine]
        self._others = [entry for entry in held["hardware"] if _machine(entry) != machine]
        self._before = sum(entry["seconds"] for entry in own)
        self._began = time.monotonic()

    def write(self) -> None:
        """Write the time up to now."""
        seconds = round(self._before + time.monotonic() - self._began, 1)
        entries = [*self._others, {**self.machine, "seconds": seconds}]
        total = round(sum(entry["seconds"] for entry in entries), 1)
        files.write_json(self.workdir / HARDWARE, {"seconds": total, "hardware": entries})


def _machine(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in _OF_A_MACHINE}


def _processor() -> str:
    """Return the name of the processor, as Linux has it, else as Python has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
