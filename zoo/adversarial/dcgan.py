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

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import Networks


class DCGAN(StandardGAN):
    """Generator against discriminator, both convolutional (Radford et al. 2015).

    Every convolution has a square kernel of side `kernel_size` (paper: 5). `base_channels` double towards the smallest
    map (paper: 128).
    """

    options: ClassVar[dict[str, Any]] = {
        "latent": "uniform",
        "base_channels": 128,
        "kernel_size": 5,  # side of every convolution's kernel
    }
    fixed: ClassVar[dict[str, Any]] = {"network": "dcgan", "normalization": "batch"}
    smallest: ClassVar[dict[str, Any]] = {"kernel_size": 3}

    def networks(self) -> Networks:
        """Return the paper's networks."""
        return self.standard_networks(kernel_size=self.kernel_size)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of Algorithm 1 of Goodfellow et al. (2014) with k = 1: the discriminator, then the generator."""
        return {**self.discriminator_step(data), **self.generator_step(data)}
