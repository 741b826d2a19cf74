"""DRAGAN: deep regret analytic generative adversarial networks.

Kodali, Abernethy, Hays and Kira, "On convergence and stability of GANs" (2017). The game is that of Goodfellow et al.
(2014), with the discriminator's gradient norm drawn to 1 near the data only, where sharp gradients let the game end in
a bad local equilibrium:

    lambda E (||grad D(x + alpha delta)|| - 1)^2,    alpha delta a small random step from the data
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import check_penalty, dragan


class DRAGAN(AdversarialModel):
    """Cross-entropy with a gradient penalty around the data (Kodali et al. 2017).

    `penalty_weight` is lambda. `network` is "dcgan", "resnet" or "mlp", `normalization` the discriminator's: "none",
    "layer" or "spectral". The noise has `latent_dim` numbers of the law `latent`, "normal" or "uniform" on [-1, 1);
    `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        penalty_weight: float = 10.0,
        network: str = "dcgan",
        normalization: str = "none",
        latent_dim: int = 100,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        check_penalty("dragan", penalty_weight, normalization)
        networks = build(network, sample_shape, latent_dim, base_channels, normalization=normalization)
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["non_saturating"])
        self.regularizer = dragan
        self.penalty_weight = penalty_weight
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator with its penalty, then one of the generator."""
        x = data["image"]
        return {**self.discriminator_step(x), **self.generator_step(x)}
