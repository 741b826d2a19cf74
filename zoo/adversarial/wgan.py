"""WGAN: Wasserstein GAN.

Arjovsky, Chintala and Bottou, "Wasserstein GAN" (2017). By the Kantorovich-Rubinstein duality the distance between the
data and the samples is

    W1 = max_f  E f(x) - E f(G(z))      over all functions f of Lipschitz constant 1

The critic f is trained towards this maximum, its weights clipped to [-c, c] so that its Lipschitz constant is bounded;
the generator descends the estimate. A training step follows the authors' program: before every update the critic's
weights are clipped, all of them, those of batch normalisation too; the critic is updated `n_critic` times, each on its
own minibatch, for one update of the generator. In the first 25 turns of the generator, and in every 500th, the critic
has `warmup_updates` instead: the generator waits for as many steps as that takes.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel, check_updates
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.shared.errors import UserError


class WGAN(AdversarialModel):
    """A critic with clipped weights (Arjovsky et al. 2017); a training step reads `n_critic` minibatches of the data.

    The critic's weights stay within [-`clip`, `clip`]. It has `warmup_updates` updates for each of the generator's
    first 25 turns and every 500th. `network` is "dcgan", "mlp" or "resnet", `normalization` the critic's. The noise has
    `latent_dim` numbers of the law `latent`, "normal" or "uniform" on [-1, 1); `base_channels` is the width next to
    the image.
    """

    smallest: ClassVar[dict[str, Any]] = {
        "latent_dim": 4,
        "base_channels": 4,
        "n_critic": 2,
        "warmup_updates": 4,
    }

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        n_critic: int = 5,
        clip: float = 0.01,
        warmup_updates: int = 100,
        network: str = "dcgan",
        normalization: str = "batch",
        latent_dim: int = 100,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        check_updates("n_critic", n_critic)
        if not clip > 0:
            raise UserError(f"model.clip={clip}: use a positive number")
        if warmup_updates < n_critic:
            raise UserError(f"model.warmup_updates={warmup_updates}: use n_critic={n_critic} for none, or more")
        networks = build(
            network, sample_shape, latent_dim, base_channels, normalization=normalization, output_bias=False
        )
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["wasserstein"])
        self.n_critic = self.critic_updates = n_critic
        self.clip = clip
        self.warmup_updates = warmup_updates
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels
        # the generator's turns so far, and the critic's updates since the last
        self.turns = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="turns")
        self.waited = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="waited")

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`n_critic` updates of the critic, then one of the generator, unless the critic is still warming up."""
        for turn, x in enumerate(self.minibatches(data["image"], self.n_critic)):
            for weight in self.discriminator.trainable_variables:
                weight.assign(tf.clip_by_value(weight, -self.clip, self.clip))
            logs = self.discriminator_step(x, turn=turn)
        waited = self.waited + self.n_critic
        is_warming_up = (self.turns < 25) | (self.turns % 500 == 0)
        is_turn = waited >= tf.where(is_warming_up, tf.cast(self.warmup_updates, tf.int64), 0)
        logs |= self._generator_step_if(is_turn, x)
        self.turns.assign_add(tf.cast(is_turn, tf.int64))
        self.waited.assign(tf.where(is_turn, tf.zeros_like(waited), waited))
        return logs

    def _generator_step_if(self, is_turn: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Take the generator's step, and take it back unless it is its turn: optimisers cannot run in a branch.

        What stays is the optimiser's count of steps, and what every pass through the critic in training moves: the
        statistics of its normalisation. (RMSprop does not look at the count; Adam's bias correction does.)
        """
        weights = [weight.value for weight in self.generator.variables]
        slots = [slot.value for slot in self.optimizers["generator"].variables[1:]]
        before = [tf.identity(variable) for variable in weights + slots]
        logs = self.generator_step(x, turn=self.n_critic)
        for variable, old in zip(weights + slots, before, strict=True):
            variable.assign(tf.where(is_turn, variable, old))
        return logs
