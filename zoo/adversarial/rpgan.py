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

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import check_penalty, r1_r2


class RpGAN(StandardGAN):
    """Relativistic pairs with R1 and R2, `penalty_weight` being gamma (Huang et al. 2024)."""

    options: ClassVar[dict[str, Any]] = {
        "penalty_weight": 1.0,  # gamma of R1 and R2
        "network": "resnet",
        "normalization": "none",
        "latent_dim": 64,
    }
    game = OBJECTIVES["relativistic"]
    regularizer = staticmethod(r1_r2)

    def check(self) -> None:
        """Refuse a critic that mixes the samples of a batch."""
        check_penalty("r1_r2", self.penalty_weight, self.normalization)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the discriminator with its penalties, then one of the generator."""
        return {**self.discriminator_step(data), **self.generator_step(data)}
