"""LSGAN: least squares generative adversarial networks.

Mao, Li, Xie, Lau, Wang and Smolley, "Least squares generative adversarial networks" (2016). The discriminator
regresses real samples to b and generated ones to a; the generator aims at c:

    min_D  1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2,    min_G  1/2 E (D(G(z)) - c)^2

A sample on the right side of the boundary but far from the data still has a gradient. With b - c = 1 and b - a = 2 the
generator minimises a Pearson chi-square divergence; a = 0, b = c = 1 is the other choice of the paper.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import least_squares


class LSGAN(AdversarialModel):
    """Least squares instead of cross-entropy, on DCGAN's networks (Mao et al. 2016).

    `a` and `b` are the discriminator's targets for generated and real samples, `c` is the generator's. The noise has
    `latent_dim` numbers of the law `latent`, "uniform" on [-1, 1) or "normal"; `base_channels` and `kernel_size` are
    the width next to the image and the side of the kernels.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "kernel_size": 3}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, int, int],
        a: float = 0.0,
        b: float = 1.0,
        c: float = 1.0,
        latent_dim: int = 100,
        latent: str = "uniform",
        base_channels: int = 128,
        kernel_size: int = 5,
    ) -> None:
        networks = build("dcgan", sample_shape, latent_dim, base_channels, kernel_size=kernel_size)
        super().__init__(sample_shape, latent_dim, latent, networks, least_squares(a, b, c))
        self.a, self.b, self.c = a, b, c
        self.base_channels = base_channels
        self.kernel_size = kernel_size

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step down the discriminator's loss, then one down the generator's."""
        x = data["image"]
        return {**self.discriminator_step(x), **self.generator_step(x, turn=1)}
