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
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.adversarial.model import AdversarialModel, Batch, check_updates
from zoo.adversarial.networks import Networks, check_positive, generator_model
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import Uniform
from zoo.layers import Maxout
from zoo.shared.errors import UserError


class GAN(AdversarialModel):
    """Generator against discriminator, both dense (Goodfellow et al. 2014).

    `objective` is the generator's, "non_saturating" or "minimax"; `k` counts the discriminator's updates in a training
    step, which share the batch. The generator has two layers of `generator_units`, the discriminator two of
    `maxout_units` units with `maxout_pieces` pieces each.
    """

    options: ClassVar[dict[str, Any]] = {
        "objective": "non_saturating",  # of the generator: non_saturating or minimax
        "k": 1,  # updates of the discriminator in a step, which share the batch
        "latent": "uniform",
        "generator_units": 1200,  # of each of the generator's two layers
        "maxout_units": 240,  # of each of the discriminator's two layers
        "maxout_pieces": 5,  # linear pieces of a maxout unit
    }
    smallest: ClassVar[dict[str, Any]] = {
        "latent_dim": 4,
        "generator_units": 8,
        "maxout_units": 8,
        "maxout_pieces": 2,
        "k": 2,
    }
    # the share of the inputs of D's three layers that dropout keeps
    KEEP = (0.8, 0.5, 0.5)

    def check(self) -> None:
        """Refuse options that cannot be, and choose the objective."""
        if self.objective not in ("non_saturating", "minimax"):
            raise UserError(f"model.objective={self.objective!r}: use 'non_saturating' or 'minimax'")
        check_updates("k", self.k)
        check_positive(
            generator_units=self.generator_units, maxout_units=self.maxout_units, maxout_pieces=self.maxout_pieces
        )
        self.game = OBJECTIVES[self.objective]
        self.n_critic = self.k

    def networks(self) -> Networks:
        """Return the dense networks of the authors' configuration."""
        noisy = keras.initializers.RandomUniform
        z = keras.Input((self.latent_dim,), name="z")
        x = z
        for _ in range(2):
            x = layers.Dense(self.generator_units, "relu", kernel_initializer=noisy(-0.05, 0.05))(x)
        x = layers.Dense(math.prod(self.sample.shape), kernel_initializer=noisy(-0.05, 0.05))(x)
        generator = generator_model({"z": z}, layers.Reshape(self.sample.shape)(x))

        image = keras.Input(self.sample.shape, name="image")
        h = layers.Flatten()(image)
        for _ in range(2):
            h = Maxout(self.maxout_units, self.maxout_pieces, noisy(-0.005, 0.005))(h)
        output = layers.Dense(1, kernel_initializer=noisy(-0.005, 0.005), dtype="float32")(h)
        return generator, keras.Model(image, output, name="discriminator")

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return the discriminator's outputs, with dropout: what is kept is scaled up, so that its mean stays."""
        _, flatten, *weighted = self.discriminator.layers
        h = flatten(x)
        for layer, keep in zip(weighted, self.KEEP, strict=True):
            is_kept = uniform((tf.shape(h)[0], h.shape[1])) < keep
            h = layer(tf.where(is_kept, h / keep, 0.0))
        return h

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One iteration of Algorithm 1."""
        part, logs = self.critic_steps(data)
        return {**logs, **self.generator_step(part)}
