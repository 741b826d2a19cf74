"""Networks of a variational autoencoder: encoders to the moments of q(z | x), decoders to the parameters of p(x | z).

An encoder maps {"image": (batch, *shape)} to {"mean", "log_variance": (batch, latent_dim)}; a decoder maps
{"z": (batch, latent_dim)} to {head: (batch, *shape)} for each of its `heads`. All outputs are float32. The bias of the
output starts at 0: where it starts from the mean of the data and the KL divergence counts from the first step, the
posterior collapses.
"""

import math

import keras
from keras import layers

from zoo.layers.sizes import smallest_map


def mlp_encoder(shape: tuple[int, ...], latent_dim: int, width: int, depth: int) -> keras.Model:
    """Return {"image": (batch, *shape)} -> {"mean", "log_variance": (batch, latent_dim)} of `depth` ReLU layers."""
    image = keras.Input(shape, name="image")
    x = layers.Flatten()(image)
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    return _encoder(image, x, latent_dim)


def mlp_decoder(shape: tuple[int, ...], latent_dim: int, heads: tuple[str, ...], width: int, depth: int) -> keras.Model:
    """Return {"z": (batch, latent_dim)} -> {head: (batch, *shape) for head in heads} of `depth` ReLU layers."""
    z = x = keras.Input((latent_dim,), name="z")
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    outputs = {}
    for head in heads:
        pixels = layers.Dense(math.prod(shape), dtype="float32")(x)
        outputs[head] = layers.Reshape(shape, dtype="float32", name=head)(pixels)
    return keras.Model({"z": z}, outputs, name="decoder")


def convolutional_encoder(shape: tuple[int, ...], latent_dim: int, base_channels: int) -> keras.Model:
    """Return {"image": (batch, *shape)} -> {"mean", "log_variance": (batch, latent_dim)}.

    Each convolution halves the side and doubles the channels.
    """
    _, halvings = smallest_map(shape)
    image = x = keras.Input(shape, name="image")
    for level in range(halvings):
        x = layers.Conv2D(base_channels * 2**level, 4, 2, "same", activation="relu")(x)
    return _encoder(image, layers.Flatten()(x), latent_dim)


def convolutional_decoder(
    shape: tuple[int, ...], latent_dim: int, heads: tuple[str, ...], base_channels: int
) -> keras.Model:
    """Return {"z": (batch, latent_dim)} -> {head: (batch, *shape) for head in heads}.

    The mirror image of the encoder: each transposed convolution doubles the side.
    """
    side, doublings = smallest_map(shape)
    channels = base_channels * 2 ** (doublings - 1)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(side * side * channels, activation="relu")(z)
    x = layers.Reshape((side, side, channels))(x)
    for level in reversed(range(doublings - 1)):
        x = layers.Conv2DTranspose(base_channels * 2**level, 4, 2, "same", activation="relu")(x)
    outputs = {head: layers.Conv2DTranspose(shape[-1], 4, 2, "same", dtype="float32", name=head)(x) for head in heads}
    return keras.Model({"z": z}, outputs, name="decoder")


def _encoder(image: keras.KerasTensor, features: keras.KerasTensor, latent_dim: int) -> keras.Model:
    moments = {
        name: layers.Dense(latent_dim, dtype="float32", name=name)(features) for name in ("mean", "log_variance")
    }
    return keras.Model({"image": image}, moments, name="encoder")
