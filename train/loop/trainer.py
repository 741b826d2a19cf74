"""The training loop: strategies, phases, averaging, checkpoints, resumption, NaN policy, sheets. It knows no model.

A run is a function of its configuration alone: noise follows from (seed, step, replica), the order of the data from
(seed, step). So a run that was interrupted, even by kill -9, ends in the same bits as one that was not; on a GPU only
if it is `deterministic`.
"""

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from ml_collections import ConfigDict
from tqdm import tqdm

import train.data
from train.data.batches import Batches
from train.data.on_device import OnDevice
from train.engine import phases, strategies
from train.engine.averaging import MovingAverage
from train.engine.optimizers import reset
from train.engine.steps import CompiledSteps
from train.evaluate.makers import from_model
from train.evaluate.schedule import Evaluation
from train.loop import claims, forecast
from train.loop.building import batch_size_key, classes_told, create_model, warn_of_levels
from train.loop.cells import Cell
from train.loop.forecast import Forecast
from train.loop.pace import Pace, progress
from train.loop.sheets import Sheets
from train.loop.signals import Interrupted, StopRequest, stop_signals
from train.loop.stopping import Settling
from train.loop.trackers import Tracker
from train.loop.workers import Agreed, Workers
from train.rundir import curves, hardware, logs, pictures, recorded, restore
from train.rundir.checkpoints import Checkpoints
from train.rundir.layout import CHECKPOINTS, LAST, TENSORBOARD
from train.rundir.state import state_of
from zoo.model import as_run
from zoo.shared.errors import UserError, first_line, unknown

MAX_RETRIES = 3


class NotFinite(Exception):
    """A loss or a weight became NaN or infinite."""


class Trainer:
    """One run in one working directory; `run` trains it to the end, from wherever it was left."""

    def __init__(
        self, config: ConfigDict, workdir: Path, strategy: tf.distribute.Strategy, tracker: Tracker | None = None
    ) -> None:
        replicas = strategy.num_replicas_in_sync
        self.phases = phases.of(config)
        for phase in self.phases:
            if phase.batch_size % replicas:
                key = batch_size_key(config, phase)
                raise UserError(f"--config.{key}={phase.batch_size} does not divide over {replicas} devices")
        self.config = config
        self.workdir = workdir
        self.strategy = strategy
        self.workers = Workers(strategy)
        self.is_chief = self.workers.is_chief
        self.step = 0
        self.cell, self.pace, self.stop = Cell(0), Pace(), StopRequest()
        self.forecast, self.tracker = Forecast(), tracker or Tracker()
        self.saved_at = time.monotonic()
        self.retries, self.attempts, self.rolled_back_to = 0, 0, -1
        self.settling = Settling(config.stop)
        self.summaries: tf.summary.SummaryWriter | None = None

        self.workers.check_same(config)
        self.source = train.data.load(config.data, "train")
        with strategy.scope():
            self.model = create_model(config, self.source)
            self.model.noise_key.assign([config.seed, 0])
            self.averages = MovingAverage(self.model, config.ema)
        if self.is_chief:
            for table in self.source:
                print(table.description, file=sys.stderr)
            for name, spec in self.model.columns.items():
                if spec.kind == "class" and spec.names:
                    print(f"{name}: {classes_told(spec.names)}", file=sys.stderr)
        state = state_of(self.model, self.averages)
        self.checkpoints = Checkpoints(workdir / CHECKPOINTS[LAST], state, config.keep_checkpoints)
        is_begun = bool(self.checkpoints.steps())
        claims.claim_model(workdir, self.model, self.source, is_begun, self.is_chief)
        self.examples = claims.claim_examples(workdir, config, self.model, is_begun, self.is_chief)
        self.sheets = Sheets(config, workdir, self.model, self.examples, self.source)
        if self.is_chief:
            warn_of_levels(self.model, self.examples)
            if late := [phase.name for phase in self.phases if phase.start >= config.train_steps]:
                logging.warning("the run ends at step %d, before the phases %s", config.train_steps, ", ".join(late))
        has_evaluation = config.evaluate.metrics and self.is_chief
        self.evaluation = Evaluation(config, workdir, state, self.model) if has_evaluation else None
        self._jit = strategies.use_jit(config.jit, config.precision, strategy)
        self.on_device = OnDevice(self.source, self.model.columns, strategies.device_of_data(strategy))
        if self.on_device.columns:
            told = ", ".join(self.on_device.columns)
            print(f"on the device: {told} ({self.on_device.bytes / 2**20:,.0f} MiB)", file=sys.stderr)
        self.phase: phases.Phase | None = None
        self._enter()
        self.stopwatch = hardware.Stopwatch(workdir, hardware.here(strategies.accelerators(strategy), replicas))

    def run(self) -> bool:
        """Train until `train_steps` (True) or until SIGTERM or SIGINT asks to stop (False); both leave a checkpoint."""
        status = "failed"
        try:
            with stop_signals() as self.stop:
                is_done = self._run()
                self._finish(is_done)
            status = "done" if is_done else "stopped"
        finally:
            self._tell("end", {"step": self.step, "status": status})
        return is_done

    def _run(self) -> bool:
        """Train, and return whether to the end; a run that a signal ends is saved, and drawn if that is quick."""
        try:
            self._resume()
            with progress(self.config.train_steps, self.step, self.is_chief) as bar:
                told = self._train(bar)
            is_done = not told.is_stopping
            if is_done and told.has_settled:
                self._settle()
        except Interrupted:
            is_done = False
            if self.step not in self.checkpoints.steps():
                self.save()
        if not is_done:
            self._draw_last()
        return is_done

    def _train(self, bar: tqdm) -> Agreed:
        """Take steps until the run is to end or to stop, and save it if it stops; return what the workers agreed on."""
        told = self._agree()
        while not (told.is_stopping or told.has_settled or self.step >= self.config.train_steps):
            target = min(self._next_boundary(), self.step + (told.steps if self.pace.is_traced else 1))
            try:
                self._take_steps(target)
                told = self._agree()
                saving = told.is_stopping or told.is_saving or self._is_due(self.config.checkpoint_every, target)
                drawing = told.is_drawing or self._is_due(self.config.sample_every, target)
                if saving or drawing:
                    self._check_weights(target)
            except NotFinite as failure:
                self._retry(failure)
                bar.n = self.step
                told = self._agree()
                continue
            self._move_on(target, bar)
            if saving:
                self.save()
            # what is not made of a run that stops here is made where it is resumed
            if drawing and not told.is_stopping:
                self.draw_samples()
            if not told.is_stopping:
                self.evaluate()
        return told

    def _take_steps(self, target: int) -> None:
        """Train until `target` in one call, and keep what it logged."""
        began = time.monotonic()
        series = self.train_until(target)
        seconds = time.monotonic() - began
        self.pace.note(target - self.step, seconds)
        of_a_step = self.forecast.note(target - self.step, seconds)
        if self.is_chief and of_a_step is not None:
            pauses = {"sheets": (self.config.sample_every, self.sheets.seconds)}
            if self.evaluation is not None:
                pauses["evaluations"] = (min(self.evaluation.periods.values()), self.evaluation.seconds)
            machine = hardware.words(self.stopwatch.machine)
            for line in forecast.told(self.config, self.phases, target, of_a_step, machine, pauses):
                tqdm.write(line, file=sys.stderr)
        self.cell.add(series, seconds)
        stop = self.config.stop
        if stop.steps and stop.log not in series:
            raise unknown("log", stop.log, series)
        if target == self._next_boundary():
            self.settling.note({"step": target, **self.cell.means()})

    def _move_on(self, target: int, bar: tqdm) -> None:
        """Be at `target`: write the line of a cell that ends there, begin the phase that begins there."""
        bar.update(target - self.step)
        is_whole, self.step = target == self._next_boundary(), target
        if is_whole:
            self._record(bar)
        if self.step == self.phase.end:
            # first, so that what is saved, drawn and judged is what a run has that is resumed here
            self._enter()
            self._tell_phase()
            self.restart_iterator()

    def _tell(self, event: str, values: dict[str, Any]) -> None:
        if self.is_chief:
            self.tracker.tell(event, values)

    def _settle(self) -> None:
        """Make what the last step of a run has, as far as the schedule has not, and say why it is the last."""
        if self.step not in self.checkpoints.steps():
            self.save()
        if self.is_chief and not pictures.path_of(self.workdir, self.step).is_file():
            self.draw_samples()
        self.evaluate(is_last=True)
        if self.is_chief:
            print(self.settling.words(self.step), file=sys.stderr)

    def train_until(self, target: int) -> dict[str, np.ndarray]:
        """Train from `self.step` to `target` in one compiled call; return each log for every step, (steps,).

        `self.step` is left as it was. Raises `NotFinite`, which names the loss and the step.
        """
        series = self._steps(self.iterator, target - self.step)
        broken = [
            (np.argmin(np.isfinite(values)), name) for name, values in series.items() if not np.isfinite(values).all()
        ]
        if broken:
            offset, name = min(broken)  # the first step first
            raise NotFinite(f"{name} became {series[name][offset]} at step {self.step + offset + 1}")
        return series

    def draw_samples(self) -> None:
        """Write the sheets of the averaged maps at this step."""
        if self.is_chief:
            self.sheets.draw(self.step, self.run_map, self._averaged, self._writing)

    def _draw_last(self) -> None:
        """Draw what a run has come to that is stopped, if that takes seconds and is not drawn yet."""
        if not self.is_chief or pictures.path_of(self.workdir, self.step).is_file():
            return
        if reason := self.sheets.why_not_at_stop():
            print(f"no last sheet: {reason}", file=sys.stderr)
        else:
            self.sheets.draw(self.step, self.run_map, self.averages.applied, self._writing)

    def run_map(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a map with its present weights."""
        return self._runs[name](inputs)

    def evaluate(self, is_last: bool = False) -> None:
        """Measure the averaged generator if the schedule has this step, or if it `is_last`; keep it if it is best."""
        is_last = is_last or self.step == self.config.train_steps
        if self.evaluation is None or not self.evaluation.is_due(self.step, is_last):
            return
        maker = from_model(self.model, self.run_map)
        known = len(self.evaluation.lines)
        try:
            figures = self.evaluation.measure(self.step, maker, is_last, self._averaged)
        finally:  # a signal may come after the first line
            for line in self.evaluation.lines[known:]:
                self._tell("evaluation", line)
        with self._writing():
            for name, figure in figures.items():
                tf.summary.scalar(name, figure, step=self.step)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the maps their averaged weights inside the block, which a signal interrupts if this process is alone.

        (Others would wait in the next call for a chief that left.)
        """
        may_interrupt = contextlib.nullcontext if self.workers.are_several else self.stop.may_interrupt
        with self.averages.applied(), may_interrupt():
            yield

    def save(self) -> None:
        """Write a checkpoint of the current step, off the schedule if the schedule has none there."""
        if self.is_chief:
            is_scheduled = self._is_due(self.config.checkpoint_every, self.step) or self.settling.has_settled()
            self.checkpoints.save(self.step, None if is_scheduled else self.cell.to_json())
            with self._writing():
                self.stopwatch.write()
        self.saved_at = time.monotonic()

    def _enter(self) -> None:
        """Begin the phase of the current step, or go on with it.

        Nothing that was traced in another phase is used: its graph would go on with that one.
        """
        phase = phases.enter(self.model, self.phases, self.step)
        if self.step == phase.start:
            for optimizer in self.model.optimizers.values():
                reset(optimizer)
        if phase == self.phase:
            return
        self.phase = phase
        begin = (phase.start, phase.rows)
        self.batches = Batches(
            self.source, phase.batch_size, self.config.seed, self.config.data, self.model.columns, begin
        )
        after_step = lambda: self.averages.update(self.model.step)  # noqa: E731
        must = self.config.jit == "true"
        self._steps = CompiledSteps(self.model, self.strategy, self._jit, after_step, self.on_device.rows, must)
        self.pace.begin()
        self.forecast.begin()
        self._runs = {name: as_run(made) for name, made in self.model.maps.items()}

    def _tell_phase(self) -> None:
        if self.phase.name and self.is_chief:
            tqdm.write(f"step {self.step} is of phase {self.phase.name}", file=sys.stderr)

    def restart_iterator(self) -> None:
        """Begin the data at the current step."""

        def local_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
            replicas = self.strategy.num_replicas_in_sync
            local = replicas // context.num_input_pipelines
            remaining = min(self.config.train_steps, self.phase.end or math.inf) - self.step
            first, held = local * context.input_pipeline_id, self.on_device.columns
            return self.batches.dataset(self.step, remaining, local, first, replicas, held)

        self.iterator = iter(self.strategy.distribute_datasets_from_function(local_batches))

    def _resume(self) -> None:
        if self.is_chief:
            self.checkpoints.sweep()
        restored = self.checkpoints.restore()
        if restored is None and self.config.init_from:
            name = self.config.model.name
            step = restore.begin_with(self.config.init_from, name, self.model, self.averages)
            if self.is_chief:
                print(f"begins with the weights of {self.config.init_from} at step {step}", file=sys.stderr)
        if restored is not None:
            self.step = restored
            self.attempts = int(self.model.noise_key.numpy()[1])
        self._tell("start", {"config": self.config.to_dict(), "workdir": str(self.workdir), "step": self.step})
        self._begin_cell()
        self._enter()
        if self.is_chief:
            self.checkpoints.drop_after(self.step)
            self._forget_after(-1 if restored is None else self.step)
        # the untrained generator, before anything is saved that would bind the run to a metric that refuses the data;
        # or what a kill kept from being measured
        self.evaluate()
        if self.is_chief:
            if restored is not None:
                print(f"resumed at step {self.step}", file=sys.stderr)
            self._tell_phase()
            # a first checkpoint, so that there is always one to roll back to; or one that knows of new bookkeeping
            if restored is None or not recorded.is_current(self.workdir):
                self.save()
            is_due = self._is_due(self.config.sample_every, self.step)
            if is_due and not pictures.path_of(self.workdir, self.step).is_file():
                self.draw_samples()
        self.restart_iterator()

    def _retry(self, failure: NotFinite) -> None:
        """Go back to the last good checkpoint and take other noise; give up at the fourth time from one checkpoint.

        One off the schedule is passed over, since the run must not depend on the clock.
        """
        restored = self.checkpoints.restore(scheduled=True) or 0
        self.retries = self.retries + 1 if restored == self.rolled_back_to else 1
        if self.retries > MAX_RETRIES:
            raise UserError(f"{failure}; gave up after {MAX_RETRIES} retries: try a lower learning rate") from failure
        logging.warning("%s; retry %d of %d with other noise", failure, self.retries, MAX_RETRIES)
        self.attempts += 1
        self.step = self.rolled_back_to = restored
        self.model.noise_key.assign([self.config.seed, self.attempts])
        self._enter()
        self._begin_cell()
        if self.is_chief:
            self.checkpoints.drop_after(self.step)
            self._forget_after(self.step)
        self.restart_iterator()

    def _begin_cell(self) -> None:
        """Begin with what the checkpoint of the present step, if there is one, holds of its cell."""
        self.cell = Cell(**(self.checkpoints.cell(self.step) or {"start": self.step}))

    def _check_weights(self, step: int) -> None:
        for weight in self.model.trainable_variables:
            if not np.isfinite(weight.numpy()).all():
                raise NotFinite(f"the weights {weight.path} became NaN or infinite by step {step}")

    def _agree(self) -> Agreed:
        """Return what all workers do next; each of them waits for the others."""
        minutes = self.config.checkpoint_minutes
        is_time = bool(minutes) and time.monotonic() - self.saved_at >= 60 * minutes
        is_drawing = self.is_chief and self.sheets.is_time()
        return self.workers.agree(bool(self.stop), is_time, is_drawing, self.settling.has_settled(), self.pace.steps)

    def _is_due(self, period: int, step: int) -> bool:
        return step % period == 0 or step == self.config.train_steps

    def _next_boundary(self) -> int:
        """Return where the cell of the present step ends: a fixed grid, whatever the calls and interruptions."""
        periods = (self.config.log_every, self.config.checkpoint_every, self.config.sample_every)
        ends = (self.config.train_steps, self.phase.end or math.inf)
        return min(*ends, *(self.step - self.step % period + period for period in periods))

    def _record(self, bar: tqdm) -> None:
        """Log the means of the cell that ends at the present step, and begin the next one."""
        cell, self.cell = self.cell, Cell(self.step)
        means = cell.means()
        bar.set_postfix({name: f"{mean:.3f}" for name, mean in means.items() if name.endswith("loss")}, refresh=False)
        if not self.is_chief:
            return
        line = {"step": self.step, **means, logs.SPEED: round((self.step - cell.start) / cell.seconds, 3)}
        with self._writing():
            with open(self.workdir / logs.METRICS, "a") as file:
                file.write(json.dumps(line) + "\n")
            # at once: one by one they take as long as a step or two of a small model
            named = [(name, value) for name, value in line.items() if name != "step"]
            scalars = [tf.compat.v1.Summary.Value(tag=name, simple_value=value) for name, value in named]
            summary = tf.compat.v1.Summary(value=scalars)
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=self.step)
        self._tell("metrics", line)

    def _forget_after(self, step: int) -> None:
        path = self.workdir / logs.METRICS
        lines = [line for line in logs.read_lines(path) if line["step"] <= step]
        logs.write_lines(path, lines)
        self.settling.begin(lines)
        if self.evaluation is not None:
            self.evaluation.forget_after(step)
        for drawn, path in pictures.steps_drawn(self.workdir):
            if drawn > step:
                path.unlink()

    def _finish(self, is_done: bool) -> None:
        if self.is_chief:
            with self._writing():
                figures, rising = (self.evaluation.figures, self.evaluation.rising) if self.evaluation else ({}, ())
                curves.write(self.workdir, figures, rising)
                pictures.write_animation(self.workdir)
                self.stopwatch.write()
        self.workers.wait()  # no worker leaves while the chief still writes

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let `tf.summary` write for TensorBoard; what cannot be written (a full disk) is a `UserError`."""
        try:
            if self.summaries is None:
                self.summaries = tf.summary.create_file_writer(str(self.workdir / TENSORBOARD))
            with self.summaries.as_default():
                yield
        except (OSError, tf.errors.OpError) as error:
            raise UserError(
                f"could not write in {self.workdir} at step {self.step}: {first_line(error)}; "
                "the checkpoints are intact: give the same command again once it can be written"
            ) from error
