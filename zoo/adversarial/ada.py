"""ADA: adaptive discriminator augmentation.

Karras, Aittala, Hellsten, Laine, Lehtinen and Aila, "Training generative adversarial networks with limited data"
(2020). Both players see samples, real and generated, only after a pipeline of augmentations, each of which a sample
takes with probability p. As long as p stays well below 1, what is not augmented can be told from what is, and the
augmentations do not leak into the samples. How much is needed depends on the data, so p follows

    r_t = E sign(D(x))    on real samples:

0 where the discriminator knows nothing, 1 where it knows every training image. p starts at 0, rises while r_t lies
above a target and falls while it lies below. The sign needs a discriminator that says "real" above 0, such as that of
the cross-entropy; with it goes R1 (Mescheder et al. 2018), as in StyleGAN2, which the paper starts from. StyleGAN2's
networks are not rebuilt here.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.adversarial import augmentations
from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import check_positive
from zoo.adversarial.penalties import Uniform, check_penalty, r1
from zoo.shared.errors import UserError


class ADA(StandardGAN):
    """Augmentation as strong as the discriminator's overfitting asks for (Karras et al. 2020).

    `augment` names groups of augmentations: any of "blit", "geometric" and "colour", separated by commas. `target` is
    the r_t aimed at, in (-1, 1); p goes from 0 to 1 in `adjust_images` real images at the fastest. `penalty_weight` is
    the gamma of R1.
    """

    options: ClassVar[dict[str, Any]] = {
        "augment": "blit,geometric,colour",  # groups of augmentations, of blit, geometric and colour
        "target": 0.6,  # the overfitting r_t that the probability p aims at, from -1 to 1
        "adjust_images": 500_000,  # real pictures in which p goes from 0 to 1 at the fastest
        "penalty_weight": 1.0,  # gamma of R1
        "normalization": "none",
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    # so fast that the second step already augments
    smallest: ClassVar[dict[str, Any]] = {"adjust_images": 8}
    regularizer = staticmethod(r1)

    def check(self) -> None:
        """Refuse options that cannot be; start p at 0."""
        self.groups = augmentations.parse("augment", self.augment, augmentations.ADA_AUGMENT)
        if not -1.0 < self.target < 1.0:
            raise UserError(f"model.target={self.target}: use a number between -1 and 1, which r_t can cross")
        check_positive(adjust_images=self.adjust_images)
        if self.sample.shape[-1] not in (1, 3):
            raise UserError(f"ada augments grey or colour, 1 or 3 channels, not {self.sample.shape[-1]}")
        check_penalty("r1", self.penalty_weight, self.normalization)
        self.p = self.add_weight(name="augmentation_probability", initializer="zeros", trainable=False)

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return the outputs (batch, 1) for augmented samples."""
        seen = augmentations.ada_augment(x, self.p.value, uniform, self.groups)
        return self.discriminator(seen, training=True)

    def monitor(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what every adversarial model logs, and `overfitting`: r_t over the batches of all replicas."""
        r = tf.reduce_mean(tf.sign(real_logits))
        r = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, r)
        return {**super().monitor(real_logits, fake_logits), "overfitting": r}

    def adjust(self, r: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """Move p one step against the overfitting `r`, after `images` real images on this replica; return it."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        step = tf.cast(images * replicas, tf.float32) / self.adjust_images
        p = tf.clip_by_value(self.p.value + step * tf.sign(r - self.target), 0.0, 1.0)
        self.p.assign(p)
        return p

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the discriminator with its penalty, one of the generator, one of p."""
        logs = {**self.discriminator_step(data), **self.generator_step(data)}
        return {**logs, "augmentation_probability": self.adjust(logs["overfitting"], tf.shape(data["image"])[0])}
