"""Adversarial objectives: pure functions of the discriminator's outputs, means over the batch, to be minimised.

`OBJECTIVES[name].discriminator(real_logits, fake_logits)` and `.generator(fake_logits, real_logits)` take float
tensors of shape (batch, 1) and return a scalar. "Logits" are the raw outputs: D = sigmoid(logits) where an objective
speaks of probabilities, the critic f itself where it does not.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Objective(NamedTuple):
    """The losses of the two players, and how to read the discriminator's output.

    Above `boundary` it says "real"; a critic without one only ranks samples. With `is_probability`, sigmoid(output) is
    the probability of "real"; with `is_relativistic`, the generator's loss depends on the real outputs too; with
    `is_distance`, the difference of the mean outputs estimates W1.
    """

    discriminator: Loss
    generator: Loss
    boundary: float | None = 0.0
    is_probability: bool = False
    is_relativistic: bool = False
    is_distance: bool = False


def binary_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Return -E log D(x) - E log(1 - D(G(z))): the discriminator of Goodfellow et al. (2014)."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def minimax_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """Return E log(1 - D(G(z))): their game as it stands, which saturates where D is sure of itself."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


def non_saturating_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """Return -E log D(G(z)): the strong early gradient of Goodfellow et al. (2014)."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0, fake_weight: float = 1.0) -> Objective:
    """Return the objective of LSGAN (Mao et al. 2016): a, b label fake and real for D, c is what G aims at.

    `fake_weight` multiplies D's loss on fakes.
    """

    def discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        fake_loss = 0.5 * fake_weight * tf.reduce_mean((fake_logits - a) ** 2)
        return 0.5 * tf.reduce_mean((real_logits - b) ** 2) + fake_loss

    def generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.reduce_mean((fake_logits - c) ** 2)

    return Objective(discriminator, generator, boundary=(a + b) / 2)


def wasserstein_critic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Return E f(G(z)) - E f(x): minus the estimate of W1 (Arjovsky et al. 2017)."""
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def critic_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """Return -E f(G(z)): the generator of WGAN and of the hinge loss."""
    return -tf.reduce_mean(fake_logits)


def wasserstein(drift: float = 0.0) -> Objective:
    """Return the objective of WGAN; `drift` E f(x)^2 keeps the critic's outputs near 0 (Karras et al. 2018)."""

    def critic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return wasserstein_critic(real_logits, fake_logits) + drift * tf.reduce_mean(real_logits**2)

    return Objective(critic if drift else wasserstein_critic, critic_generator, boundary=None, is_distance=True)


def hinge_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Return E max(0, 1 - f(x)) + E max(0, 1 + f(G(z))) (Lim & Ye 2017; Miyato et al. 2018)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def relativistic_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Return E softplus(f(G(z)) - f(x)) over pairs (RpGAN: Jolicoeur-Martineau 2018; Huang et al. 2024)."""
    return tf.reduce_mean(tf.nn.softplus(fake_logits - real_logits))


def relativistic_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """Return E softplus(f(x) - f(G(z))): the discriminator's loss with the roles exchanged."""
    return tf.reduce_mean(tf.nn.softplus(real_logits - fake_logits))


OBJECTIVES = {
    "minimax": Objective(binary_discriminator, minimax_generator, is_probability=True),
    "non_saturating": Objective(binary_discriminator, non_saturating_generator, is_probability=True),
    "least_squares": least_squares(),
    "wasserstein": wasserstein(),
    "hinge": Objective(hinge_discriminator, critic_generator),
    "relativistic": Objective(relativistic_discriminator, relativistic_generator, boundary=None, is_relativistic=True),
}
