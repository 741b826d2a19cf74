"""What the server counts, in Prometheus' text format. All methods belong to the event loop's thread."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_REQUESTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

Labels = tuple[str, ...]


class Histogram:
    """How often values fell below each of the `bounds`, and their sum, for each value of the labels."""

    def __init__(self, name: str, help: str, labels: Labels, bounds: tuple[float, ...]) -> None:
        self._name, self._help, self._labels, self._bounds = name, help, labels, bounds
        self._counts: dict[Labels, list[int]] = defaultdict(lambda: [0] * (len(bounds) + 1))
        self._sums: dict[Labels, float] = defaultdict(float)

    def observe(self, labels: Labels, value: float) -> None:
        """Count a value; one that equals a bound lies below it."""
        self._counts[labels][bisect.bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def lines(self) -> Iterator[str]:
        """Yield the lines of the format."""
        yield from _head(self._name, self._help, "histogram")
        for labels, counts in self._counts.items():
            named, total = _named(self._labels, labels), 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts, strict=True):
                total += count
                yield f'{self._name}_bucket{{{named},le="{bound}"}} {total}'
            yield f"{self._name}_sum{{{named}}} {_number(self._sums[labels])}"
            yield f"{self._name}_count{{{named}}} {total}"


class Metrics:
    """The server's counters."""

    def __init__(self) -> None:
        self._requests: dict[Labels, int] = defaultdict(int)
        self._seconds = Histogram(
            "genzoo_request_seconds", "Time from a request to its answer.", ("model", "version"), _SECONDS
        )
        self._batches = Histogram(
            "genzoo_batch_requests", "Requests that ran together.", ("model", "version", "map"), _REQUESTS
        )

    def answered(self, model: str, version: str, map: str, status: int, seconds: float) -> None:
        """Count an answer; the names are those of what was found, "" where nothing was."""
        self._requests[model, version, map, str(status)] += 1
        self._seconds.observe((model, version), seconds)

    def ran(self, model: str, number: int, map: str, requests: int) -> None:
        """Count a batch."""
        self._batches.observe((model, str(number), map), requests)

    def text(self, depths: Mapping[Labels, int]) -> str:
        """Return the page; `depths` holds how many requests wait, by model, version and map."""
        parts: list[Iterable[str]] = [
            _head("genzoo_requests_total", "Answers, by what was asked and their status.", "counter"),
            _lines("genzoo_requests_total", ("model", "version", "map", "status"), self._requests),
            self._seconds.lines(),
            self._batches.lines(),
            _head("genzoo_queue_depth", "Requests that wait.", "gauge"),
            _lines("genzoo_queue_depth", ("model", "version", "map"), depths),
        ]
        return "\n".join(line for part in parts for line in part) + "\n"


def _head(name: str, help: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _lines(name: str, labels: Labels, values: Mapping[Labels, int]) -> Iterator[str]:
    for key, value in values.items():
        yield f"{name}{{{_named(labels, key)}}} {value}"


def _named(names: Labels, values: Labels) -> str:
    # the values need no escapes: names of models and maps are plain words, see `repository.NAME`
    return ",".join(f'{name}="{value}"' for name, value in zip(names, values, strict=True))


def _number(value: float) -> str:
    return repr(float(value))
