"""The samplers of autoregressive models: the cached ones over the plain ones, and what a pixel costs. See `make bench`.

The cached sampler is the map generate, which is exported. The plain one takes a full pass of the network for each
pixel, in raster order, and keeps what that pass says of the pixel.

- In TensorFlow each is one `tf.function`; the plain one has the passes and the draws in a loop. It uses all cores. XLA
  compiles both or none.
- In onnxruntime the cached one is the exported graph. The plain one is a graph of one full pass, which makes the logits
  of all pixels. The host calls it once a pixel and draws by the pixel's logit, in numpy. Both have 1 thread, as in
  serving.

The full pass is that of the model's likelihood: with NADE it takes a row at a time. It costs the same for every pixel.
So the plain sampler is measured by its first `TURNS` pixels, and that time is multiplied by pixels / `TURNS`. The
weights are those before training: the time does not depend on them.

Of WaveNet the plain sampler passes over the receptive field alone for each sample of sound, in onnxruntime.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from turns import Times, Variants, milliseconds, progress, ratio, table, take_turns

import zoo
from export import onnx
from zoo.autoregressive.deep_nade import DeepNADE, bits_of, flat
from zoo.autoregressive.nade import NADE
from zoo.autoregressive.wavenet import WaveNet, receptive_field
from zoo.model import GenerativeModel, Map, as_function
from zoo.shared.inference import open_session
from zoo.spec import MapSpec, TensorSpec

SIDE, BATCHES = 28, (1, 16)
MODELS: dict[str, dict[str, Any]] = {
    "gated_pixel_cnn": {"base_channels": 32, "depth": 7},
    "nade": {"hidden_units": 500},
    "deep_nade": {"hidden_units": 500, "depth": 2},
}
SIDES = (8, 16, 28, 56)  # of the pictures whose pixels are timed
SOUNDS: dict[str, dict[str, int]] = {
    "16 features": {"base_channels": 16, "skip_channels": 32, "depth": 9, "stacks": 1},
    "32 features": {"base_channels": 32, "skip_channels": 64, "depth": 9, "stacks": 1},
    "32 features, 2 stacks": {"base_channels": 32, "skip_channels": 128, "depth": 9, "stacks": 2},
}
RATE, SOUND = 8000, 2000  # samples a second, and of a sound
TURNS = 8
SECONDS, TURN = 4, 0.1  # of measuring, for each row of the first table; of a variant's turn


def report() -> None:
    """Measure the samplers, and print a table of the cached over the plain and one of the time per pixel."""
    rows = []
    for name, options in MODELS.items():
        progress(f"{name}: samplers")
        model = zoo.create(name, columns={"image": (SIDE, SIDE, 1)}, **options)
        for runtime, in_runtime in RUNTIMES.items():
            samplers = in_runtime(model)
            rows += [[name, runtime, str(batch), *measure(*samplers, batch)] for batch in BATCHES]
    progress(f"pictures of {SIDES} pixels")
    per_pixel = measure_sides()
    progress("sounds")
    sounds = [[name, *measure_sound(options)] for name, options in SOUNDS.items()]

    print(
        f"\nSamplers of {SIDE} x {SIDE} binary pixels, untrained: ms per call. cached: the map generate. plain: a\n"
        f"pass of the network for each pixel, measured by the first {TURNS} and scaled to all. TensorFlow has all\n"
        "cores, onnxruntime 1 thread. Aims at batch 1 and 16: 40 and 200 for gated_pixel_cnn, 20 for nade.\n"
    )
    table(["model", "runtime", "batch", "cached", "plain", "plain over cached"], rows)
    print("\nGated PixelCNN of the same size, cached, in onnxruntime with 1 thread, a picture at a time.\n")
    table(["side", "ms per picture", "us per pixel", f"over {SIDES[0]} px"], per_pixel)
    print(
        f"\nWaveNet with 9 dilations, mu-law, {RATE} samples a second, in onnxruntime with 1 thread, one sound of\n"
        f"{SOUND} samples at a time. plain: a pass over the receptive field for each sample. Aims: 20 times as fast\n"
        "as the plain one, and real time.\n"
    )
    table(["network", "us per sample", "plain", "plain over cached", "times real time"], sounds)


def in_tensorflow(model: GenerativeModel, jit: bool = False) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the cached and the plain sampler: u (batch, height, width, 1)[, number of pixels] to pictures.

    With `jit` XLA compiles both.
    """
    network = FullPass(model)
    generate = tf.function(as_function(model.maps["generate"]), jit_compile=jit)

    def cached(u: np.ndarray) -> np.ndarray:
        return generate({name: tf.constant(values) for name, values in noise_of(model, u).items()})["image"].numpy()

    @tf.function(jit_compile=jit)
    def walk(u: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
        place = tf.reshape(tf.range(math.prod(u.shape[1:])), u.shape[1:])

        def one_pixel(k: tf.Tensor, picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            drawn = tf.where(u < tf.sigmoid(network({"image": picture})["logits"]), 1.0, -1.0)
            return k + 1, tf.where(place == k, drawn, picture)

        return tf.while_loop(lambda k, _: k < turns, one_pixel, (0, tf.zeros_like(u)))[1]

    return cached, lambda u, turns: walk(tf.constant(u), tf.constant(turns)).numpy()


def in_onnxruntime(model: GenerativeModel) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the same two in onnxruntime."""
    shape = model.columns["image"].shape
    image, logits = TensorSpec("image", shape, "condition", "image"), TensorSpec("logits", shape, "output")
    generate, full_pass = map(opened, (model.maps["generate"], Map(FullPass(model), MapSpec((image,), (logits,)))))

    def cached(u: np.ndarray) -> np.ndarray:
        return generate.run(None, noise_of(model, u))[0]

    def plain(u: np.ndarray, turns: int) -> np.ndarray:
        picture = np.zeros_like(u)
        for at in list(np.ndindex(shape))[:turns]:
            here = (slice(None), *at)
            logit = full_pass.run(None, {"image": picture})[0][here]
            picture[here] = np.where(u[here] < 1 / (1 + np.exp(-logit)), 1, -1)
        return picture

    return cached, plain


RUNTIMES = {
    "TensorFlow": in_tensorflow,
    "TensorFlow, XLA": functools.partial(in_tensorflow, jit=True),
    "onnxruntime": in_onnxruntime,
}


def opened(made: Map) -> Any:
    """Return a map as a session of onnxruntime with 1 thread."""
    return open_session(onnx.convert(made).SerializeToString(), "the graph", threads=1)


def noise_of(model: GenerativeModel, u: np.ndarray) -> dict[str, np.ndarray]:
    """Return the noise of the map generate; of a model that takes an order, the raster's."""
    in_order = np.arange(u[0].size, dtype=np.float32).reshape(u.shape[1:]) / u[0].size
    values = {"u": u, "order": np.broadcast_to(in_order, u.shape)}
    return {tensor.name: values[tensor.name] for tensor in model.maps["generate"].spec.noise}


class FullPass(keras.Model):
    """{"image": (batch, height, width, 1), 0 where no pixel is yet} to {"logits"} of all pixels, of the same shape."""

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__(name="full_pass", dtype="float32")
        self.model = model
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Make the logits of every pixel, given those before it in raster order."""
        image = inputs["image"]
        if isinstance(self.model, NADE):
            network = self.model.conditionals
            logits = tf.transpose(network.logits(network.rows_of(image)), (1, 0, 2))
        elif isinstance(self.model, DeepNADE):
            logits = self.model.conditionals({"v": bits_of(image), "known": tf.abs(flat(image))})["logits"]
        else:
            logits = self.model.network(inputs)
        return {"logits": tf.reshape(logits, (-1, *image.shape[1:]))}


def measure(cached: Callable[..., Any], plain: Callable[..., Any], batch: int) -> list[str]:
    """Return the table's cells: ms of one call of the cached sampler and of the plain one, and their ratio."""
    u = uniform(batch, SIDE)
    times = take_turns({"cached": lambda: cached(u), "plain": lambda: plain(u, TURNS)}, SECONDS, TURN)
    times["plain"] = [seconds * SIDE**2 / TURNS for seconds in times["plain"]]
    return [*(milliseconds(values) for values in times.values()), ratio(times, "plain", "cached")]


def measure_sides() -> list[list[str]]:
    """Return the table's rows: ms of a picture of each side, the time of a pixel, and its ratio to the first."""
    variants: Variants = {}
    for side in SIDES:
        columns = {"image": (side, side, 1)}
        generate = opened(zoo.create("gated_pixel_cnn", columns=columns, **MODELS["gated_pixel_cnn"]).maps["generate"])
        inputs = {"u": uniform(1, side)}
        variants[str(side)] = lambda generate=generate, inputs=inputs: generate.run(None, inputs)
    times = take_turns(variants, len(SIDES) * SECONDS, TURN)
    per_pixel: Times = {side: [seconds / int(side) ** 2 for seconds in values] for side, values in times.items()}
    first, rows = str(SIDES[0]), []
    for side, seconds in per_pixel.items():
        microseconds = f"{1e6 * statistics.median(seconds):.3g}"
        rows.append([side, milliseconds(times[side]), microseconds, ratio(per_pixel, side, first)])
    return rows


class LastSample(keras.Model):
    """{"audio": (batch, samples)} to {"parameters": (batch, 256)} of the last sample, given those before it."""

    def __init__(self, model: WaveNet) -> None:
        super().__init__(name="last_sample", dtype="float32")
        self.model = model
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Pass over all samples."""
        level = self.model.levels.level_of(inputs["audio"])
        return {"parameters": self.model.network({"level": level})[:, -1]}


def sound_samplers(samples: int, **options: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the cached and the plain sampler of a WaveNet in onnxruntime: u (batch, samples)[, how many] to sound."""
    field = receptive_field(2, options["depth"], options["stacks"])
    whole, window = (
        zoo.create("wavenet", columns={"audio": TensorSpec("audio", (n,), "condition", "audio", rate=RATE)}, **options)
        for n in (max(samples, field + 1), field + 1)
    )
    audio = TensorSpec("audio", (field + 1,), "condition", "audio")
    spec = MapSpec((audio,), (TensorSpec("parameters", (256,), "output"),))
    generate = opened(whole.maps["generate"])
    for weight, same in zip(window.network.weights, whole.network.weights, strict=True):
        weight.assign(same)
    one = opened(Map(LastSample(window), spec))

    def plain(u: np.ndarray, turns: int) -> np.ndarray:
        sound = np.zeros((len(u), field + turns + 1), np.float32)  # silence goes before
        for t in range(turns):
            logits = one.run(None, {"audio": sound[:, t : t + field + 1]})[0]
            sums = np.cumsum(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1)
            level = (sums <= u[:, t, None] * sums[:, -1:]).sum(axis=1)
            sound[:, field + t] = whole.levels.values[level]
        return sound[:, field : field + turns]

    return lambda u: generate.run(None, {"u": u})[0], plain


def measure_sound(options: dict[str, int]) -> list[str]:
    """Return the table's cells: us of a sample by the cached sampler and the plain one, their ratio, the speed."""
    cached, plain = sound_samplers(SOUND, **options)
    u = np.random.default_rng(0).random((1, SOUND), dtype=np.float32)
    times = take_turns({"cached": lambda: cached(u), "plain": lambda: plain(u, TURNS)}, SECONDS, TURN)
    per_sample: Times = {
        "cached": [seconds / SOUND for seconds in times["cached"]],
        "plain": [seconds / TURNS for seconds in times["plain"]],
    }
    cells = [f"{1e6 * statistics.median(seconds):.3g}" for seconds in per_sample.values()]
    speed = 1 / (RATE * statistics.median(per_sample["cached"]))
    return [*cells, ratio(per_sample, "plain", "cached"), f"{speed:.2g}"]


def uniform(batch: int, side: int) -> np.ndarray:
    """Return the noise u of a batch of pictures."""
    return np.random.default_rng(0).random((batch, side, side, 1), dtype=np.float32)
