"""Video pixel network.

Kalchbrenner, van den Oord, Simonyan, Danihelka, Vinyals, Graves & Kavukcuoglu, "Video pixel networks" (2016). Videos
pixel by pixel, frame after frame:

    p(x) = prod_t prod_i p(x_t,i | x_t,<i, x_<t)

An encoder makes features of each frame at its full resolution. A convolutional LSTM walks over the features of the
frames. Its state after the frames before x_t is what the decoder is told of them. The decoder, a PixelCNN, sees of x_t
itself only the pixels before its own; red, green and blue come in this order.

Encoder and decoder are made of residual multiplicative blocks. Such a block takes 2c features to c, through two
multiplicative units, back to 2c, and adds. A multiplicative unit is like the update of an LSTM without a memory:

    g1, g2, g3 = sigm(W * h),   u = tanh(W * h),   h = g1 . tanh(g2 . h + g3 . u)

In the encoder the taps of these convolutions lie 1, 2, 4, 8, 1, 2, ... apart, block after block. In the decoder the
convolutions are masked and their taps adjacent. Stacked masked convolutions have a blind spot (van den Oord et al.
2016b): n of them see r rows up only as far as r columns to the right.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.autoregressive.pixels import Bernoulli, PixelDistribution, Softmax
from zoo.autoregressive.raster import Nest, Sampler, Turn
from zoo.layers.causal import CausalSteps, MaskedConv2D, by_position, follow
from zoo.layers.recurrent import lstm, walk
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import EVEN_LEVELS, EVEN_LEVELS_IN_WORDS, MapSpec, TensorSpec

State = tuple[tf.Tensor, tf.Tensor]  # h and c of the LSTM, (batch, height, width, features) each


class VideoPixelNetwork(GenerativeModel):
    """Encoder, convolutional LSTM and PixelCNN decoder (Kalchbrenner et al. 2016), by maximum likelihood.

    `base_channels` is c, half the features that a block hands on. `encoder_depth` and `decoder_depth` count blocks.
    `lstm_channels` are the features of the LSTM. A channel of a pixel has one of `levels` values: 2 by a logit, more by
    a logit for each. All is computed in float32.

    Of log_prob, `by_frame` holds each frame's part. The map continue keeps the first `given_frames` and draws those
    after them; 0 is half of the frames.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 16,  # c: half the features that a block hands on
        "encoder_depth": 4,  # blocks of the encoder
        "decoder_depth": 4,  # blocks of the decoder
        "lstm_channels": 32,  # features of the LSTM
        "levels": 2,  # values of a channel of a pixel; 2 is black and white
        "given_frames": 0,  # first frames that the map continue keeps; 0 is half of them
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"video": ("video",)}
    players: ClassVar[tuple[str, ...]] = ("network",)
    targets: ClassVar[dict[str, str]] = {"continued": "video"}
    smallest: ClassVar[dict[str, Any]] = {
        "base_channels": 3,
        "encoder_depth": 2,
        "decoder_depth": 1,
        "lstm_channels": 4,
    }

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        video = self.columns["video"]
        frames, *_, channels = video.shape
        self._check(video)
        self.given = self.given_frames or frames // 2
        self.pixels = Bernoulli(channels) if self.levels == 2 else Softmax(channels, self.levels)
        sizes = self.base_channels, self.encoder_depth, self.decoder_depth, self.lstm_channels
        self.network = VideoNetwork(channels, self.pixels, *sizes)
        self.maps = self._maps(video)

    def _check(self, video: TensorSpec) -> None:
        """Refuse options that cannot be, and videos that they do not fit."""
        frames, *_, channels = video.shape
        for key in ("base_channels", "encoder_depth", "decoder_depth", "lstm_channels"):
            if (value := getattr(self, key)) < 1:
                raise UserError(f"model.{key}={value}: use a positive number")
        if self.base_channels < channels:
            raise UserError(f"model.base_channels={self.base_channels}: use at least {channels}, one for each channel")
        if self.levels not in EVEN_LEVELS:
            raise UserError(f"model.levels={self.levels}: use {EVEN_LEVELS_IN_WORDS}")
        if video.levels not in (0, self.levels):
            raise UserError(
                f"model.levels={self.levels}: the videos have {video.levels} levels; set both to the same number"
            )
        if frames < 3:
            raise UserError(f"a video pixel network needs 3 or more frames, and the videos have {frames}")
        if not 0 <= self.given_frames < frames:
            raise UserError(
                f"model.given_frames={self.given_frames}: use a number below the {frames} frames of a video, or 0 for "
                "half of them"
            )

    def _maps(self, video: TensorSpec) -> dict[str, Map]:
        network, pixels = self.network, self.pixels
        frames, *frame = video.shape
        (u,) = pixels.noise(*frame[:2])
        judged = dataclasses.replace(video, levels=pixels.levels)
        made = dataclasses.replace(judged, role="output")
        given = dataclasses.replace(judged, name="given", shape=(self.given, *frame))
        log_prob = TensorSpec("log_prob", (), "output", "nats", high=0.0)
        by_frame = TensorSpec("by_frame", (frames,), "output", high=0.0)

        def noise(count: int) -> TensorSpec:
            return dataclasses.replace(u, shape=(count, *u.shape))

        return {
            "generate": Map(VideoSampler(network, pixels, tuple(frame), "video"), MapSpec((noise(frames),), (made,))),
            "log_prob": Map(LogProb(network, pixels), MapSpec((judged,), (log_prob, by_frame))),
            "continue": Map(
                VideoSampler(network, pixels, tuple(frame), "continued"),
                MapSpec((given, noise(frames - self.given)), (dataclasses.replace(made, name="continued"),)),
            ),
        }

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step up the mean log-likelihood of a frame; return the loss in nats a frame, and bits per dimension."""
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.maps["log_prob"](data)["by_frame"])
        self.update("network", (tape, loss))
        dimensions = math.prod(self.columns["video"].shape[1:])
        return {"loss": loss, "bits_per_dimension": loss / (dimensions * math.log(2))}

    def conditions(self, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what fills the conditions of a map; continue is given the first frames, of the nearest levels."""
        if name != "continue" or "video" not in rows:
            return super().conditions(name, rows)
        scale = (self.levels - 1) / 2
        return {"given": (np.rint((rows["video"][:, : self.given] + 1) * scale) / scale - 1).astype(np.float32)}


def convolution(inputs: int, outputs: int, size: int, dilation: int = 1, is_biased: bool = True) -> layers.Conv2D:
    """Return a convolution to as many positions, with taps a `dilation` apart; zeros lie outside of a frame."""
    made = layers.Conv2D(outputs, size, padding="same", dilation_rate=dilation, use_bias=is_biased, dtype="float32")
    made.build((None, None, None, inputs))
    return made


def multiplicative(gates: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """Return a multiplicative unit of h (..., c), its gates (..., 4c) before their functions."""
    g1, g2, g3, u = tf.split(gates, 4, axis=-1)
    return tf.sigmoid(g1) * tf.tanh(tf.sigmoid(g2) * h + tf.sigmoid(g3) * tf.tanh(u))


class ResidualMultiplicativeBlock(layers.Layer):
    """2c features to 2c, by convolutions that `make(inputs, outputs, size, parts)` makes; `parts` are gates."""

    def __init__(self, features: int, make: Callable[[int, int, int, int], layers.Layer]) -> None:
        super().__init__(dtype="float32")
        self.down = make(2 * features, features, 1, 1)
        self.units = [make(features, 4 * features, 3, 4) for _ in range(2)]
        self.up = make(features, 2 * features, 1, 1)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the block's output, of the shape of x."""
        h = self.down(x)
        for unit in self.units:
            h = multiplicative(unit(h), h)
        return x + self.up(h)


class VideoNetwork(keras.Model):
    """{"video": (batch, frames, height, width, channels)} to the parameters of every pixel.

    `groups` and `reach` are as `raster.Raster` has them, of a frame.
    """

    reach = 1

    def __init__(
        self,
        channels: int,
        pixels: PixelDistribution,
        features: int,
        encoder_depth: int,
        decoder_depth: int,
        lstm: int,
    ) -> None:
        super().__init__(name="network", dtype="float32")
        self.groups, self.lstm = pixels.groups, lstm

        def plain(dilation: int) -> Callable[..., layers.Layer]:
            return lambda inputs, outputs, size, parts: convolution(inputs, outputs, size, dilation)

        def masked(inputs: int, outputs: int, size: int, parts: int) -> MaskedConv2D:
            return MaskedConv2D(inputs, outputs, (size, size), groups=pixels.groups, parts=parts)

        self.stem = convolution(channels, 2 * features, 3)
        self.encoder = [
            ResidualMultiplicativeBlock(features, plain(2 ** (number % 4))) for number in range(encoder_depth)
        ]
        self.input_to_state = convolution(2 * features, 4 * lstm, 3)
        self.state_to_state = convolution(lstm, 4 * lstm, 3, is_biased=False)
        # of what the first layer of the decoder sees, a frame is masked and the state is not
        self.context = convolution(lstm, 2 * features, 1, is_biased=False)
        self.first = MaskedConv2D(channels, 2 * features, (3, 3), "A", pixels.groups)
        self.decoder = [ResidualMultiplicativeBlock(features, masked) for _ in range(decoder_depth)]
        self.last = MaskedConv2D(2 * features, pixels.parameters, groups=pixels.groups)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the parameters, (batch, frames, height, width, parameters)."""
        video = inputs["video"]
        frames, *frame = video.shape[1:]
        states, _ = self.walk(video[:, :-1])
        before = tf.pad(states, ((0, 0), (1, 0), (0, 0), (0, 0), (0, 0)))  # no frame lies before the first
        context = self.context(tf.reshape(before, (-1, *frame[:2], self.lstm)))
        x = self.first(tf.reshape(video, (-1, *frame))) + context
        for block in self.decoder:
            x = block(x)
        made = self.last(x)
        return tf.reshape(made, (-1, frames, *made.shape[1:]))

    def encoded(self, frames: tf.Tensor) -> tf.Tensor:
        """Return what the LSTM takes of frames (batch, height, width, channels), the gates of its inputs."""
        x = self.stem(frames)
        for block in self.encoder:
            x = block(x)
        return self.input_to_state(x)

    def after(self, gates: tf.Tensor, state: State) -> State:
        """Return the state after one more frame, whose `gates` the encoder made."""
        h, c = state
        return lstm(gates + self.state_to_state(h), c)

    def start(self, batch: tf.Tensor, height: int, width: int) -> State:
        """Return the state before the first frame: zeros."""
        nothing = tf.zeros((batch, height, width, self.lstm))
        return nothing, nothing

    def walk(self, video: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Return h after each frame of a video, (batch, frames, height, width, lstm), and the last state."""
        frames, *frame = video.shape[1:]
        gates = self.encoded(tf.reshape(video, (-1, *frame)))
        by_frame = tf.transpose(tf.reshape(gates, (-1, frames, *gates.shape[1:])), (1, 0, 2, 3, 4))
        start = self.start(tf.shape(video)[0], *frame[:2])
        made, state = walk(by_frame, lambda gates, h, c: self.after(gates, (h, c)), start)
        return tf.transpose(made, (1, 0, 2, 3, 4)), state


class DecoderSteps:
    """The decoder in raster order. Rows leave the inputs of the multiplicative units for the row below.

    The constructor computes what is the same for all frames, `under` what a frame takes from those before it.
    """

    def __init__(self, network: VideoNetwork) -> None:
        self.network = network
        self.first, self.last = CausalSteps(network.first), CausalSteps(network.last)
        self.blocks = [
            (CausalSteps(block.down), [CausalSteps(unit) for unit in block.units], CausalSteps(block.up))
            for block in network.decoder
        ]
        self.units = [unit for _, units, _ in self.blocks for unit in units]
        self.kept = [unit.inputs for unit in self.units]
        self.context: tf.Tensor | None = None

    def under(self, h: tf.Tensor) -> "DecoderSteps":
        """Return the steps of a frame after frames that left h (batch, height, width, lstm)."""
        steps = copy.copy(self)
        steps.context = tf.transpose(self.network.context(h), (1, 2, 0, 3))  # to be read row by row
        return steps

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return 0 for the number of the row, and zeros for what lies above the frame."""
        return [tf.zeros((), tf.int32), *(tf.zeros((batch, 1, width, size)) for size in self.kept)]

    def row(self, memory: Nest, rows: tf.Tensor) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Convolve the rows above, in every layer that sees them, and add what the frames before say of the row."""
        y, *past = memory
        above = [by_position(self.first.above(rows)) + tf.gather(self.context, y)]
        above += [by_position(unit.above(kept)) for unit, kept in zip(self.units, past, strict=True)]
        left = [tf.zeros((tf.shape(rows)[0], size)) for size in self.kept]
        return above, left, memory

    def pixel(self, above: list[tf.Tensor], carried: Nest, window: tf.Tensor) -> Turn:
        """Walk the decoder at one position. What a unit saw here is its left neighbour in the next turn."""
        x = self.first.along(window) + above[0]
        seen, beside = [], iter(zip(carried, above[1:], strict=True))
        for down, units, up in self.blocks:
            h = down.here(x)
            for unit in units:
                left, from_above = next(beside)
                seen.append(h)
                h = multiplicative(unit.along(tf.concat([left, h], axis=1)) + from_above, h)
            x += up.here(h)
        return self.last.here(x), seen, seen

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Count the row, and remember what the units saw in it."""
        y, *past = memory
        return [y + 1, *(follow(old, by_position(row)) for old, row in zip(past, kept, strict=True))]


class VideoSampler(Sampler):
    """Noise to videos: {"u"[, "given"]} to one video (batch, frames, height, width, channels), by its name.

    "given" are the first frames, which stay. The noise is that of the frames after them.
    """

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk through the frames, and in each through its raster."""
        network, frame = self.network, self.shape
        u = tf.transpose(inputs["u"], (1, 2, 3, 0, 4))  # to be read frame by frame, then row by row
        batch, frames = tf.shape(inputs["u"])[0], u.shape[0]
        steps, state = DecoderSteps(network), network.start(batch, *frame[:2])
        if "given" in inputs:
            _, state = network.walk(self.pixels.nearest(inputs["given"]))

        def one_frame(t: tf.Tensor, h: tf.Tensor, c: tf.Tensor, video: tf.TensorArray) -> tuple[Any, ...]:
            made = self.raster(steps.under(h), {"u": tf.gather(u, t)}, batch)
            picture = tf.reshape(tf.transpose(made, (2, 0, 1, 3)), (-1, *frame))
            return t + 1, *network.after(network.encoded(picture), (h, c)), video.write(t, picture)

        video = tf.TensorArray(tf.float32, frames, element_shape=(None, *frame))
        *_, video = tf.while_loop(lambda t, *_: t < frames, one_frame, (0, *state, video))
        made = tf.transpose(video.stack(), (1, 0, 2, 3, 4))
        if "given" in inputs:
            made = tf.concat([inputs["given"], made], axis=1)  # to the bit
        return {self.output_name: made}


class LogProb(keras.Model):
    """{"video"} to {"log_prob": (batch,), "by_frame": (batch, frames)} in nats, by the full pass.

    Of a video with other values than the distribution's it is that of the nearest video with such.
    """

    def __init__(self, network: VideoNetwork, pixels: PixelDistribution) -> None:
        super().__init__(name="log_prob", dtype="float32")
        self.network, self.pixels = network, pixels
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Sum the log-probabilities of the pixels of each frame, each given those before it and the frames before."""
        video = self.pixels.nearest(inputs["video"])
        by_frame = tf.reduce_sum(self.pixels.log_prob(self.network({"video": video}), video), axis=(2, 3, 4))
        return {"log_prob": tf.reduce_sum(by_frame, axis=1), "by_frame": by_frame}
