"""DCGAN: deep convolutional generative adversarial networks.

Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
networks" (2015). The generator turns noise into a small map of many channels and doubles its side with strided
transposed convolutions, halving the channels; the discriminator is its mirror image. No pooling, no hidden dense
layers; batch normalisation everywhere but at the generator's output and the discriminator's input; ReLU in the
generator with tanh at its end, leaky ReLU (0.2) in the discriminator; all weights start from N(0, 0.02).

The paper's network makes 64 x 64 pictures from a 4 x 4 map. Here the number of doublings follows from the size:
any side of the form m * 2^k with m from 4 to 7 and k at least 1 (8, 12, 16, 28, 32, 64, 128, ...).
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.adversarial.objectives import OBJECTIVES
from zoo.errors import UserError
from zoo.model import GenerativeModel
from zoo.spec import GeneratorSpec, TensorSpec


class DCGAN(GenerativeModel):
    """Generator against discriminator, both convolutional (Radford et al. 2015).

    The noise has `latent_dim` numbers of the law `latent`: "uniform" on [-1, 1) as in the paper, or "normal".
    `base_channels` are those of the layer next to the image (paper: 128), doubling towards the smallest map; every
    convolution has a square kernel of side `kernel_size` (paper: 5).
    """

    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 4, "kernel_size": 3}

    def __init__(
        self,
        *,
        sample_shape: tuple[int, int, int],
        latent_dim: int = 100,
        latent: str = "uniform",
        base_channels: int = 128,
        kernel_size: int = 5,
    ) -> None:
        super().__init__()
        if latent not in ("uniform", "normal"):
            raise UserError(f"model.latent={latent!r}: use 'uniform' or 'normal'")
        for key, value in {"latent_dim": latent_dim, "base_channels": base_channels}.items():
            if value < 1:
                raise UserError(f"model.{key}={value}: use a positive number")
        if kernel_size < 2:
            raise UserError(f"model.kernel_size={kernel_size}: a stride of 2 needs at least 2")
        self.sample_shape = sample_shape
        self.latent_dim = latent_dim
        self.latent = latent
        self.base_channels = base_channels
        self.kernel_size = kernel_size

        noise_range = {"low": -1.0, "high": 1.0} if latent == "uniform" else {}
        self.generator_spec = GeneratorSpec(
            inputs=(TensorSpec("z", (latent_dim,), role=latent, **noise_range),),
            outputs=(TensorSpec("image", sample_shape, role="sample", low=-1.0, high=1.0),),
        )
        self.objective = OBJECTIVES["non_saturating"]
        self.generator = build_generator(latent_dim, sample_shape, base_channels, kernel_size)
        self.discriminator = build_discriminator(sample_shape, base_channels, kernel_size)

    @property
    def parts(self) -> dict[str, list[keras.Variable]]:
        """Discriminator, then generator."""
        return {
            "discriminator": self.discriminator.trainable_variables,
            "generator": self.generator.trainable_variables,
        }

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of Algorithm 1 of Goodfellow et al. (2014) with k = 1: the discriminator, then the generator."""
        x = data["image"]
        batch = tf.shape(x)[0]

        fake = self.generator({"z": self.latents(batch, draw=0)}, training=True)["image"]
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(x, training=True)
            fake_logits = self.discriminator(fake, training=True)
            discriminator_loss = self.objective.discriminator(real_logits, fake_logits)
        self.update("discriminator", tape, discriminator_loss)

        z = self.latents(batch, draw=1)
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator({"z": z}, training=True)["image"], training=True)
            generator_loss = self.objective.generator(logits, real_logits)
        self.update("generator", tape, generator_loss)

        return {
            "discriminator_loss": discriminator_loss,
            "generator_loss": generator_loss,
            "real_probability": tf.reduce_mean(tf.sigmoid(real_logits)),
            "fake_probability": tf.reduce_mean(tf.sigmoid(fake_logits)),
        }

    def latents(self, batch: tf.Tensor, draw: int) -> tf.Tensor:
        """Return z, (batch, latent_dim), from the law that the spec names."""
        return self.noise((batch, self.latent_dim), self.latent, draw, low=-1.0, high=1.0)


def build_generator(
    latent_dim: int, sample_shape: tuple[int, int, int], base_channels: int, kernel_size: int
) -> keras.Model:
    """Return the generator: {"z": (batch, latent_dim)} to {"image": (batch, *sample_shape) in [-1, 1]}."""
    side, doublings = smallest_map(sample_shape)
    channels = base_channels * 2 ** (doublings - 1)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(side * side * channels, use_bias=False, kernel_initializer=_normal())(z)
    x = layers.Reshape((side, side, channels))(x)
    for level in reversed(range(doublings)):
        x = layers.ReLU()(_batch_norm()(x))
        if level > 0:
            filters = base_channels * 2 ** (level - 1)
            x = layers.Conv2DTranspose(filters, kernel_size, 2, "same", use_bias=False, kernel_initializer=_normal())(x)
    x = layers.Conv2DTranspose(sample_shape[-1], kernel_size, 2, "same", kernel_initializer=_normal())(x)
    # float32 whatever the precision of training: the images leave the network here
    image = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model({"z": z}, {"image": image}, name="generator")


def build_discriminator(sample_shape: tuple[int, int, int], base_channels: int, kernel_size: int) -> keras.Model:
    """Return the discriminator: images (batch, *sample_shape) to logits (batch, 1)."""
    _, doublings = smallest_map(sample_shape)
    image = keras.Input(sample_shape, name="image")
    x = image
    for level in range(doublings):
        filters = base_channels * 2**level
        first = level == 0
        x = layers.Conv2D(filters, kernel_size, 2, "same", use_bias=first, kernel_initializer=_normal())(x)
        x = x if first else _batch_norm()(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    logits = layers.Dense(1, dtype="float32", kernel_initializer=_normal())(layers.Flatten()(x))
    return keras.Model(image, logits, name="discriminator")


def smallest_map(sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (m, k) with side = m * 2^k, m from 4 to 7, k >= 1; a side that has none is a `UserError`."""
    if len(sample_shape) != 3 or sample_shape[0] != sample_shape[1]:
        raise UserError(f"dcgan makes square images (side, side, channels), not samples of shape {sample_shape}")
    side = sample_shape[0]
    sizes = {m * 2**k: (m, k) for m in range(4, 8) for k in range(1, 9)}
    if side not in sizes:
        nearest = min(sizes, key=lambda size: (abs(size - side), size))
        raise UserError(f"dcgan cannot make {side} px images, only m * 2^k with m from 4 to 7; the nearest: {nearest}")
    return sizes[side]


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(mean, 0.02)


def _batch_norm() -> keras.layers.Layer:
    # synchronised: otherwise every replica keeps statistics of its own and only the first's are saved
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=_normal(1.0), synchronized=True)
