"""The lines that a run writes: metrics.jsonl, a line every so many steps, and evaluations.jsonl, one an evaluation.

A line of evaluations.jsonl ends with its own SHA-256, since it may come after the last checkpoint, which would tell of
a change otherwise (`train.rundir.recorded`).
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from zoo.shared import files

METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
SPEED = "steps_per_second"  # the one figure in metrics.jsonl that is not the same in every run

_SEAL = "sha256"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl or evaluations.jsonl; what a kill or an editor tore is left out."""
    text = path.read_text(errors="replace") if path.is_file() else ""
    return [value for line in text.splitlines() if (value := _parsed(line)) is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        value = json.loads(line)
        if isinstance(value, dict) and type(value.get("step")) is int:
            return value
    return None


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Replace such a file by the `lines`; NaN and infinity are refused."""
    files.write_bytes(path, "".join(_text(path, line) for line in lines).encode())


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add a line to such a file, which must end with a whole one; NaN and infinity are refused."""
    with open(path, "a") as file:
        file.write(_text(path, line))
        file.flush()
        os.fsync(file.fileno())


def _text(path: Path, line: dict[str, Any]) -> str:
    if path.name == EVALUATIONS and _SEAL not in line:  # a line that changed keeps the SHA-256 that tells so
        line = {**line, _SEAL: _digest(line)}
    return json.dumps(line, allow_nan=False) + "\n"


class Running:
    """The SHA-256 of the lines of such a file up to a step, where the file only grows: each line is read once.

    The file must hold its lines in the order of their steps.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = 0  # of the first byte that is still to be read
        self._count = 0
        self._digest = hashlib.sha256(b"[")

    def until(self, step: int) -> str:
        """Return the SHA-256 of the JSON of the lines up to `step`, of which that of an earlier call was no later."""
        if self.path.is_file():
            with open(self.path, "rb") as file:
                file.seek(self._place)
                for text in file:
                    line = _parsed(text.decode(errors="replace"))
                    if not text.endswith(b"\n") or (line is not None and line["step"] > step):
                        break
                    self._place += len(text)
                    if line is not None:
                        self._add(line)
        whole = self._digest.copy()
        whole.update(b"]")
        return whole.hexdigest()

    def _add(self, line: dict[str, Any]) -> None:
        self._digest.update(b", " * (self._count > 0))
        self._digest.update(json.dumps({**told(line), SPEED: None}).encode())  # the speed is another in every run
        self._count += 1


def is_as_written(line: dict[str, Any]) -> bool:
    """Return whether a line of evaluations.jsonl is as it was written; lines from before there were seals have none."""
    return _SEAL not in line or line[_SEAL] == _digest(line)


def told(line: dict[str, Any]) -> dict[str, Any]:
    """Return what a line says, without its seal."""
    return {key: value for key, value in line.items() if key != _SEAL}


def _digest(line: dict[str, Any]) -> str:
    """Return the SHA-256 of what a line says."""
    return hashlib.sha256(json.dumps(told(line)).encode()).hexdigest()
