"""WaveNet.

van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior & Kavukcuoglu, "WaveNet: a generative model
for raw audio" (2016). Sound, sample after sample:

    p(x) = prod_t p(x_t | x_<t, h)

A causal convolution of the samples before x_t is followed by layers of causal convolutions whose taps lie 1, 2, 4, ...
apart. Each is gated (eq. 2; with a condition, eq. 3 and 4),

    z = tanh(W_f * x + V_f h) . sigm(W_g * x + V_g h)

and hands on x + W z. The z of all layers make the distribution of x_t, by way of two layers of one position. The
condition h is global, one class for the whole sound, or local, a track of fewer frames. A frame holds for all of its
samples (section 2.5 finds learned upsampling slightly better than such repetition).

Silence lies before the first sample, without end: each convolution is padded with what it would see there. So a sound
that is made from nothing begins as after a pause in training. Training counts the samples from the receptive field on:
those before it have another past than their recording's.

A sampler keeps for each layer a queue of what its taps will still see (Le Paine et al., "Fast WaveNet", 2016): a sample
costs one position of each layer.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.autoregressive.pixels import value_of
from zoo.autoregressive.samples import SampleDistribution, sample_distribution
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Queues = list[tf.Tensor]


class WaveNet(GenerativeModel):
    """Gated dilated causal convolutions over samples of sound (van den Oord et al. 2016), by maximum likelihood.

    `base_channels` is the number of features of a layer, `skip_channels` that of the two layers before the
    distribution. There are `stacks` times `depth` gated layers, whose taps lie 1, 2, 4, ... 2^(depth - 1) samples
    apart, `kernel_size` of them each. `likelihood` is "mu_law", 256 levels, or "logistic_mixture" of `mixtures`
    components over 16 bits. With `conditional` it sees the class of each sound, with `local` the track. All is computed
    in float32.

    Of log_prob, `by_sample` holds each sample's part. The map continue keeps the samples that are known and draws the
    others, each given those before it. Its law is the model's own where the known ones come first. The map step makes
    one sample, for hosts that stream.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 32,  # features of a gated layer
        "skip_channels": 64,  # features of the two layers before the distribution
        "depth": 9,  # gated layers of a stack; each reaches twice as far as the one before
        "stacks": 1,  # of gated layers
        "kernel_size": 2,  # taps of a layer
        "likelihood": "mu_law",  # mu_law (256 levels) or logistic_mixture (over 16 bits)
        "mixtures": 10,  # components of logistic_mixture
        "conditional": False,  # whether it sees the class of each sound
        "local": False,  # whether it sees the track of each sound
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"audio": ("audio",)}
    reads_if: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {
        "conditional": {"label": ("class",)},
        "local": {"track": ("action",)},
    }
    players: ClassVar[tuple[str, ...]] = ("network",)
    targets: ClassVar[dict[str, str]] = {"continued": "audio"}
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 3, "skip_channels": 4, "depth": 2}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        for key, value in self.chosen.items():
            if type(value) is int and value < (2 if key == "kernel_size" else 1):
                raise UserError(
                    f"model.{key}={value}: use {'2 or more' if key == 'kernel_size' else 'a positive number'}"
                )
        audio, label, track = (self.columns.get(name) for name in ("audio", "label", "track"))
        (self.samples,) = audio.shape
        self.receptive_field = receptive_field(self.kernel_size, self.depth, self.stacks)
        self._check(audio, label, track)
        self.levels = sample_distribution(self.likelihood, self.mixtures)
        dilations = [2**number for number in range(self.depth)] * self.stacks
        sizes = self.base_channels, self.kernel_size, dilations, self.skip_channels
        self.network = WaveNetNetwork(self.levels, *sizes, label, track)
        self.maps = self._maps(audio, tuple(filter(None, (label, track))))

    def _check(self, audio: TensorSpec, label: TensorSpec | None, track: TensorSpec | None) -> None:
        """Refuse sounds that the loss would skip, and conditions that say nothing."""
        if self.samples <= self.receptive_field:
            raise UserError(
                f"model.depth={self.depth}, model.stacks={self.stacks}: the loss skips the first "
                f"{self.receptive_field:,} samples, the receptive field, and the data have {self.samples:,}; use fewer "
                "layers or longer rows"
            )
        if label and not (label.is_class and label.classes > 1):
            raise UserError("model.conditional=True: needs labels of known bounds, and of at least 2 classes")
        if track and (len(track.shape) != 2 or self.samples % track.shape[0]):
            raise UserError(
                f"model.local=True: needs a track (frames, features) whose frames divide the {self.samples:,} samples, "
                f"not one of shape {track.shape}"
            )

    def _maps(self, audio: TensorSpec, conditions: tuple[TensorSpec, ...]) -> dict[str, Map]:
        levels, network = self.levels, self.network
        noise = levels.noise(self.samples)
        sound = dataclasses.replace(audio, high=levels.high)
        of_levels = {"levels": levels.levels, "companding": levels.companding}
        made = dataclasses.replace(sound, role="output", **of_levels)
        given, continued = (dataclasses.replace(t, name=n) for t, n in ((sound, "given"), (made, "continued")))
        known = TensorSpec("known", (self.samples,), "condition", "mask", keeps="given")
        log_prob = TensorSpec("log_prob", (), "output", "nats", high=0.0)
        by_sample = TensorSpec("by_sample", (self.samples,), "output", high=0.0)
        step = Step(network)
        state = TensorSpec("state", (step.size,), "condition")
        one = [one_of(tensor) for tensor in (*noise, *conditions)]
        row, next_state = dataclasses.replace(one_of(made), name="row"), TensorSpec("next_state", state.shape, "output")
        return {
            "generate": Map(Sampler(network), MapSpec((*noise, *conditions), (made,))),
            "log_prob": Map(
                LogProb(network),
                MapSpec((dataclasses.replace(sound, **of_levels), *conditions), (log_prob, by_sample)),
            ),
            "continue": Map(Sampler(network, "continued"), MapSpec((given, known, *noise, *conditions), (continued,))),
            "step": Map(step, MapSpec((*one, state), (row, next_state))),
        }

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step up the mean log-likelihood of the samples that have seen a whole receptive field."""
        with tf.GradientTape() as tape:
            by_sample = self.maps["log_prob"](data)["by_sample"]
            loss = -tf.reduce_mean(by_sample[:, self.receptive_field :])
        self.update("network", (tape, loss))
        return {"loss": loss, "bits_per_sample": loss / math.log(2)}

    def conditions(self, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what fills the conditions of a map; continue is given first halves, step the state before a sound."""
        if name not in ("continue", "step") or "audio" not in rows:
            return super().conditions(name, rows)
        own = {key: rows[key] for key in self.columns if key != "audio"}
        if name == "step":
            first = {key: rows[key][:, :1] for key in own if key == "track"}
            return {"state": np.zeros((len(rows["audio"]), self.maps["step"].network.size), np.float32), **own, **first}
        known = np.zeros_like(rows["audio"])
        known[:, : self.samples // 2] = 1.0
        return {"given": rows["audio"] * known, "known": known, **own}


def receptive_field(kernel_size: int, depth: int, stacks: int) -> int:
    """Return how many samples before its own a distribution depends on.

    The first convolution sees `kernel_size`, and each layer as many times its dilation more as it has further taps.
    """
    return kernel_size + (kernel_size - 1) * stacks * (2**depth - 1)


def one_of(tensor: TensorSpec) -> TensorSpec:
    """Return the spec of one sample, or of one frame; a class is that of the whole sound."""
    return dataclasses.replace(tensor, shape=(1, *tensor.shape[1:])) if tensor.shape else tensor


class DilatedLayer(layers.Layer):
    """One gated layer: `kernel` makes both gates of the taps, side by side from the oldest, `out` what is handed on.

    The last layer hands nothing on.
    """

    def __init__(self, features: int, kernel_size: int, dilation: int, is_last: bool) -> None:
        super().__init__(dtype="float32")
        self.kernel_size, self.dilation = kernel_size, dilation
        self.kernel = self.add_weight((kernel_size * features, 2 * features), "glorot_uniform", name="kernel")
        self.out = None if is_last else self.add_weight((features, features), "glorot_uniform", name="out")
        self.built = True

    def taps(self, x: tf.Tensor) -> tf.Tensor:
        """Return what each position of x (batch, samples, features) sees; before the first lies the first."""
        past, samples = (self.kernel_size - 1) * self.dilation, x.shape[1]
        padded = tf.concat([tf.tile(x[:, :1], (1, past, 1)), x], axis=1)
        starts = range(0, past + 1, self.dilation)
        return tf.concat([padded[:, start : start + samples] for start in starts], axis=-1)

    def gated(self, taps: tf.Tensor, condition: tf.Tensor) -> tf.Tensor:
        """Return z of the taps (..., kernel_size * features), by the condition's part in both gates."""
        content, door = tf.split(tf.matmul(taps, self.kernel.value) + condition, 2, axis=-1)
        return tf.tanh(content) * tf.sigmoid(door)

    def onward(self, x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """Return what is handed on."""
        return x if self.out is None else x + tf.matmul(z, self.out.value)


class WaveNetNetwork(keras.Model):
    """{"level": (batch, samples)[, "label"][, "track"]} to the parameters of every sample, given those before it."""

    def __init__(
        self,
        levels: SampleDistribution,
        features: int,
        kernel_size: int,
        dilations: list[int],
        skip: int,
        label: TensorSpec | None,
        track: TensorSpec | None,
    ) -> None:
        super().__init__(name="network", dtype="float32")
        self.levels, self.features, self.kernel_size = levels, features, kernel_size
        count = len(dilations)
        # the taps of the first convolution one below the other; of which level it is, a row for each
        self.first = self.add_weight((kernel_size * levels.inputs, features), "glorot_uniform", name="first")
        self.gated_layers = [
            DilatedLayer(features, kernel_size, dilation, number == count - 1)
            for number, dilation in enumerate(dilations)
        ]
        gates = count * 2 * features  # of all layers, side by side
        self.bias = self.add_weight((gates,), "zeros", name="bias")
        self.lowest_class = int(label.low) if label else 0
        self.of_class = self.add_weight((label.classes, gates), "zeros", name="of_class") if label else None
        self.of_frame = self.add_weight((track.shape[1], gates), "glorot_uniform", name="of_frame") if track else None
        # 1 x 1 convolutions of each z to the skip connections, added up
        self.skip = layers.Dense(skip, dtype="float32", name="skip")
        self.skip.build((None, count * features))
        self.hidden = layers.Dense(skip, "relu", dtype="float32", name="hidden")
        self.hidden.build((None, skip))
        self.last = layers.Dense(levels.parameters, dtype="float32", name="last")
        self.last.build((None, skip))
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the parameters, (batch, samples, parameters)."""
        level, k = inputs["level"], self.kernel_size
        samples = level.shape[1]
        padded = tf.pad(level, ((0, 0), (k, 0)), constant_values=self.levels.silence)
        windows = tf.stack([padded[:, start : start + samples] for start in range(k)], axis=-1)
        x, made = self.embedded(windows), []
        for layer, condition in zip(self.gated_layers, self.parted(self.condition(inputs)), strict=True):
            z = layer.gated(layer.taps(x), over_samples(condition, samples))
            x = layer.onward(x, z)
            made.append(z)
        return self.head(made)

    def embedded(self, windows: tf.Tensor) -> tf.Tensor:
        """Return the first convolution of the levels (..., kernel_size) before a sample, the oldest first."""
        if self.levels.inputs == 1:
            return tf.matmul(value_of(windows, self.levels.levels), self.first.value)
        rows = tf.cast(windows, tf.int32) + np.arange(self.kernel_size, dtype=np.int32) * self.levels.inputs
        return tf.reduce_sum(tf.gather(self.first.value, rows), axis=-2)

    def condition(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return V h and the bias of the gates of all layers, (batch or 1, frames or 1, gates)."""
        made = tf.reshape(self.bias.value, (1, 1, -1))
        if "label" in inputs:
            made += tf.expand_dims(tf.gather(self.of_class.value, inputs["label"] - self.lowest_class), 1)
        if "track" in inputs:
            made += tf.matmul(inputs["track"], self.of_frame.value)
        return made

    def parted(self, condition: tf.Tensor) -> list[tf.Tensor]:
        """Return each layer's part of a condition."""
        return tf.split(condition, len(self.gated_layers), axis=-1)

    def head(self, made: list[tf.Tensor]) -> tf.Tensor:
        """Return the parameters, from the z of all layers."""
        return self.last(self.hidden(tf.nn.relu(self.skip(tf.concat(made, axis=-1)))))

    def begin(self, condition: list[tf.Tensor]) -> tuple[tf.Tensor, Queues]:
        """Return the last levels and the queues of all layers after silence without end, under each layer's condition.

        The levels are (batch or 1, kernel_size). A queue (batch or 1, dilation * features) lies between two taps.
        """
        window = tf.fill((1, self.kernel_size), float(self.levels.silence))
        x, queues = self.embedded(window), []
        for layer, own in zip(self.gated_layers, condition, strict=True):
            queues += [tf.tile(x, (1, layer.dilation))] * (self.kernel_size - 1)
            x = layer.onward(x, layer.gated(tf.tile(x, (1, self.kernel_size)), own))
        return window, queues

    def turn(self, window: tf.Tensor, queues: Queues, condition: list[tf.Tensor]) -> tuple[tf.Tensor, Queues]:
        """Return the parameters (batch, parameters) of the sample after a window of levels, and the queues after it."""
        x, made, left, waiting = self.embedded(window), [], [], iter(queues)
        for layer, own in zip(self.gated_layers, condition, strict=True):
            taps, seen = [x], x
            for queue in [next(waiting) for _ in range(self.kernel_size - 1)][::-1]:  # from the present back
                seen, after = passed(queue, seen, self.features)
                taps.insert(0, seen)
                left.append(after)
            z = layer.gated(tf.concat(taps, axis=1), own)
            x = layer.onward(x, z)
            made.append(z)
        per_layer = self.kernel_size - 1
        ordered = [queue for first in range(0, len(left), per_layer) for queue in left[first : first + per_layer][::-1]]
        return self.head(made), ordered


def passed(queue: tf.Tensor, entering: tf.Tensor, features: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what leaves a queue (batch, length * features) as another enters, and the queue after that."""
    if queue.shape[1] == features:
        return queue, entering
    # flat, and split: a sample takes as long as it has operations, and tf2onnx cannot slice inside of a loop
    joined = tf.concat([queue, entering], axis=1)
    return tuple(tf.split(joined, (features, queue.shape[1]), axis=1))


def over_samples(condition: tf.Tensor, samples: int) -> tf.Tensor:
    """Return a condition (batch or 1, frames, gates) of as many samples; one frame stays one."""
    _, frames, gates = condition.shape
    if frames == 1:
        return condition
    repeated = tf.tile(tf.expand_dims(condition, 2), (1, 1, samples // frames, 1))
    return tf.reshape(repeated, (-1, samples, gates))


class Sampler(keras.Model):
    """Noise to sound: {noise...[, "given", "known"][, "label"][, "track"]} to one sound (batch, samples), by its name.

    "known" is 1 where the sample of "given" stands; only the others are drawn. The network sees known samples by their
    levels.
    """

    def __init__(self, network: WaveNetNetwork, output: str = "audio") -> None:
        super().__init__(name="sampler", dtype="float32")
        self.network, self.output_name = network, output
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk through the samples."""
        network, levels = self.network, self.network.levels
        batch, samples = tf.shape(inputs["u"])[0], inputs["u"].shape[1]
        condition = network.condition(inputs)  # of every frame, before the first turn
        frames = condition.shape[1]
        by_frame = tf.transpose(condition, (1, 0, 2))
        constant = network.parted(by_frame[0])
        sources = {name: tf.transpose(x) for name, x in inputs.items() if name not in ("label", "track")}
        if "given" in sources:
            sources["given"] = levels.level_of(sources["given"])

        def one_sample(t: tf.Tensor, window: tf.Tensor, queues: Queues, sound: tf.TensorArray) -> tuple[Any, ...]:
            at = {name: tf.gather(values, t) for name, values in sources.items()}
            own = constant if frames == 1 else network.parted(tf.gather(by_frame, t // (samples // frames)))
            parameters, queues = network.turn(window, queues, own)
            level = drawn(levels, parameters, at)
            return t + 1, follow(window, level), queues, sound.write(t, level)

        window, queues = (spread(value, batch) for value in network.begin(constant))
        sound = tf.TensorArray(tf.float32, samples, element_shape=(None,))
        *_, sound = tf.while_loop(lambda t, *_: t < samples, one_sample, (0, window, queues, sound))
        made = levels.audio_of(tf.transpose(sound.stack()))
        if "known" in inputs:
            made = tf.where(inputs["known"] > 0.5, inputs["given"], made)  # to the bit
        return {self.output_name: made}


def drawn(levels: SampleDistribution, parameters: tf.Tensor, at: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return the level of a sample (batch,): the one that is known, or else drawn by the noise."""
    level = levels.draw(parameters, at)
    return tf.where(at["known"] > 0.5, at["given"], level) if "known" in at else level


def follow(window: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Return the window of levels (batch, count) without its oldest and with one more (batch,) at its end."""
    _, kept = tf.split(window, (1, window.shape[1] - 1), axis=1)
    return tf.concat([kept, tf.expand_dims(level, 1)], axis=1)


def spread(values: Any, batch: tf.Tensor) -> Any:
    """Return tensors (batch or 1, size), or a list of such, with the whole batch."""
    return tf.nest.map_structure(lambda value: tf.broadcast_to(value, (batch, value.shape[1])), values)


class Step(keras.Model):
    """One sample: {noise..., "state"[, "label"][, "track"]} to {"row", "next_state"}, see `serving.rows`.

    Noise and sample are (batch, 1), the track is the sample's frame (batch, 1, features). The state (batch, size) holds
    a flag that a sample was made, the window, and the queues, one after the other. While the flag is 0, silence was.
    """

    def __init__(self, network: WaveNetNetwork) -> None:
        super().__init__(name="step", dtype="float32")
        self.network = network
        dilations = [layer.dilation for layer in network.gated_layers for _ in range(network.kernel_size - 1)]
        self.sizes = [1, network.kernel_size, *(dilation * network.features for dilation in dilations)]
        self.size = sum(self.sizes)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Unpack the state, make a sample, pack what it leaves."""
        network, levels = self.network, self.network.levels
        has_begun, *parts = tf.split(inputs["state"], self.sizes, axis=1)
        condition = network.parted(network.condition(inputs)[:, 0])
        start = tf.nest.flatten(network.begin(condition))
        window, *queues = (tf.where(has_begun > 0.5, part, first) for part, first in zip(parts, start, strict=True))
        parameters, queues = network.turn(window, queues, condition)
        level = drawn(levels, parameters, {name: x[:, 0] for name, x in inputs.items() if name.startswith("u")})
        packed = [tf.ones_like(has_begun), follow(window, level), *queues]
        return {"row": tf.expand_dims(levels.audio_of(level), 1), "next_state": tf.concat(packed, axis=1)}


class LogProb(keras.Model):
    """{"audio"[, "label"][, "track"]} to {"log_prob": (batch,), "by_sample": (batch, samples)} in nats."""

    def __init__(self, network: WaveNetNetwork) -> None:
        super().__init__(name="log_prob", dtype="float32")
        self.network = network
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Judge the levels that the samples count as, each given those before it."""
        level = self.network.levels.level_of(inputs["audio"])
        parameters = self.network({**inputs, "level": level})
        by_sample = self.network.levels.log_prob(parameters, level)
        return {"log_prob": summed(by_sample), "by_sample": by_sample}


def summed(values: tf.Tensor) -> tf.Tensor:
    """Return the sum of each row (batch, count), in two stages: float32 loses less, and runtimes differ by less."""
    side = math.isqrt(values.shape[1] - 1) + 1
    square = tf.reshape(tf.pad(values, ((0, 0), (0, side**2 - values.shape[1]))), (-1, side, side))
    return tf.reduce_sum(tf.reduce_sum(square, axis=2), axis=1)
