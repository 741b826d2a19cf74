"""AC-GAN: an auxiliary classifier.

Odena, Olah and Shlens, "Conditional image synthesis with auxiliary classifier GANs" (2017). The generator is told a
class; the discriminator is not, but has a second output that names the class of whatever it is shown. With

    L_S = E log P(real | x) + E log P(fake | G(z, c)),      L_C = E log P(c | x) + E log P(c | G(z, c))

the discriminator maximises L_S + L_C, the generator L_C - L_S; in place of -L_S our generator raises
E log P(real | G(z, c)), which does not saturate (Goodfellow et al. 2014). The label enters the generator as in the
paper, beside the noise.
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import Networks, check_classes, dense_layer
from zoo.shared.errors import UserError


class ACGAN(StandardGAN):
    """A generator of the data's classes, and a discriminator that also classifies (Odena et al. 2017).

    `class_weight` multiplies the classifier's loss in both players.
    """

    options: ClassVar[dict[str, Any]] = {
        "class_weight": 1.0,  # of the classifier's loss, in both players
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"label": ("class",)}

    def check(self) -> None:
        """Refuse data of one class, and a negative weight."""
        check_classes(self.classes)
        if self.class_weight < 0:
            raise UserError(f"model.class_weight={self.class_weight}: use 0 or more")

    def networks(self) -> Networks:
        """Return the generator of (z, label), and the discriminator with its two outputs."""
        make, features = self.standard_networks(
            latent_dim=self.latent_dim + self.classes, classes=0, features_only=True
        )
        z, label = keras.Input((self.latent_dim,), name="z"), keras.Input((), dtype="int32", name="label")
        sample = make({"z": layers.Concatenate()([z, ops.one_hot(label, self.classes)])})
        dense = dense_layer(self.normalization)
        outputs = [dense(units, dtype="float32")(features.output) for units in (1, self.classes)]
        return (
            keras.Model({"z": z, "label": label}, sample, name="generator"),
            keras.Model(features.input, outputs, name="discriminator"),
        )

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the discriminator, up L_S + L_C, then one of the generator."""
        x, c = data["image"], data["label"]
        fake = self.generate(data, "discriminator")
        with tf.GradientTape() as tape:
            real_logits, real_classes = self.discriminator(x, training=True)
            fake_logits, fake_classes = self.discriminator(fake, training=True)
            source_loss = self.game.discriminator(real_logits, fake_logits)
            class_loss = classification_loss(c, real_classes) + classification_loss(c, fake_classes)
            loss = source_loss + self.class_weight * class_loss
        self.update("discriminator", (tape, loss))

        with tf.GradientTape() as tape:
            logits, named = self.discriminator(self.generate(data, "generator"), training=True)
            generator_loss = self.game.generator(logits, None) + self.class_weight * classification_loss(c, named)
        self.update("generator", (tape, generator_loss))
        return {
            "discriminator_loss": loss,
            "generator_loss": generator_loss,
            "class_loss": class_loss,
            "real_class_accuracy": share_named_right(c, real_classes),
            "fake_class_accuracy": share_named_right(c, fake_classes),
            **self.monitor(real_logits, fake_logits),
        }


def classification_loss(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return -E log P(c | x), in nats."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits))


def share_named_right(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the share of samples whose likeliest class is their label."""
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=1, output_type=label.dtype) == label, tf.float32))
