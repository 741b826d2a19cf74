"""Directories with one damaged file, read by a program: the right result, a word about the damage, or a fault.

- "same": the result is that of the undamaged directory, bit for bit
- "said": a `UserError`, or a warning and another result, such as that of the checkpoint before
- "wrong": another result, and not a word
- "traceback": any other exception
"""

import contextlib
import io
import logging
import random
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faults.mutations import mutate

from zoo.shared.errors import UserError

SAME, SAID, WRONG, TRACEBACK = COLUMNS = ("same", "said", "wrong", "traceback")


@dataclass(frozen=True, eq=False)
class Subject:
    """A directory `whole` and a way to `use` a copy of it; every one of the `kinds` of file, patterns, is as likely."""

    name: str
    whole: Path
    kinds: Sequence[str]
    use: Callable[[Path], Any]


def damage(subject: Subject, times: int, scratch: Path) -> dict[str, int]:
    """Return how often each outcome came of `times` mutations, `COLUMNS`; faults are printed."""
    place, draw = scratch / "place", random.Random(subject.name)
    outcome, told, expected = _used(subject, place, lambda: "nothing", None)
    assert outcome == SAME, f"{subject.name}: {outcome}: {told}"
    counts = dict.fromkeys(COLUMNS, 0)
    for _ in range(times):
        outcome, told, _ = _used(subject, place, lambda: _mutated(subject, place, draw), expected)
        counts[outcome] += 1
        if outcome in (WRONG, TRACEBACK):
            print(f"{subject.name}: {outcome}: {told}", flush=True)
    return counts


def _used(subject: Subject, place: Path, change: Callable[[], str], expected: Any) -> tuple[str, str, Any]:
    """Return the outcome, what was done, and the result of using a copy of the whole that was changed."""
    shutil.copytree(subject.whole, place)
    try:
        told = change()
        with _words() as words:
            try:
                made = subject.use(place)
            except (UserError, OSError) as error:  # one line each: see `zoo.shared.program`
                return SAID, f"{told}: {error}", None
            except Exception:
                return TRACEBACK, f"{told}\n{traceback.format_exc()}", None
        if expected is None or _equal(made, expected):
            return SAME, told, made
        return (SAID if words else WRONG), told, made
    finally:
        shutil.rmtree(place)


def _mutated(subject: Subject, place: Path, draw: random.Random) -> str:
    path = draw.choice(sorted(place.glob(draw.choice(subject.kinds))))
    files = sorted(other for kind in subject.kinds for other in place.glob(kind) if other != path)
    return mutate(path, files, draw)


@contextlib.contextmanager
def _words() -> Iterator[list[str]]:
    """Yield what is said meanwhile, complete at the end: warnings of the log, and those on stderr."""
    words: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: words.append(record.getMessage())
    logger = logging.getLogger("absl")
    logger.addHandler(handler)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
            yield words
    finally:
        logger.removeHandler(handler)
        words.extend(line for line in printed.getvalue().splitlines() if line.startswith("warning"))


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    return type(first) is type(second) and bool(first == second)
