"""WGAN-GP: Wasserstein GAN with gradient penalty.

Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, "Improved training of Wasserstein GANs" (2017). The critic f
estimates the Wasserstein-1 distance; instead of clipping its weights, its gradient norm is drawn to 1 between real and
generated samples:

    L = E f(G(z)) - E f(x) + lambda E (||grad f(x_hat)|| - 1)^2      (eq. 3)
    x_hat = eps x + (1 - eps) G(z),    eps ~ U[0, 1] for each sample

Algorithm 1 updates the critic n_critic times, each on a minibatch of its own, then the generator once. No batch
normalisation in the critic: the penalty is per sample.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial import penalties
from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.errors import UserError


class WGANGP(AdversarialModel):
    """A critic of slope 1 (Gulrajani et al. 2017); a training step reads `n_critic` minibatches of the data.

    `penalty_weight` is lambda; `one_sided` punishes only slopes above 1. `network` is "dcgan" or "resnet",
    `normalization` the critic's: "none" or "layer". The noise has `latent_dim` numbers of the law `latent`, "normal" or
    "uniform" on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "n_critic": 2}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, int, int],
        n_critic: int = 5,
        penalty_weight: float = 10.0,
        one_sided: bool = False,
        network: str = "dcgan",
        normalization: str = "none",
        latent_dim: int = 128,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        if normalization not in ("none", "layer"):
            raise UserError(
                f"model.normalization={normalization!r}: use 'none' or 'layer'; a gradient penalty is per sample, "
                "and batch normalisation would mix them"
            )
        if not 1 <= n_critic <= 15:
            raise UserError(f"model.n_critic={n_critic}: use a number from 1 to 15")
        networks = build(
            network, sample_shape, latent_dim, base_channels, normalization=normalization, output_bias=False
        )
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["wasserstein"])
        self.penalty = penalties.one_sided_gradient if one_sided else penalties.gradient
        self.n_critic = n_critic
        self.penalty_weight = penalty_weight
        self.one_sided = one_sided
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One turn of Algorithm 1: `n_critic` critic updates, one of the generator; the batch is split among them."""
        minibatches = self.minibatches(data["image"], self.n_critic)
        for turn, x in enumerate(minibatches):
            logs = self.discriminator_step(x, turn)
        estimate = {"wasserstein_estimate": -logs["discriminator_loss"]}
        return {**logs, **estimate, **self.generator_step(x, turn=self.n_critic)}
