"""What a run saw of the steps since the last line of metrics.jsonl, until the next line is due.

The lines stand for a fixed grid of steps. Calls are parts of its cells, as long as the time of a step allows. So what
was seen of a cell is kept step by step: its means are the same in whatever parts it was taken, and it outlives a stop
in a checkpoint.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


class Cell:
    """The logs of the steps from `start` on, in order, and the `seconds` that they took."""

    def __init__(self, start: int, seconds: float = 0.0, series: Mapping[str, list[float]] | None = None) -> None:
        self.start = start
        self.seconds = seconds
        self._parts = [{name: np.asarray(values, np.float32) for name, values in series.items()}] if series else []

    def add(self, series: Mapping[str, np.ndarray], seconds: float) -> None:
        """Take the logs of the steps that follow, float32 (steps,) each."""
        self._parts.append(dict(series))
        self.seconds += seconds

    def means(self) -> dict[str, float]:
        """Return the mean of each log, to six digits."""
        return {name: float(f"{values.mean():.6g}") for name, values in self._series().items()}

    def to_json(self) -> dict[str, Any]:
        """Return the arguments that make this cell again, exactly."""
        series = {name: values.tolist() for name, values in self._series().items()}
        return {"start": self.start, "seconds": self.seconds, "series": series}

    def _series(self) -> dict[str, np.ndarray]:
        names = self._parts[0] if self._parts else ()
        return {name: np.concatenate([part[name] for part in self._parts]) for name in names}
