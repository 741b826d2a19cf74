"""NADE: the neural autoregressive distribution estimator.

Larochelle and Murray, "The neural autoregressive distribution estimator" (2011). A picture of D binary pixels,
taken in a fixed order (here row by row), has the likelihood

    p(v) = prod_i p(v_i | v_<i),    p(v_i = 1 | v_<i) = sigm(b_i + V_i,: h_i),    h_i = sigm(a_i)
    a_1 = c,    a_{i+1} = a_i + W_:,i v_i

so that one column of W is added per pixel and the whole costs O(HD) operations. Sampling walks the same
recurrence, with u_i ~ U(0, 1) as an input: v_i = 1 where u_i < p(v_i = 1 | v_<i).

The likelihood takes a row of pixels at a time, from the a of its first pixel. The hidden units of one row are all that
memory holds, in training too: the gradient computes those of each row again.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec


class NADE(GenerativeModel):
    """Autoregressive model of binary images with one hidden layer of shared weights (Larochelle & Murray 2011).

    Images have the values -1 and 1 (v = 0 and 1); anything above 0 counts as 1. `hidden_units` is H.
    All is computed in float32, whatever the precision of training.
    """

    options: ClassVar[dict[str, Any]] = {
        "hidden_units": 500,  # width of the hidden layer
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("nade",)
    smallest: ClassVar[dict[str, Any]] = {"hidden_units": 5}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        if self.hidden_units < 1:
            raise UserError(f"model.hidden_units={self.hidden_units}: use a positive number")
        image = self.columns["image"]
        self.dimensions = math.prod(image.shape)
        self.conditionals = Conditionals(image.shape, self.hidden_units)
        u = TensorSpec("u", image.shape, "uniform", low=0.0, high=1.0)
        binary = TensorSpec("image", image.shape, "output", "image", levels=2)
        log_prob = TensorSpec("log_prob", (), "output", "nats", high=0.0)
        bits = dataclasses.replace(image, levels=2)
        self.maps = {
            "generate": Map(Sampler(self.conditionals, image.shape), MapSpec((u,), (binary,))),
            "log_prob": Map(self.conditionals, MapSpec((bits,), (log_prob,))),
        }

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of maximum likelihood."""
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.conditionals({"image": data["image"]})["log_prob"])
        self.update("nade", (tape, loss))
        return {"loss": loss, "bits_per_dimension": loss / (self.dimensions * math.log(2))}


class Conditionals(keras.Model):
    """All the conditionals at once: {"image": (batch, *shape)} to {"log_prob": (batch,) in nats}."""

    def __init__(self, shape: tuple[int, ...], hidden_units: int) -> None:
        super().__init__(name="conditionals", dtype="float32")
        glorot = keras.initializers.GlorotUniform
        self.rows, dimensions = shape[0], math.prod(shape)
        self.W = self.add_weight((hidden_units, dimensions), initializer=glorot(), name="W")
        self.V = self.add_weight((dimensions, hidden_units), initializer=glorot(), name="V")
        self.b = self.add_weight((dimensions,), initializer="zeros", name="b")
        self.c = self.add_weight((hidden_units,), initializer="zeros", name="c")
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Sum the log-probabilities of the pixels, each given those before it."""
        v = self.rows_of(inputs["image"])
        logits = self.logits(v)
        # log p(v_i) = v_i l_i - softplus(l_i); TensorFlow's cross-entropy holds a Log1p, which ONNX has not
        return {"log_prob": tf.reduce_sum(v * logits - tf.nn.softplus(logits), axis=(0, 2))}

    def rows_of(self, image: tf.Tensor) -> tf.Tensor:
        """Return the v of pictures, (rows, batch, width)."""
        v = tf.reshape(tf.cast(image > 0, tf.float32), (-1, self.rows, self.b.shape[0] // self.rows))
        return tf.transpose(v, (1, 0, 2))

    def logits(self, v: tf.Tensor) -> tf.Tensor:
        """Return the logits of all pixels, each given those before it, of the shape of v: (rows, batch, width)."""
        width, hidden_units = self.b.shape[0] // self.rows, self.c.shape[0]
        W, V = (tf.reshape(x, (self.rows, width, hidden_units)) for x in (tf.transpose(self.W), self.V.value))
        start = self.c + tf.cumsum(tf.matmul(v, W), axis=0, exclusive=True)  # (rows, batch, H)
        return logits_of_rows(v, start, W, V, tf.reshape(self.b, (self.rows, width)))


def logits_of_rows(v: tf.Tensor, start: tf.Tensor, W: tf.Tensor, V: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return the logits (rows, batch, width) of pixels v, of the same shape, where the a of each row begins at `start`.

    `start` is (rows, batch, H), W and V are (rows, width, H), b is (rows, width). v has no gradient.
    """

    @tf.custom_gradient
    def logits(*inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        def gradients(upstream: tf.Tensor) -> list[tf.Tensor]:
            return _row_by_row(_gradients_of_row, (upstream, v, *inputs), [tf.float32] * len(inputs))

        return _row_by_row(_logits_of_row, (v, *inputs), tf.float32), gradients

    return logits(start, W, V, b)


def _row_by_row(function: Callable[..., Any], rows: tuple[tf.Tensor, ...], dtypes: Any) -> Any:
    # one at a time: TensorFlow would work on ten, and hold the hidden units of all
    return tf.map_fn(lambda row: function(*row), rows, fn_output_signature=dtypes, parallel_iterations=1)


def _before(v: tf.Tensor) -> tf.Tensor:
    """Return, for each pixel of a row (batch, width), those before it, zero at its own place and after: [b, i, j]."""
    width = v.shape[1]
    return tf.expand_dims(v, 1) * (tf.linalg.band_part(tf.ones((width, width)), -1, 0) - tf.eye(width))


def _hidden_of_row(before: tf.Tensor, start: tf.Tensor, W: tf.Tensor) -> tf.Tensor:
    # a product with the masked pixels: a running sum adds as much, but takes more than twice as long
    return tf.sigmoid(tf.expand_dims(start, 1) + tf.matmul(before, W))  # (batch, width, H)


def _logits_of_row(v: tf.Tensor, start: tf.Tensor, W: tf.Tensor, V: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return b + tf.reduce_sum(V * _hidden_of_row(_before(v), start, W), axis=-1)


def _gradients_of_row(
    upstream: tf.Tensor, v: tf.Tensor, start: tf.Tensor, W: tf.Tensor, V: tf.Tensor, b: tf.Tensor
) -> list[tf.Tensor]:
    """Return the gradients to start, W, V and b for those to the logits, `upstream` (batch, width)."""
    before, each = _before(v), tf.expand_dims(upstream, 2)
    h = _hidden_of_row(before, start, W)
    to_a = each * V * h * (1.0 - h)
    to_W = tf.tensordot(before, to_a, ((0, 1), (0, 1)))  # a pixel's column of W enters the a of all after it
    return [tf.reduce_sum(to_a, axis=1), to_W, tf.reduce_sum(each * h, axis=0), tf.reduce_sum(upstream, axis=0)]


class Sampler(keras.Model):
    """Ancestral sampling: {"u": (batch, *shape) in [0, 1)} to {"image": (batch, *shape), -1 or 1}.

    A loop over pixels that converts to ONNX.
    """

    def __init__(self, conditionals: Conditionals, shape: tuple[int, ...]) -> None:
        super().__init__(name="generator", dtype="float32")
        self.conditionals = conditionals
        self.image_shape = shape
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk the recurrence of the module's docstring, one pixel a turn."""
        W, V, b, c = (weight.value for weight in self.conditionals.weights)
        dimensions = math.prod(self.image_shape)
        u = tf.transpose(tf.reshape(inputs["u"], (-1, dimensions)))  # (D, batch)
        columns = tf.transpose(W)
        a = tf.zeros_like(u[0])[:, None] + c
        pixels = tf.TensorArray(tf.float32, size=dimensions, element_shape=(None,))

        def one_pixel(i: tf.Tensor, a: tf.Tensor, pixels: tf.TensorArray) -> tuple:
            logit = tf.gather(b, i) + tf.linalg.matvec(tf.sigmoid(a), tf.gather(V, i))
            v = tf.cast(tf.gather(u, i) < tf.sigmoid(logit), tf.float32)
            return i + 1, a + v[:, None] * tf.gather(columns, i), pixels.write(i, v)

        _, _, pixels = tf.while_loop(lambda i, *_: i < dimensions, one_pixel, (0, a, pixels))
        v = tf.transpose(pixels.stack())
        return {"image": tf.reshape(2.0 * v - 1.0, (-1, *self.image_shape))}
