"""Projection discriminator: class-conditional generation.

Miyato and Koyama, "cGANs with projection discriminator" (2018). The label y enters the discriminator as an inner
product with the features of the image, the form that the log-ratio of two class-conditional densities suggests:

    D(x, y) = y^T V phi(x) + psi(phi(x))

In the generator it chooses the gains and shifts of batch normalisation. Hinge loss and spectral normalisation as in
Miyato et al. (2018).
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.adversarial.model import Batch, StandardGAN
from zoo.adversarial.networks import Networks, check_classes
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import Uniform
from zoo.layers import SpectralDense


class ProjectionGAN(StandardGAN):
    """A generator of the data's classes, and a discriminator that knows the label (Miyato & Koyama 2018)."""

    options: ClassVar[dict[str, Any]] = {
        "latent_dim": 128,
    }
    fixed: ClassVar[dict[str, Any]] = {"normalization": "spectral"}
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"label": ("class",)}
    game = OBJECTIVES["hinge"]

    def check(self) -> None:
        """Refuse data of one class."""
        check_classes(self.classes)

    def networks(self) -> Networks:
        """Return the generator, and D(x, y) = y^T V phi(x) + psi(phi(x))."""
        generator, phi = self.standard_networks(features_only=True)
        label = keras.Input((self.classes,), name="label")
        psi = SpectralDense(1, use_bias=False, dtype="float32")(phi.output)
        projection = SpectralDense(phi.output.shape[-1], use_bias=False, dtype="float32")(label)  # y^T V
        output = layers.Add(dtype="float32")([psi, layers.Dot(1, dtype="float32")([projection, phi.output])])
        return generator, keras.Model([phi.input, label], output, name="discriminator")

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return D(x, y)."""
        return self.discriminator([x, tf.one_hot(data["label"], self.classes)], training=True)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator, both told the labels of the real samples."""
        return {**self.discriminator_step(data), **self.generator_step(data)}
