"""pix2pix: image-to-image translation with conditional adversarial networks.

Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial networks" (2017). The generator is
a U-Net from the input picture to the output picture. The discriminator judges overlapping patches, and it sees the
input beside the output. The generator's loss is adversarial plus 100 times the mean absolute error (section 3.1). The
only noise is dropout in the decoder, at test time too.

Two differences from the authors' code make the generator one deterministic map for any batch:

- Dropout compares an input `u`, uniform in [0, 1), with the rate. So the same `u` gives the same picture.
- Each example is normalised by its own statistics (instance normalisation). The authors train with a batch of 1 and
  normalise a test batch by its own statistics, and for one picture that is the same.

For colourisation the grey picture is the luma of the answer. With `keep_grey` a last line without weights shifts every
pixel to the luma of the input, so that the network has only the colour to find, as in Zhang, Isola and Efros (2016).
"""

import math
from itertools import zip_longest
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.layers import KeepGrey
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec
from zoo.translation.patchgan import convolution, most_halvings, patchgan

DEEPEST = 8  # the paper's, for 256 pixels


class Pix2Pix(GenerativeModel):
    """A U-Net against a discriminator of patches (Isola et al. 2017).

    The U-Net halves the picture `depth` times, 0 for as often as it can be, at most 8. Both networks have
    `base_channels` next to the picture; the discriminator has `halvings`. `dropout` is the rate of the noise, 0 for
    none. The generator's loss is `l1_weight` times the mean absolute error plus `gan_weight` times the adversarial
    loss. `keep_grey` gives the output the luma of a grey input.

    The paper's ablations (section 4.2): `gan_weight` 0 leaves no discriminator, `l1_weight` 0 no error, and
    `conditional` false hides the input from the discriminator.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 64,  # width of both networks next to the picture
        "depth": 0,  # halvings of the U-Net; 0 is as many as can be, at most 8
        "halvings": 3,  # of the discriminator's patches; 3 sees 70 pixels
        "dropout": 0.5,  # rate of the noise; 0 is none
        "l1_weight": 100.0,  # of the mean absolute error
        "gan_weight": 1.0,  # of the adversarial loss; 0 leaves no discriminator
        "conditional": True,  # whether the discriminator sees the input
        "keep_grey": False,  # whether the output has the luma of a grey input
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"input": ("image",), "image": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("generator",)
    players_if: ClassVar[dict[str, tuple[str, ...]]] = {"gan_weight": ("discriminator",)}
    targets: ClassVar[dict[str, str]] = {"translated": "image"}
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 4, "halvings": 1}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        source, target = self.columns["input"], self.columns["image"]
        depth = self._checked_depth(source.shape, target.shape)
        self.generator = unet(
            source.shape, target.shape[-1], self.base_channels, depth, self.dropout, keep_grey=self.keep_grey
        )
        if self.gan_weight:
            seen = target.shape[-1] + (source.shape[-1] if self.conditional else 0)
            self.discriminator = patchgan((*target.shape[:2], seen), self.base_channels, self.halvings)
        inputs = [source]
        if self.dropout:
            inputs.append(TensorSpec("u", self.generator.input["u"].shape[1:], "uniform", low=0.0, high=1.0))
        translated = TensorSpec("translated", target.shape, "output", "image")
        self.maps = {"translate": Map(self.generator, MapSpec(tuple(inputs), (translated,)))}

    def _checked_depth(self, source: tuple[int, ...], target: tuple[int, ...]) -> int:
        """Refuse options that cannot be; return the number of halvings of the U-Net."""
        if source[:2] != target[:2]:
            raise UserError(f"pix2pix keeps the size of a picture; the input has {source[:2]}, the image {target[:2]}")
        height, width, _ = source
        deepest = most_halvings(height, width)
        depth = self.depth or min(deepest, DEEPEST)
        if not 2 <= depth <= deepest:
            raise UserError(
                f"model.depth={depth}: use at least 2; {height} x {width} pixels can be halved {deepest} times, so "
                "take sides that are multiples of a power of 2, such as --config.data.image_size=64"
            )
        if self.keep_grey and (source[-1], target[-1]) != (1, 3):
            raise UserError("model.keep_grey=true: it makes colour, 3 channels, of grey, 1 channel; try grey:NAME data")
        if not 0 <= self.halvings <= min(deepest, 5):
            raise UserError(f"model.halvings={self.halvings}: use 0 to {min(deepest, 5)}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"model.dropout={self.dropout}: use a rate from 0 up to, but not, 1")
        if self.base_channels < 1:
            raise UserError(f"model.base_channels={self.base_channels}: use a positive number")
        if min(self.l1_weight, self.gan_weight) < 0 or self.l1_weight + self.gan_weight == 0:
            weights = f"model.l1_weight={self.l1_weight}, model.gan_weight={self.gan_weight}"
            raise UserError(f"{weights}: use 0 or more, and not 0 for both")
        return depth

    def logits(self, source: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """Return the discriminator's logits of an output in training, beside its input if it is conditional."""
        seen = tf.concat([source, tf.cast(image, source.dtype)], axis=-1) if self.conditional else image
        return self.discriminator(seen, training=True)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator, on the same translated pictures."""
        source, image = data["input"], data["image"]
        inputs = {"input": source, **self.draw("translate", tf.shape(source)[0], "noise")}
        logs = {}
        with tf.GradientTape() as tape:
            fake = self.generator(inputs, training=True)["translated"]
            l1 = tf.reduce_mean(tf.abs(image - fake))
            loss = self.l1_weight * l1
            if self.gan_weight:
                with tape.stop_recording():
                    logs = self.discriminator_step(source, image, fake)
                adversarial = tf.reduce_mean(tf.nn.softplus(-self.logits(source, fake)))
                loss += self.gan_weight * adversarial
                logs["adversarial_loss"] = adversarial
        self.update("generator", (tape, loss))
        return {**logs, "generator_loss": loss, "l1": l1}

    def discriminator_step(self, source: tf.Tensor, image: tf.Tensor, fake: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the discriminator once; its loss is halved, so that it learns more slowly (section 3.3)."""
        with tf.GradientTape() as tape:
            real_logits, fake_logits = self.logits(source, image), self.logits(source, fake)
            real, made = tf.reduce_mean(tf.nn.softplus(-real_logits)), tf.reduce_mean(tf.nn.softplus(fake_logits))
            loss = (real + made) / 2
        self.update("discriminator", (tape, loss))
        right = tf.concat([real_logits > 0, fake_logits <= 0], axis=0)
        return {"discriminator_loss": loss, "accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}


def unet(
    input_shape: tuple[int, int, int],
    output_channels: int,
    base_channels: int,
    depth: int,
    dropout: float,
    keep_grey: bool = False,
) -> keras.Model:
    """Return the generator of section 6.1.1: `depth` halvings, as many doublings, each joined to its mirror image.

    It maps {"input": (batch, H, W, C)} to {"translated": (batch, H, W, output_channels)} in [-1, 1]. The first map has
    `base_channels`, deeper ones twice as many each up to eight times as many. The first three layers of the decoder
    drop a value where its element of `u` is below the rate `dropout`; `u` (batch, K) holds the elements of the three
    maps, row by row, one map after the other. A rate of 0 makes a generator without `u`. With `keep_grey` the output
    has the luma of the input.
    """
    channels = [base_channels * min(2**level, 8) for level in range(depth)]
    inputs = {"input": keras.Input(input_shape, name="input")}

    x, skips = inputs["input"], []
    for level in range(depth):
        if level > 0:
            x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = convolution(layers.Conv2D, x, channels[level], normalized=level > 0)
        skips.append(x)

    mirrors, masks = skips[-2::-1], []
    if dropout:
        shapes = [mirror.shape[1:] for mirror in mirrors[:3]]
        inputs["u"] = keras.Input((sum(map(math.prod, shapes)),), name="u")
        masks = _masks(inputs["u"], shapes, dropout)
    for mirror, mask in zip_longest(mirrors, masks):
        x = convolution(layers.Conv2DTranspose, layers.ReLU()(x), mirror.shape[-1])
        x = x if mask is None else layers.Multiply()([x, mask])
        x = layers.Concatenate()([x, mirror])
    x = convolution(layers.Conv2DTranspose, layers.ReLU()(x), output_channels, normalized=False)
    # float32 whatever the precision of training: the picture leaves the network here
    made = layers.Activation("tanh", dtype="float32")(x)
    if keep_grey:
        made = KeepGrey(dtype="float32")([made, inputs["input"]])
    return keras.Model(inputs, {"translated": made}, name="generator")


def _masks(u: keras.KerasTensor, shapes: list[tuple[int, int, int]], rate: float) -> list[keras.KerasTensor]:
    """Return a map for each shape: 0 where `u` drops the value, 1 / (1 - rate) where it stays."""
    kept = ops.cast(u >= rate, u.dtype) / (1 - rate)
    masks, end = [], 0
    for shape in shapes:
        start, end = end, end + math.prod(shape)
        masks.append(layers.Reshape(shape)(kept[:, start:end]))
    return masks
