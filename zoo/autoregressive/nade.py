"""NADE: the neural autoregressive distribution estimator.

Larochelle and Murray, "The neural autoregressive distribution estimator" (2011). A picture of D binary pixels,
taken in a fixed order (here row by row), has the likelihood

    p(v) = prod_i p(v_i | v_<i),    p(v_i = 1 | v_<i) = sigm(b_i + V_i,: h_i),    h_i = sigm(a_i)
    a_1 = c,    a_{i+1} = a_i + W_:,i v_i

so that one column of W is added per pixel and the whole costs O(HD) operations. Sampling walks the same
recurrence, with u_i ~ U(0, 1) as an input: v_i = 1 where u_i < p(v_i = 1 | v_<i).
"""

import math
from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.model import GenerativeModel
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec


class NADE(GenerativeModel):
    """Autoregressive model of binary images with one hidden layer of shared weights (Larochelle & Murray 2011).

    Images have the values -1 and 1 (v = 0 and 1); anything above 0 counts as 1. `hidden_units` is H.
    All is computed in float32, whatever the precision of training.
    """

    smallest: ClassVar[dict[str, Any]] = {"hidden_units": 5}

    def __init__(self, *, sample_shape: tuple[int, ...], hidden_units: int = 500) -> None:
        if len(sample_shape) != 3:
            raise UserError(f"NADE models images (height, width, channels), not samples of {sample_shape}")
        super().__init__()
        if hidden_units < 1:
            raise UserError(f"model.hidden_units={hidden_units}: use a positive number")
        self.sample_shape = sample_shape
        self.hidden_units = hidden_units
        self.dimensions = math.prod(sample_shape)

        glorot = keras.initializers.GlorotUniform
        self.W = self.add_weight((hidden_units, self.dimensions), initializer=glorot(), name="W", autocast=False)
        self.V = self.add_weight((self.dimensions, hidden_units), initializer=glorot(), name="V", autocast=False)
        self.b = self.add_weight((self.dimensions,), initializer="zeros", name="b", autocast=False)
        self.c = self.add_weight((hidden_units,), initializer="zeros", name="c", autocast=False)

        self.generator = Sampler(self)
        self.generator_spec = GeneratorSpec(
            inputs=(TensorSpec("u", sample_shape, role="uniform", low=0.0, high=1.0),),
            outputs=(TensorSpec("image", sample_shape, role="sample", low=-1.0, high=1.0),),
        )

    @property
    def parts(self) -> dict[str, list[keras.Variable]]:
        """One part: maximum likelihood has one player."""
        return {"nade": [self.W, self.V, self.b, self.c]}

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of maximum likelihood."""
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.log_prob(data["image"]))
        self.update("nade", (tape, loss))
        return {"loss": loss, "bits_per_dimension": loss / (self.dimensions * math.log(2))}

    def log_prob(self, image: tf.Tensor) -> tf.Tensor:
        """Return log p(image) in nats, (batch,): all the conditionals at once."""
        v = tf.reshape(tf.cast(image > 0, tf.float32), (-1, self.dimensions))
        contributions = v[:, :, None] * tf.transpose(self.W)  # (batch, D, H)
        a = self.c + tf.cumsum(contributions, axis=1, exclusive=True)
        logits = self.b + tf.reduce_sum(self.V * tf.sigmoid(a), axis=-1)
        return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(v, logits), axis=-1)


class Sampler(keras.Model):
    """Ancestral sampling: {"u": (batch, *shape) in [0, 1)} to {"image": (batch, *shape), -1 or 1}.

    A loop over pixels that converts to ONNX; it shares the weights of its model.
    """

    def __init__(self, nade: NADE) -> None:
        super().__init__(name="generator")
        self.W, self.V, self.b, self.c = nade.W, nade.V, nade.b, nade.c
        self.sample_shape = nade.sample_shape
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Walk the recurrence of the module's docstring, one pixel a turn."""
        dimensions = math.prod(self.sample_shape)
        u = tf.transpose(tf.reshape(inputs["u"], (-1, dimensions)))  # (D, batch)
        W = tf.transpose(self.W)
        a = tf.zeros_like(u[0])[:, None] + self.c
        pixels = tf.TensorArray(tf.float32, size=dimensions, element_shape=(None,))

        def one_pixel(i: tf.Tensor, a: tf.Tensor, pixels: tf.TensorArray) -> tuple:
            logit = tf.gather(self.b, i) + tf.linalg.matvec(tf.sigmoid(a), tf.gather(self.V, i))
            v = tf.cast(tf.gather(u, i) < tf.sigmoid(logit), tf.float32)
            return i + 1, a + v[:, None] * tf.gather(W, i), pixels.write(i, v)

        _, _, pixels = tf.while_loop(lambda i, *_: i < dimensions, one_pixel, (0, a, pixels))
        v = tf.transpose(pixels.stack())
        return {"image": tf.reshape(2.0 * v - 1.0, (-1, *self.sample_shape))}
