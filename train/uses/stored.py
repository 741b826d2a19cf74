"""The stored result of a use on one data set: JSON, with all that its table, figure and caption say. No TensorFlow.

    use, data, command           what to type
    protocol, versions, seeds    what all cells share
    cells                        by key: what was measured, with the seconds that the process ran for it

A cell is stored as soon as it is measured, and is not measured again.
"""

import importlib.metadata
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from zoo.shared import files
from zoo.shared.errors import UserError

Result = dict[str, Any]
_FIELDS = {"use", "data", "command", "protocol", "versions", "seeds", "cells"}
_LIBRARIES = "tensorflow", "keras", "numpy", "scikit-learn"


@dataclass(frozen=True)
class Study:
    """A result in the making: `workdir` holds its trainings, `path` is where the result lies, pictures beside it."""

    result: Result
    workdir: Path
    path: Path

    @property
    def cells(self) -> dict[str, Any]:
        """What is measured by now, by key."""
        return self.result["cells"]

    def add(self, key: str, cell: dict[str, Any]) -> None:
        """Store a cell."""
        self.cells[key] = cell
        files.write_json(self.path, self.result)


def new(use: str, data: str, protocol: dict[str, Any], seeds: Sequence[int], given: Sequence[str] = ()) -> Result:
    """Return a result without cells; `given` are flags of the command beside the use and the data."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {
        "use": use,
        "data": data,
        "command": " ".join(
            [f"python -m train.uses --use={use} --data={data}", *given, f"--workdir=runs/{use}_{data}"]
        ),
        "protocol": json.loads(json.dumps(protocol)),  # as it is read back: lists for tuples
        "versions": {"genzoo": zoo.__version__, **versions, "python": platform.python_version()},
        "seeds": list(seeds),
        "cells": {},
    }


def read(path: Path) -> Result:
    """Return the result stored at `path`; one that is torn is a `UserError`."""
    try:
        result: Result = json.loads(path.read_text())
        if missing := _FIELDS - result.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is corrupt: {error}; remove it and run the study again") from None
    return result


def resumed(path: Path, new: Result) -> Result:
    """Return `new` with the cells stored at `path`, if any; those that were made otherwise are a `UserError`.

    Seeds may be added.
    """
    if not path.is_file():
        return new
    old = read(path)
    was, now = ({**result["protocol"], **result["versions"]} for result in (old, new))
    changes = [
        f"{key} ({was.get(key, 'none')} -> {now.get(key, 'none')})"
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    ]
    if old["cells"] and changes:
        raise UserError(f"{path} was made otherwise: {', '.join(changes)}; put that back, or take another --output")
    return {**new, "cells": old["cells"]}


def in_words(values: Sequence[float], digits: int = 1, scale: float = 100.0) -> str:
    """Return the mean of one value per seed, with the standard deviation by n - 1 of several; "not run" of none."""
    if not values:
        return "not run"
    text = f"{scale * statistics.mean(values):z.{digits}f}"  # z: no sign before a zero
    return f"{text} ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else text


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first line the headings."""
    rule = ["---"] * len(lines[0])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:]))
