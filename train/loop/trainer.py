"""The training loop: strategies, averaging, checkpoints, resumption, NaN policy, sample grids, logs. It knows no model.

A run is a function of its configuration alone: noise follows from (seed, step, replica), the order of the data from
(seed, step). So a run that was interrupted, even by kill -9, ends in the same bits as one that was not.
"""

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from ml_collections import ConfigDict
from tqdm import tqdm

import train.data
import zoo
from train.data import Source
from train.data.batches import Batches
from train.engine import strategies
from train.engine.averaging import MovingAverage
from train.engine.optimizers import build
from train.evaluate.samplers import drawing
from train.evaluate.schedule import SEED, Evaluation
from train.loop.signals import stop_signals
from train.loop.stopping import has_settled
from train.rundir import pictures, restore
from train.rundir.checkpoints import Checkpoints
from train.rundir.layout import CHECKPOINTS, LAST, NONE
from train.rundir.state import state_of
from zoo import noise
from zoo.model import GenerativeModel
from zoo.shared import files
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import GeneratorSpec

MAX_RETRIES = 3


class NotFinite(Exception):
    """A loss or a weight became NaN or infinite."""


class Trainer:
    """One run in one working directory; `run` trains it to the end, from wherever it was left."""

    def __init__(self, config: ConfigDict, workdir: Path, strategy: tf.distribute.Strategy) -> None:
        replicas = strategy.num_replicas_in_sync
        if config.batch_size % replicas:
            raise UserError(f"--config.batch_size={config.batch_size} does not divide over {replicas} replicas")
        self.config = config
        self.workdir = workdir
        self.strategy = strategy
        self.is_chief = strategy.extended.should_checkpoint
        self.step = 0
        self.retries, self.attempts, self.rolled_back_to = 0, 0, -1
        self.summaries: tf.summary.SummaryWriter | None = None

        self._check_workers_agree()
        source = train.data.load(config.data, "train")
        if self.is_chief:
            print(source.description, file=sys.stderr)
        self.batches = Batches(source, config.batch_size, config.seed, config.data.binarize)
        with strategy.scope():
            self.model = create_model(config, source.samples.shape[1:])
            self.model.noise_key.assign([config.seed, 0])
            self.ema = MovingAverage(self.model.generator, config.ema)
        check_labels(self.model.generator_spec, source)
        state = state_of(self.model, self.ema)
        self.checkpoints = Checkpoints(workdir / CHECKPOINTS[LAST], state, config.keep_checkpoints)
        has_evaluation = config.evaluate.metric != NONE and self.is_chief
        self.evaluation = Evaluation(config, workdir, state) if has_evaluation else None
        self.sample_noise = noise.draw(self.model.generator_spec, config.sample_count, config.seed)
        self._claim_model(source.fingerprint())
        self._compile(strategies.use_jit(config.jit, config.precision, strategy))

    def run(self) -> bool:
        """Train until `train_steps` (True) or until SIGTERM or SIGINT asks to stop (False); both leave a checkpoint."""
        self._resume()
        with self._progress() as bar, stop_signals() as stop:
            while self.step < self.config.train_steps and not self._has_settled():
                target, started = self._next_boundary(), time.monotonic()
                try:
                    logs = self.train_until(target)
                    stopping = self._any_worker(bool(stop))
                    saving = stopping or self._is_due(self.config.checkpoint_every, target)
                    if saving:
                        self._check_weights(target)
                except NotFinite as failure:
                    self._retry(failure)
                    bar.n = self.step
                    continue
                if self.config.stop.steps and self.config.stop.log not in logs:
                    raise unknown("log", self.config.stop.log, logs)
                self._record(logs, target, time.monotonic() - started, bar)
                if self._is_due(self.config.sample_every, target):
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
        steps = target - self.step
        values = self._run_steps(self.iterator, tf.constant(steps)).numpy()
        logs = dict(zip(self.log_names, values.T, strict=True))
        broken = np.argwhere(~np.isfinite(values))  # rows of (step, log), the first step first
        if len(broken):
            offset, name = broken[0][0], self.log_names[broken[0][1]]
            raise NotFinite(f"{name} became {logs[name][offset]} at step {self.step + offset + 1}")
        return logs

    def draw_samples(self) -> None:
        """Write the picture, if there is one, of the averaged generator's samples from the run's fixed noise."""
        if not self.is_chief:
            return
        with self.ema.applied():
            drawn = self._generate(self.sample_noise)
        with self._writing():
            picture = pictures.write_samples(self.workdir, self.step, drawn, self.batches.source.samples)
            if picture is not None:
                tf.summary.image("samples", picture[None], step=self.step)

    def evaluate(self, is_last: bool = False) -> None:
        """Measure the averaged generator if the schedule has this step, or if it `is_last`; keep it if it is best."""
        is_last = is_last or self.step == self.config.train_steps
        if self.evaluation is None or not self.evaluation.is_due(self.step, is_last):
            return
        with self.ema.applied():
            samples = self._draw(self.config.evaluate.count, SEED)
        with self._writing():
            figure = self.evaluation.measure(self.step, samples)
            tf.summary.scalar(self.evaluation.figure.name, figure, step=self.step)

    def save(self) -> None:
        """Write a checkpoint of the current step."""
        if self.is_chief:
            self.checkpoints.save(self.step)

    def restart_iterator(self) -> None:
        """Begin the data at the current step."""

        def local_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
            replicas = self.strategy.num_replicas_in_sync
            local = replicas // context.num_input_pipelines
            remaining = self.config.train_steps - self.step
            return self.batches.dataset(self.step, remaining, local, local * context.input_pipeline_id, replicas)

        self.iterator = iter(self.strategy.distribute_datasets_from_function(local_batches))

    def _claim_model(self, data: str) -> None:
        """Write the model's arguments and the data's fingerprint to a new run, or compare them with an old one's."""
        path, new = self.workdir / restore.MODEL, restore.describe(self.model, data)
        if self.checkpoints.steps() and path.is_file() and restore.described(path, self.config.model.name) != new:
            raise UserError(f"the data or the model changed since {path} was written: take a new --workdir")
        if self.is_chief:
            files.write_json(path, new)

    def _compile(self, jit: bool) -> None:
        train_step = tf.function(self.model.train_step, jit_compile=True) if jit else self.model.train_step

        def one_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
            logs = train_step(batch)
            self.ema.update(self.model.step)
            self.log_names = sorted(logs)
            return tf.stack([tf.cast(logs[name], tf.float32) for name in self.log_names])

        @tf.function
        def run_steps(iterator: Iterator, steps: tf.Tensor) -> tf.Tensor:
            rows = tf.TensorArray(tf.float32, size=steps)
            for index in tf.range(steps):
                logs = self.strategy.run(one_step, args=(next(iterator),))
                rows = rows.write(index, self.strategy.reduce("MEAN", logs, axis=None))
            return rows.stack()

        self._run_steps = run_steps
        spec = self.model.generator_spec
        generator = tf.function(lambda inputs: self.model.generator(inputs, training=False)[spec.output.name])
        self._generate = lambda inputs: generator({name: tf.constant(value) for name, value in inputs.items()}).numpy()
        self._draw = drawing(self._generate, spec)

    def _resume(self) -> None:
        if self.is_chief:
            self.checkpoints.sweep()
        restored = self.checkpoints.restore()
        if restored is not None:
            self.step = restored
            self.attempts = int(self.model.noise_key.numpy()[1])
        if self.is_chief:
            self.checkpoints.drop_after(self.step)
            self._forget_after(-1 if restored is None else self.step)
        # the untrained generator, before anything is saved that would bind the run to a metric that refuses the data;
        # or what a kill kept from being measured
        self.evaluate()
        if self.is_chief:
            if restored is None:
                self.save()  # a first checkpoint, so that there is always one to roll back to
                self.draw_samples()
            else:
                print(f"resumed at step {self.step}", file=sys.stderr)
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
        lines = pictures.read_lines(self.workdir / pictures.METRICS) if self.is_chief else []
        return self._any_worker(has_settled(lines, self.config.stop))

    def _is_due(self, period: int, step: int) -> bool:
        return step % period == 0 or step == self.config.train_steps

    def _next_boundary(self) -> int:
        # a fixed grid: calls end at the same steps whether the run was interrupted or not
        periods = (self.config.steps_per_call, self.config.checkpoint_every, self.config.sample_every)
        return min(self.config.train_steps, *(self.step - self.step % period + period for period in periods))

    def _record(self, logs: dict[str, np.ndarray], target: int, seconds: float, bar: tqdm) -> None:
        """Move on to `target`, and log the means of the call that led there."""
        steps, self.step = target - self.step, target
        means = {name: float(f"{series.mean():.6g}") for name, series in logs.items()}
        losses = {name: f"{mean:.3f}" for name, mean in means.items() if name.endswith("loss")}
        bar.set_postfix(losses, refresh=False)
        bar.update(steps)
        if not self.is_chief:
            return
        speed = {"steps_per_second": round(steps / seconds, 3)}
        with self._writing():
            with open(self.workdir / pictures.METRICS, "a") as file:
                file.write(json.dumps({"step": target, **means, **speed}) + "\n")
            for name, value in {**means, **speed}.items():
                tf.summary.scalar(name, value, step=target)

    def _forget_after(self, step: int) -> None:
        path = self.workdir / pictures.METRICS
        pictures.write_lines(path, [line for line in pictures.read_lines(path) if line["step"] <= step])
        if self.evaluation is not None:
            self.evaluation.forget_after(step)
        for path in (self.workdir / pictures.SAMPLES).glob("[0-9]*.png"):
            if int(path.stem) > step:
                path.unlink()

    def _finish(self) -> None:
        if self.is_chief:
            with self._writing():
                pictures.write_curves(self.workdir, self.evaluation.figure.name if self.evaluation else None)
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
        return float(self.strategy.reduce("SUM", self.strategy.run(lambda: tf.constant(value)), axis=None))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let `tf.summary` write for TensorBoard; what cannot be written (a full disk) is a `UserError`."""
        try:
            if self.summaries is None:
                self.summaries = tf.summary.create_file_writer(str(self.workdir / "tensorboard"))
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


def create_model(config: ConfigDict, sample_shape: tuple[int, ...]) -> GenerativeModel:
    """Return the configured model with its optimisers, for examples of `sample_shape`, in Keras' current precision."""
    options = {key: value for key, value in config.model.items() if key != "name"}
    model = zoo.create(config.model.name, sample_shape=tuple(sample_shape), **options)
    optimizers = {
        part: build(section, config.train_steps, model.updates_of(part)) for part, section in config.optimizers.items()
    }
    model.compile(**optimizers)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if config.batch_size // replicas % model.batch_divisor:
        raise UserError(
            f"--config.batch_size={config.batch_size}: {config.model.name} divides the batch of each replica by "
            f"{model.batch_divisor}; use a multiple of {model.batch_divisor * replicas}"
        )
    return model


def check_labels(spec: GeneratorSpec, source: Source) -> None:
    """Raise a `UserError` unless every label of the data is a class of a generator whose spec has the class `label`."""
    tensor = next((tensor for tensor in spec.conditions if tensor.is_class and tensor.name == "label"), None)
    if tensor is None:
        return
    if not source.label_names:
        raise UserError(
            "the data have no labels and the model is class-conditional: set --config.data.name to labelled data, such "
            "as a folder with one sub-folder per class, or take another model"
        )
    low, high = int(tensor.low), int(tensor.high)
    outside = source.labels[(source.labels < low) | (source.labels > high)]
    if len(outside):
        classes = f"set --config.model.classes={len(source.label_names)}"
        remedy = classes if outside.max() > high else "take data whose examples all have a label"
        raise UserError(f"the data hold the label {outside.max()}, the model's classes are {low} to {high}: {remedy}")
    if high - low + 1 > len(source.label_names):
        raise UserError(
            f"the model has {high - low + 1} classes, the data {len(source.label_names)}: "
            f"set --config.model.classes={len(source.label_names)}"
        )


def print_layers(config: ConfigDict) -> None:
    """Print the layers and the parameters of the configured networks."""
    source = train.data.load(config.data, "train")
    model = create_model(config, source.samples.shape[1:])
    check_labels(model.generator_spec, source)
    for network in (layer for layer in model.layers if isinstance(layer, keras.Model)):
        network.summary(line_length=100)
