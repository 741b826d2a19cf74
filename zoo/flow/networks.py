"""Networks of a velocity: from a sample x at the time t, and perhaps a code of its class, to v(x, t), in float32.

Each maps {"x": (batch, *shape), "t": (batch,)[, "code": (batch, `TIME_FEATURES`)]} to (batch, *shape). What is learned
is F in

    v = (2t - 1) / d x + F(x / sqrt(d), t) / sqrt(d),   d = (1 - t)^2 + t^2.

Were the data of mean 0 and variance 1, the first part would be the best linear guess, and F would have to find
something of variance 1 at every time. It is to a velocity what the preconditioning of Karras, Aittala, Aila and Laine
(2022) is to a denoiser: F need not carry all the noise through to its end, so a small network will do.
"""

import math

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.layers import PixelShuffle
from zoo.shared.errors import UserError

TIME_FEATURES = 64
MOST_HALVINGS = 5
_FASTEST = 1000.0  # radians in a unit of time, of the fastest wave of the features of t


@keras.saving.register_keras_serializable("genzoo")
class TimeFeatures(layers.Layer):
    """Waves of the time t, (batch,), slow to fast: (batch, `TIME_FEATURES`)."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{**options, "dtype": "float32"})  # fast waves of a bfloat16 t would jump

    def call(self, t: tf.Tensor) -> tf.Tensor:
        """Return the cosines, then the sines."""
        half = TIME_FEATURES // 2
        rates = [_FASTEST ** (number / (half - 1)) for number in range(half)]
        angles = ops.expand_dims(t, -1) * ops.convert_to_tensor([rates], "float32")
        return ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)


@keras.saving.register_keras_serializable("genzoo")
class Scaled(layers.Layer):
    """(x, t) to x / sqrt(d), what F sees, in float32."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """Return samples of variance 1, if those of the data have it."""
        return x * ops.rsqrt(spread(x, t))


@keras.saving.register_keras_serializable("genzoo")
class Guessed(layers.Layer):
    """(x, t, F) to the velocity, in float32."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x: tf.Tensor, t: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        """Return the linear guess and what was found beyond it."""
        d = spread(x, t)
        return (2 * along(x, t) - 1) / d * x + ops.rsqrt(d) * found


def along(x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
    """Return t, (batch,), with as many axes as x has."""
    return ops.reshape(t, (-1, *[1] * (len(x.shape) - 1)))


def spread(x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
    """Return d, the variance at the time t if the data's is 1, with as many axes as x has."""
    t = along(x, t)
    return (1 - t) ** 2 + t**2


def mlp(shape: tuple[int, ...], width: int, depth: int, has_code: bool) -> keras.Model:
    """Return a velocity of `depth` dense layers of `width` units, for samples of any shape."""
    inputs, code = _inputs(shape, has_code)
    x = layers.Flatten()(Scaled()(inputs["x"], inputs["t"]))
    x = layers.Concatenate()([x, code])
    for _ in range(depth):
        x = layers.Dense(width, activation="silu", kernel_initializer="he_normal")(x)
    x = layers.Reshape(shape)(layers.Dense(math.prod(shape), name="found")(x))
    return keras.Model(inputs, Guessed()(inputs["x"], inputs["t"], x), name="velocity")


def unet(shape: tuple[int, ...], base_channels: int, depth: int, has_code: bool) -> keras.Model:
    """Return a U-Net (Ronneberger, Fischer & Brox 2015) that halves the sides `depth` times, for pictures.

    Next to the picture is one convolution of `base_channels` on each side, which takes and makes blocks of 2 x 2
    pixels at once. A level of k halvings has k `base_channels`. On the way down and on the way up it has one
    residual block each, and it hands its map across.
    """
    _check_depth(shape, depth)
    inputs, code = _inputs(shape, has_code)
    code = layers.Dense(TIME_FEATURES, activation="silu")(code)
    x = Scaled()(inputs["x"], inputs["t"])
    skips = []
    for level in range(1, depth + 1):
        x = layers.Conv2D(level * base_channels, 4 if level == 1 else 2, 2, "same")(x)
        x = _residual(x, code)
        skips.append(x)
    for level in range(depth, 0, -1):
        if level < depth:
            x = PixelShuffle(2)(layers.Conv2D(4 * level * base_channels, 1)(x))
            x = layers.Add()([x, skips[level - 1]])
        x = _residual(x, code)
    x = layers.Conv2D(4 * shape[-1], 3, padding="same", name="found")(layers.Activation("silu")(x))
    x = PixelShuffle(2)(x)
    return keras.Model(inputs, Guessed()(inputs["x"], inputs["t"], x), name="velocity")


def _check_depth(shape: tuple[int, ...], depth: int) -> None:
    """Refuse samples that are no pictures, and more halvings of their sides than there are."""
    if len(shape) != 3:
        raise UserError(f"model.network=unet: samples of {shape} are no pictures; use --config.model.network=mlp")
    sides = f"{shape[0]} x {shape[1]} pixels"
    deepest = next(k for k in range(MOST_HALVINGS, -1, -1) if shape[0] % 2**k == shape[1] % 2**k == 0)
    if not deepest:
        raise UserError(f"{sides} cannot be halved; use --config.model.network=mlp, or even sides")
    if not 1 <= depth <= deepest:
        raise UserError(f"model.depth={depth}: use a number from 1 to {deepest}, as often as {sides} can be halved")


def _inputs(shape: tuple[int, ...], has_code: bool) -> tuple[dict[str, keras.KerasTensor], keras.KerasTensor]:
    """Return the inputs, and the code of time and class together."""
    inputs = {"x": keras.Input(shape, name="x"), "t": keras.Input((), name="t")}
    code = TimeFeatures()(inputs["t"])
    if has_code:
        inputs["code"] = keras.Input((TIME_FEATURES,), name="code")
        code = layers.Concatenate()([code, inputs["code"]])
    return inputs, code


def _residual(x: keras.KerasTensor, code: keras.KerasTensor) -> keras.KerasTensor:
    """Return x plus two convolutions of it; the code scales and shifts the map between them."""
    channels = x.shape[-1]
    h = layers.Conv2D(channels, 3, padding="same")(layers.Activation("silu")(x))
    gain, shift = (layers.Reshape((1, 1, channels))(layers.Dense(channels)(code)) for _ in range(2))
    h = layers.Activation("silu")(layers.Add()([h, layers.Multiply()([h, gain]), shift]))
    return layers.Add()([x, layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(h)])
