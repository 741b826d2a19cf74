"""The training loop: strategies, phases, averaging, checkpoints, resumption, NaN policy, sheets. It knows no model.

A run is a function of its configuration alone: noise follows from (seed, step, replica), the order of the data from
(seed, step). So a run that was interrupted, even by kill -9, ends in the same bits as one that was not.
"""

import contextlib
import hashlib
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from ml_collections import ConfigDict
from tqdm import tqdm

import train.data
import zoo
from train.config import check_fits
from train.data import Source, Table
from train.data.batches import Batches, held_out
from train.engine import phases, strategies
from train.engine.averaging import MovingAverage
from train.engine.optimizers import build, reset
from train.engine.steps import CompiledSteps
from train.evaluate.makers import from_model
from train.evaluate.schedule import Evaluation
from train.loop.signals import stop_signals
from train.loop.stopping import Settling
from train.rundir import examples, logs, pictures, recorded, restore
from train.rundir.checkpoints import Checkpoints
from train.rundir.layout import CHECKPOINTS, LAST, TENSORBOARD
from train.rundir.state import state_of
from zoo import images, media, noise
from zoo.metrics.likelihood import has_levels
from zoo.model import GenerativeModel, as_run
from zoo.shared import files
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import TensorSpec

MAX_RETRIES = 3
_MAX_BEHIND = 4000  # points


class NotFinite(Exception):
    """A loss or a weight became NaN or infinite."""


class Trainer:
    """One run in one working directory; `run` trains it to the end, from wherever it was left."""

    def __init__(self, config: ConfigDict, workdir: Path, strategy: tf.distribute.Strategy) -> None:
        replicas = strategy.num_replicas_in_sync
        self.phases = phases.of(config)
        for phase in self.phases:
            if phase.batch_size % replicas:
                key = batch_size_key(config, phase)
                raise UserError(f"--config.{key}={phase.batch_size} does not divide over {replicas} devices")
        self.config = config
        self.workdir = workdir
        self.strategy = strategy
        self.is_chief = strategy.extended.should_checkpoint
        self.step = 0
        self.retries, self.attempts, self.rolled_back_to = 0, 0, -1
        self.settling = Settling(config.stop)
        self.summaries: tf.summary.SummaryWriter | None = None

        self._check_workers_agree()
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
        self._claim_model(self.source)
        self.examples = self._claim_examples()
        if self.is_chief:
            warn_of_levels(self.model, self.examples)
            if late := [phase.name for phase in self.phases if phase.start >= config.train_steps]:
                logging.warning("the run ends at step %d, before the phases %s", config.train_steps, ", ".join(late))
        has_evaluation = config.evaluate.metrics and self.is_chief
        self.evaluation = Evaluation(config, workdir, state, self.model) if has_evaluation else None
        self._jit = strategies.use_jit(config.jit, config.precision, strategy)
        self.phase: phases.Phase | None = None
        self._enter()

    def run(self) -> bool:
        """Train until `train_steps` (True) or until SIGTERM or SIGINT asks to stop (False); both leave a checkpoint."""
        self._resume()
        with self._progress() as bar, stop_signals() as stop:
            while self.step < self.config.train_steps and not self._has_settled():
                target, started = self._next_boundary(), time.monotonic()
                try:
                    means = self.train_until(target)
                    stopping = self._any_worker(bool(stop))
                    saving = stopping or self._is_due(self.config.checkpoint_every, target)
                    drawing = self._is_due(self.config.sample_every, target)
                    if saving or drawing:
                        self._check_weights(target)
                except NotFinite as failure:
                    self._retry(failure)
                    bar.n = self.step
                    continue
                if self.config.stop.steps and self.config.stop.log not in means:
                    raise unknown("log", self.config.stop.log, means)
                self._record(means, target, time.monotonic() - started, bar)
                if self.step == self.phase.end:
                    # first, so that what is drawn, saved and judged is what a run has that is resumed here
                    self._enter()
                    self._tell_phase()
                    self.restart_iterator()
                if drawing:
                    self.draw_samples()
                if saving:
                    self.save()
                if stopping and self.step < self.config.train_steps:
                    break
                self.evaluate()
        settled = self._has_settled()
        if settled and self.step not in self.checkpoints.steps():
            self.draw_samples()
            self.save()
        if settled:
            self.evaluate(is_last=True)
        if settled and self.is_chief:
            stop_rule = self.config.stop
            print(
                f"the mean {stop_rule.log} of the last {stop_rule.steps} steps is within {stop_rule.within} of "
                f"{stop_rule.near}: the run ends at step {self.step}",
                file=sys.stderr,
            )
        self._finish()
        return settled or self.step >= self.config.train_steps

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
        """Write the sheet of each averaged map that can be shown, from the run's fixed noise and examples."""
        if not self.is_chief:
            return
        behind = self._points_behind()
        for number, (name, made) in enumerate(self.model.maps.items()):
            count = self.config.sample_count if number == 0 else examples.ROWS
            given = {tensor.name: self.examples[name].get(tensor.name) for tensor in made.spec.conditions}
            given = {key: rows for key, rows in given.items() if rows is not None}
            if given:
                count = min(count, examples.ROWS)
            elif any(not tensor.is_class for tensor in made.spec.conditions):
                continue
            inputs = noise.fill(made.spec, count, self.config.seed, given=noise.cycled(given, count))
            targets = {
                tensor.name: self.examples[name][tensor.name]
                for tensor in made.spec.outputs
                if tensor.name in self.examples[name]
            }
            with self.averages.applied():
                outputs = self.run_map(name, inputs)
            with self._writing():
                picture = pictures.sheet_of(made.spec, inputs, outputs, noise.cycled(targets, count), behind=behind)
                if picture is not None:
                    place = pictures.path_of(self.workdir, self.step, "" if number == 0 else name)
                    files.write_bytes(place, images.encode_png(picture))
                    tf.summary.image(name, picture[None], step=self.step)

    def run_map(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a map with its present weights."""
        return self._runs[name](inputs)

    def _points_behind(self) -> np.ndarray | None:
        """Return the training points that a scatter is drawn over, if the data are points."""
        table = self.source[0]
        is_points = "image" in table.specs and table.specs["image"].kind == "point"
        return table.columns["image"][:_MAX_BEHIND] if is_points else None

    def evaluate(self, is_last: bool = False) -> None:
        """Measure the averaged generator if the schedule has this step, or if it `is_last`; keep it if it is best."""
        is_last = is_last or self.step == self.config.train_steps
        if self.evaluation is None or not self.evaluation.is_due(self.step, is_last):
            return
        maker = from_model(self.model, self.run_map)
        figures = self.evaluation.measure(self.step, maker, is_last, self.averages.applied)
        with self._writing():
            for name, figure in figures.items():
                tf.summary.scalar(name, figure, step=self.step)

    def save(self) -> None:
        """Write a checkpoint of the current step."""
        if self.is_chief:
            self.checkpoints.save(self.step)

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
        self._steps = CompiledSteps(self.model, self.strategy, self._jit, after_step)
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
            return self.batches.dataset(self.step, remaining, local, local * context.input_pipeline_id, replicas)

        self.iterator = iter(self.strategy.distribute_datasets_from_function(local_batches))

    def _claim_model(self, source: Source) -> None:
        """Write the model's arguments and the data's fingerprint to a new run, or compare them with an old one's."""
        path, told = self.workdir / restore.MODEL, self._described(source)
        if self.checkpoints.steps() and path.is_file():
            held = restore.described(path)
            # that of a run from before the cache handed over digests was made in full
            if held != told and held != self._described(source, in_full=True):
                raise UserError(f"the data or the model changed since {path} was written: take a new --workdir")
            told = held
        if self.is_chief:
            files.write_json(path, told)

    def _described(self, source: Source, in_full: bool = False) -> dict[str, Any]:
        """Return what model.json holds of a run with these data."""
        return restore.describe(self.model, "+".join(table.fingerprint(in_full) for table in source))

    def _claim_examples(self) -> examples.Examples:
        """Return the run's examples of held-out data; a new run writes them, others read them."""
        if self.checkpoints.steps() and (self.workdir / examples.EXAMPLES).is_file():
            return examples.read(self.workdir, self.model.maps)
        try:
            source = train.data.load(self.config.data, "test")
        except UserError as error:
            logging.warning("no data are held out (%s): sheets and bundles show rows of the train split", error)
            source = train.data.load(self.config.data, "train")
        made = examples.of(self.model, held_out_rows(self.model, source, self.config), source)
        if self.is_chief:
            examples.write(self.workdir, made)
        return made

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
            is_due = self.step == 0 or self._is_due(self.config.sample_every, self.step)
            if is_due and self.step not in {step for step, _ in pictures.steps_drawn(self.workdir)}:
                self.draw_samples()
        self.restart_iterator()

    def _retry(self, failure: NotFinite) -> None:
        """Go back to the last good checkpoint and take other noise; give up at the fourth time from one checkpoint."""
        restored = self.checkpoints.restore() or 0
        self.retries = self.retries + 1 if restored == self.rolled_back_to else 1
        if self.retries > MAX_RETRIES:
            raise UserError(f"{failure}; gave up after {MAX_RETRIES} retries: try a lower learning rate") from failure
        logging.warning("%s; retry %d of %d with other noise", failure, self.retries, MAX_RETRIES)
        self.attempts += 1
        self.step = self.rolled_back_to = restored
        self.model.noise_key.assign([self.config.seed, self.attempts])
        self._enter()
        if self.is_chief:
            self._forget_after(self.step)
        self.restart_iterator()

    def _check_weights(self, step: int) -> None:
        for weight in self.model.trainable_variables:
            if not np.isfinite(weight.numpy()).all():
                raise NotFinite(f"the weights {weight.path} became NaN or infinite by step {step}")

    def _has_settled(self) -> bool:
        """Return whether the run may end early, by the rule in `config.stop`; all workers hear it from the chief."""
        if not self.config.stop.steps:
            return False
        return self._any_worker(self.is_chief and self.settling.has_settled())

    def _is_due(self, period: int, step: int) -> bool:
        return step % period == 0 or step == self.config.train_steps

    def _next_boundary(self) -> int:
        # a fixed grid: calls end at the same steps whether the run was interrupted or not
        periods = (self.config.steps_per_call, self.config.checkpoint_every, self.config.sample_every)
        ends = (self.config.train_steps, self.phase.end or math.inf)
        return min(*ends, *(self.step - self.step % period + period for period in periods))

    def _record(self, series: dict[str, np.ndarray], target: int, seconds: float, bar: tqdm) -> None:
        """Move on to `target`, and log the means of the call that led there."""
        steps, self.step = target - self.step, target
        means = {name: float(f"{values.mean():.6g}") for name, values in series.items()}
        losses = {name: f"{mean:.3f}" for name, mean in means.items() if name.endswith("loss")}
        bar.set_postfix(losses, refresh=False)
        bar.update(steps)
        if not self.is_chief:
            return
        self.settling.note({"step": target, **means})
        speed = {"steps_per_second": round(steps / seconds, 3)}
        with self._writing():
            with open(self.workdir / logs.METRICS, "a") as file:
                file.write(json.dumps({"step": target, **means, **speed}) + "\n")
            for name, value in {**means, **speed}.items():
                tf.summary.scalar(name, value, step=target)

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

    def _finish(self) -> None:
        if self.is_chief:
            with self._writing():
                pictures.write_curves(self.workdir, self.evaluation.figures if self.evaluation else {})
                pictures.write_animation(self.workdir)
        self._any_worker(False)  # a barrier: no worker leaves while the chief still writes

    def _check_workers_agree(self) -> None:
        digest = hashlib.sha256(json.dumps(self.config.to_dict(), sort_keys=True).encode()).digest()
        mine = float(int.from_bytes(digest[:2]))  # exact in float32, however many are added
        if self._sum_over_replicas(mine) != mine * self.strategy.num_replicas_in_sync:
            raise UserError("the workers were started with different configurations: give all the same command")

    def _any_worker(self, flag: bool) -> bool:
        """Return whether the flag is set on any worker, so that all stop at the same step."""
        return self._sum_over_replicas(float(flag)) > 0

    def _sum_over_replicas(self, value: float) -> float:
        if not self.strategy.extended._in_multi_worker_mode():
            return value * self.strategy.num_replicas_in_sync
        return strategies.total(self.strategy, value)

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

    def _progress(self) -> tqdm:
        # on a terminal a live bar; in a log file a line now and then
        live = sys.stderr.isatty()
        return tqdm(
            total=self.config.train_steps,
            initial=self.step,
            unit="step",
            desc="training",
            mininterval=0.2 if live else 15,
            dynamic_ncols=live,
            disable=not self.is_chief,
        )


def create_model(config: ConfigDict, source: Source) -> GenerativeModel:
    """Return the configured model with its optimisers, for data of this source, in Keras' current precision."""
    options = {key: value for key, value in config.model.items() if key != "name"}
    columns = {name: spec for table in source for name, spec in table.specs.items()}
    model = zoo.create(config.model.name, columns=columns, **options)
    for table in source:
        check_classes(table, model.columns)
    in_order = phases.of(config)
    row = 4 * sum(math.prod(spec.shape) for spec in model.columns.values())
    # where the kernel has no memory left, it ends the process without a word
    for phase in in_order:
        check_fits(batch_size_key(config, phase), phase.batch_size, row)
    model.compile(
        **{
            name: build(config.optimizers[name], config.train_steps, model.step, in_order)
            for name in model.player_names
        }
    )
    for phase in in_order:
        _check_phase(config, model, phase)
    return model


def batch_size_key(config: ConfigDict, phase: phases.Phase) -> str:
    """Return the key that a phase has its batch size from."""
    return f"phases.{phase.name}.batch_size" if phase.name and config.phases[phase.name].batch_size else "batch_size"


def _check_phase(config: ConfigDict, model: GenerativeModel, phase: phases.Phase) -> None:
    """Refuse a phase that the model cannot enter, or whose batch it cannot part."""
    try:
        model.enter(phase.options, phase.start, phase.end)
    except UserError as error:
        raise UserError(f"--config.phases.{phase.name}: {error}") from None
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if phase.batch_size // replicas % model.batch_divisor:
        raise UserError(
            f"--config.{batch_size_key(config, phase)}={phase.batch_size}: {config.model.name} divides the batch of "
            f"each device by {model.batch_divisor}; use a multiple of {model.batch_divisor * replicas}"
        )


def check_classes(table: Table, reads: Iterable[str]) -> None:
    """Raise a `UserError` if a column of classes that is read holds a number that is no class."""
    for name, spec in table.specs.items():
        if name in reads and spec.kind == "class":
            outside = [value for value in np.unique(table.columns[name]).tolist() if not spec.low <= value <= spec.high]
            if outside:
                raise UserError(
                    f"the data have the {name} {outside[0]}, and their classes are {spec.low:g} to {spec.high:g}: take "
                    "data whose examples all have one of these"
                )


def warn_of_levels(model: GenerativeModel, given: examples.Examples) -> None:
    """Say where a likelihood is of fewer levels than the data have: it is trained on other pictures than these."""
    for name, made in model.maps.items():
        for tensor in made.spec.conditions:
            seen = given[name].get(tensor.name)
            are_of_bytes = tensor.levels > 1 and 255 % (tensor.levels - 1) == 0
            if are_of_bytes and seen is not None and not has_levels(media.stored(tensor, seen), tensor.levels):
                logging.warning(
                    "the likelihood is of pictures of %d levels and the data have more: grey counts as black or white; "
                    "set --config.data.binarize=dynamic, or take another model",
                    tensor.levels,
                )


def held_out_rows(model: GenerativeModel, source: Source, config: ConfigDict) -> dict[str, np.ndarray]:
    """Return the first rows of the columns that the model reads, as it sees them, binarised once."""
    rows: dict[str, np.ndarray] = {}
    for table in source:
        names = [name for name in table.specs if name in model.columns]
        rows |= held_out(table, config.data, names, count=examples.ROWS)
    return rows


def classes_told(names: tuple[str, ...]) -> str:
    """Return which class is which, in one line."""
    shown = ", ".join(f"{number} {name}" for number, name in enumerate(names[:20]))
    return f"{len(names)} classes: {shown}{', ...' if len(names) > 20 else ''}"


def print_layers(config: ConfigDict) -> None:
    """Print the phases, the maps, the layers and the parameters of the configured model."""
    model = create_model(config, train.data.load(config.data, "train"))
    for phase in phases.of(config) if config.phases else ():
        options = "".join(f", {key} {value}" for key, value in phase.options.items())
        print(f"phase {phase.name}: from step {phase.start:,} on, batches of {phase.batch_size}{options}")
    for name, made in model.maps.items():
        inputs, outputs = (", ".join(map(_told, tensors)) for tensors in (made.spec.inputs, made.spec.outputs))
        print(f"{name}: {inputs} -> {outputs}")
    for network in (layer for layer in model.layers if isinstance(layer, keras.Model)):
        network.summary(line_length=100)


def _told(tensor: TensorSpec) -> str:
    return f"{tensor.name} ({', '.join(map(str, tensor.shape))}) {tensor.kind}"
