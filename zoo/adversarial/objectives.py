"""Adversarial objectives: pure functions of the discriminator's logits, each the mean over the batch (to be minimised).

`OBJECTIVES[name].discriminator(real_logits, fake_logits)` and `.generator(fake_logits, real_logits)` take float
tensors of shape (batch, 1) and return a scalar.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Objective(NamedTuple):
    """What the two players minimise."""

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def binary_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Return -E log D(x) - E log(1 - D(G(z))), D = sigmoid(logits): eq. 1 of Goodfellow et al. (2014)."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def non_saturating_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """Return -E log D(G(z)): the strong early gradient of Goodfellow et al. (2014), section 3."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


OBJECTIVES = {
    "non_saturating": Objective(binary_discriminator, non_saturating_generator),
}
