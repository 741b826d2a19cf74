"""Measurements side by side, run by `make bench`: what the trainer, the metrics, sampling and a cold start cost.

The variants of a comparison take turns, see `turns`. The samplers of autoregressive models are in `samplers`. There are
no assertions: what is too slow is for a reader to judge.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shared
from tqdm import tqdm
from turns import Variants, milliseconds, overhead, progress, ratio, ratio_quartiles, table, take_turns

import serving
import zoo
from train import config
from train.engine import backend, strategies
from zoo import bundle, noise
from zoo.metrics.frechet import frechet
from zoo.metrics.kernel import squared_mmd
from zoo.shared.inference import open_session

if TYPE_CHECKING:
    import tensorflow as tf

    from train.loop.trainer import Trainer

# of measuring, shared out among the models
TRAINING_SECONDS, SAMPLING_SECONDS = 90, 40
GENERATOR_SECONDS = 4  # for each of its rows
CALLS_UNTIL_LONG = 9  # their length doubles, see `train.loop.pace`
# long, so that what the data's prefetching does during the others' turns weighs little
TRAINING_TURN, SAMPLING_TURN = 0.6, 0.1
BATCHES = (1, 8, 64)
FEATURES = (4000, 1024)  # samples, and numbers of each
GENERATORS, COUNTS, RAW_BATCH = ("nade", "dcgan"), (1, 10_000), 512

WITH_ONNXRUNTIME = """
import sys
import serving

serving.Generator(sys.argv[1]).sample(1, dtype="float32")
"""
WITH_TENSORFLOW = """
import sys
import tensorflow as tf
from zoo import bundle, noise

manifest, _ = bundle.read(sys.argv[1])
model = tf.saved_model.load(f"{sys.argv[1]}/{bundle.SAVED_MODEL}")
spec = manifest.maps[manifest.default]
inputs = {name: tf.constant(value) for name, value in noise.fill(spec, 1, seed=0).items()}
model.signatures["serving_default"](**inputs)
"""


def main() -> None:
    """Measure everything, then print one table per question."""
    backend.start()
    import samplers

    from export.build import build

    models = zoo.available()
    training, sampling = [], []
    with tempfile.TemporaryDirectory() as directory:
        bundles = {name: Path(directory) / f"{name}.bundle" for name in models}
        for name in models:
            progress(f"{name}: building")
            settings = config.load(shared.recipe_of(name))
            # more than there is time for
            settings.train_steps = settings.checkpoint_every = settings.sample_every = 10**6
            settings.phases = {}  # one that grows is measured at its full size
            trainer = shared.trainer(settings, Path(directory) / name)
            progress(f"{name}: training")
            training.append([name, *measure_training(trainer, TRAINING_SECONDS / len(models))])
            progress(f"{name}: exporting")
            trainer.save()
            build(trainer.workdir, bundles[name])
            for batch in BATCHES:
                progress(f"{name}: sampling {batch}")
                seconds = SAMPLING_SECONDS / len(models) / len(BATCHES)
                sampling.append([name, str(batch), *measure_sampling(trainer, bundles[name], batch, seconds)])
        generators = []
        for name, count in itertools.product(GENERATORS, COUNTS):
            progress(f"{name}: serving {count}")
            generators.append([name, f"{count:,}", *measure_generator(bundles[name], count)])
        progress("metrics")
        measured = [measure_frechet(), measure_kernel()]
        progress(f"{models[0]}: cold starts")
        cold = measure_cold_start(bundles[models[0]])

    print(f"\nMedians, and in brackets the quartiles, over the rounds. {os.cpu_count()} cores.")
    print(
        "\nTraining, ms per step, each recipe at its own settings. bare: the compiled train_step alone, on one batch;"
    )
    print(
        "+ EMA: the same with the averaging; trainer: all of it, with the data and the logs, in calls as long as a run"
    )
    print("has them. Aim: an overhead of at most 3 %.")
    print("bare over bare is no overhead at all: as far from 0 as it is, so uncertain are the others.")
    print("outside: the share of the trainer's time that is not spent in the compiled step with its averaging.\n")
    headings = ["bare over bare", "EMA over bare", "trainer over + EMA", "trainer over bare", "outside"]
    table(["model", "bare", "+ EMA", "trainer", *headings], training)
    print(
        "\nSampling float32 from given inputs: ms per call, and the ratio to onnxruntime with its default, 1 thread.\n"
    )
    headings = ["onnxruntime", "all threads", "ratio", "SavedModel", "ratio", "keras predict", "ratio"]
    table(["model", "batch", *headings], sampling)
    print(
        "\nserving.Generator with its noise, checks and blocks, over a bare session of onnxruntime on given noise\n"
        f"in batches of {RAW_BATCH}: samples a second, and the ratio of the times.\n"
    )
    table(["model", "samples", "Generator", "bare session", "ratio"], generators)
    print(
        f"\nMetrics of {FEATURES[0]:,} samples of {FEATURES[1]:,} features: seconds, and the ratio to the same by the\n"
        "book: the square root of the product of the covariances, and a kernel to the power of 3.\n"
    )
    table(["metric", "ours", "by the book", "ratio"], measured)
    samplers.report()
    print(f"\nCold start: seconds until a new process has made one sample of {models[0]}.\n")
    table(["onnxruntime", "TensorFlow", "ratio"], [cold])


def measure_training(trainer: Trainer, seconds: float) -> list[str]:
    """Return the table's cells: ms per step of the bare loop, with the average, and of the trainer; the overheads."""
    import tensorflow as tf

    trainer.restart_iterator()
    logs = sorted(trainer.train_until(trainer.step + 1))
    batch = trainer.on_device.rows(next(trainer.iterator))
    bar = tqdm(disable=True)

    def call() -> None:
        target = trainer._next_boundary()
        trainer._take_steps(target)
        trainer._agree()
        trainer._move_on(target, bar)

    # a line of the logs is of one call here, as long as a run has it
    most, trainer.config.log_every = trainer.config.log_every, 1
    for _ in range(CALLS_UNTIL_LONG):
        call()
        trainer.config.log_every = min(trainer.pace.steps, most)
    steps = trainer.config.log_every
    bare, averaged = (bare_loop(trainer, logs, with_ema) for with_ema in (False, True))
    variants: Variants = {
        "bare": lambda: bare(batch, tf.constant(steps)).numpy(),
        "again": lambda: bare(batch, tf.constant(steps)).numpy(),  # shows how far apart equals come out
        "averaged": lambda: averaged(batch, tf.constant(steps)).numpy(),
        "trainer": call,
    }
    times = take_turns(variants, seconds, TRAINING_TURN)
    pairs = [("again", "bare"), ("averaged", "bare"), ("trainer", "averaged"), ("trainer", "bare")]
    steps_of = [milliseconds(times[name], steps) for name in ("bare", "averaged", "trainer")]
    outside = 100 * (1 - ratio_quartiles(times, "averaged", "trainer")[1])
    return [*steps_of, *(overhead(times, *pair) for pair in pairs), f"{outside:.1f} %"]


def bare_loop(
    trainer: Trainer, names: list[str], with_ema: bool
) -> Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor]:
    """Return `train_step` in a compiled loop over one batch: the least that this many steps can take.

    `names` are those of its logs.
    """
    import tensorflow as tf

    jit = strategies.use_jit(trainer.config.jit, trainer.config.precision, trainer.strategy)
    train_step = tf.function(trainer.model.train_step, jit_compile=True) if jit else trainer.model.train_step

    @tf.function
    def loop(batch: dict[str, tf.Tensor], steps: tf.Tensor) -> tf.Tensor:
        last = tf.zeros(len(names))
        for _ in tf.range(steps):
            logs = train_step(batch)
            trainer.model.step.assign_add(1)
            if with_ema:
                trainer.averages.update(trainer.model.step)
            # TensorFlow leaves out what nobody asks for: ask for the logs
            last = tf.stack([tf.cast(logs[name], tf.float32) for name in names])
        return last

    return loop


def measure_sampling(trainer: Trainer, directory: Path, batch: int, seconds: float) -> list[str]:
    """Return the table's cells for one batch of the first map: ms per call in each runtime, ratios to onnxruntime."""
    from export import saved_model
    from export.build import conditions_of

    name, made = next(iter(trainer.model.maps.items()))
    given = conditions_of(made.spec, trainer.examples[name])
    inputs = noise.fill(made.spec, batch, seed=0, given=noise.cycled(given, batch))
    onnxruntime, all_threads = (serving.load(directory, threads)[name] for threads in (1, os.cpu_count() or 1))
    loaded = saved_model.load(directory / bundle.SAVED_MODEL)
    variants: Variants = {
        "onnxruntime": lambda: onnxruntime.run(inputs),
        "all threads": lambda: all_threads.run(inputs),
        "SavedModel": lambda: loaded(inputs),
        "predict": lambda: made.network.predict(inputs, batch_size=batch, verbose=0),
    }
    times = take_turns(variants, seconds, SAMPLING_TURN)
    cells = [milliseconds(times["onnxruntime"])]
    for name in list(variants)[1:]:
        cells += [milliseconds(times[name]), ratio(times, name, "onnxruntime")]
    return cells


def measure_generator(directory: Path, count: int) -> list[str]:
    """Return the table's cells: samples a second from a seed, so many at once, and of the bare session; the ratio."""
    generator = serving.Generator(directory)
    session = open_session((directory / bundle.ONNX).read_bytes(), directory, threads=1)
    inputs = noise.fill(generator.spec, count, seed=0)

    def bare() -> None:
        for first in range(0, count, RAW_BATCH):
            session.run(None, {name: values[first : first + RAW_BATCH] for name, values in inputs.items()})

    times = take_turns({"Generator": lambda: generator.sample(count), "bare": bare}, GENERATOR_SECONDS, SAMPLING_TURN)
    return [
        *(f"{count / statistics.median(values):,.0f}" for values in times.values()),
        ratio(times, "Generator", "bare"),
    ]


def measure_frechet() -> list[str]:
    """Return the table's cells for the Frechet distance, whose square root published programs take from scipy."""
    from scipy.linalg import sqrtm

    real, fake = features()

    def by_the_book() -> float:
        a, b = (np.cov(x, rowvar=False) for x in (real, fake))
        shift = real.mean(axis=0) - fake.mean(axis=0)
        return float(shift @ shift + np.trace(a + b - 2 * sqrtm(a @ b).real))

    return metric_cells("frechet", lambda: frechet(real, fake), by_the_book)


def measure_kernel() -> list[str]:
    """Return the table's cells for the kernel of the kernel distance, on all samples at once."""
    real, fake = features()

    def by_the_book() -> float:
        def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return (x @ y.T / x.shape[1] + 1) ** 3

        count = len(real)
        within = sum((k.sum() - np.trace(k)) / (count * (count - 1)) for k in (kernel(x, x) for x in (real, fake)))
        return float(within - 2 * kernel(real, fake).mean())

    return metric_cells("kernel", lambda: squared_mmd(real, fake), by_the_book)


def features() -> list[np.ndarray]:
    """Return two sets of features whose spectrum falls, as that of features of pictures does."""
    rng = np.random.default_rng(0)
    deviations = 1 / np.arange(1, FEATURES[1] + 1)
    return [rng.normal(size=FEATURES) * deviations for _ in range(2)]


def metric_cells(name: str, ours: Callable[[], object], by_the_book: Callable[[], object]) -> list[str]:
    """Return the table's cells of a metric in two ways."""
    times = take_turns({"ours": ours, "by the book": by_the_book})
    seconds = [f"{statistics.median(values):.2f}" for values in times.values()]
    return [name, *seconds, ratio(times, "ours", "by the book")]


def measure_cold_start(directory: Path) -> list[str]:
    """Return the table's cells: seconds of a process that makes one sample, without and with TensorFlow."""

    def start(code: str) -> None:
        command = [sys.executable, "-c", code, str(directory)]
        subprocess.run(command, check=True, cwd=shared.REPOSITORY, stderr=subprocess.DEVNULL)

    variants: Variants = {"onnxruntime": lambda: start(WITH_ONNXRUNTIME), "TensorFlow": lambda: start(WITH_TENSORFLOW)}
    times = take_turns(variants)
    return [*(f"{statistics.median(values):.2f}" for values in times.values()), ratio(times, *reversed(variants))]


if __name__ == "__main__":
    main()
