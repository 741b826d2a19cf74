"""Pictures pixel by pixel, in raster order: exact likelihoods in one pass, and samplers that compute nothing twice.

    p(x) = prod_i p(x_i | x_<i)

A network is a `Raster`. Its full pass `call` makes the parameters of all p(x_i | x_<i) at once. Its `Steps` make the
same in order, as a sampler needs it: what depends on the rows above once a row, the rest once a pixel. Both give the
same parameters at every position. Noise is an input, so that sampling is a map from noise to pictures.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from zoo.autoregressive.pixels import PixelDistribution, distribution
from zoo.layers.causal import MaskedConv2D, by_position, follow
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Nest = Any  # tensors in lists and tuples
# the parameters of a position (batch, parameters), what its row carries on, and what it keeps for the row below
Turn = tuple[tf.Tensor, Nest, list[tf.Tensor]]


class Steps(Protocol):
    """A network's computation in raster order; the constructor computes what stays the same, such as masked kernels.

    `kept` are the sizes of what each position leaves for the row below.
    """

    kept: list[int]

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return the memory before the first row: zeros, of which a number without a batch axis may be one for each."""

    def row(self, memory: Nest, rows: tf.Tensor) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Return what the positions of a row take from above, (width, batch, size) each, what they carry, the memory.

        `rows` (batch, reach, width, channels) are the pixels above, zeros outside of the picture.
        """

    def pixel(self, above: list[tf.Tensor], carried: Nest, window: tf.Tensor) -> Turn:
        """Take a turn at one position.

        `above` is its own part of what `row` returned. `window` (batch, reach + 1, channels) are the pixels to the
        left, then its own as far as it is known. What is carried on and kept is right in the last of the groups' turns.
        """

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Return the memory with what the row kept, (width, batch, size) each."""


class Raster(keras.Model):
    """A causal network: {"image": (batch, height, width, channels)[, "label"]} to the parameters of every pixel.

    `reach` is how many rows up and columns to the left its first layer sees. `groups` are those of its distribution.
    """

    reach: int
    groups: int

    def steps(self, label: tf.Tensor | None) -> Steps:
        """Return the same computation in raster order, for examples with these labels, if it sees labels."""
        raise NotImplementedError


def head_of(inputs: int, features: int, pixels: PixelDistribution) -> list[MaskedConv2D]:
    """Return the two 1 x 1 layers, each behind a ReLU, that make the parameters of a pixel of a network's features."""
    groups = pixels.groups
    return [MaskedConv2D(inputs, features, groups=groups), MaskedConv2D(features, pixels.parameters, groups=groups)]


class Sampler(keras.Model):
    """Noise to pictures, by a network's steps: {noise...[, "given", "known"][, "label"]} to one picture, by its name.

    "known" (batch, height, width, 1) is 1 where the pixel of "given" stands; only the others are drawn. The network
    sees known pixels as the distribution counts them.
    """

    def __init__(
        self, network: Raster, pixels: PixelDistribution, shape: tuple[int, int, int], output: str = "image"
    ) -> None:
        super().__init__(name="sampler", dtype="float32")
        self.network, self.pixels, self.shape, self.output_name = network, pixels, shape, output
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk the raster, a pixel a turn."""
        # (height, width, batch, channels), to be read row by row, then position by position
        sources = {name: tf.transpose(x, (1, 2, 0, 3)) for name, x in inputs.items() if name != "label"}
        if "given" in sources:
            sources["given"] = self.pixels.nearest(sources["given"])
        steps = self.network.steps(inputs.get("label"))
        made = tf.transpose(self.raster(steps, sources, tf.shape(next(iter(inputs.values())))[0]), (2, 0, 1, 3))
        if "known" in inputs:
            made = tf.where(inputs["known"] > 0.5, inputs["given"], made)  # to the bit
        return {self.output_name: made}

    def raster(self, steps: Steps, sources: dict[str, tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
        """Return pictures of what is given in the `sources`, all (height, width, batch, channels)."""
        height, width, channels = self.shape

        def one_row(y: tf.Tensor, rows: tf.Tensor, memory: Nest, picture: tf.TensorArray) -> tuple[Any, ...]:
            here = {name: tf.gather(x, y) for name, x in sources.items()}
            made, rows, memory = self.one_row(steps, here, rows, memory)
            return y + 1, rows, memory, picture.write(y, made)

        rows = tf.zeros((batch, self.network.reach, width, channels))
        picture = tf.TensorArray(tf.float32, height, element_shape=(width, None, channels))
        start = (0, rows, steps.begin(batch, width), picture)
        *_, picture = tf.while_loop(lambda y, *_: y < height, one_row, start)
        return picture.stack()

    def one_row(
        self, steps: Steps, here: dict[str, tf.Tensor], rows: tf.Tensor, memory: Nest
    ) -> tuple[tf.Tensor, tf.Tensor, Nest]:
        """Return a row for what is given `here`, (width, batch, channels) each; the rows and the memory above the next.

        The row is (width, batch, channels) too.
        """
        _, width, channels = self.shape
        above, carried, memory = steps.row(memory, rows)
        # one tensor to read from, and zeros made once a row: a pixel takes as long as it has operations, however small
        sizes, joined = [values.shape[-1] for values in above], tf.concat(above, axis=-1)
        blank = tf.zeros((tf.shape(rows)[0], channels))

        def one_pixel(
            x: tf.Tensor, history: tf.Tensor, carried: Nest, row: tf.TensorArray, kept: list[tf.TensorArray]
        ) -> tuple[Any, ...]:
            at = {name: tf.gather(values, x) for name, values in here.items()}
            from_above = tf.split(tf.gather(joined, x), sizes, axis=-1)
            pixel, onward, keeps = self._pixel(steps, at, from_above, carried, history, blank)
            kept = [array.write(x, value) for array, value in zip(kept, keeps, strict=True)]
            return x + 1, follow(history, pixel), onward, row.write(x, pixel), kept

        row = tf.TensorArray(tf.float32, width, element_shape=(None, channels))
        kept = [tf.TensorArray(tf.float32, width, element_shape=(None, size)) for size in steps.kept]
        start = (0, tf.zeros((tf.shape(rows)[0], self.network.reach, channels)), carried, row, kept)
        *_, row, kept = tf.while_loop(lambda x, *_: x < width, one_pixel, start)
        made = row.stack()
        return made, follow(rows, by_position(made)), steps.end_row(memory, [array.stack() for array in kept])

    def _pixel(
        self,
        steps: Steps,
        at: dict[str, tf.Tensor],
        above: list[tf.Tensor],
        carried: Nest,
        history: tf.Tensor,
        pixel: tf.Tensor,
    ) -> tuple[tf.Tensor, Nest, list[tf.Tensor]]:
        """Return a pixel (batch, channels) made of a blank one by group, what is carried on, and what is kept."""
        group_of = np.arange(self.shape[-1]) * self.network.groups // self.shape[-1]
        for group in range(self.network.groups):
            window = tf.concat([history, tf.expand_dims(pixel, 1)], axis=1)
            parameters, onward, keeps = steps.pixel(above, carried, window)
            drawn = self.pixels.draw(parameters, at)
            if "known" in at:
                drawn = tf.where(at["known"] > 0.5, at["given"], drawn)
            pixel = tf.where(group_of == group, drawn, pixel)
        return pixel, onward, keeps


class RowStep(Sampler):
    """One row of a picture: {noise..., "state"[, "label"]} to {"row", "next_state"}, by the contract of `serving.rows`.

    Noise and row are (batch, 1, width, channels). The state (batch, size) holds the rows above and the memory, flat,
    one tensor after the other. Zeros are the state before the first row, since all that a network begins with is 0.
    """

    def __init__(self, network: Raster, pixels: PixelDistribution, shape: tuple[int, int, int]) -> None:
        super().__init__(network, pixels, shape, "row")
        self.parts = [tuple(tensor.shape[1:]) for tensor in tf.nest.flatten(self._start(network.steps(None)))]
        self.size = sum(map(math.prod, self.parts))

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Unpack the state, walk one row, pack what it leaves."""
        state = inputs["state"]
        flat = tf.split(state, [math.prod(part) for part in self.parts], axis=1)
        tensors = [tf.reshape(values, (-1, *part)) for values, part in zip(flat, self.parts, strict=True)]
        steps = self.network.steps(inputs.get("label"))
        rows, memory = tf.nest.pack_sequence_as(self._start(steps), tensors)
        here = {n: tf.transpose(x[:, 0], (1, 0, 2)) for n, x in inputs.items() if n not in ("state", "label")}
        made, *left = self.one_row(steps, here, rows, memory)
        packed = [
            tf.reshape(values, (-1, math.prod(part)))
            for values, part in zip(tf.nest.flatten(tuple(left)), self.parts, strict=True)
        ]
        return {"row": tf.expand_dims(by_position(made), 1), "next_state": tf.concat(packed, axis=1)}

    def _start(self, steps: Steps) -> tuple[tf.Tensor, Nest]:
        """Return the rows and the memory before the first row, for one example."""
        return tf.zeros((1, self.network.reach, *self.shape[1:])), steps.begin(1, self.shape[1])


class LogProb(keras.Model):
    """{"image"[, "label"]} to {"log_prob": (batch,) in nats}, by the full pass.

    Of a picture with other values than the distribution's it is that of the nearest picture with such.
    """

    def __init__(self, network: Raster, pixels: PixelDistribution) -> None:
        super().__init__(name="log_prob", dtype="float32")
        self.network, self.pixels = network, pixels
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Sum the log-probabilities of the pixels, each given those before it."""
        image = self.pixels.nearest(inputs["image"])
        each = self.pixels.log_prob(self.network({**inputs, "image": image}), image)
        return {"log_prob": tf.reduce_sum(each, axis=(1, 2, 3))}


class RasterModel(GenerativeModel):
    """What autoregressive models in raster order share: maximum likelihood, and their maps.

    generate and log_prob are the model; complete keeps what is known; step makes one row, for hosts that stream.

    `likelihood` says what a channel is: "bernoulli", -1 or 1; "softmax", one of 256 values; or "logistic_mixture", a
    mixture of `mixtures` discretised logistics over whole pixels. All is computed in float32, whatever the precision.

    The map complete keeps the pixels that are known and draws the others, each given those before it. Its law is the
    model's own where the known ones come first: rows from the top.
    """

    options: ClassVar[dict[str, Any]] = {
        "likelihood": "bernoulli",  # of a channel: bernoulli (black or white), softmax (256 values) or logistic_mixture
        "mixtures": 10,  # components of logistic_mixture
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("network",)
    targets: ClassVar[dict[str, str]] = {"completed": "image"}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        for key, value in self.chosen.items():
            if type(value) is int and value < 1:
                raise UserError(f"model.{key}={value}: use a positive number")
        image = self.columns["image"]
        height, width, channels = image.shape
        self.dimensions = math.prod(image.shape)
        self.pixels = distribution(self.likelihood, channels, self.mixtures)
        for key in ("base_channels", "head_channels"):
            if (value := getattr(self, key)) < self.pixels.groups:
                raise UserError(f"model.{key}={value}: use at least {self.pixels.groups}, one for each channel")
        self.network = self.make_network(channels, self.pixels)
        labels = (self.columns["label"],) if "label" in self.columns else ()
        noise = (*self.pixels.noise(height, width), *labels)
        made = TensorSpec("image", image.shape, "output", "image", levels=self.pixels.levels)
        known = TensorSpec("known", (height, width, 1), "condition", "mask", keeps="given")
        given, completed = dataclasses.replace(image, name="given"), dataclasses.replace(made, name="completed")
        log_prob = TensorSpec("log_prob", (), "output", "nats", high=0.0)
        judged = dataclasses.replace(image, levels=self.pixels.levels)
        step = RowStep(self.network, self.pixels, image.shape)
        state = TensorSpec("state", (step.size,), "condition")
        one = [dataclasses.replace(t, shape=(1, *t.shape[1:])) for t in (*self.pixels.noise(height, width), made)]
        row, next_state = dataclasses.replace(one.pop(), name="row"), TensorSpec("next_state", state.shape, "output")
        self.maps = {
            "generate": Map(Sampler(self.network, self.pixels, image.shape), MapSpec(noise, (made,))),
            "log_prob": Map(LogProb(self.network, self.pixels), MapSpec((judged, *labels), (log_prob,))),
            "complete": Map(
                Sampler(self.network, self.pixels, image.shape, "completed"),
                MapSpec((given, known, *noise), (completed,)),
            ),
            "step": Map(step, MapSpec((*one, state, *labels), (row, next_state))),
        }

    def make_network(self, channels: int, pixels: PixelDistribution) -> Raster:
        """Return the network of the paper, for pictures of so many channels."""
        raise NotImplementedError

    def ascend(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Take one step up the mean log-likelihood of the batch; return the loss in nats and bits per dimension."""
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.maps["log_prob"](data)["log_prob"])
        self.update("network", (tape, loss))
        return {"loss": loss, "bits_per_dimension": loss / (self.dimensions * math.log(2))}

    def conditions(self, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what fills the conditions of a map; complete is given upper halves, step the state of a first row."""
        if name not in ("complete", "step") or "image" not in rows:
            return super().conditions(name, rows)
        own = {key: rows[key] for key in self.columns if key == "label"}
        if name == "step":
            return {"state": np.zeros((len(rows["image"]), self.maps["step"].network.size), np.float32), **own}
        count, height, width, _ = rows["image"].shape
        upper = height // 2 * width or width // 2  # of a picture of one row, its left half
        known = np.zeros((count, height * width), np.float32)
        known[:, :upper] = 1.0
        known = known.reshape(count, height, width, 1)
        return {"given": rows["image"] * known, "known": known, **own}
