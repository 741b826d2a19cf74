"""WGAN: Wasserstein GAN.

Arjovsky, Chintala and Bottou, "Wasserstein GAN" (2017). By the Kantorovich-Rubinstein duality the distance between the
data and the samples is

    W1 = max_f  E f(x) - E f(G(z))      over all functions f of Lipschitz constant 1

The critic f is trained towards this maximum, its weights clipped to [-c, c] so that its Lipschitz constant is bounded;
the generator descends the estimate. A training step is that of algorithm 1: after each of the critic's updates its
weights are clipped, so that the generator always meets a critic within the bounds; the critic is updated `n_critic`
times, each on its own minibatch, for one update of the generator. What the algorithm leaves open follows the authors'
program: all weights are clipped, those of batch normalisation too, and in the first 25 turns of the generator, and in
every 500th, the critic has `warmup_updates` instead: the generator waits for as many steps as that takes.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import check_positive, clip_weights
from zoo.adversarial.objectives import OBJECTIVES
from zoo.shared.errors import UserError


class WGAN(StandardGAN):
    """A critic with clipped weights, updated `n_critic` times a step (Arjovsky et al. 2017).

    The critic's weights stay within [-`clip`, `clip`]. It has `warmup_updates` updates for each of the generator's
    first 25 turns and every 500th.
    """

    options: ClassVar[dict[str, Any]] = {
        "n_critic": 5,  # updates of the critic in a step, each on its own part of the batch
        "clip": 0.01,  # bound of the critic's weights
        "warmup_updates": 100,  # of the critic, for each of the generator's first 25 turns and every 500th
    }
    smallest: ClassVar[dict[str, Any]] = {"n_critic": 2, "warmup_updates": 4}
    game = OBJECTIVES["wasserstein"]

    def check(self) -> None:
        """Refuse options that cannot be; count the generator's turns, and the critic's updates since the last."""
        check_positive(clip=self.clip)
        if self.warmup_updates < self.n_critic:
            raise UserError(
                f"model.warmup_updates={self.warmup_updates}: use n_critic={self.n_critic} for none, or more"
            )
        self.turns = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="turns")
        self.waited = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="waited")

    def discriminator_step(self, data: Batch, turn: int = 0) -> dict[str, tf.Tensor]:
        """Update the critic, then clip its weights."""
        logs = super().discriminator_step(data, turn)
        clip_weights(self.discriminator, self.clip)
        return logs

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """`n_critic` updates of the critic, then one of the generator, unless the critic is still warming up."""
        part, logs = self.critic_steps(data)
        waited = self.waited + self.n_critic
        is_warming_up = (self.turns < 25) | (self.turns % 500 == 0)
        is_turn = waited >= tf.where(is_warming_up, tf.cast(self.warmup_updates, tf.int64), 0)
        logs |= self._generator_step_if(is_turn, part)
        self.turns.assign_add(tf.cast(is_turn, tf.int64))
        self.waited.assign(tf.where(is_turn, tf.zeros_like(waited), waited))
        return logs

    def _generator_step_if(self, is_turn: tf.Tensor, data: Batch) -> dict[str, tf.Tensor]:
        """Take the generator's step, and take it back unless it is its turn: optimisers cannot run in a branch.

        The optimiser's count of steps stays, and so does what every pass through the critic in training moves: the
        statistics of its normalisation. (RMSprop does not look at the count; Adam's bias correction does.)
        """
        weights = [weight.value for weight in self.generator.variables]
        slots = [slot.value for slot in self.optimizers["generator"].variables[1:]]
        before = [tf.identity(variable) for variable in weights + slots]
        logs = self.generator_step(data)
        for variable, old in zip(weights + slots, before, strict=True):
            variable.assign(tf.where(is_turn, variable, old))
        return logs
