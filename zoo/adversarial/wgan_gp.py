"""WGAN-GP: Wasserstein GAN with gradient penalty.

Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, "Improved training of Wasserstein GANs" (2017). The critic f
estimates the Wasserstein-1 distance; instead of clipping its weights, its gradient norm is drawn to 1 between real and
generated samples:

    L = E f(G(z)) - E f(x) + lambda E (||grad f(x_hat)|| - 1)^2
    x_hat = eps x + (1 - eps) G(z),    eps ~ U[0, 1] for each sample

Algorithm 1 updates the critic n_critic times, each on a minibatch of its own, then the generator once. No batch
normalisation in the critic: the penalty is per sample.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel, check_updates
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import PENALTIES, check_penalty


class WGANGP(AdversarialModel):
    """A critic of slope 1 (Gulrajani et al. 2017); a training step reads `n_critic` minibatches of the data.

    `penalty_weight` is lambda; `one_sided` punishes only slopes above 1. `network` is "dcgan", "resnet" or "mlp",
    `normalization` the critic's: "none", "layer" or "spectral". The noise has `latent_dim` numbers of the law `latent`,
    "normal" or "uniform" on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "n_critic": 2}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        n_critic: int = 5,
        penalty_weight: float = 10.0,
        one_sided: bool = False,
        network: str = "dcgan",
        normalization: str = "none",
        latent_dim: int = 128,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        name = "one_sided_gradient" if one_sided else "gradient"
        check_penalty(name, penalty_weight, normalization)
        check_updates("n_critic", n_critic)
        networks = build(
            network, sample_shape, latent_dim, base_channels, normalization=normalization, output_bias=False
        )
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["wasserstein"])
        self.regularizer = PENALTIES[name]
        self.n_critic = self.critic_updates = n_critic
        self.penalty_weight = penalty_weight
        self.one_sided = one_sided
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One turn of Algorithm 1: `n_critic` critic updates, one of the generator; the batch is split among them."""
        for turn, x in enumerate(self.minibatches(data["image"], self.n_critic)):
            logs = self.discriminator_step(x, turn=turn)
        return {**logs, **self.generator_step(x, turn=self.n_critic)}
