"""PacGAN: packing.

Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial networks" (2018). The
discriminator judges m samples at once, all real or all generated, laid on top of each other as channels. A generator
that drops modes repeats itself, which shows in a pack long before it shows in a single sample. Nothing else changes:
the rest is the game of Goodfellow et al. (2014). (The authors' program for Stacked MNIST updates the generator twice
for each update of the discriminator.)
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial.model import AdversarialModel, check_updates
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES
from zoo.shared.errors import UserError


class PacGAN(AdversarialModel):
    """A discriminator of packs of `packing` samples (Lin et al. 2018).

    The generator is updated `generator_updates` times in each training step. `network` is "dcgan", "resnet" or "mlp",
    `normalization` the discriminator's. The noise has `latent_dim` numbers of the law `latent`, "normal" or "uniform"
    on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "generator_updates": 2}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        packing: int = 2,
        generator_updates: int = 1,
        network: str = "dcgan",
        normalization: str = "batch",
        latent_dim: int = 100,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        if packing < 1:
            raise UserError(f"model.packing={packing}: use a positive number")
        check_updates("generator_updates", generator_updates)
        pack_shape = (*sample_shape[:-1], packing * sample_shape[-1])
        generator, discriminator = (
            build(network, shape, latent_dim, base_channels, normalization=normalization)[player]
            for player, shape in enumerate((sample_shape, pack_shape))
        )
        super().__init__(sample_shape, latent_dim, latent, (generator, discriminator), OBJECTIVES["non_saturating"])
        self.packing = packing
        self.generator_updates = generator_updates
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    @property
    def batch_divisor(self) -> int:
        """What the batch of each replica must be a multiple of: it is judged in whole packs."""
        return self.packing * super().batch_divisor

    def logits(self, x: tf.Tensor, label: None, draws: Iterator[int]) -> tf.Tensor:
        """Return the outputs (batch / packing, 1) for packs of neighbouring samples."""
        packs = tf.concat([x[first :: self.packing] for first in range(self.packing)], axis=-1)
        return self.discriminator(packs, training=True)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of the discriminator, then `generator_updates` of the generator, each with noise of its own."""
        x = data["image"]
        logs = self.discriminator_step(x)
        for turn in range(1, self.generator_updates + 1):
            logs |= self.generator_step(x, turn=turn)
        return logs
