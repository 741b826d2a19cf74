"""What each checkpoint records of its run, so that a file that changed afterwards is told of. No TensorFlow here.

    checkpoints/00000400/config.json     a copy of the run's own
    checkpoints/00000400/run.json        its step, and the SHA-256 of what the run's other files held then

A bit that flips in a number leaves another number: the file alone cannot tell. Checkpoints of runs from before this
record have none; their runs are read as they are.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging
from ml_collections import ConfigDict

from train import config as configuration
from train.config import CONFIG
from train.rundir.layout import CHECKPOINTS, CHECKSUMS, LAST, MODEL
from train.rundir.logs import EVALUATIONS, METRICS, Running, is_as_written, read_lines
from zoo.bundle import EXAMPLES
from zoo.shared import files
from zoo.shared.errors import UserError

RUN = "run.json"


@dataclass(frozen=True)
class Record:
    """What the run was when the checkpoint at `path` was saved, at `step`."""

    path: Path
    step: int
    config: ConfigDict
    files: dict[str, str]
    logs: dict[str, str]


class Recorder:
    """Writes the record of the run in `workdir` into its checkpoints, while the run goes on and its logs grow.

    Its configuration and its files are those of the first record: what changes on the disk later is not the run that
    goes on.
    """

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self._config: bytes | None = None
        self._files: dict[str, str] = {}
        self.read_logs_again()

    def read_logs_again(self) -> None:
        """Take the logs for other ones: they were cut back to an earlier step."""
        self._logs = {name: Running(self.workdir / name) for name in (METRICS, EVALUATIONS)}

    def write(self, directory: Path, step: int) -> None:
        """Write the record of `step` into the `directory` of a checkpoint, if there is a run."""
        path = self.workdir / CONFIG
        if self._config is None and path.is_file():
            self._config = path.read_bytes()
            self._files = {name: _digest(self.workdir / name) for name in (MODEL, EXAMPLES)}
        if self._config is not None:
            (directory / CONFIG).write_bytes(self._config)
            files.write_json(directory / RUN, {"step": step, "files": self._files, "logs": _digests(self._logs, step)})


def newest(workdir: Path) -> Record | None:
    """Return the newest record that is whole among the run's last checkpoints, or None."""
    places = [path for path in (workdir / CHECKPOINTS[LAST]).glob("[0-9]*") if path.name.isdecimal()]
    for path in sorted(places, key=lambda path: int(path.name), reverse=True):
        try:
            digests = json.loads((path / CHECKSUMS).read_bytes())
            if any(files.sha256(path / name) != digests[name] for name in (CONFIG, RUN)):
                continue
            held = json.loads((path / RUN).read_bytes())
            config = {**configuration.LATER, **configuration.renamed(json.loads((path / CONFIG).read_bytes()))}
            return Record(path, config=ConfigDict(config), **held)
        except (OSError, ValueError, TypeError, KeyError):
            continue  # torn, or from before there were records
    return None


def read(workdir: Path) -> ConfigDict:
    """Return the run's configuration, compared with what its newest checkpoint was saved under.

    Where a number of the training would depend on what changed, that is a `UserError`, else a warning.
    """
    known, path = newest(workdir), workdir / CONFIG
    if known is None:
        return configuration.read(workdir)
    remedy = f"put it back as step {known.step} was saved under it: copy {known.path / CONFIG}"
    try:
        found = configuration.read(workdir)
    except UserError as error:
        raise UserError(f"{error}; {remedy}") from None
    old, new = (dict(configuration.flatten(config.to_dict())) for config in (known.config, found))
    differing = sorted(key for key in old.keys() | new.keys() if repr(old.get(key)) != repr(new.get(key)))
    if differing:
        changes = ", ".join(f"{key} ({old.get(key, 'none')} -> {new.get(key, 'none')})" for key in differing)
        message = f"{path} was changed since step {known.step} was saved: {changes}"
        try:
            configuration.check_resumable(known.config, found)
        except (UserError, AttributeError):
            raise UserError(f"{message}; {remedy}") from None
        logging.warning("%s", message)
    return found


def is_current(workdir: Path) -> bool:
    """Return whether the newest record, if there is one, holds the run's present configuration."""
    known = newest(workdir)
    return known is None or (known.path / CONFIG).read_bytes() == (workdir / CONFIG).read_bytes()


def described(path: Path) -> dict[str, Any]:
    """Return what the model.json at `path` holds; a damaged one is a `UserError`."""
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
        if stored.keys() != {"arguments", "data"} or not isinstance(stored["arguments"]["columns"], dict):
            raise ValueError
        return stored
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is corrupt: train again in a new --workdir") from None


def check_file(workdir: Path, name: str) -> None:
    """Raise a `UserError` if a file of the run changed since its newest checkpoint was saved."""
    known = newest(workdir)
    if known is not None and name in known.files and _digest(workdir / name) != known.files[name]:
        raise UserError(
            f"{workdir / name} was changed since step {known.step} was saved: put it back; or remove it and give the "
            "command that trained the run again, which writes it anew"
        )


def check_step(path: Path) -> None:
    """Raise a `ValueError` if the checkpoint at `path` bears the name of another step than it was saved at."""
    if (path / RUN).is_file():
        step = json.loads((path / RUN).read_bytes())["step"]
        if step != int(path.name):
            raise ValueError(f"it is that of step {step}")


def check_logs(workdir: Path) -> None:
    """Warn of a log whose lines changed since they were written."""
    known = newest(workdir)
    if known is not None:
        found = _digests({name: Running(workdir / name) for name in (METRICS, EVALUATIONS)}, known.step)
        changed = {name for name in known.logs if found.get(name) != known.logs[name]}
        if not all(map(is_as_written, read_lines(workdir / EVALUATIONS))):
            changed.add(EVALUATIONS)
        for name in sorted(changed):
            logging.warning("%s was changed since it was written", workdir / name)


def _digests(logs: Mapping[str, Running], step: int) -> dict[str, str]:
    """Return the SHA-256 of the lines that were complete when `step` was saved; its evaluation comes after that."""
    ends = {METRICS: step, EVALUATIONS: step - 1}
    return {name: running.until(ends[name]) for name, running in logs.items()}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, of JSON that of its values; "" where it is missing or unreadable."""
    try:
        data = path.read_bytes()
        if path.suffix == ".json":
            data = json.dumps(json.loads(data), sort_keys=True).encode()
    except (OSError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(data).hexdigest()
