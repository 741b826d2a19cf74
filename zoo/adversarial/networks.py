"""Networks that adversarial models share, each a pair (generator, discriminator) for any fitting size.

The generator maps {"z": (batch, latent_dim)} to {"image": (batch, *sample_shape) in [-1, 1]}, the discriminator maps
images to outputs (batch, 1), always float32. `normalization` is the discriminator's: "batch", "layer" or "none"; a
critic under a gradient penalty must not mix the samples of a batch, so it takes no "batch". `output_bias` is for
objectives that see a shift of all outputs: for others, no data could ever move it.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from zoo.errors import UserError, unknown
from zoo.layers import NearestUpsampling

Networks = tuple[keras.Model, keras.Model]


def dcgan(
    sample_shape: tuple[int, ...],
    latent_dim: int,
    base_channels: int,
    kernel_size: int = 5,
    normalization: str = "batch",
    output_bias: bool = True,
) -> Networks:
    """Return the strided convolutions of DCGAN (Radford et al. 2015), `base_channels` next to the image.

    The paper's network makes 64 x 64 pictures from a 4 x 4 map. Here the number of doublings follows from the size.
    """
    side, doublings = smallest_map(sample_shape)
    if kernel_size < 2:
        raise UserError(f"model.kernel_size={kernel_size}: a stride of 2 needs at least 2")
    normal = {"kernel_initializer": _normal()}
    channels = base_channels * 2 ** (doublings - 1)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(side * side * channels, use_bias=False, **normal)(z)
    x = layers.Reshape((side, side, channels))(x)
    for level in reversed(range(doublings)):
        x = layers.ReLU()(_batch_norm()(x))
        if level > 0:
            filters = base_channels * 2 ** (level - 1)
            x = layers.Conv2DTranspose(filters, kernel_size, 2, "same", use_bias=False, **normal)(x)
    x = layers.Conv2DTranspose(sample_shape[-1], kernel_size, 2, "same", **normal)(x)
    generator = _generator(z, x)

    image = x = keras.Input(sample_shape, name="image")
    for level in range(doublings):
        # the paper normalises every layer but the first
        kind = "none" if level == 0 else normalization
        filters = base_channels * 2**level
        x = layers.Conv2D(filters, kernel_size, 2, "same", use_bias=kind == "none", **normal)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(_normalized(x, kind))
    output = layers.Dense(1, dtype="float32", use_bias=output_bias, **normal)(layers.Flatten()(x))
    return generator, keras.Model(image, output, name="discriminator")


def resnet(
    sample_shape: tuple[int, ...],
    latent_dim: int,
    base_channels: int,
    normalization: str = "none",
    output_bias: bool = True,
) -> Networks:
    """Return the residual networks of WGAN-GP for CIFAR-10 (Gulrajani et al. 2017), all of one width.

    The generator doubles once a block; the critic halves once a block down to twice the smallest map, then has two
    more blocks and a mean over the map.
    """
    side, doublings = smallest_map(sample_shape)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Reshape((side, side, base_channels))(layers.Dense(side * side * base_channels)(z))
    for _ in range(doublings):
        x = _residual_block(x, base_channels, "batch", before=NearestUpsampling)
    x = layers.ReLU()(_batch_norm()(x))
    generator = _generator(z, layers.Conv2D(sample_shape[-1], 3, padding="same")(x))

    image = x = keras.Input(sample_shape, name="image")
    for _ in range(doublings - 1):
        x = _residual_block(x, base_channels, normalization, after=partial(layers.AveragePooling2D, 2))
    for _ in range(2):
        x = _residual_block(x, base_channels, normalization)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    output = layers.Dense(1, dtype="float32", use_bias=output_bias)(x)
    return generator, keras.Model(image, output, name="discriminator")


NETWORKS: dict[str, Callable[..., Networks]] = {"dcgan": dcgan, "resnet": resnet}


def build(name: str, sample_shape: tuple[int, ...], latent_dim: int, base_channels: int, **options: object) -> Networks:
    """Return the networks called `name`; an unknown name or a size that they cannot make is a `UserError`."""
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    for key, value in {"latent_dim": latent_dim, "base_channels": base_channels}.items():
        if value < 1:
            raise UserError(f"model.{key}={value}: use a positive number")
    return NETWORKS[name](sample_shape, latent_dim, base_channels, **options)


def smallest_map(sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (m, k) with side = m * 2^k, m from 4 to 7, k >= 1; a side that has none is a `UserError`."""
    if len(sample_shape) != 3 or sample_shape[0] != sample_shape[1]:
        raise UserError(f"these networks make square images (side, side, channels), not samples of {sample_shape}")
    side = sample_shape[0]
    sizes = {m * 2**k: (m, k) for m in range(4, 8) for k in range(1, 9)}
    if side not in sizes:
        nearest = min(sizes, key=lambda size: (abs(size - side), size))
        raise UserError(
            f"these networks cannot make {side} px images, only m * 2^k with m from 4 to 7; the nearest: {nearest}"
        )
    return sizes[side]


def _generator(z: keras.KerasTensor, x: keras.KerasTensor) -> keras.Model:
    # float32 whatever the precision of training: the images leave the network here
    return keras.Model({"z": z}, {"image": layers.Activation("tanh", dtype="float32")(x)}, name="generator")


def _residual_block(
    x: keras.KerasTensor,
    filters: int,
    normalization: str,
    before: Callable[[], layers.Layer] | None = None,
    after: Callable[[], layers.Layer] | None = None,
) -> keras.KerasTensor:
    """Return x plus two pre-activated convolutions of it, resampled `before` the first or `after` the second."""
    h, shortcut = x, x
    for index in range(2):
        h = layers.ReLU()(_normalized(h, normalization))
        h = before()(h) if before and index == 0 else h
        h = layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal")(h)
    for resample in filter(None, (before, after)):
        shortcut = resample()(shortcut)
    if shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, kernel_initializer="he_normal")(shortcut)
    return layers.Add()([after()(h) if after else h, shortcut])


def _normalized(x: keras.KerasTensor, normalization: str) -> keras.KerasTensor:
    if normalization == "batch":
        return _batch_norm()(x)
    return layers.LayerNormalization(axis=[1, 2, 3])(x) if normalization == "layer" else x


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(mean, 0.02)


def _batch_norm() -> layers.Layer:
    # synchronised: otherwise every replica keeps statistics of its own and only the first's are saved
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=_normal(1.0), synchronized=True)
