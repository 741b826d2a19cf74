"""Any objective with any penalty on any network: the grid on which papers are compared.

After Kurach, Lucic, Zhai, Michalski and Gelly, "A large-scale study on regularization and normalization in GANs"
(2019): a loss, a penalty on the discriminator and an architecture are choices of their own. A model's own file fixes
its paper's choices; here all are free. "clipping" is the one that is no term of the loss: the critic's weights are kept
within [-clip, clip], as in WGAN (Arjovsky, Chintala and Bottou 2017).
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import check_positive, clip_weights
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import PENALTIES, check_penalty
from zoo.shared.errors import unknown


class GANGrid(StandardGAN):
    """One cell of the grid (Kurach et al. 2019): `objective` x `penalty` x `network`.

    `objective` is a key of `objectives.OBJECTIVES`, `penalty` one of `penalties.PENALTIES` or "clipping" (to `clip`),
    `network` one of `networks.NETWORKS`; `penalty_weight` multiplies a penalty that is a term of the loss. The
    discriminator is updated `n_critic` times a step, each on its own minibatch of the data.
    """

    options: ClassVar[dict[str, Any]] = {
        "objective": "non_saturating",  # minimax, non_saturating, least_squares, wasserstein, hinge or relativistic
        "penalty": "none",  # none, gradient, one_sided_gradient, dragan, r1, r1_r2 or clipping
        "penalty_weight": 10.0,  # of a penalty that is a term of the loss
        "clip": 0.01,  # bound of the critic's weights where the penalty is clipping
        "normalization": "none",
        "n_critic": 1,  # updates of the discriminator in a step, each on its own part of the batch
        "latent_dim": 128,
    }
    smallest: ClassVar[dict[str, Any]] = {"n_critic": 2}

    def check(self) -> None:
        """Refuse a cell that the grid has not, and choose its objective and penalty."""
        for what, value, known in (
            ("objective", self.objective, OBJECTIVES),
            ("penalty", self.penalty, (*PENALTIES, "clipping")),
        ):
            if value not in known:
                raise unknown(what, value, known)
        check_penalty(self.penalty, self.penalty_weight, self.normalization)
        check_positive(clip=self.clip)
        self.game = OBJECTIVES[self.objective]
        self.regularizer = PENALTIES.get(self.penalty)  # clipping is none

    def discriminator_step(self, data: Batch, turn: int = 0) -> dict[str, tf.Tensor]:
        """Update the discriminator, then clip its weights where that is the penalty."""
        logs = super().discriminator_step(data, turn)
        if self.penalty == "clipping":
            clip_weights(self.discriminator, self.clip)
        return logs

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """`n_critic` updates of the discriminator, then one of the generator."""
        part, logs = self.critic_steps(data)
        return {**logs, **self.generator_step(part)}
