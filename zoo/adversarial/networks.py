"""Networks that adversarial models share, each a pair (generator, discriminator) for any fitting size.

The generator maps {"z": (batch, latent_dim)} to {"image": (batch, *sample_shape) in [-1, 1]}, or, for samples of one
axis, to {"point": (batch, *sample_shape)} in the data's own units; the discriminator maps such samples to outputs
(batch, 1), always float32. Options of all of them:

- `normalization` is the discriminator's: "batch", "layer", "spectral" or "none"; a critic under a gradient penalty
  must not mix the samples of a batch, so it takes no "batch";
- `output_bias` is for objectives that see a shift of all outputs: for others, no data could ever move it, and the
  hinge loss sees none within its margins;
- with `classes` the generator has a second input, "label" (batch,) int32, which chooses the gains and shifts of its
  batch normalisation (Dumoulin et al. 2017; Miyato & Koyama 2018);
- `features_only` leaves out the discriminator's last layer: it then returns features (batch, d).
"""

import math
from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf
from keras import layers

from zoo.layers import BatchNormalization, NearestUpsampling, SpectralConv2D, SpectralDense
from zoo.layers.sizes import smallest_map
from zoo.shared.errors import UserError, unknown

Networks = tuple[keras.Model, keras.Model]
NORMALIZATIONS = ("none", "batch", "layer", "spectral")


def mlp(
    sample_shape: tuple[int, ...],
    latent_dim: int,
    base_channels: int,
    depth: int = 3,
    normalization: str = "none",
    output_bias: bool = True,
    classes: int = 0,
    features_only: bool = False,
) -> Networks:
    """Return dense networks of `depth` hidden layers of `base_channels` units, for samples of any shape.

    The generator has batch normalisation only if it has classes: the batch's statistics add noise, which an image bears
    and a point does not.
    """
    inputs = _generator_inputs(latent_dim, classes)
    x = inputs["z"]
    for _ in range(depth):
        x = layers.Dense(base_channels, use_bias=not classes)(x)
        x = layers.ReLU()(_batch_norm(x, inputs["label"], classes) if classes else x)
    x = layers.Reshape(sample_shape)(layers.Dense(math.prod(sample_shape))(x))
    generator = generator_model(inputs, x)

    image = keras.Input(sample_shape, name="image")
    x = layers.Flatten()(image)
    dense = dense_layer(normalization)
    for _ in range(depth):
        x = dense(base_channels, use_bias=normalization in ("none", "spectral"))(x)
        x = layers.LeakyReLU(negative_slope=0.2)(_normalized(x, normalization))
    return generator, _discriminator(image, x, normalization, output_bias, features_only)


def dcgan(
    sample_shape: tuple[int, ...],
    latent_dim: int,
    base_channels: int,
    kernel_size: int = 5,
    normalization: str = "batch",
    output_bias: bool = True,
    classes: int = 0,
    features_only: bool = False,
) -> Networks:
    """Return the strided convolutions of DCGAN (Radford et al. 2015), `base_channels` next to the image.

    The paper's network makes 64 x 64 pictures from a 4 x 4 map. Here the number of doublings follows from the size.
    """
    side, doublings = smallest_map(sample_shape)
    if kernel_size < 2:
        raise UserError(f"model.kernel_size={kernel_size}: a stride of 2 needs at least 2")
    normal = {"kernel_initializer": _normal()}
    channels = base_channels * 2 ** (doublings - 1)
    inputs = _generator_inputs(latent_dim, classes)
    x = layers.Dense(side * side * channels, use_bias=False, **normal)(inputs["z"])
    x = layers.Reshape((side, side, channels))(x)
    for level in reversed(range(doublings)):
        x = layers.ReLU()(_batch_norm(x, inputs.get("label"), classes))
        if level > 0:
            filters = base_channels * 2 ** (level - 1)
            x = layers.Conv2DTranspose(filters, kernel_size, 2, "same", use_bias=False, **normal)(x)
    x = layers.Conv2DTranspose(sample_shape[-1], kernel_size, 2, "same", **normal)(x)
    generator = generator_model(inputs, x)

    image = x = keras.Input(sample_shape, name="image")
    convolution = _convolution(normalization)
    for level in range(doublings):
        # the paper normalises every layer but the first
        kind = "none" if level == 0 else normalization
        filters = base_channels * 2**level
        x = convolution(filters, kernel_size, 2, "same", use_bias=kind in ("none", "spectral"), **normal)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(_normalized(x, kind))
    return generator, _discriminator(image, layers.Flatten()(x), normalization, output_bias, features_only, **normal)


def resnet(
    sample_shape: tuple[int, ...],
    latent_dim: int,
    base_channels: int,
    normalization: str = "none",
    output_bias: bool = True,
    classes: int = 0,
    features_only: bool = False,
) -> Networks:
    """Return the residual networks of WGAN-GP for CIFAR-10 (Gulrajani et al. 2017), all of one width.

    The generator doubles once a block; the critic halves once a block down to twice the smallest map, then has two
    more blocks and a mean over the map.
    """
    side, doublings = smallest_map(sample_shape)
    inputs = _generator_inputs(latent_dim, classes)
    x = layers.Reshape((side, side, base_channels))(layers.Dense(side * side * base_channels)(inputs["z"]))
    norm = partial(_batch_norm, label=inputs.get("label"), classes=classes)
    for _ in range(doublings):
        x = _residual_block(x, base_channels, norm, layers.Conv2D, before=NearestUpsampling)
    x = layers.Conv2D(sample_shape[-1], 3, padding="same")(layers.ReLU()(norm(x)))
    generator = generator_model(inputs, x)

    image = x = keras.Input(sample_shape, name="image")
    norm, convolution = partial(_normalized, normalization=normalization), _convolution(normalization)
    halvings = [partial(layers.AveragePooling2D, 2)] * (doublings - 1)
    for index, after in enumerate([*halvings, None, None]):
        # the first block sees the image itself, all of it
        x = _residual_block(x, base_channels, norm, convolution, after=after, preactivated=index > 0)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return generator, _discriminator(image, x, normalization, output_bias, features_only)


NETWORKS: dict[str, Callable[..., Networks]] = {"mlp": mlp, "dcgan": dcgan, "resnet": resnet}


def build(name: str, shape: tuple[int, ...], latent_dim: int, base_channels: int, **options: object) -> Networks:
    """Return the networks called `name`; an unknown name or what they cannot make is a `UserError`."""
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    check_positive(latent_dim=latent_dim, base_channels=base_channels)
    normalization = options.get("normalization", "none")
    if normalization not in NORMALIZATIONS:
        raise UserError(f"model.normalization={normalization!r}: use one of {', '.join(NORMALIZATIONS)}")
    return NETWORKS[name](shape, latent_dim, base_channels, **options)


def generator_model(inputs: dict[str, keras.KerasTensor], x: keras.KerasTensor) -> keras.Model:
    """Return the generator that makes `x` of its inputs: images through a tanh, points as they are."""
    # float32 whatever the precision of training: the samples leave the network here
    is_image = len(x.shape) == 4
    sample = layers.Activation("tanh" if is_image else "linear", dtype="float32")(x)
    return keras.Model(inputs, {"image" if is_image else "point": sample}, name="generator")


def check_positive(**options: float) -> None:
    """Refuse the first of a model's options that is not above 0."""
    for key, value in options.items():
        if not value > 0:
            raise UserError(f"model.{key}={value}: use a positive number")


def check_classes(classes: int) -> None:
    """Refuse a number of classes that a class-conditional model cannot have."""
    if classes < 2:
        raise UserError(f"the data have {classes} class: a class-conditional model needs at least 2")


def clip_weights(network: keras.Model, limit: float) -> None:
    """Keep all trainable weights within [-limit, limit], those of normalisation too (Arjovsky et al. 2017)."""
    for weight in network.trainable_variables:
        weight.assign(tf.clip_by_value(weight, -limit, limit))


def _generator_inputs(latent_dim: int, classes: int) -> dict[str, keras.KerasTensor]:
    z = {"z": keras.Input((latent_dim,), name="z")}
    return {**z, "label": keras.Input((), dtype="int32", name="label")} if classes else z


def _discriminator(
    image: keras.KerasTensor,
    x: keras.KerasTensor,
    normalization: str,
    output_bias: bool,
    features_only: bool,
    **options: object,
) -> keras.Model:
    output = x if features_only else dense_layer(normalization)(1, dtype="float32", use_bias=output_bias, **options)(x)
    return keras.Model(image, output, name="discriminator")


def _residual_block(
    x: keras.KerasTensor,
    filters: int,
    norm: Callable[[keras.KerasTensor], keras.KerasTensor],
    convolution: type[layers.Layer],
    before: Callable[[], layers.Layer] | None = None,
    after: Callable[[], layers.Layer] | None = None,
    preactivated: bool = True,
) -> keras.KerasTensor:
    """Return x plus two convolutions, each of a rectified map, resampled `before` the first or `after` the second.

    If not `preactivated`, the first convolution sees x as it is.
    """
    h, shortcut = x, x
    for index in range(2):
        h = layers.ReLU()(norm(h)) if preactivated or index > 0 else h
        h = before()(h) if before and index == 0 else h
        h = convolution(filters, 3, padding="same", kernel_initializer="he_normal")(h)
    for resample in filter(None, (before, after)):
        shortcut = resample()(shortcut)
    if shortcut.shape[-1] != filters:
        shortcut = convolution(filters, 1, kernel_initializer="he_normal")(shortcut)
    return layers.Add()([after()(h) if after else h, shortcut])


def dense_layer(normalization: str) -> type[layers.Layer]:
    """Return the class of a discriminator's dense layers."""
    return SpectralDense if normalization == "spectral" else layers.Dense


def _convolution(normalization: str) -> type[layers.Layer]:
    return SpectralConv2D if normalization == "spectral" else layers.Conv2D


def _normalized(x: keras.KerasTensor, normalization: str) -> keras.KerasTensor:
    if normalization == "batch":
        return _batch_norm(x)
    if normalization == "layer":
        return layers.LayerNormalization(axis=list(range(1, len(x.shape))))(x)
    return x


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(mean, 0.02)


def _batch_norm(x: keras.KerasTensor, label: keras.KerasTensor | None = None, classes: int = 0) -> keras.KerasTensor:
    is_plain = label is None
    x = BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        center=is_plain,
        scale=is_plain,
        gamma_initializer=_normal(1.0),
    )(x)
    if is_plain:
        return x
    channels = x.shape[-1]
    per_channel = layers.Reshape((*[1] * (len(x.shape) - 2), channels))
    gain = per_channel(layers.Embedding(classes, channels, _normal(1.0))(label))
    shift = per_channel(layers.Embedding(classes, channels, "zeros")(label))
    return layers.Add()([layers.Multiply()([x, gain]), shift])
