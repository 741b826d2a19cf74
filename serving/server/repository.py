"""A directory of bundles as a model repository, which is read anew while it serves.

    bundles/digits/manifest.json ...        version 1 of "digits"
    bundles/digits/2/manifest.json ...      and version 2 of it
    bundles/faces/3/manifest.json ...       version 3 of "faces"
    bundles/faces/4/manifest.json ...

Bundles that lie elsewhere may serve beside them, such as presets: a name in the directory goes before theirs.

A version serves only after its checksums and a warm-up run have passed. One that fails is refused: what served before
goes on, and the reason is in the status and in the log. A failed version is tried again when its files change. A
request holds the version that it began with until it is answered.

The name in a request is looked up among the names that were found. It never becomes a path.
"""

import dataclasses
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo import bundle
from zoo.shared.errors import UserError, first_line

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_LATEST = re.compile(r"latest(?::([1-9][0-9]{0,5}))?")
_POLLS_WITHOUT = 2  # a directory that is replaced may be away for a moment

Mark = tuple[tuple[str, int, int, int], ...]


class Unknown(Exception):
    """No such model, version or label."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """Which versions of a model serve: the `latest` so many that load, those of `numbers`, or with neither all."""

    latest: int = 0
    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Return the policy that "latest", "latest:2", "all" or "3,5" stands for; anything else is a `UserError`."""
        if found := _LATEST.fullmatch(text):
            return cls(latest=int(found[1] or 1))
        if text == "all":
            return cls()
        numbers = text.split(",")
        if not all(map(_NUMBER.fullmatch, numbers)):
            raise UserError(f"versions {text!r}: use latest, latest:2, all, or numbers such as 3,5")
        return cls(numbers=tuple(map(int, numbers)))


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a model that serves. `loaded` is what the repository's loader made of its directory."""

    model: str
    number: int
    loaded: Any
    mark: Mark


@dataclasses.dataclass(frozen=True)
class Status:
    """How a version fares: AVAILABLE, LOADING, or END with the `reason`; AVAILABLE may have one too, of a reload."""

    number: int
    state: str
    reason: str = ""


class Repository:
    """The models below a directory. `poll` is called by one thread at a time, all else by any."""

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        load: Callable[[Path, str, int], Any],
        policy: Policy = Policy(latest=1),
        labels: Mapping[tuple[str, str], int] | None = None,
        log: Callable[[str], None] = lambda line: None,
        settle: Callable[[Any], object] = lambda loaded: None,
        others: Mapping[str, Path] | None = None,
    ) -> None:
        """Serve what `load(path, model, number)` makes of directories; `labels` maps (model, label) to a number.

        `settle` is given what was loaded when all of a poll serves: for work that may wait so long. It returns at once.
        `others` are bundles that lie elsewhere, by the names of their models; with them, there need be no `root`.
        """
        self.root = None if root is None else Path(root)
        self._others = dict(others or {})
        if self.root and not self.root.is_dir():
            raise UserError(f"{self.root} is no directory of bundles")
        if self.root and is_version(self.root):
            raise UserError(f"{self.root} is a bundle: give the directory that holds it")
        self._load, self._policy, self._labels, self._log = load, policy, dict(labels or {}), log
        self._settle, self._unsettled = settle, list[Any]()
        # both are replaced as a whole, never changed, so that readers need no lock
        self._serving: dict[str, dict[int, Version]] = {}
        self._failed: dict[tuple[str, int], tuple[Mark, str]] = {}
        self._loading: tuple[str, int] | None = None
        self._absent: dict[str, int] = {}
        self._told: set[str] = set()
        self.is_read = False

    @property
    def models(self) -> dict[str, tuple[Version, ...]]:
        """The versions of each model that serve, the newest first."""
        return {model: tuple(versions.values()) for model, versions in sorted(self._serving.items())}

    @property
    def names(self) -> set[str]:
        """The models that serve, and those of which every version fails."""
        return self._serving.keys() | {model for model, _ in self._failed}

    def find(self, model: str, number: int | None = None, label: str | None = None) -> Version:
        """Return a version that serves, by default the newest; `Unknown` tells it in TF Serving's words."""
        versions = self._serving.get(model)
        if not versions:
            asked = f"Latest({model})" if number is None else f"Specific({model}, {number})"
            raise Unknown(f"Servable not found for request: {asked}")
        if label is not None:
            number = self.labelled(model, label)
        if number is None:
            return next(iter(versions.values()))
        if number not in versions:
            raise Unknown(f"Servable not found for request: Specific({model}, {number})")
        return versions[number]

    def labelled(self, model: str, label: str) -> int:
        """Return the number of the version that bears a label; a `UserError` if none does."""
        if (model, label) not in self._labels:
            raise UserError(f"Unrecognized servable version label: {label}")
        return self._labels[model, label]

    def status(self, model: str) -> list[Status]:
        """Return how each version fares, the newest first; an empty list for a model that there is not."""
        reasons = {number: reason for (name, number), (_, reason) in self._failed.items() if name == model}
        made = {number: Status(number, "END", reason) for number, reason in reasons.items()}
        loading = self._loading
        if loading and loading[0] == model:
            made[loading[1]] = Status(loading[1], "LOADING")
        for number in self._serving.get(model, ()):
            made[number] = Status(number, "AVAILABLE", reasons.get(number, ""))
        return [made[number] for number in sorted(made, reverse=True)]

    def poll(self) -> None:
        """Read the directory, load what is new, and let go of what is gone; nothing that serves is interrupted."""
        try:
            found = dict(self._scan())
        except OSError as error:
            self._log(f"cannot read {self.root}: {error.strerror}; what serves goes on")
            return
        for model, paths in sorted(found.items()):
            self._update(model, paths)
        self._tell_what_is_amiss(found)
        for model in self._serving.keys() - found.keys():
            self._absent[model] = self._absent.get(model, 0) + 1
            if self._absent[model] >= _POLLS_WITHOUT:
                self._serving = {name: versions for name, versions in self._serving.items() if name != model}
                self._log(f"{model}: unloaded, its directory is gone")
        self._absent = {model: count for model, count in self._absent.items() if model in self._serving.keys() - found}
        there = {(model, number) for model, paths in found.items() for number in paths}
        self._failed = {key: value for key, value in self._failed.items() if key in there}
        self.is_read = True
        while self._unsettled:
            self._settle(self._unsettled.pop(0))

    def poll_until(self, stop: threading.Event, seconds: float) -> None:
        """Poll, and again and again, so many seconds apart, until `stop` is set; once if that is 0."""
        while True:
            try:
                self.poll()
            except Exception as error:  # a bug of ours must not end the reloading for good
                self._log(f"reading {self.root} failed: {first_line(error)}")
            if not seconds or stop.wait(seconds):
                return

    def _scan(self) -> Iterator[tuple[str, dict[int, Path]]]:
        """Yield each model and the directories of its versions."""
        found: set[str] = set()
        for entry in os.scandir(self.root) if self.root else ():
            if entry.name.startswith("."):  # being written
                continue
            if not NAME.fullmatch(entry.name):
                self._tell(
                    f"{entry.name!r} is passed over: use letters, digits, '_', '.' and '-' in the name of a model"
                )
            elif entry.is_dir():
                path = Path(entry.path)
                numbered = {
                    int(inner.name): Path(inner.path)
                    for inner in sorted(os.scandir(path), key=lambda inner: inner.name)
                    if _NUMBER.fullmatch(inner.name) and inner.is_dir()
                }
                if paths := ({1: path} if is_version(path) else {}) | numbered:
                    found.add(entry.name)
                    yield entry.name, paths
                else:
                    self._tell(f"{entry.name} is passed over: it holds no bundle, and no directory NUMBER/ with one")
            elif entry.name.endswith(".onnx"):
                self._tell(f"{entry.name} is passed over: a model is the directory of a bundle")
        for name, path in self._others.items():
            if name not in found and is_version(path):
                yield name, {1: path}

    def _tell_what_is_amiss(self, found: Mapping[str, Mapping[int, Path]]) -> None:
        """Log what was asked for and is not there."""
        if not found:
            self._tell(f"{self.root or 'this machine'} holds no bundle yet")
        for model, paths in found.items():
            if self._policy.numbers and not set(self._policy.numbers) & paths.keys():
                self._tell(f"{model}: none of the versions that were asked for is there, only {_listed(paths)}")
        for (model, label), number in self._labels.items():
            if number not in self._serving.get(model, {}):
                self._tell(f"{model}: version {number}, which is to be called {label}, does not serve")

    def _tell(self, line: str) -> None:
        """Log a line that has not been logged before."""
        if line not in self._told:
            self._told.add(line)
            self._log(line)

    def _update(self, model: str, paths: Mapping[int, Path]) -> None:
        """Let the versions serve that the policy asks for and that load; without any, those from before go on."""
        wanted = [number for number in sorted(paths, reverse=True) if number in (self._policy.numbers or paths)]
        before = self._serving.get(model, {})
        chosen: dict[int, Version] = {}
        for number in wanted:
            if self._policy.latest and len(chosen) >= self._policy.latest:
                break
            if version := self._version(model, number, paths[number]):
                chosen[number] = version
        if chosen and chosen != before:
            self._serving = {**self._serving, model: chosen}
            self._log(f"{model}: serves {', '.join(f'version {number}' for number in chosen)}")

    def _version(self, model: str, number: int, path: Path) -> Version | None:
        """Return the version as its files are now, or else as it serves, or else None."""
        current, key = self._serving.get(model, {}).get(number), (model, number)
        try:
            # before the files are read, so that what changes meanwhile is seen by the next poll
            mark = mark_of(path)
            if current and current.mark == mark:
                self._failed = {other: value for other, value in self._failed.items() if other != key}
                return current
            if self._failed.get(key, (None,))[0] == mark:
                return current
        except OSError:  # it vanished: the next poll will not find it
            return current
        self._loading = key
        try:
            made = Version(model, number, self._load(path, model, number), mark)
        except Exception as error:  # whatever a foreign file makes a library raise
            reason = first_line(error)
            self._failed = {**self._failed, key: (mark, self._placeless(reason, path))}
            self._log(f"{model}: version {number} is refused: {reason}")
            return current
        finally:
            self._loading = None
        self._failed = {other: value for other, value in self._failed.items() if other != key}
        self._unsettled.append(made.loaded)
        return made

    def _placeless(self, reason: str, path: Path) -> str:
        """Return what a client is told of a fault: a file is where it lies below the root, not where that is."""
        root = self.root if self.root and path.is_relative_to(self.root) else path.parent
        places = {os.path.join(root, ""), os.path.join(root.resolve(), "")}
        return re.sub("|".join(rf"(?<![\w./-]){re.escape(place)}" for place in places), "", reason)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def is_version(path: Path) -> bool:
    """Return whether the directory is meant as a bundle, however damaged."""
    return any(os.path.lexists(path / name) for name in (bundle.MANIFEST, bundle.ONNX))


def mark_of(path: Path) -> Mark:
    """Return what tells one state of a bundle's files from another: place, size, time and number of each."""
    places = []
    for folder, inner, names in os.walk(path):
        if folder == str(path):
            inner[:] = [name for name in inner if not _NUMBER.fullmatch(name)]  # versions of their own
        places += [os.path.join(folder, name) for name in names]
    stats = [(os.path.relpath(place, path), os.stat(place)) for place in sorted(places)]
    return tuple((name, status.st_size, status.st_mtime_ns, status.st_ino) for name, status in stats)
