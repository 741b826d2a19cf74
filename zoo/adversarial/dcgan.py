"""DCGAN: deep convolutional generative adversarial networks.

Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
networks" (2015). The generator turns noise into a small map of many channels and doubles its side with strided
transposed convolutions, halving the channels; the discriminator is its mirror image. No pooling, no hidden dense
layers; batch normalisation everywhere but at the generator's output and the discriminator's input; ReLU in the
generator with tanh at its end, leaky ReLU (0.2) in the discriminator; all weights start from N(0, 0.02).

The paper's network makes 64 x 64 pictures from a 4 x 4 map; `zoo.adversarial.networks.dcgan` makes any side of the
form m * 2^k with m from 4 to 7 and k at least 1 (8, 12, 16, 28, 32, 64, 128, ...).
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES


class DCGAN(AdversarialModel):
    """Generator against discriminator, both convolutional (Radford et al. 2015).

    The noise has `latent_dim` numbers of the law `latent`: "uniform" on [-1, 1) as in the paper, or "normal".
    `base_channels` are those of the layer next to the image (paper: 128), doubling towards the smallest map; every
    convolution has a square kernel of side `kernel_size` (paper: 5).
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "kernel_size": 3}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, int, int],
        latent_dim: int = 100,
        latent: str = "uniform",
        base_channels: int = 128,
        kernel_size: int = 5,
    ) -> None:
        networks = build("dcgan", sample_shape, latent_dim, base_channels, kernel_size=kernel_size)
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["non_saturating"])
        self.base_channels = base_channels
        self.kernel_size = kernel_size

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of Algorithm 1 of Goodfellow et al. (2014) with k = 1: the discriminator, then the generator."""
        x = data["image"]
        return {**self.discriminator_step(x), **self.generator_step(x, turn=1)}
