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
from keras import layers

from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build, check_classes, check_positive, dense_layer
from zoo.adversarial.objectives import OBJECTIVES
from zoo.shared.errors import UserError


class ACGAN(AdversarialModel):
    """A generator of `classes` classes, and a discriminator that also classifies (Odena et al. 2017).

    `class_weight` multiplies the classifier's loss in both players. `network` is "dcgan", "resnet" or "mlp",
    `normalization` the discriminator's. The noise has `latent_dim` numbers of the law `latent`, "normal" or "uniform"
    on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        classes: int = 10,
        class_weight: float = 1.0,
        network: str = "dcgan",
        normalization: str = "batch",
        latent_dim: int = 100,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        check_classes(classes)
        check_positive(latent_dim=latent_dim)
        if class_weight < 0:
            raise UserError(f"model.class_weight={class_weight}: use 0 or more")
        make, features = build(
            network,
            sample_shape,
            latent_dim + classes,
            base_channels,
            normalization=normalization,
            features_only=True,
        )
        z, label = keras.Input((latent_dim,), name="z"), keras.Input((), dtype="int32", name="label")
        one_hot = layers.CategoryEncoding(classes)(layers.Reshape((1,))(label))
        sample = make({"z": layers.Concatenate()([z, one_hot])})
        image = features.input
        source = dense_layer(normalization)(1, dtype="float32")(features.output)
        classifier = dense_layer(normalization)(classes, dtype="float32")(features.output)
        networks = (
            keras.Model({"z": z, "label": label}, sample, name="generator"),
            keras.Model(image, [source, classifier], name="discriminator"),
        )
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["non_saturating"], classes=classes)
        self.class_weight = class_weight
        self.network = network
        self.normalization = normalization
        self.base_channels = base_channels

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, up L_S + L_C, then one of the generator."""
        x, c = data["image"], data["label"]
        fake = self.generate(tf.shape(x)[0], c, iter([0]))
        with tf.GradientTape() as tape:
            real_logits, real_classes = self.discriminator(x, training=True)
            fake_logits, fake_classes = self.discriminator(fake, training=True)
            source_loss = self.game.discriminator(real_logits, fake_logits)
            class_loss = classification_loss(c, real_classes) + classification_loss(c, fake_classes)
            loss = source_loss + self.class_weight * class_loss
        self.update("discriminator", (tape, loss))

        with tf.GradientTape() as tape:
            logits, named = self.discriminator(self.generate(tf.shape(x)[0], c, iter([16])), training=True)
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
