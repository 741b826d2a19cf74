"""What all adversarial models share: two players, and one step of each."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from zoo.adversarial.networks import Networks
from zoo.adversarial.objectives import Objective
from zoo.adversarial.penalties import Penalty, Uniform
from zoo.errors import UserError
from zoo.model import GenerativeModel
from zoo.spec import GeneratorSpec, TensorSpec


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator (or critic); a paper's model adds its own `train_step`.

    The noise has `latent_dim` numbers of the law `latent`: "uniform" on [-1, 1) or "normal".
    """

    # what a model adds to the discriminator's loss, and how much of it
    penalty: Penalty | None = None
    penalty_weight: float = 0.0

    def __init__(
        self, sample_shape: tuple[int, ...], latent_dim: int, latent: str, networks: Networks, objective: Objective
    ) -> None:
        super().__init__()
        if latent not in ("uniform", "normal"):
            raise UserError(f"model.latent={latent!r}: use 'uniform' or 'normal'")
        self.sample_shape = sample_shape
        self.latent_dim = latent_dim
        self.latent = latent
        self.generator, self.discriminator = networks
        self.objective = objective
        noise_range = {"low": -1.0, "high": 1.0} if latent == "uniform" else {}
        self.generator_spec = GeneratorSpec(
            inputs=(TensorSpec("z", (latent_dim,), role=latent, **noise_range),),
            outputs=(TensorSpec("image", sample_shape, role="sample", low=-1.0, high=1.0),),
        )

    @property
    def parts(self) -> dict[str, list[keras.Variable]]:
        """Discriminator, then generator."""
        return {
            "discriminator": self.discriminator.trainable_variables,
            "generator": self.generator.trainable_variables,
        }

    def latents(self, batch: tf.Tensor, draw: int) -> tf.Tensor:
        """Return z, (batch, latent_dim), from the law that the spec names."""
        return self.noise((batch, self.latent_dim), self.latent, draw, low=-1.0, high=1.0)

    def discriminator_step(self, x: tf.Tensor, turn: int = 0) -> dict[str, tf.Tensor]:
        """Update the discriminator once, on real samples `x` and as many generated ones; return the logs.

        `turn` tells several updates of one training step apart: each draws noise of its own.
        """
        draws = iter(range(16 * turn, 16 * turn + 16))
        fake = self.generator({"z": self.latents(tf.shape(x)[0], next(draws))}, training=True)["image"]
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(x, training=True)
            fake_logits = self.discriminator(fake, training=True)
            loss = self.objective.discriminator(real_logits, fake_logits)
        logs = {"discriminator_loss": loss, **self.monitor(real_logits, fake_logits)}
        terms = [(tape, loss)]
        if self.penalty:
            with tf.GradientTape() as tape:
                logs["penalty"] = self.penalty(self._critic, x, fake, self._uniform(draws))
                weighted = self.penalty_weight * logs["penalty"]
            terms.append((tape, weighted))
        self.update("discriminator", *terms)
        return logs

    def generator_step(self, x: tf.Tensor, turn: int) -> dict[str, tf.Tensor]:
        """Update the generator once, with as many samples as there are real ones in `x`; return the log."""
        z = self.latents(tf.shape(x)[0], 16 * turn)
        with tf.GradientTape() as tape:
            fake_logits = self.discriminator(self.generator({"z": z}, training=True)["image"], training=True)
            # only relativistic objectives look at the real outputs
            real_logits = self.discriminator(x, training=True) if self.objective.is_relativistic else None
            loss = self.objective.generator(fake_logits, real_logits)
        self.update("generator", (tape, loss))
        return {"generator_loss": loss}

    def monitor(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what tells how far the players are from equilibrium, where a discriminator knows nothing.

        `accuracy` is the share that the discriminator gets right, or for a critic without a boundary the share of
        pairs that it ranks right: 1/2 at equilibrium. Then come the mean probabilities that it gives real and
        generated samples, or its mean outputs where the objective knows no probabilities.
        """
        if self.objective.boundary is None:
            right = [real_logits > fake_logits]
        else:
            right = [real_logits > self.objective.boundary, fake_logits <= self.objective.boundary]
        squash, what = (tf.sigmoid, "probability") if self.objective.is_probability else (tf.identity, "output")
        return {
            "accuracy": tf.reduce_mean(tf.cast(tf.concat(right, axis=0), tf.float32)),
            f"real_{what}": tf.reduce_mean(squash(real_logits)),
            f"fake_{what}": tf.reduce_mean(squash(fake_logits)),
        }

    def _critic(self, x: tf.Tensor) -> tf.Tensor:
        return self.discriminator(x, training=True)

    def _uniform(self, draws: Iterator[int]) -> Uniform:
        return lambda shape: self.noise(shape, "uniform", next(draws))
