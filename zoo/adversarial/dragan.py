"""DRAGAN: deep regret analytic generative adversarial networks.

Kodali, Abernethy, Hays and Kira, "On convergence and stability of GANs" (2017). The game is that of Goodfellow et al.
(2014), with the discriminator's gradient norm drawn to 1 near the data only, where sharp gradients let the game end in
a bad local equilibrium:

    lambda E (||grad D(x + alpha delta)|| - 1)^2,    alpha delta a small random step from the data
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.penalties import check_penalty, dragan


class DRAGAN(StandardGAN):
    """Cross-entropy with a gradient penalty around the data, `penalty_weight` being lambda (Kodali et al. 2017)."""

    options: ClassVar[dict[str, Any]] = {
        "penalty_weight": 10.0,  # lambda of the gradient penalty around the data
        "normalization": "none",
    }
    regularizer = staticmethod(dragan)

    def check(self) -> None:
        """Refuse a critic that mixes the samples of a batch."""
        check_penalty("dragan", self.penalty_weight, self.normalization)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the discriminator with its penalty, then one of the generator."""
        return {**self.discriminator_step(data), **self.generator_step(data)}
