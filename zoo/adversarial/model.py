"""The base of all adversarial models: two players, and one step of each."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.networks import Networks, build, check_positive
from zoo.adversarial.objectives import OBJECTIVES, Objective
from zoo.adversarial.penalties import Penalty, Uniform
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

# how often one training step may update a player, the other being updated once
MAX_UPDATES = 15

Batch = dict[str, tf.Tensor]


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator (or critic); a paper's model adds its own `train_step`.

    The noise has `latent_dim` numbers of the law `latent`: "uniform" on [-1, 1) or "normal". Where the model reads the
    column "label", the generator makes the class that its input "label" names. A paper's treatment of samples before
    the discriminator sees them (packing, augmentation, dropout) stands in `logits`. A subclass makes its networks in
    `networks`, after `check` has refused what its options cannot be.
    """

    options: ClassVar[dict[str, Any]] = {
        "latent_dim": 100,  # numbers of noise for one sample
        "latent": "normal",  # law of the noise: normal, or uniform on [-1, 1)
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image", "point")}
    players: ClassVar[tuple[str, ...]] = ("discriminator", "generator")

    game: Objective = OBJECTIVES["non_saturating"]
    # what a model adds to the discriminator's loss, and how much of it
    regularizer: Penalty | None = None
    penalty_weight: float = 0.0
    # the discriminator's updates in one training step, each on its own part of the batch
    n_critic: int = 1

    def __init__(self, *, columns: Mapping[str, Any], **options: Any) -> None:
        super().__init__(columns=columns, **options)
        if self.latent not in ("uniform", "normal"):
            raise UserError(f"model.latent={self.latent!r}: use 'uniform' or 'normal'")
        check_positive(latent_dim=self.latent_dim)
        check_updates("n_critic", self.n_critic)
        self.sample = self.columns["image"]
        # 0: the generator has no label
        self.classes = self.columns["label"].classes if "label" in self.columns else 0
        self.check()
        self.generator, self.discriminator = self.networks()
        self.maps = {"generate": Map(self.generator, self._spec())}

    def check(self) -> None:
        """Refuse what the options cannot be, with a `UserError`."""

    def networks(self) -> Networks:
        """Return the generator and the discriminator."""
        raise NotImplementedError

    @property
    def batch_divisor(self) -> int:
        """The number that must divide the batch of each replica: each of the critic's updates has an equal part."""
        return self.n_critic

    def generate(self, data: Batch, name: str) -> tf.Tensor:
        """Return as many samples in training as the batch has, of its classes if there are any, from noise `name`."""
        inputs = self.draw("generate", tf.shape(data["image"])[0], name)
        if self.classes:
            inputs["label"] = data["label"]
        return self.generator(inputs, training=True)[self.maps["generate"].spec.output.name]

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return the discriminator's outputs (batch, 1) on samples `x` in training, beside the labels in `data`.

        `uniform` makes new noise at each call.
        """
        return self.discriminator(x, training=True)

    def discriminator_step(self, data: Batch, turn: int = 0) -> dict[str, tf.Tensor]:
        """Update the discriminator once, on the real samples of a batch and as many generated ones; return the logs.

        Generated samples have the classes of the real ones, if any. `turn` tells several updates of one training step
        apart: each draws noise of its own.
        """
        name = f"discriminator/{turn}"
        x, uniform = data["image"], self.uniform(name)
        fake = self.generate(data, name)
        with tf.GradientTape() as tape:
            real_logits = self.logits(x, data, uniform)
            fake_logits = self.logits(fake, data, uniform)
            loss = self.game.discriminator(real_logits, fake_logits)
        logs = {"discriminator_loss": loss, **self.monitor(real_logits, fake_logits)}
        terms = [(tape, loss)]
        if self.regularizer:
            with tf.GradientTape() as tape:
                logs["penalty"] = self.regularizer(
                    lambda samples: self.logits(samples, data, uniform), x, fake, uniform
                )
                weighted = self.penalty_weight * logs["penalty"]
            terms.append((tape, weighted))
        self.update("discriminator", *terms)
        return logs

    def generator_step(self, data: Batch, turn: int = 0) -> dict[str, tf.Tensor]:
        """Update the generator once, with as many samples as the batch has real ones; return the log."""
        name = f"generator/{turn}"
        uniform = self.uniform(name)
        with tf.GradientTape() as tape:
            fake_logits = self.logits(self.generate(data, name), data, uniform)
            # only relativistic objectives look at the real outputs
            real_logits = self.logits(data["image"], data, uniform) if self.game.is_relativistic else None
            loss = self.game.generator(fake_logits, real_logits)
        self.update("generator", (tape, loss))
        return {"generator_loss": loss}

    def critic_steps(self, data: Batch) -> tuple[Batch, dict[str, tf.Tensor]]:
        """Update the critic `n_critic` times, each on an equal part of the batch; return the last part and its logs.

        The generator's update takes that part, so that all minibatches of a step have one size.
        """
        for turn, part in enumerate(self.minibatches(data, self.n_critic)):
            logs = self.discriminator_step(part, turn)
        return part, logs

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
        if self.game.is_distance:
            logs["wasserstein_estimate"] = logs["real_output"] - logs["fake_output"]
        return logs

    def minibatches(self, data: Batch, count: int) -> list[Batch]:
        """Return a batch in `count` parts of one size; one that cannot be divided so is a `UserError`."""
        for values in data.values():
            if values.shape[0] is not None and values.shape[0] % count:
                raise UserError(f"a batch of {values.shape[0]} per replica does not divide into {count} minibatches")
        # every count-th sample: the replicas' parts then make up the same minibatches as one device has
        return [{name: values[start::count] for name, values in data.items()} for start in range(count)]

    def uniform(self, name: str) -> Uniform:
        """Return a source of noise from U[0, 1): a function of a shape, which numbers its draws."""
        numbers = itertools.count()
        return lambda shape: self.noise(shape, "uniform", f"{name}/{next(numbers)}")

    def _spec(self) -> MapSpec:
        low, high = (-1.0, 1.0) if self.latent == "uniform" else (-math.inf, math.inf)
        inputs = [TensorSpec("z", (self.latent_dim,), self.latent, low=low, high=high)]
        if self.classes:
            inputs.append(self.columns["label"])
        return MapSpec(tuple(inputs), (TensorSpec(self.sample.kind, self.sample.shape, "output", self.sample.kind),))


class StandardGAN(AdversarialModel):
    """An adversarial model on the networks that many papers share, see `zoo.adversarial.networks`.

    `network` is "dcgan", "resnet" or "mlp", `normalization` the discriminator's: "none", "batch", "layer" or
    "spectral". `base_channels` is the width next to the image.
    """

    options: ClassVar[dict[str, Any]] = {
        "network": "dcgan",  # of both players: dcgan, resnet or mlp
        "normalization": "batch",  # of the discriminator: none, batch, layer or spectral
        "base_channels": 64,  # width of both networks next to the picture
    }
    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4}

    # whether the discriminator's last layer has a bias, where the objective sees a shift of all outputs
    output_bias: bool = True

    def networks(self) -> Networks:
        """Return the networks that the options name."""
        return self.standard_networks()

    def standard_networks(self, **changes: Any) -> Networks:
        """Return the networks that the options name, with the `changes` that a paper makes to them."""
        options = {
            "shape": self.sample.shape,
            "latent_dim": self.latent_dim,
            "base_channels": self.base_channels,
            "normalization": self.normalization,
            "output_bias": self.output_bias and self.game.boundary is not None,
            "classes": self.classes,
        }
        return build(self.network, **{**options, **changes})


def check_updates(option: str, value: int) -> None:
    """Refuse a number of updates of one player in one training step that cannot be."""
    if not 1 <= value <= MAX_UPDATES:
        raise UserError(f"model.{option}={value}: use a number from 1 to {MAX_UPDATES}")
