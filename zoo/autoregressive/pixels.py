"""What an autoregressive network says of a pixel: distributions over its values, and draws from them by given noise.

Each takes a network's parameters (..., parameters) of a pixel (..., channels) in [-1, 1]. `groups` is the number of
parts, in order, that the channels of a pixel are made in: a network sees those before a part. All are pure functions of
batches, which convert to ONNX.
"""

from typing import Protocol

import numpy as np
import tensorflow as tf

from zoo.latent.likelihoods import LEVELS, discretized_logistic, smallest_log_scale
from zoo.shared.errors import unknown
from zoo.spec import TensorSpec


class PixelDistribution(Protocol):
    """A distribution over the values of one pixel."""

    levels: int
    groups: int
    parameters: int

    def noise(self, height: int, width: int) -> tuple[TensorSpec, ...]:
        """Return the noise that decides a picture."""

    def nearest(self, image: tf.Tensor) -> tf.Tensor:
        """Return the values of the distribution that those of an image count as."""

    def log_prob(self, parameters: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """Return log-probabilities in nats, (..., channels) or (..., 1); their sum is that of the picture."""

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return pixels (batch, channels) for the noise of each, (batch, channels)."""


class Bernoulli:
    """Each channel is -1 or 1, with one logit for 1. Values above 0 count as 1."""

    levels = 2

    def __init__(self, channels: int) -> None:
        self.channels = self.groups = self.parameters = channels

    def noise(self, height: int, width: int) -> tuple[TensorSpec, ...]:
        """Return u: a channel is 1 where u lies below its probability."""
        return (TensorSpec("u", (height, width, self.channels), "uniform", low=0.0, high=1.0),)

    def nearest(self, image: tf.Tensor) -> tf.Tensor:
        """Return -1 and 1."""
        return 2.0 * tf.cast(image > 0, tf.float32) - 1.0

    def log_prob(self, parameters: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """Return the log-probability of each channel in nats, of the shape of `image`."""
        white = tf.cast(image > 0, parameters.dtype)
        return white * parameters - tf.nn.softplus(parameters)

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return pixels (batch, channels)."""
        return 2.0 * tf.cast(noise["u"] < tf.sigmoid(parameters), tf.float32) - 1.0


class Softmax:
    """Each channel has 256 values, or so many `levels`, with a logit for each (van den Oord et al. 2016a)."""

    def __init__(self, channels: int, levels: int = LEVELS) -> None:
        self.channels = self.groups = channels
        self.levels, self.parameters = levels, channels * levels

    def noise(self, height: int, width: int) -> tuple[TensorSpec, ...]:
        """Return u: a channel has the value at which the sum of probabilities passes it."""
        return (TensorSpec("u", (height, width, self.channels), "uniform", low=0.0, high=1.0),)

    def nearest(self, image: tf.Tensor) -> tf.Tensor:
        """Return the values of the nearest levels."""
        return value_of(level_of(image, self.levels), self.levels)

    def log_prob(self, parameters: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """Return the log-probability of each channel in nats, of the shape of `image`."""
        logits = tf.reshape(parameters, (-1, *image.shape[1:], self.levels))
        level = tf.cast(level_of(image, self.levels), tf.int32)
        return tf.gather(logits, level, batch_dims=image.shape.rank) - tf.reduce_logsumexp(logits, axis=-1)

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return pixels (batch, channels)."""
        probabilities = tf.nn.softmax(tf.reshape(parameters, (-1, self.channels, self.levels)))
        return value_of(tf.cast(index_at(probabilities, noise["u"]), tf.float32), self.levels)


class LogisticMixture:
    """A pixel is a mixture of `mixtures` discretised logistics (Salimans, Karpathy, Chen & Kingma 2017).

    One component is chosen for all channels. Within it the mean of green follows red, and that of blue red and green,
    by coefficients that are the network's too. So the network need not part the channels of a pixel.
    """

    groups = 1

    def __init__(self, channels: int, mixtures: int = 10, levels: int = LEVELS) -> None:
        self.channels, self.mixtures, self.levels = channels, mixtures, levels
        self.pairs = [(before, later) for later in range(channels) for before in range(later)]
        self.parameters = mixtures * (1 + 2 * channels + len(self.pairs))

    def noise(self, height: int, width: int) -> tuple[TensorSpec, ...]:
        """Return u_component, which chooses the component, and u, the share of its mass below each channel's value."""
        return (
            TensorSpec("u", (height, width, self.channels), "uniform", low=0.0, high=1.0),
            TensorSpec("u_component", (height, width, 1), "uniform", low=0.0, high=1.0),
        )

    def nearest(self, image: tf.Tensor) -> tf.Tensor:
        """Return the values of the nearest levels."""
        return value_of(level_of(image, self.levels), self.levels)

    def log_prob(self, parameters: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """Return the log-probability of each pixel in nats, (..., 1)."""
        logits, means, log_scales, coefficients = self._split(parameters)
        x = tf.expand_dims(image, -2)  # the same for every component
        each = discretized_logistic(self._shifted(means, coefficients, x), log_scales, x, self.levels)
        return tf.reduce_logsumexp(tf.nn.log_softmax(logits) + tf.reduce_sum(each, axis=-1), axis=-1, keepdims=True)

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return pixels (batch, channels), each channel on the grid of values before the next one follows it."""
        logits, *rest = self._split(parameters)
        chosen = index_at(tf.expand_dims(tf.nn.softmax(logits), 1), noise["u_component"])  # (batch, 1)
        is_chosen = tf.expand_dims(tf.cast(chosen == tf.range(self.mixtures), tf.float32), -1)
        means, log_scales, coefficients = (tf.reduce_sum(part * is_chosen, axis=1, keepdims=True) for part in rest)
        u = tf.clip_by_value(noise["u"], 2.0**-24, 1.0 - 2.0**-24)
        spread = tf.squeeze(tf.exp(log_scales), 1) * (tf.math.log(u) - tf.math.log(1.0 - u))
        drawn = tf.zeros_like(u)
        for channel in range(self.channels):
            mean = tf.squeeze(self._shifted(means, coefficients, tf.expand_dims(drawn, 1)), 1)
            nearest = value_of(level_of(mean + spread, self.levels), self.levels)
            drawn = tf.where(tf.range(self.channels) == channel, nearest, drawn)
        return drawn

    def _split(self, parameters: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return logits (..., K), means and log-scales (..., K, channels), and coefficients (..., K, pairs)."""
        sizes = (self.channels, self.channels, len(self.pairs))
        logits, rest = tf.split(parameters, (self.mixtures, self.mixtures * sum(sizes)), axis=-1)
        rest = tf.reshape(rest, (-1, *parameters.shape[1:-1], self.mixtures, sum(sizes)))
        means, log_scales, coefficients = tf.split(rest, sizes, axis=-1)
        return logits, means, tf.maximum(log_scales, smallest_log_scale(self.levels)), tf.tanh(coefficients)

    def _shifted(self, means: tf.Tensor, coefficients: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Return the means, each shifted by the channels of x before it."""
        if not self.pairs:
            return means
        before, later = (np.eye(self.channels, dtype=np.float32)[list(part)] for part in zip(*self.pairs, strict=True))
        return means + tf.matmul(coefficients * tf.matmul(x, before, transpose_b=True), later)


DISTRIBUTIONS = {"bernoulli": Bernoulli, "softmax": Softmax, "logistic_mixture": LogisticMixture}


def distribution(name: str, channels: int, mixtures: int) -> PixelDistribution:
    """Return the distribution called `name`; a name that there is not is a `UserError`."""
    if name not in DISTRIBUTIONS:
        raise unknown("likelihood", name, DISTRIBUTIONS)
    return LogisticMixture(channels, mixtures) if name == "logistic_mixture" else DISTRIBUTIONS[name](channels)


def level_of(x: tf.Tensor, levels: int = LEVELS) -> tf.Tensor:
    """Return the nearest of the levels of values in [-1, 1], float32; what lies outside has the outermost."""
    return tf.clip_by_value(tf.round((x + 1.0) * ((levels - 1) / 2)), 0.0, levels - 1.0)


def value_of(level: tf.Tensor, levels: int = LEVELS) -> tf.Tensor:
    """Return the value in [-1, 1] of a level."""
    return level * (2.0 / (levels - 1)) - 1.0


def index_at(probabilities: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Return the index, int32 (...), at which the sum of probabilities (..., count) passes u (...) in [0, 1)."""
    sums = tf.cumsum(probabilities, axis=-1)
    # the last sum may round to less than 1, and a u above it would choose the last value, however improbable
    threshold = tf.expand_dims(u, -1) * tf.reduce_max(sums, axis=-1, keepdims=True)
    passed = tf.reduce_sum(tf.cast(sums <= threshold, tf.int32), axis=-1)
    return tf.minimum(passed, probabilities.shape[-1] - 1)  # where u is 1
