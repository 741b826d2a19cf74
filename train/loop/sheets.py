"""The sheets that a run draws of its maps: on the schedule, by the clock, and where it is stopped."""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from train.data import Source
from train.rundir import examples, pictures
from zoo import images, media, noise
from zoo.model import GenerativeModel
from zoo.shared import files

_MAX_BEHIND = 4000  # points
_MOST_AT_STOP = 10.0  # seconds that the last sheet may take where a run is stopped
_MOST_BY_CLOCK = 0.05  # of the time goes to sheets that the clock asks for

Context = Callable[[], contextlib.AbstractContextManager[None]]
Run = Callable[[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]]


class Sheets:
    """Draws the maps of a model into the run at `workdir`, from the run's fixed noise and its `given` examples.

    `seconds` is how long the last step's sheets took, or None if none were drawn yet or a signal ended them.
    """

    def __init__(
        self, config: ConfigDict, workdir: Path, model: GenerativeModel, given: examples.Examples, source: Source
    ) -> None:
        self.config, self.workdir, self.model, self.examples = config, workdir, model, given
        self.behind = _points(source)
        self.seconds: float | None = None
        self._drawn_at = time.monotonic()

    def is_time(self) -> bool:
        """Return whether the clock asks for sheets: `sample_minutes` after the last ones, later if those took long."""
        wait = max(60 * self.config.sample_minutes, (self.seconds or 0.0) / _MOST_BY_CLOCK)
        return bool(self.config.sample_minutes) and time.monotonic() - self._drawn_at >= wait

    def why_not_at_stop(self) -> str:
        """Return why no sheet is drawn where the run is stopped, or "" if one is."""
        if self.seconds is None:
            return "how long one takes is not known yet"
        return f"the one before took {self.seconds:.0f} seconds" if self.seconds > _MOST_AT_STOP else ""

    def draw(self, step: int, run: Run, averaged: Context, writing: Context) -> None:
        """Write the sheet of each map that can be shown, and beside it what `media.played` makes of sounds and videos.

        The maps `run` inside of `averaged`; what is written is written inside of `writing`.
        """
        self.seconds, began = None, time.monotonic()
        # that of the first map last: where it is, all are
        for number, name in reversed(list(enumerate(self.model.maps))):
            self._draw_map(step, name, number == 0, run, averaged, writing)
        self._drawn_at = time.monotonic()
        self.seconds = self._drawn_at - began

    def _draw_map(self, step: int, name: str, is_first: bool, run: Run, averaged: Context, writing: Context) -> None:
        spec, held_out = self.model.maps[name].spec, self.examples[name]
        count, columns = self.config.sample_count if is_first else examples.ROWS, None
        given = {tensor.name: held_out[tensor.name] for tensor in spec.conditions if tensor.name in held_out}
        if given:
            count = min(count, examples.ROWS)
        elif any(not tensor.is_class for tensor in spec.conditions):
            return
        else:
            count, columns = pictures.grid_of(spec, count)
        inputs = noise.fill(spec, count, self.config.seed, given=noise.cycled(given, count))
        targets = {tensor.name: held_out[tensor.name] for tensor in spec.outputs if tensor.name in held_out}
        with averaged():
            outputs = run(name, inputs)
        with writing():
            picture = pictures.sheet_of(spec, inputs, outputs, noise.cycled(targets, count), columns, self.behind)
            if picture is not None:
                place = pictures.path_of(self.workdir, step, "" if is_first else name)
                played = media.played(spec.output, outputs[spec.output.name])
                if played is not None:  # first, since a sheet says that its step is drawn
                    files.write_bytes(place.with_suffix(media.ending(spec.output)), played)
                files.write_bytes(place, images.encode_png(picture))
                tf.summary.image(name, picture[None], step=step)


def _points(source: Source) -> np.ndarray | None:
    """Return the training points that a scatter is drawn over, if the data are points."""
    table = source[0]
    is_points = "image" in table.specs and table.specs["image"].kind == "point"
    return table.columns["image"][:_MAX_BEHIND] if is_points else None
