"""DeepNADE: one network for every order of the pixels.

Uria, Murray and Larochelle, "A deep and tractable density estimator" (2014). A network sees the pixels v that are
known, and by a mask m which they are, and gives the odds of all others:

    p(v_i = 1 | v_known) = sigm(V_i,: h_n + b_i)
    h_1 = relu(W (v * m) + F m / sqrt(D) + c_1),    h_k = relu(W_k h_{k-1} + c_k)

The paper has no sqrt(D). It is there for Adam, whose step moves all D weights of a unit by about as much: the flags m
are all positive, so that these moves add up, and units die. Without it 368 of the 500 units of the first layer were
dead after 80,000 steps on MNIST.

So every order o of the D pixels has an exact likelihood, prod_k p(v_{o_k} | v_{o_1}, ..., v_{o_{k-1}}). A training
step draws for each picture an order and how many pixels d of it are known, 0 to D - 1, and takes the loss

    D / (D - d) * sum of -log p(v_i | v_known) over the D - d others,

whose expectation over d and orders is the mean over orders of the negative log-likelihood.

A walk visits the pixels in an order. Each turn adds one row of W and of F to what the first layer has summed up, and
asks for one logit, so that a picture costs O(D H^2) operations.

The map "log_prob" gives the exact log-likelihood in one order, which the noise `order` draws. The mixture of k orders
with equal weights is a distribution too, the paper's ensemble: its log-likelihood is the log of the mean of k
likelihoods. Evaluation takes that over k calls, with orders of their own for each example. Of the lines that it prints,
`importance_weighted_1` is the mean log-likelihood in one random order, and `importance_weighted_k` that of an ensemble
of k random orders. What it calls a lower bound is the exact likelihood of such an ensemble, averaged over the choice of
its orders; it bounds from below that of the mixture of all D! orders.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec


class DeepNADE(GenerativeModel):
    """Autoregressive model of binary images in any order of their pixels (Uria, Murray & Larochelle 2014).

    Images have the values -1 and 1 (v = 0 and 1); anything above 0 counts as 1. `hidden_units` is the width H of each
    of the `depth` hidden layers. All is computed in float32, whatever the precision of training.

    The map complete keeps the pixels that are known, whichever they are, and draws the others from the model's law
    given them.
    """

    options: ClassVar[dict[str, Any]] = {
        "hidden_units": 500,  # width of each hidden layer
        "depth": 2,  # hidden layers
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("deep_nade",)
    targets: ClassVar[dict[str, str]] = {"completed": "image"}
    smallest: ClassVar[dict[str, Any]] = {"hidden_units": 5, "depth": 2}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        for key, value in self.chosen.items():
            if value < 1:
                raise UserError(f"model.{key}={value}: use a positive number")
        image = self.columns["image"]
        self.dimensions = math.prod(image.shape)
        self.conditionals = Conditionals(self.dimensions, self.hidden_units, self.depth)
        u, order = (TensorSpec(name, image.shape, "uniform", low=0.0, high=1.0) for name in ("u", "order"))
        made = TensorSpec("image", image.shape, "output", "image", levels=2)
        known = TensorSpec("known", (*image.shape[:2], 1), "condition", "mask", keeps="given")
        given, completed = dataclasses.replace(image, name="given"), dataclasses.replace(made, name="completed")
        log_weight = TensorSpec("log_weight", (), "output", "nats", high=0.0)
        bits = dataclasses.replace(image, levels=2)
        self.maps = {
            "generate": Map(Sampler(self.conditionals, image.shape), MapSpec((u, order), (made,))),
            "log_prob": Map(LogWeight(self.conditionals), MapSpec((bits, order), (log_weight,))),
            "complete": Map(
                Sampler(self.conditionals, image.shape, "completed"), MapSpec((given, known, u, order), (completed,))
            ),
        }

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of maximum likelihood, at a random order and a random number of known pixels for each picture."""
        v = bits_of(data["image"])
        count = tf.shape(v)[0]
        noise = self.noise((count, self.dimensions), "uniform", "order")
        d = tf.floor(self.noise((count,), "uniform", "d", high=float(self.dimensions)))
        # the d first in the order; two equal numbers there, in one picture of 10,000 at D = 784, leave one fewer
        known = tf.cast(noise < tf.gather(tf.sort(noise), tf.cast(d, tf.int32)[:, None], batch_dims=1), tf.float32)
        with tf.GradientTape() as tape:
            logits = self.conditionals({"v": v, "known": known})["logits"]
            left = tf.reduce_sum((1.0 - known) * bernoulli(v, logits), axis=1)
            loss = -tf.reduce_mean(self.dimensions / (self.dimensions - d) * left)
        self.update("deep_nade", (tape, loss))
        return {"loss": loss, "bits_per_dimension": loss / (self.dimensions * math.log(2))}

    def conditions(self, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what fills the conditions of a map; complete is given one random half of the pixels of each picture.

        The half is the same for all pictures and all calls.
        """
        filled = super().conditions(name, rows)
        if name == "complete" and "image" in rows:
            height, width, _ = self.columns["image"].shape
            place = np.random.default_rng(0).permutation(height * width).reshape(height, width, 1)
            known = np.broadcast_to(place < height * width // 2, (len(rows["image"]), height, width, 1))
            filled |= {"given": rows["image"] * known, "known": known.astype(np.float32)}
        return filled


class Conditionals(keras.Model):
    """The network: {"v": (batch, D) of 0 and 1, "known": the same} to {"logits": (batch, D)}, those of every pixel."""

    def __init__(self, dimensions: int, hidden_units: int, depth: int) -> None:
        super().__init__(name="conditionals", dtype="float32")
        glorot = keras.initializers.GlorotUniform
        self.dimensions = dimensions
        self.W = self.add_weight((dimensions, hidden_units), initializer=glorot(), name="W")
        self.F = self.add_weight((dimensions, hidden_units), initializer=glorot(), name="F")
        self.c = self.add_weight((hidden_units,), initializer="zeros", name="c")
        self.upper = [
            layers.Dense(hidden_units, "relu", dtype="float32", name=f"hidden_{k}") for k in range(2, depth + 1)
        ]
        for layer in self.upper:
            layer.build((None, hidden_units))
        self.V = self.add_weight((dimensions, hidden_units), initializer=glorot(), name="V")
        self.b = self.add_weight((dimensions,), initializer="zeros", name="b")
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Make all the logits in one pass."""
        v, known = inputs["v"], inputs["known"]
        first = tf.matmul(v * known, self.W.value) + tf.matmul(known, self.flag_weights) + self.c.value
        return {"logits": tf.matmul(self.last(first), self.V.value, transpose_b=True) + self.b.value}

    @property
    def flag_weights(self) -> tf.Tensor:
        """What a flag adds to the first layer, (D, H)."""
        return self.F.value / math.sqrt(self.dimensions)

    def last(self, first: tf.Tensor) -> tf.Tensor:
        """Return the last hidden layer (batch, H) for what the first one has summed up."""
        h = tf.nn.relu(first)
        for layer in self.upper:
            h = layer(h)
        return h

    def walk(self, order: tf.Tensor, turn: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]) -> tf.Tensor:
        """Visit the pixels in `order` (batch, D); return what was kept at each turn, (batch, D).

        `turn(k, logit)` is told the number of the turn and the logit (batch,) of its pixel, given those before it. It
        returns the pixel's value and what to keep, (batch,) each.
        """
        W, V, b, c = (weight.value for weight in (self.W, self.V, self.b, self.c))
        F = self.flag_weights
        pixels = tf.transpose(order)  # (D, batch): a turn reads one row
        first = tf.zeros_like(tf.gather(W, pixels[0])) + c
        kept = tf.TensorArray(tf.float32, size=self.dimensions, element_shape=(None,))

        def one_pixel(k: tf.Tensor, first: tf.Tensor, kept: tf.TensorArray) -> tuple:
            pixel = tf.gather(pixels, k)
            logit = tf.reduce_sum(self.last(first) * tf.gather(V, pixel), axis=1) + tf.gather(b, pixel)
            v, keep = turn(k, logit)
            first += tf.expand_dims(v, 1) * tf.gather(W, pixel) + tf.gather(F, pixel)
            return k + 1, first, kept.write(k, keep)

        _, _, kept = tf.while_loop(lambda k, *_: k < self.dimensions, one_pixel, (0, first, kept))
        return tf.transpose(kept.stack())


class Sampler(keras.Model):
    """Ancestral sampling: {"u", "order"[, "given", "known"]} to one picture of -1 and 1, by its name.

    A pixel is 1 where its u lies below its probability. The turns are in the order of the values of `order`. Where
    "known" (batch, height, width, 1) is 1, the pixels of "given" stand, and come before the others.
    """

    def __init__(self, conditionals: Conditionals, shape: tuple[int, ...], output: str = "image") -> None:
        super().__init__(name="sampler", dtype="float32")
        self.conditionals, self.image_shape, self.output_name = conditionals, shape, output
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk through the pixels, those that are known first."""
        u, noise = inputs["u"], inputs["order"]
        if "known" in inputs:
            is_known = inputs["known"] > 0.5
            u = tf.where(is_known, tf.where(inputs["given"] > 0, -1.0, 1.0), u)  # decides, whatever the probability
            noise = tf.where(is_known, noise - 1.0, noise)
        order = order_of(flat(noise))
        u_in_turn = in_turn(flat(u), order)

        def turn(k: tf.Tensor, logit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            v = tf.cast(tf.gather(u_in_turn, k) < tf.sigmoid(logit), tf.float32)
            return v, v

        v = tf.gather(self.conditionals.walk(order, turn), turns_of(order), batch_dims=1)
        image = tf.reshape(2.0 * v - 1.0, (-1, *self.image_shape))
        return {self.output_name: tf.where(is_known, inputs["given"], image) if "known" in inputs else image}


class LogWeight(keras.Model):
    """{"image", "order"} to {"log_weight": (batch,)}, the exact log-likelihood in nats in the order that is drawn."""

    def __init__(self, conditionals: Conditionals) -> None:
        super().__init__(name="log_weight", dtype="float32")
        self.conditionals = conditionals
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk through the pixels as they are."""
        order = order_of(flat(inputs["order"]))
        values = in_turn(bits_of(inputs["image"]), order)

        def turn(k: tf.Tensor, logit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            v = tf.gather(values, k)
            return v, bernoulli(v, logit)

        return {"log_weight": tf.reduce_sum(self.conditionals.walk(order, turn), axis=1)}


def flat(x: tf.Tensor) -> tf.Tensor:
    """Return (batch, D) of pictures (batch, height, width, channels)."""
    return tf.reshape(x, (-1, math.prod(x.shape[1:])))


def bits_of(image: tf.Tensor) -> tf.Tensor:
    """Return v, 0 and 1, (batch, D), of pictures."""
    return flat(tf.cast(image > 0, tf.float32))


def order_of(noise: tf.Tensor) -> tf.Tensor:
    """Return the pixels, int32 (batch, D), in the order of the noise (batch, D) of each: a uniform law over orders."""
    return tf.argsort(noise, stable=True)


def turns_of(order: tf.Tensor) -> tf.Tensor:
    """Return the turn of each pixel, int32 (batch, D): the inverse of the order."""
    return tf.argsort(order)


def in_turn(x: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Return the values (D, batch), turn by turn, of those (batch, D) of the pixels."""
    return tf.transpose(tf.gather(x, order, batch_dims=1))


def bernoulli(v: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return log p(v) in nats of each bit; TensorFlow's cross-entropy holds a Log1p, which ONNX has not."""
    return v * logits - tf.nn.softplus(logits)
