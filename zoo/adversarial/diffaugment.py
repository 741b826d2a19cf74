"""DiffAugment: differentiable augmentation.

Zhao, Liu, Lin, Zhu and Han, "Differentiable augmentation for data-efficient GAN training" (2020). With few images the
discriminator learns them by heart. It is shown none as it is: a random augmentation T changes real and generated
samples alike, in the steps of both players, so that the generator has no reason to imitate T:

    min_D  E f_D(-D(T(x))) + E f_D(D(T(G(z)))),    min_G  E f_G(-D(T(G(z))))

T is differentiable; what the generator learns passes through it. The method leaves the loss f open. Here it is the
cross-entropy of DCGAN on DCGAN's networks, so that T is all that differs from `dcgan`.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial import augmentations
from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build
from zoo.adversarial.objectives import OBJECTIVES


class DiffAugmentGAN(AdversarialModel):
    """A discriminator that sees only augmented samples (Zhao et al. 2020).

    `policy` names the steps of T: any of "colour", "translation" and "cutout", separated by commas. `network` is
    "dcgan", "resnet" or "mlp", `normalization` the discriminator's. The noise has `latent_dim` numbers of the law
    `latent`, "normal" or "uniform" on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        policy: str = "colour,translation,cutout",
        network: str = "dcgan",
        normalization: str = "batch",
        latent_dim: int = 100,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        augmentations.check_images(sample_shape)
        steps = augmentations.parse("policy", policy, augmentations.DIFF_AUGMENT)
        networks = build(network, sample_shape, latent_dim, base_channels, normalization=normalization)
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["non_saturating"])
        self._steps = steps
        self.policy = policy
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    def logits(self, x: tf.Tensor, label: None, draws: Iterator[int]) -> tf.Tensor:
        """Return D(T(x)), (batch, 1)."""
        return self.discriminator(augmentations.diff_augment(x, self._uniform(draws), self._steps), training=True)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator."""
        x = data["image"]
        return {**self.discriminator_step(x), **self.generator_step(x)}
