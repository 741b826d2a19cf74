"""StarGAN: one generator that edits any of several attributes of a picture.

Choi, Choi, Kim, Ha, Kim and Choo, "StarGAN: unified generative adversarial networks for multi-domain image-to-image
translation" (2018). The generator G takes a picture x and the attributes c that the result is to have, as K constant
maps beside the colours. The discriminator has two heads on one trunk: D_src tells real from made, D_cls names the
attributes. With c' the attributes that x has (section 3.2, equations 2 to 6, and 8 for the adversarial loss)

    L_D = E D_src(G(x, c)) - E D_src(x) + 10 E (||grad D_src(x_hat)|| - 1)^2 - E log D_cls(c' | x)
    L_G = -E D_src(G(x, c)) - E log D_cls(c | G(x, c)) + 10 E |x - G(G(x, c), c')|

The last term, which makes the way back lead to x, keeps what c does not speak of. c is drawn apart from x: the column
"wanted" holds the attributes of other pictures. The discriminator is updated n_critic times, each on a minibatch of its
own, then the generator once.

The networks are the paper's (appendix, tables 4 and 5) and follow the authors' code where it says more: zero padding
(by the code's comment reflection makes the generator deaf to c), no bias before a normalisation, slope 0.01, weights
uniform within 1 / sqrt(fan in). The log-likelihood of attributes is a binary cross-entropy, summed over them; where one
exclusive group holds them all (as one expression of several), it is that of a softmax. Two differences:

- Instance normalisation takes each picture's own statistics at test time too; the code keeps running ones.
- The discriminator halves a picture as often as it can, at most six times; the paper's 128 pixels it halves six times.
"""

from dataclasses import replace
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo.adversarial.model import check_updates
from zoo.adversarial.penalties import PENALTIES
from zoo.layers import InstanceNormalization
from zoo.model import GenerativeModel, Map
from zoo.noise import edited
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

MULTIPLE, LEAST = 4, 8  # the generator halves both sides twice
_MOST_HALVINGS = 6


class StarGAN(GenerativeModel):
    """One generator for all attributes against a critic that also names them (Choi et al. 2018).

    Both networks have `base_channels` next to the picture; the generator has `blocks` residual blocks. A step updates
    the discriminator `n_critic` times. `class_weight`, `reconstruction_weight` and `penalty_weight` multiply the loss
    of the attributes, the mean absolute error of the way back, and the gradient penalty.

    The map translate takes a picture and all attributes that the result is to have: one that is not wanted is removed.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 64,  # width of both networks next to the picture
        "blocks": 6,  # residual blocks
        "n_critic": 5,  # updates of the discriminator in a step, each on its own part of the batch
        "class_weight": 1.0,  # of the loss of the attributes
        "reconstruction_weight": 10.0,  # of the mean absolute error of the way back
        "penalty_weight": 10.0,  # of the gradient penalty
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "image": ("image",),
        "attributes": ("attributes",),
        "wanted": ("attributes",),
    }
    players: ClassVar[tuple[str, ...]] = ("discriminator", "generator")
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 4, "blocks": 1, "n_critic": 2}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        image, attributes, wanted = (self.columns[name] for name in ("image", "attributes", "wanted"))
        self._check(image, attributes, wanted)
        (self.count,) = attributes.shape
        # a softmax where the attributes are one choice of several
        self.is_one_choice = len(attributes.exclusive) == 1 and len(attributes.exclusive[0]) == self.count
        self.generator = generator(image.shape[-1], self.count, self.base_channels, self.blocks)
        self.discriminator = discriminator(image.shape, self.count, self.base_channels)
        given = replace(image, multiple=MULTIPLE, least=LEAST)
        translated = TensorSpec("translated", image.shape, "output", "image", follows="image")
        self.maps = {"translate": Map(self.generator, MapSpec((given, wanted), (translated,)))}

    def _check(self, image: TensorSpec, attributes: TensorSpec, wanted: TensorSpec) -> None:
        """Refuse data and options that cannot be."""
        if (attributes.names, attributes.shape) != (wanted.names, wanted.shape):
            raise UserError("stargan: the columns attributes and wanted must have the same attributes in one order")
        if any(side % MULTIPLE or side < LEAST for side in image.shape[:2]):
            raise UserError(
                f"stargan halves pictures twice, so their sides are multiples of {MULTIPLE} from {LEAST} on, not "
                f"{image.shape[0]} x {image.shape[1]}: set --config.data.image_size=64, for example"
            )
        check_updates("n_critic", self.n_critic)
        for option in ("base_channels", "blocks"):
            if getattr(self, option) < 1:
                raise UserError(f"model.{option}={getattr(self, option)}: use a positive number")
        for option in ("class_weight", "reconstruction_weight", "penalty_weight"):
            if getattr(self, option) < 0:
                raise UserError(f"model.{option}={getattr(self, option)}: use 0 or more")

    @property
    def batch_divisor(self) -> int:
        """The number that must divide the batch of each replica: each of the critic's updates has an equal part."""
        return self.n_critic

    def conditions(self, name: str, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return pictures, and as wanted their own attributes with one changed: in row k, attribute k mod K."""
        wanted, spec = np.array(rows["attributes"]), self.columns["attributes"]
        for number in range(self.count):
            wanted[number :: self.count] = edited(spec, wanted[number :: self.count], number)
        return {"image": rows["image"], "wanted": wanted}

    def translate(self, x: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        """Return G(x, c) in training."""
        return self.generator({"image": x, "wanted": c}, training=True)["translated"]

    def attributes_loss(self, logits: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        """Return -E log D_cls(c | .): a sum over attributes, a mean over the batch."""
        c = tf.cast(c, logits.dtype)
        if self.is_one_choice:
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(c, logits))
        return tf.reduce_mean(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(c, logits), axis=1))

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Update the discriminator on each minibatch of the batch, then the generator on the last of them."""
        logs = {}
        for turn in range(self.n_critic):
            # every n-th example: the replicas' parts then make up the same minibatches as one device has
            part = {name: values[turn :: self.n_critic] for name, values in data.items()}
            logs = self.discriminator_step(part, turn)
        return {**logs, **self.generator_step(part)}

    def discriminator_step(self, data: dict[str, tf.Tensor], turn: int) -> dict[str, tf.Tensor]:
        """Update the discriminator once; `turn` tells the updates of one training step apart."""
        x, c = data["image"], data["attributes"]
        fake = self.translate(x, data["wanted"])
        with tf.GradientTape() as tape:
            real_logits, named = self.discriminator(x, training=True)
            fake_logits, _ = self.discriminator(fake, training=True)
            critic_loss = tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)
            attributes_loss = self.attributes_loss(named, c)
            loss = critic_loss + self.class_weight * attributes_loss
        with tf.GradientTape() as penalty_tape:
            penalty = PENALTIES["gradient"](
                lambda samples: self.discriminator(samples, training=True)[0],
                x,
                fake,
                lambda shape: self.noise(shape, "uniform", f"between/{turn}"),
            )
            weighted = self.penalty_weight * penalty
        self.update("discriminator", (tape, loss), (penalty_tape, weighted))
        return {
            "discriminator_loss": loss,
            "wasserstein_estimate": -critic_loss,
            "penalty": penalty,
            "real_attributes_loss": attributes_loss,
        }

    def generator_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Update the generator once."""
        x, wanted = data["image"], data["wanted"]
        with tf.GradientTape() as tape:
            fake = self.translate(x, wanted)
            logits, named = self.discriminator(fake, training=True)
            attributes_loss = self.attributes_loss(named, wanted)
            back = tf.reduce_mean(tf.abs(x - self.translate(fake, data["attributes"])))
            loss = self.class_weight * attributes_loss + self.reconstruction_weight * back - tf.reduce_mean(logits)
        self.update("generator", (tape, loss))
        return {"generator_loss": loss, "fake_attributes_loss": attributes_loss, "way_back_l1": back}


def generator(channels: int, attributes: int, base_channels: int, blocks: int) -> keras.Model:
    """Return G (table 4): {"image": (batch, H, W, C), "wanted": (batch, K)} to {"translated": (batch, H, W, C)}.

    H and W are free multiples of 4. The output lies in [-1, 1].
    """
    inputs = {
        "image": keras.Input((None, None, channels), name="image"),
        "wanted": keras.Input((attributes,), dtype="int32", name="wanted"),
    }
    picture = inputs["image"]
    tiled = ops.ones_like(picture[..., :1]) * ops.cast(inputs["wanted"], picture.dtype)[:, None, None, :]
    x = layers.Concatenate()([picture, tiled])
    x = _normalized(layers.Conv2D, x, base_channels, 7)
    for factor in (2, 4):
        x = _normalized(layers.Conv2D, x, factor * base_channels, 4, 2)
    for _ in range(blocks):
        inner = _normalized(layers.Conv2D, x, 4 * base_channels, 3)
        inner = InstanceNormalization()(_convolution(layers.Conv2D, inner, 4 * base_channels, 3))
        x = layers.Add()([x, inner])
    for factor in (2, 1):
        x = _normalized(layers.Conv2DTranspose, x, factor * base_channels, 4, 2)
    x = _convolution(layers.Conv2D, x, channels, 7)
    # float32 whatever the precision of training: the picture leaves the network here
    return keras.Model(inputs, {"translated": layers.Activation("tanh", dtype="float32")(x)}, name="generator")


def discriminator(shape: tuple[int, int, int], attributes: int, base_channels: int) -> keras.Model:
    """Return D (table 5): pictures (batch, H, W, C) to [D_src (batch, h, w, 1), logits of D_cls (batch, K)].

    D_src has an output for each patch. There is no normalisation, which would mix what the penalty looks at.
    """
    x = picture = keras.Input(shape, name="picture")
    for level in range(halvings(shape)):
        x = _convolution(layers.Conv2D, x, base_channels * 2**level, 4, 2, use_bias=True)
        x = layers.LeakyReLU(negative_slope=0.01)(x)
    settings = {"use_bias": False, "kernel_initializer": _uniform(), "dtype": "float32"}
    source = layers.Conv2D(1, 3, padding="same", **settings)(x)
    named = layers.Flatten(dtype="float32")(layers.Conv2D(attributes, x.shape[1:3], **settings)(x))
    return keras.Model(picture, [source, named], name="discriminator")


def halvings(shape: tuple[int, int, int]) -> int:
    """Return how often the discriminator halves pictures of this shape: until a side is odd, at most six times."""
    sides = shape[0] | shape[1]
    return min((sides & -sides).bit_length() - 1, _MOST_HALVINGS)


def _convolution(
    kind: type[layers.Layer], x: keras.KerasTensor, filters: int, kernel: int, stride: int = 1, use_bias: bool = False
) -> keras.KerasTensor:
    return kind(filters, kernel, stride, "same", use_bias=use_bias, kernel_initializer=_uniform())(x)


def _normalized(
    kind: type[layers.Layer], x: keras.KerasTensor, filters: int, kernel: int, stride: int = 1
) -> keras.KerasTensor:
    return layers.ReLU()(InstanceNormalization()(_convolution(kind, x, filters, kernel, stride)))


def _uniform() -> keras.initializers.Initializer:
    """Return the law of torch's convolutions, which the authors' code leaves as it is."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
