"""What an autoregressive network says of a sample of sound: distributions over its levels, and draws by given noise.

A sample is told by its level, a whole number from 0 in float32. Each distribution takes a network's parameters
(..., parameters) of a level (...). All are pure functions of batches, which convert to ONNX.
"""

import math
from typing import Protocol

import numpy as np
import tensorflow as tf

from zoo.autoregressive.pixels import LogisticMixture, index_at, value_of
from zoo.shared.errors import unknown
from zoo.spec import TensorSpec

MU = 255  # of the mu-law, with 256 levels
LOUDEST = 32767 / 32768  # the largest of 16 bits


class SampleDistribution(Protocol):
    """A distribution over the levels of a sample.

    `inputs` is how many numbers a network sees of a level: as many as there are levels where it sees which one it is,
    or 1 where it sees a value. `silence` is the level of 0, `companding` and `high` those of the spec of the sound.
    """

    levels: int
    parameters: int
    inputs: int
    silence: int
    companding: str
    high: float

    def noise(self, samples: int) -> tuple[TensorSpec, ...]:
        """Return the noise that decides a sound."""

    def level_of(self, audio: tf.Tensor) -> tf.Tensor:
        """Return the levels that samples in [-1, 1] count as."""

    def audio_of(self, level: tf.Tensor) -> tf.Tensor:
        """Return the samples in [-1, 1] of levels."""

    def log_prob(self, parameters: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
        """Return the log-probability of each level in nats."""

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return levels (batch,) for the noise of each, (batch,)."""


class MuLaw:
    """One of 256 levels by the mu-law, with a logit for each (van den Oord et al. 2016, section 2.2).

    F(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu) is quantised evenly: no level is 0, and silence counts as the lowest
    level above it. (ITU-T G.711 has the law; it has another quantiser.)
    """

    levels = parameters = inputs = MU + 1
    silence = (MU + 1) // 2
    companding = "mu_law"
    high = 1.0

    def __init__(self) -> None:
        y = np.arange(self.levels) * (2 / MU) - 1
        self.values = (np.sign(y) * ((1 + MU) ** np.abs(y) - 1) / MU).astype(np.float32)

    def noise(self, samples: int) -> tuple[TensorSpec, ...]:
        """Return u: a sample has the level at which the sum of probabilities passes it."""
        return (TensorSpec("u", (samples,), "uniform", low=0.0, high=1.0),)

    def level_of(self, audio: tf.Tensor) -> tf.Tensor:
        """Return the nearest levels of F(x), counted from the middle: so no last bit decides at 16 bits."""
        m = tf.math.log(1.0 + MU * tf.abs(audio)) * (MU / 2 / math.log(1 + MU))
        n = tf.minimum(tf.floor(m), self.silence - 1.0)
        return tf.where(audio < 0, self.silence - 1.0 - n, self.silence + n)

    def audio_of(self, level: tf.Tensor) -> tf.Tensor:
        """Return the middles of levels, from a table: the same numbers in every runtime."""
        return tf.gather(self.values, tf.cast(level, tf.int32))

    def log_prob(self, parameters: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
        """Return the log-probability of each level in nats."""
        chosen = tf.gather(parameters, tf.cast(level, tf.int32), batch_dims=level.shape.rank)
        return chosen - tf.reduce_logsumexp(parameters, axis=-1)

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return levels (batch,)."""
        return tf.cast(index_at(tf.nn.softmax(parameters), noise["u"]), tf.float32)


class SampleMixture:
    """One of the 65,536 levels of 16 bits, by a mixture of discretised logistics.

    Salimans et al. (2017) have it for pixels, van den Oord et al., "Parallel WaveNet" (2018), for sound.
    """

    levels = 2**16
    inputs = 1
    silence = 2**15
    companding = ""
    high = LOUDEST

    def __init__(self, mixtures: int) -> None:
        self.mixture = LogisticMixture(1, mixtures, self.levels)
        self.parameters = self.mixture.parameters

    def noise(self, samples: int) -> tuple[TensorSpec, ...]:
        """Return u_component, which chooses the component, and u, the share of its mass below the value."""
        return tuple(TensorSpec(name, (samples,), "uniform", low=0.0, high=1.0) for name in ("u", "u_component"))

    def level_of(self, audio: tf.Tensor) -> tf.Tensor:
        """Return the nearest of 16 bits."""
        return tf.clip_by_value(tf.round((audio + 1.0) * self.silence), 0.0, self.levels - 1.0)

    def audio_of(self, level: tf.Tensor) -> tf.Tensor:
        """Return samples of 16 bits."""
        return level / self.silence - 1.0

    def log_prob(self, parameters: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
        """Return the log-probability of each level in nats."""
        value = tf.expand_dims(value_of(level, self.levels), -1)
        return tf.squeeze(self.mixture.log_prob(parameters, value), -1)

    def draw(self, parameters: tf.Tensor, noise: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return levels (batch,)."""
        value = self.mixture.draw(parameters, {name: tf.expand_dims(u, -1) for name, u in noise.items()})
        return tf.round((tf.squeeze(value, -1) + 1.0) * ((self.levels - 1) / 2))


DISTRIBUTIONS = ("mu_law", "logistic_mixture")


def sample_distribution(name: str, mixtures: int) -> SampleDistribution:
    """Return the distribution called `name`; a name that there is not is a `UserError`."""
    if name not in DISTRIBUTIONS:
        raise unknown("likelihood", name, DISTRIBUTIONS)
    return MuLaw() if name == "mu_law" else SampleMixture(mixtures)
