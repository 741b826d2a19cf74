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

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import PENALTIES, check_penalty


class WGANGP(StandardGAN):
    """A critic of slope 1, updated `n_critic` times a step (Gulrajani et al. 2017).

    `penalty_weight` is lambda; `one_sided` punishes only slopes above 1.
    """

    options: ClassVar[dict[str, Any]] = {
        "n_critic": 5,  # updates of the critic in a step, each on its own part of the batch
        "penalty_weight": 10.0,  # lambda of the gradient penalty
        "one_sided": False,  # whether only slopes above 1 are punished
        "normalization": "none",
        "latent_dim": 128,
    }
    smallest: ClassVar[dict[str, Any]] = {"n_critic": 2}
    game = OBJECTIVES["wasserstein"]

    def check(self) -> None:
        """Refuse a critic that mixes the samples of a batch; choose the penalty."""
        name = "one_sided_gradient" if self.one_sided else "gradient"
        check_penalty(name, self.penalty_weight, self.normalization)
        self.regularizer = PENALTIES[name]

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One turn of Algorithm 1: `n_critic` critic updates, one of the generator; the batch is split among them."""
        part, logs = self.critic_steps(data)
        return {**logs, **self.generator_step(part)}
