"""Any objective with any penalty on any network: the grid on which papers are compared.

After Kurach, Lucic, Zhai, Michalski and Gelly, "A large-scale study on regularization and normalization in GANs"
(2019): a loss, a penalty on the discriminator and an architecture are choices of their own. A model's own file fixes
its paper's choices; here all are free. "clipping" is the one that is no term of the loss: the critic's weights are kept
within [-clip, clip], as in WGAN (Arjovsky, Chintala and Bottou 2017).
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel, check_updates
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import PENALTIES, check_penalty
from zoo.shared.errors import UserError, unknown


class GANGrid(AdversarialModel):
    """One cell of the grid (Kurach et al. 2019): `objective` x `penalty` x `network`.

    `objective` is a key of `objectives.OBJECTIVES`, `penalty` one of `penalties.PENALTIES` or "clipping" (to `clip`),
    `network` one of `networks.NETWORKS`; `penalty_weight` multiplies a penalty that is a term of the loss,
    `normalization` is the discriminator's ("batch", "layer", "spectral" or "none"). The discriminator is updated
    `n_critic` times a step, each on its own minibatch of the data. The noise has `latent_dim` numbers of the law
    `latent`, "normal" or "uniform" on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "n_critic": 2}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        objective: str = "non_saturating",
        penalty: str = "none",
        penalty_weight: float = 10.0,
        clip: float = 0.01,
        network: str = "dcgan",
        normalization: str = "none",
        n_critic: int = 1,
        latent_dim: int = 128,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        if objective not in OBJECTIVES:
            raise unknown("objective", objective, OBJECTIVES)
        if penalty not in (*PENALTIES, "clipping"):
            raise unknown("penalty", penalty, (*PENALTIES, "clipping"))
        check_penalty(penalty, penalty_weight, normalization)
        check_updates("n_critic", n_critic)
        if not clip > 0:
            raise UserError(f"model.clip={clip}: use a positive number")
        output_bias = OBJECTIVES[objective].boundary is not None
        networks = build(
            network, sample_shape, latent_dim, base_channels, normalization=normalization, output_bias=output_bias
        )
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES[objective])
        self.objective = objective
        self.penalty = penalty
        self.regularizer = PENALTIES.get(penalty)  # clipping is none
        self.penalty_weight = penalty_weight
        self.clip = clip
        self.network = network
        self.normalization = normalization
        self.n_critic = self.critic_updates = n_critic
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`n_critic` updates of the discriminator, then one of the generator."""
        for turn, x in enumerate(self.minibatches(data["image"], self.n_critic)):
            logs = self.discriminator_step(x, turn=turn)
            if self.penalty == "clipping":
                for weight in self.discriminator.trainable_variables:
                    weight.assign(tf.clip_by_value(weight, -self.clip, self.clip))
        return {**logs, **self.generator_step(x, turn=self.n_critic)}
