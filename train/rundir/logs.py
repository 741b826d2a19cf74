"""The lines that a run writes: metrics.jsonl, a line a call, and evaluations.jsonl, a line an evaluation.

A line of evaluations.jsonl ends with its own SHA-256, since it may come after the last checkpoint, which would tell of
a change otherwise (`train.rundir.recorded`).
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from zoo.shared import files

METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
SPEED = "steps_per_second"  # the one figure in metrics.jsonl that is not the same in every run

_SEAL = "sha256"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl or evaluations.jsonl; what a kill or an editor tore is left out."""
    lines = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict) and type(value.get("step")) is int:
                lines.append(value)
    return lines


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Replace such a file by the `lines`; NaN and infinity are refused."""
    if path.name == EVALUATIONS:  # a line that changed keeps the SHA-256 that tells so
        lines = [line if _SEAL in line else {**line, _SEAL: _digest(line)} for line in lines]
    files.write_bytes(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())


def is_as_written(line: dict[str, Any]) -> bool:
    """Return whether a line of evaluations.jsonl is as it was written; lines from before there were seals have none."""
    return _SEAL not in line or line[_SEAL] == _digest(line)


def told(line: dict[str, Any]) -> dict[str, Any]:
    """Return what a line says, without its seal."""
    return {key: value for key, value in line.items() if key != _SEAL}


def _digest(line: dict[str, Any]) -> str:
    """Return the SHA-256 of what a line says."""
    return hashlib.sha256(json.dumps(told(line)).encode()).hexdigest()
