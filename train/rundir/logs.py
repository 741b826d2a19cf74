"""The lines that a run writes: metrics.jsonl, a line a call, and evaluations.jsonl, a line an evaluation."""

import contextlib
import json
from pathlib import Path
from typing import Any

from zoo.shared import files

METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"


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
    files.write_bytes(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())
