"""SNGAN: spectral normalisation, with the hinge loss.

Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial networks" (2018). Every kernel W
of the discriminator is divided by its largest singular value, so that no dense layer stretches its input, a k x k
convolution by k at the most, and the Lipschitz constant is bounded without a penalty; `zoo.layers.spectral` has the
power method. The hinge loss (Lim & Ye 2017) stops pushing where the discriminator is right by a margin of one:

    min_D  E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))),    min_G  -E D(G(z))
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.objectives import OBJECTIVES


class SNGAN(StandardGAN):
    """A discriminator whose kernels all have spectral norm 1, updated `n_critic` times a step (Miyato et al. 2018)."""

    options: ClassVar[dict[str, Any]] = {
        "n_critic": 1,  # updates of the discriminator in a step, each on its own part of the batch
        "latent_dim": 128,
    }
    fixed: ClassVar[dict[str, Any]] = {"normalization": "spectral"}
    smallest: ClassVar[dict[str, Any]] = {"n_critic": 2}
    game = OBJECTIVES["hinge"]
    output_bias = False  # the hinge does not see a shift of all outputs within its margins

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """`n_critic` steps of the discriminator, then one of the generator."""
        part, logs = self.critic_steps(data)
        return {**logs, **self.generator_step(part)}
