"""RpGAN + R1 + R2: relativistic pairing with two zero-centred gradient penalties.

Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A modern baseline GAN" (2024), whose model
is called R3GAN. The discriminator compares a generated sample with a real one (Jolicoeur-Martineau 2018), which leaves
no basin for a generator that drops modes; two penalties keep the game from running away (Mescheder et al. 2018):

    L = E softplus(D(G(z)) - D(x)),   minimised by D, and with the roles exchanged by G
    R1 = gamma/2 E ||grad D(x)||^2,   R2 = gamma/2 E ||grad D(G(z))||^2

This file is the paper's objective. Its network (ResNeXt blocks without normalisation) is not rebuilt here: grouped
convolutions do not convert to ONNX; the residual network of `zoo.adversarial.networks` stands in for it.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import check_penalty, r1_r2


class RpGAN(AdversarialModel):
    """Relativistic pairs with R1 and R2 (Huang et al. 2024).

    `penalty_weight` is gamma. `network` is "resnet", "dcgan" or "mlp", `normalization` the discriminator's: "none"
    (as in the paper), "layer" or "spectral". The noise has `latent_dim` numbers of the law `latent`, "normal" or
    "uniform" on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        penalty_weight: float = 1.0,
        network: str = "resnet",
        normalization: str = "none",
        latent_dim: int = 64,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        check_penalty("r1_r2", penalty_weight, normalization)
        networks = build(
            network, sample_shape, latent_dim, base_channels, normalization=normalization, output_bias=False
        )
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["relativistic"])
        self.regularizer = r1_r2
        self.penalty_weight = penalty_weight
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator with its penalties, then one of the generator."""
        x = data["image"]
        return {**self.discriminator_step(x), **self.generator_step(x)}
