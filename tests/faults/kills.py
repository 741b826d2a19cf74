"""Programs that are killed at every call that changes the disk, and then started again by the same command.

Afterwards everything must be as if there had been no kill: the same files with the same bytes, and no others.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.server import Server

_HIDDEN = re.compile(r"\.[0-9a-f]{16}\b")
COLUMNS = ("calls", "states", "tried", "refused", "lost", "different", "stray files")


@dataclass(frozen=True)
class Scenario:
    """A command that writes below a place, "{place}" in its `arguments`, where `prepare` put what it needs.

    `lost(place)` tells whether what must never be away is. `differs(place, other)` tells whether two places that the
    command finished in differ; by default it compares bytes.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    prepare: Callable[[Path], None] = lambda place: None
    lost: Callable[[Path], bool] = lambda place: False
    differs: Callable[[Path, Path], bool] = lambda place, other: held(place) != held(other)


def kill_everywhere(scenario: Scenario, server: Server, scratch: Path, most: int | None) -> dict[str, int]:
    """Return what came of killing a scenario at each call, `COLUMNS`; at most `most` states are tried, evenly chosen.

    Kills that leave the same files leave one state.
    """
    place, states, finished = scratch / "place", scratch / "states", scratch / "finished"
    states.mkdir(parents=True)
    place.mkdir()
    scenario.prepare(place)
    _run(scenario, server, place, states)
    os.rename(place, finished)
    calls = sorted(path for path in states.iterdir() if path.is_dir())
    distinct = list({_state(path): path for path in calls}.values())
    chosen = distinct if most is None else distinct[:: -(-len(distinct) // most)]
    counts = dict.fromkeys(COLUMNS, 0) | {"calls": len(calls), "states": len(distinct), "tried": len(chosen)}
    for state in chosen:
        os.rename(state, place)  # commands may hold the path
        told = state.with_suffix(".txt").read_text()
        counts["lost"] += complain(scenario.lost(place), f"{scenario.name}: lost at {told}")
        ended = server.run(scenario.program, _filled(scenario, place), environment=_environment(place))
        if complain(ended.status, f"{scenario.name}: refused after {told}: {ended.output[-400:]}"):
            counts["refused"] += 1
        else:
            counts["stray files"] += complain(strays(place), f"{scenario.name}: stray after {told}: {strays(place)}")
            counts["different"] += complain(
                scenario.differs(place, finished),
                f"{scenario.name}: different after {told}: {_difference(place, finished)}",
            )
        shutil.rmtree(place)
    return counts


def really_killed(scenario: Scenario, server: Server, scratch: Path, at: int) -> tuple[list[str], list[str]]:
    """Return the files that the copy before call `at` holds, and those that a kill at it leaves."""
    place, states = scratch / "place", scratch / "states"
    states.mkdir(parents=True)
    place.mkdir()
    scenario.prepare(place)
    _run(scenario, server, place, states)
    shutil.rmtree(place)
    place.mkdir()
    scenario.prepare(place)
    ended = server.run(scenario.program, _filled(scenario, place), place, None, at, _environment(place))
    assert ended.status == -9, ended.output
    return _names(states / f"{at:05d}"), _names(place)


def held(place: Path) -> dict[str, str]:
    """Return a digest of each file below a place, without what depends on the time."""
    return {
        path.relative_to(place).as_posix(): _digest(path)
        for path in place.rglob("*")
        if path.is_file() and "tensorboard" not in path.parts
    }


def strays(place: Path) -> list[str]:
    """Return the hidden files and directories below a place, but for locks."""
    return [path.name for path in place.rglob(".*") if path.name != ".lock"]


def complain(fault: object, message: str) -> int:
    """Print the message if there is a fault, and return how many there are: 0 or 1."""
    if fault:
        print(message, flush=True)
    return int(bool(fault))


def _run(scenario: Scenario, server: Server, place: Path, states: Path) -> None:
    ended = server.run(scenario.program, _filled(scenario, place), place, states, 0, _environment(place))
    assert ended.status == 0, ended.output


def _filled(scenario: Scenario, place: Path) -> list[str]:
    return [argument.replace("{place}", str(place)) for argument in scenario.arguments]


def _environment(place: Path) -> dict[str, str]:
    return {"GENZOO_CACHE": str(place / "cache")}


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.name == "hardware.json":  # how long it took
        return ""
    if path.name == "metrics.jsonl":  # how fast it was
        lines = [json.loads(line) for line in data.decode().splitlines()]
        data = json.dumps([{**line, "steps_per_second": 0} for line in lines]).encode()
    return hashlib.sha256(data).hexdigest()


def _state(place: Path) -> str:
    """Return what two copies share that a program cannot tell apart: hidden names are drawn."""
    files = sorted((_HIDDEN.sub(".", path.relative_to(place).as_posix()), path) for path in place.rglob("*"))
    digests = [(name, path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest()) for name, path in files]
    return json.dumps([digest for digest in digests if "tensorboard" not in digest[0]])


def _names(place: Path) -> list[str]:
    return sorted(
        _HIDDEN.sub(".", path.relative_to(place).as_posix())
        for path in place.rglob("*")
        if not path.name.startswith("events.out")
    )


def _difference(place: Path, other: Path) -> list[str]:
    first, second = held(place), held(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
