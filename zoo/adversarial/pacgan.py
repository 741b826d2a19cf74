"""PacGAN: packing.

Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial networks" (2018). The
discriminator judges m samples at once, all real or all generated, laid on top of each other as channels. A generator
that drops modes repeats itself, which shows in a pack long before it shows in a single sample. Nothing else changes:
the rest is the game of Goodfellow et al. (2014). (The authors' program for Stacked MNIST updates the generator twice
for each update of the discriminator.)
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import Batch, StandardGAN, check_updates
from zoo.adversarial.networks import Networks, check_positive
from zoo.adversarial.penalties import Uniform


class PacGAN(StandardGAN):
    """A discriminator of packs of `packing` samples (Lin et al. 2018).

    The generator is updated `generator_updates` times in each training step.
    """

    options: ClassVar[dict[str, Any]] = {
        "packing": 2,  # samples that the discriminator sees at once
        "generator_updates": 1,  # of the generator in a step
    }
    smallest: ClassVar[dict[str, Any]] = {"generator_updates": 2}

    def check(self) -> None:
        """Refuse numbers that cannot be."""
        check_positive(packing=self.packing)
        check_updates("generator_updates", self.generator_updates)

    def networks(self) -> Networks:
        """Return the generator of samples, and the discriminator of packs."""
        *sides, channels = self.sample.shape
        generator, _ = self.standard_networks()
        _, discriminator = self.standard_networks(shape=(*sides, self.packing * channels))
        return generator, discriminator

    @property
    def batch_divisor(self) -> int:
        """The number that must divide the batch of each replica: it is judged in whole packs."""
        return self.packing * super().batch_divisor

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return the outputs (batch / packing, 1) for packs of neighbouring samples."""
        packs = tf.concat([x[first :: self.packing] for first in range(self.packing)], axis=-1)
        return self.discriminator(packs, training=True)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One update of the discriminator, then `generator_updates` of the generator, each with noise of its own."""
        logs = self.discriminator_step(data)
        for turn in range(self.generator_updates):
            logs |= self.generator_step(data, turn)
        return logs
