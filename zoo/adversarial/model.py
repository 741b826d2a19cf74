"""What all adversarial models share: two players, and one step of each."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from zoo.adversarial.networks import Networks
from zoo.adversarial.objectives import Objective, wasserstein_critic
from zoo.adversarial.penalties import Penalty, Uniform
from zoo.model import GenerativeModel
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

# how often one training step may update a player, the other being updated once: each has 16 of the 256 draws of noise
MAX_UPDATES = 15


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator (or critic); a paper's model adds its own `train_step`.

    The noise has `latent_dim` numbers of the law `latent`: "uniform" on [-1, 1) or "normal". A generator with an input
    "label" makes the class that it names. What a paper does to samples before the discriminator sees them (packing,
    augmentation, dropout) it writes into `logits`.
    """

    # what a model adds to the discriminator's loss, and how much of it
    regularizer: Penalty | None = None
    penalty_weight: float = 0.0
    # the discriminator's updates in one training step, each on its own part of the batch
    critic_updates: int = 1
    # and the generator's, each on as many samples as the batch has
    generator_updates: int = 1

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        latent_dim: int,
        latent: str,
        networks: Networks,
        game: Objective,
        classes: int = 0,
    ) -> None:
        super().__init__()
        if latent not in ("uniform", "normal"):
            raise UserError(f"model.latent={latent!r}: use 'uniform' or 'normal'")
        self.sample_shape = sample_shape
        self.latent_dim = latent_dim
        self.latent = latent
        self.generator, self.discriminator = networks
        self.game = game
        self.classes = classes  # 0: the generator has no label
        self.generator_spec = self._spec()

    @property
    def parts(self) -> dict[str, list[keras.Variable]]:
        """Discriminator, then generator."""
        return {
            "discriminator": self.discriminator.trainable_variables,
            "generator": self.generator.trainable_variables,
        }

    @property
    def batch_divisor(self) -> int:
        """What the batch of each replica must be a multiple of: each of the critic's updates has an equal part."""
        return self.critic_updates

    def updates_of(self, part: str) -> int:
        """Return how many updates of the part's optimiser make one training step."""
        return self.critic_updates if part == "discriminator" else self.generator_updates

    def generate(self, count: tf.Tensor, label: tf.Tensor | None, draws: Iterator[int]) -> tf.Tensor:
        """Return samples (count, *sample_shape) in training, of the classes `label` (count,) if there are any."""
        inputs = {"z": self.latents(count, next(draws))}
        if label is not None:
            inputs["label"] = label
        return self.generator(inputs, training=True)[self.generator_spec.output.name]

    def latents(self, batch: tf.Tensor, draw: int) -> tf.Tensor:
        """Return z, (batch, latent_dim), from the law that the spec names."""
        return self.noise((batch, self.latent_dim), self.latent, draw, low=-1.0, high=1.0)

    def logits(self, x: tf.Tensor, label: tf.Tensor | None, draws: Iterator[int]) -> tf.Tensor:
        """Return the discriminator's outputs (batch, 1) on samples, in training; `draws` numbers noise of its own."""
        return self.discriminator(x, training=True)

    def discriminator_step(self, x: tf.Tensor, label: tf.Tensor | None = None, turn: int = 0) -> dict[str, tf.Tensor]:
        """Update the discriminator once, on real samples `x` and as many generated ones; return the logs.

        Generated samples have the classes `label` of the real ones, if any. `turn` tells several updates of one
        training step apart: each draws noise of its own.
        """
        draws = iter(range(16 * turn, 16 * turn + 16))
        fake = self.generate(tf.shape(x)[0], label, draws)
        with tf.GradientTape() as tape:
            real_logits = self.logits(x, label, draws)
            fake_logits = self.logits(fake, label, draws)
            loss = self.game.discriminator(real_logits, fake_logits)
        logs = {"discriminator_loss": loss, **self.monitor(real_logits, fake_logits)}
        terms = [(tape, loss)]
        if self.regularizer:
            with tf.GradientTape() as tape:
                logs["penalty"] = self.regularizer(
                    lambda samples: self.logits(samples, label, draws), x, fake, self._uniform(draws)
                )
                weighted = self.penalty_weight * logs["penalty"]
            terms.append((tape, weighted))
        self.update("discriminator", *terms)
        return logs

    def generator_step(self, x: tf.Tensor, label: tf.Tensor | None = None, turn: int = 1) -> dict[str, tf.Tensor]:
        """Update the generator once, with as many samples as there are real ones in `x`; return the log."""
        draws = iter(range(16 * turn, 16 * turn + 16))
        with tf.GradientTape() as tape:
            fake_logits = self.logits(self.generate(tf.shape(x)[0], label, draws), label, draws)
            # only relativistic objectives look at the real outputs
            real_logits = self.logits(x, label, draws) if self.game.is_relativistic else None
            loss = self.game.generator(fake_logits, real_logits)
        self.update("generator", (tape, loss))
        return {"generator_loss": loss}

    def monitor(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what tells how far the players are from equilibrium, where a discriminator knows nothing.

        `accuracy` is the share that the discriminator gets right, or for a critic without a boundary the share of
        pairs that it ranks right: 1/2 at equilibrium. Then come the mean probabilities that it gives real and
        generated samples, or its mean outputs where the objective knows no probabilities; for a Wasserstein critic
        also the difference of these: its estimate of W1, times its Lipschitz constant.
        """
        if self.game.boundary is None:
            right = [real_logits > fake_logits]
        else:
            right = [real_logits > self.game.boundary, fake_logits <= self.game.boundary]
        squash, what = (tf.sigmoid, "probability") if self.game.is_probability else (tf.identity, "output")
        logs = {
            "accuracy": tf.reduce_mean(tf.cast(tf.concat(right, axis=0), tf.float32)),
            f"real_{what}": tf.reduce_mean(squash(real_logits)),
            f"fake_{what}": tf.reduce_mean(squash(fake_logits)),
        }
        if self.game.discriminator is wasserstein_critic:
            logs["wasserstein_estimate"] = logs["real_output"] - logs["fake_output"]
        return logs

    def minibatches(self, x: tf.Tensor, count: int) -> list[tf.Tensor]:
        """Return `x` in `count` parts of one size; a batch that cannot be divided so is a `UserError`."""
        if x.shape[0] is not None and x.shape[0] % count:
            raise UserError(f"a batch of {x.shape[0]} per replica does not divide into {count} minibatches")
        # every count-th sample: the replicas' parts then make up the same minibatches as one device has
        return [x[start::count] for start in range(count)]

    def _spec(self) -> GeneratorSpec:
        noise_range = {"low": -1.0, "high": 1.0} if self.latent == "uniform" else {}
        inputs = [TensorSpec("z", (self.latent_dim,), role=self.latent, **noise_range)]
        if self.classes:
            inputs.append(TensorSpec("label", (), role="condition", dtype="int32", low=0, high=self.classes - 1))
        (name,) = self.generator.output
        sample_range = {"low": -1.0, "high": 1.0} if name == "image" else {}
        outputs = (TensorSpec(name, tuple(self.sample_shape), role="sample", **sample_range),)
        return GeneratorSpec(inputs=tuple(inputs), outputs=outputs)

    def _uniform(self, draws: Iterator[int]) -> Uniform:
        return lambda shape: self.noise(shape, "uniform", next(draws))


def check_updates(option: str, value: int) -> None:
    """Refuse a number of updates of one player in one training step that cannot be."""
    if not 1 <= value <= MAX_UPDATES:
        raise UserError(f"model.{option}={value}: use a number from 1 to {MAX_UPDATES}")
