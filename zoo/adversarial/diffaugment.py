"""DiffAugment: differentiable augmentation.

Zhao, Liu, Lin, Zhu and Han, "Differentiable augmentation for data-efficient GAN training" (2020). With few images the
discriminator learns them by heart. It is shown none as it is: a random augmentation T changes real and generated
samples alike, in the steps of both players, so that the generator has no reason to imitate T:

    min_D  E f_D(-D(T(x))) + E f_D(D(T(G(z)))),    min_G  E f_G(-D(T(G(z))))

T is differentiable; what the generator learns passes through it. The method leaves the loss f open. Here it is the
cross-entropy of DCGAN on DCGAN's networks, so that T is all that differs from `dcgan`.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial import augmentations
from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.penalties import Uniform


class DiffAugmentGAN(StandardGAN):
    """A discriminator that sees only augmented samples (Zhao et al. 2020).

    `policy` names the steps of T: any of "colour", "translation" and "cutout", separated by commas.
    """

    options: ClassVar[dict[str, Any]] = {
        "policy": "colour,translation,cutout",  # steps of the augmentation, of colour, translation and cutout
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}

    def check(self) -> None:
        """Refuse a step of T that there is not."""
        self.steps = augmentations.parse("policy", self.policy, augmentations.DIFF_AUGMENT)

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return D(T(x)), (batch, 1)."""
        return self.discriminator(augmentations.diff_augment(x, uniform, self.steps), training=True)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator."""
        return {**self.discriminator_step(data), **self.generator_step(data)}
