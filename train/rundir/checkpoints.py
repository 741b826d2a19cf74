"""Checkpoints that are whole or absent, and the way back to the newest whole one.

    checkpoints/00000400/state.index, state.data-…     written by `tf.train.Checkpoint`
    checkpoints/00000400/config.json, run.json         what the run was then: see `train.rundir.recorded`
    checkpoints/00000400/cell.json                     only of one off the schedule: see `train.loop.cells`
    checkpoints/00000400/checksums.json                the SHA-256 of each file

A checkpoint is written to a hidden directory, flushed to the disk and renamed; one that was torn later is
recognised by its checksums. Those on the schedule come at the same steps in every run. One off the schedule, which the
clock or a signal asked for, is there for resuming alone: the next one takes its place.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import logging

from train.rundir import recorded
from train.rundir.layout import CELL, CHECKSUMS
from zoo.shared import files
from zoo.shared.errors import UserError, first_line


class Checkpoints:
    """The checkpoints of one run, by step; `state` says which variables they hold.

    The newest `keep` on the schedule are kept, and of others only one that is newer than all of these.
    """

    def __init__(self, directory: Path, state: tf.train.Checkpoint, keep: int = 3) -> None:
        self.directory = directory
        self.state = state
        self.keep = keep
        self._recorder = recorded.Recorder(directory.parent)

    def steps(self) -> list[int]:
        """Return the steps of the checkpoints on the disk, whole or torn, oldest first."""
        return sorted(int(path.name) for path in self.directory.glob("[0-9]*") if path.name.isdecimal())

    def save(self, step: int, cell: Mapping[str, Any] | None = None) -> None:
        """Write the state under `step` and drop the oldest; if that fails (disk full), a `UserError` and no harm.

        With a `cell`, what is known of it as JSON, the checkpoint is off the schedule.
        """
        try:
            with files.new_directory(self._path(step), overwrite=True) as directory:
                self.state.write(str(directory / "state"))
                self._recorder.write(directory, step)
                if cell is not None:
                    files.write_json(directory / CELL, cell)
                files.write_json(directory / CHECKSUMS, files.checksums(directory))
        except (OSError, tf.errors.OpError) as error:
            raise UserError(
                f"could not save step {step} in {self.directory}: {first_line(error)}; earlier checkpoints "
                "are intact: make room and give the same command again"
            ) from error
        self._prune()

    def is_whole(self, step: int) -> bool:
        """Return whether the checkpoint of `step` is as it was written."""
        try:
            self._check(self._path(step))
        except (OSError, ValueError, AttributeError):
            return False
        return True

    def is_scheduled(self, step: int) -> bool:
        """Return whether the checkpoint of `step` is on the schedule."""
        return not (self._path(step) / CELL).exists()

    def cell(self, step: int) -> dict[str, Any] | None:
        """Return the cell that was saved with a checkpoint off the schedule, or None."""
        if self.is_scheduled(step):
            return None
        held: dict[str, Any] = json.loads((self._path(step) / CELL).read_bytes())
        return held

    def restore(self, partial: bool = False, scheduled: bool = False) -> int | None:
        """Load the newest whole checkpoint and return its step, or None where there is none at all.

        Each torn one met on the way is skipped with a warning; if all are torn, that is a `UserError`. With
        `partial`, the state may hold less than the file (a generator without its optimisers). With `scheduled`, those
        off the schedule are passed over.
        """
        self._recorder.read_logs_again()  # the run goes on from there, and cuts its logs back
        steps = [step for step in self.steps() if not scheduled or self.is_scheduled(step)]
        for step in reversed(steps):
            path = self._path(step)
            try:
                self._check(path)
                with files.without_wildcards(path) as plain:
                    status = self.state.read(str(plain / "state"))
                    if partial:
                        status.assert_existing_objects_matched().expect_partial()
                    else:
                        status.assert_consumed()
                return step
            except (OSError, ValueError, AttributeError, IndexError, tf.errors.OpError, AssertionError) as error:
                logging.warning(
                    "the checkpoint of step %d is unusable (%s); trying the one before", step, first_line(error)
                )
        if steps:
            raise UserError(f"no checkpoint in {self.directory} is usable (tried steps {', '.join(map(str, steps))})")
        return None

    def sweep(self) -> None:
        """Remove what a killed save left behind."""
        files.sweep(self.directory)

    def drop_after(self, step: int) -> None:
        """Remove the checkpoints beyond `step`, torn ones that were passed over, and what a killed save had to drop."""
        self._recorder.read_logs_again()  # the run goes on from there, and cuts its logs back
        for later in self.steps():
            if later > step:
                files.remove(self._path(later))
        self._prune()

    def _prune(self) -> None:
        steps = self.steps()
        kept = {*[step for step in steps if self.is_scheduled(step)][-self.keep :], *steps[-1:]}
        for old in set(steps) - kept:
            files.remove(self._path(old))

    def _path(self, step: int) -> Path:
        return self.directory / f"{step:08d}"

    @staticmethod
    def _check(path: Path) -> None:
        # what a file manager puts beside them does not matter
        for name, digest in json.loads((path / CHECKSUMS).read_text()).items():
            if files.sha256(path / name) != digest:
                raise ValueError(f"the checksum of {name} differs")
        recorded.check_step(path)
