"""Projection discriminator: class-conditional generation.

Miyato and Koyama, "cGANs with projection discriminator" (2018). The label y enters the discriminator as an inner
product with the features of the image, the form that the log-ratio of two class-conditional densities suggests:

    D(x, y) = y^T V phi(x) + psi(phi(x))

In the generator it chooses the gains and shifts of batch normalisation. Hinge loss and spectral normalisation as in
Miyato et al. (2018).
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.adversarial.model import AdversarialModel
from zoo.adversarial.networks import build, check_classes
from zoo.adversarial.objectives import OBJECTIVES
from zoo.layers import SpectralDense


class ProjectionGAN(AdversarialModel):
    """A generator of `classes` classes, and a discriminator that knows the label (Miyato & Koyama 2018).

    `network` is "dcgan", "resnet" or "mlp". The noise has `latent_dim` numbers of the law `latent`, "normal" or
    "uniform" on [-1, 1); `base_channels` is the width next to the image.
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        classes: int = 10,
        network: str = "dcgan",
        latent_dim: int = 128,
        latent: str = "normal",
        base_channels: int = 64,
    ) -> None:
        check_classes(classes)
        generator, phi = build(
            network,
            sample_shape,
            latent_dim,
            base_channels,
            normalization="spectral",
            classes=classes,
            features_only=True,
        )
        label = keras.Input((classes,), name="label")
        psi = SpectralDense(1, use_bias=False, dtype="float32")(phi.output)
        projection = SpectralDense(phi.output.shape[-1], use_bias=False, dtype="float32")(label)  # y^T V
        output = layers.Add(dtype="float32")([psi, layers.Dot(1, dtype="float32")([projection, phi.output])])
        discriminator = keras.Model([phi.input, label], output, name="discriminator")
        networks = (generator, discriminator)
        super().__init__(sample_shape, latent_dim, latent, networks, OBJECTIVES["hinge"], classes=classes)
        self.network = network
        self.base_channels = base_channels

    def logits(self, x: tf.Tensor, label: tf.Tensor, draws: Iterator[int]) -> tf.Tensor:
        """Return D(x, y)."""
        return self.discriminator([x, tf.one_hot(label, self.classes)], training=True)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator, both told the labels of the real samples."""
        x, label = data["image"], data["label"]
        return {**self.discriminator_step(x, label), **self.generator_step(x, label)}
