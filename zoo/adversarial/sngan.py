"""SNGAN: spectral normalisation, with the hinge loss.

Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial networks" (2018). Every kernel W
of the discriminator is divided by its largest singular value, so that no dense layer stretches its input, a k x k
convolution by k at the most, and the Lipschitz constant is bounded without a penalty; `zoo.layers.spectral` has the
power method. The hinge loss (Lim & Ye 2017) stops pushing where the discriminator is right by a margin of one:

    min_D  E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))),    min_G  -E D(G(z))
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel, check_updates
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES


class SNGAN(AdversarialModel):
    """A discriminator whose kernels all have spectral norm 1 (Miyato et al. 2018).

    A training step updates it `n_critic` times, each on a minibatch of its own. `network` is "dcgan", "resnet" or
    "mlp". The noise has `latent_dim` numbers of the law `latent`, "normal" or "uniform" on [-1, 1); `base_channels` is
    the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "n_critic": 2}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        n_critic: int = 1,
        network: str = "dcgan",
        latent_dim: int = 128,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        check_updates("n_critic", n_critic)
        networks = build(network, sample_shape, latent_dim, base_channels, normalization="spectral", output_bias=False)
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["hinge"])
        self.n_critic = self.critic_updates = n_critic
        self.network = network
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`n_critic` steps of the discriminator, then one of the generator."""
        for turn, x in enumerate(self.minibatches(data["image"], self.n_critic)):
            logs = self.discriminator_step(x, turn=turn)
        return {**logs, **self.generator_step(x, turn=self.n_critic)}
