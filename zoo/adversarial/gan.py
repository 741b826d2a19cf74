"""GAN: generative adversarial networks.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio, "Generative adversarial nets" (2014).
A generator G and a discriminator D play

    min_G max_D  E log D(x) + E log(1 - D(G(z)))

Algorithm 1 updates D k times, each on a minibatch of its own, then G once. Where D is sure of itself the generator's
half of the game is flat, so the paper trains G to maximise log D(G(z)) instead: "non_saturating" here, "minimax" being
the game as it stands.

The networks are those of the authors' configuration for MNIST: G has two hidden layers of rectifiers and a sigmoid
output (a tanh here: our pixels lie in [-1, 1], so that one dropped is grey, not black); D has two hidden layers of
maxout units, with dropout before each layer (Srivastava et al. 2014): of the pixels a fifth is dropped, of the hidden
units half.
"""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.adversarial.model import AdversarialModel, check_updates
from zoo.adversarial.networks import check_positive, generator_model
from zoo.adversarial.objectives import OBJECTIVES
from zoo.layers import Maxout
from zoo.shared.errors import UserError


class GAN(AdversarialModel):
    """Generator against discriminator, both dense (Goodfellow et al. 2014).

    `objective` is the generator's, "non_saturating" or "minimax"; `k` counts the discriminator's updates in a training
    step, which share the batch. The noise has `latent_dim` numbers of the law `latent`, "uniform" on [-1, 1) or
    "normal". The generator has two layers of `generator_units`, the discriminator two of `maxout_units` units with
    `maxout_pieces` pieces each.
    """

    smallest: ClassVar[dict[str, Any]] = {
        "latent_dim": 4,
        "generator_units": 8,
        "maxout_units": 8,
        "maxout_pieces": 2,
        "k": 2,
    }
    # the share of the inputs of D's three layers that dropout keeps
    KEEP = (0.8, 0.5, 0.5)

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        objective: str = "non_saturating",
        k: int = 1,
        latent_dim: int = 100,
        latent: str = "uniform",
        generator_units: int = 1200,
        maxout_units: int = 240,
        maxout_pieces: int = 5,
    ) -> None:
        if objective not in ("non_saturating", "minimax"):
            raise UserError(f"model.objective={objective!r}: use 'non_saturating' or 'minimax'")
        check_updates("k", k)
        check_positive(
            latent_dim=latent_dim,
            generator_units=generator_units,
            maxout_units=maxout_units,
            maxout_pieces=maxout_pieces,
        )
        noisy = keras.initializers.RandomUniform
        z = keras.Input((latent_dim,), name="z")
        x = z
        for _ in range(2):
            x = layers.Dense(generator_units, "relu", kernel_initializer=noisy(-0.05, 0.05))(x)
        x = layers.Dense(math.prod(sample_shape), kernel_initializer=noisy(-0.05, 0.05))(x)
        generator = generator_model({"z": z}, layers.Reshape(sample_shape)(x))

        image = keras.Input(sample_shape, name="image")
        h = layers.Flatten()(image)
        for _ in range(2):
            h = Maxout(maxout_units, maxout_pieces, noisy(-0.005, 0.005))(h)
        output = layers.Dense(1, kernel_initializer=noisy(-0.005, 0.005), dtype="float32")(h)
        super().__init__(
            sample_shape,
            latent_dim,
            latent,
            (generator, keras.Model(image, output, name="discriminator")),
            OBJECTIVES[objective],
        )
        self.objective = objective
        self.k = self.critic_updates = k
        self.generator_units = generator_units
        self.maxout_units = maxout_units
        self.maxout_pieces = maxout_pieces

    def logits(self, x: tf.Tensor, label: None, draws: Iterator[int]) -> tf.Tensor:
        """Return the discriminator's outputs, with dropout: what is kept is scaled up, so that its mean stays."""
        _, flatten, *weighted = self.discriminator.layers
        h = flatten(x)
        for layer, keep in zip(weighted, self.KEEP, strict=True):
            is_kept = self.noise((tf.shape(h)[0], h.shape[1]), "uniform", next(draws)) < keep
            h = layer(tf.where(is_kept, h / keep, 0.0))
        return h

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One iteration of Algorithm 1."""
        for turn, x in enumerate(self.minibatches(data["image"], self.k)):
            logs = self.discriminator_step(x, turn=turn)
        return {**logs, **self.generator_step(x, turn=self.k)}
