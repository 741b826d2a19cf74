"""LSGAN: least squares generative adversarial networks.

Mao, Li, Xie, Lau, Wang and Smolley, "Least squares generative adversarial networks" (2016). The discriminator
regresses real samples to b and generated ones to a; the generator aims at c:

    min_D  1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2,    min_G  1/2 E (D(G(z)) - c)^2

A sample on the right side of the boundary but far from the data still has a gradient. With b - c = 1 and b - a = 2 the
generator minimises a Pearson chi-square divergence; a = 0, b = c = 1 is the other choice of the paper.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import Networks
from zoo.adversarial.objectives import least_squares


class LSGAN(StandardGAN):
    """Least squares instead of cross-entropy, on DCGAN's networks (Mao et al. 2016).

    `a` and `b` are the discriminator's targets for generated and real samples, `c` is the generator's. Every
    convolution has a square kernel of side `kernel_size`.
    """

    options: ClassVar[dict[str, Any]] = {
        "a": 0.0,  # the discriminator's target for generated samples
        "b": 1.0,  # the discriminator's target for real samples
        "c": 1.0,  # the generator's target for its samples
        "latent": "uniform",
        "base_channels": 128,
        "kernel_size": 5,  # side of every convolution's kernel
    }
    fixed: ClassVar[dict[str, Any]] = {"network": "dcgan", "normalization": "batch"}
    smallest: ClassVar[dict[str, Any]] = {"kernel_size": 3}

    def check(self) -> None:
        """Set the game's targets."""
        self.game = least_squares(self.a, self.b, self.c)

    def networks(self) -> Networks:
        """Return the networks of DCGAN."""
        return self.standard_networks(kernel_size=self.kernel_size)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step down the discriminator's loss, then one down the generator's."""
        return {**self.discriminator_step(data), **self.generator_step(data)}
