"""SRResNet and SRGAN: photo-realistic single image super-resolution using a generative adversarial network.

Ledig, Theis, Huszar, Caballero, Cunningham, Acosta, Aitken, Tejani, Totz, Wang and Shi (2017). SRResNet is the
generator (figure 4): residual blocks with batch normalisation at the size of the small picture, then pixel shuffles. It
is trained on the mean squared error, which PSNR measures. SRGAN begins with its weights (section 3.2) and is trained on
a perceptual loss (equation 3): a content loss plus 0.001 times the adversarial loss. Its pictures are sharper and its
PSNR is lower.

The paper's content loss compares the maps of VGG-19 before its fifth pooling. Here `features` names the network, see
`zoo.translation.features`; with `content="pixels"` it is the squared error of the pixels, the paper's SRGAN-MSE.
"""

import functools
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.layers import BatchNormalization, PixelShuffle
from zoo.shared import pinned
from zoo.shared.errors import UserError
from zoo.translation import features
from zoo.translation.upscaling import Upscaling, reach_of

_STAGES = {2: (2,), 3: (3,), 4: (2, 2)}  # the pixel shuffles of each factor


class SRResNet(Upscaling):
    """The generator alone (Ledig et al. 2017): `blocks` residual blocks of `base_channels`; the paper has 16 of 64."""

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 64,  # width of the generator
        "blocks": 16,  # residual blocks
    }
    players: ClassVar[tuple[str, ...]] = ("generator",)
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 4, "blocks": 1}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        if self.blocks < 1:
            raise UserError(f"model.blocks={self.blocks}: use a positive number")
        stages = _STAGES[self.factor]
        self.generator = srresnet(self.columns["input"].shape[2], self.factor, self.base_channels, self.blocks)
        bodies = [(3, 1)] * (2 * self.blocks + 1)
        reach = reach_of((9, 1), *bodies, *((3, stage) for stage in stages), (9, 1))
        self.maps = self.upscaling(self.generator, reach)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step down the mean squared error (equation 4)."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(data["image"] - self.generator(data["input"], training=True)))
        self.update("generator", (tape, loss))
        return {"loss": loss}


class SRGAN(SRResNet):
    """SRResNet against a discriminator (Ledig et al. 2017); begins with a run of it by `--init_from`.

    The loss is `content_weight` times the content loss plus `adversarial_weight` times the adversarial loss plus
    `pixel_weight` times the mean squared error of the pixels. `content` is "features", the mean squared error between
    the maps of `content_layer` of the network that `features` names (see `zoo.translation.features`; "" is ours), or
    "pixels". A layer that the network lacks is the last one before it.
    """

    options: ClassVar[dict[str, Any]] = {
        "content": "features",  # what the content loss compares: features or pixels
        "features": "",  # the feature network: a file, see `zoo.translation.features`; "" is the one that comes along
        "content_layer": "conv5_4",  # layer of the feature network; one that it lacks is the last before it
        "content_weight": 1.0,  # of the content loss
        "adversarial_weight": 1e-3,  # of the adversarial loss
        "pixel_weight": 0.0,  # of the mean squared error of the pixels
    }
    players: ClassVar[tuple[str, ...]] = ("discriminator", "generator")
    smallest: ClassVar[dict[str, Any]] = {"content": "pixels"}
    begins_with: ClassVar[tuple[str, ...]] = ("srresnet",)

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._check_losses()
        if self.content == "features" and not pinned.split(self.features)[1]:
            self.features = self.chosen["features"] = features.pin(self.features)
        self.discriminator = discriminator(self.columns["image"].shape, self.base_channels)

    def _check_losses(self) -> None:
        if self.content not in ("features", "pixels"):
            raise UserError(f"model.content={self.content}: use features or pixels")
        if self.content == "pixels" and self.features:
            raise UserError(f"model.features={self.features}: leave it empty, since model.content=pixels compares none")
        for key in ("content_weight", "adversarial_weight", "pixel_weight"):
            if getattr(self, key) < 0:
                raise UserError(f"model.{key}={getattr(self, key)}: use 0 or more")
        if not self.adversarial_weight:
            raise UserError("model.adversarial_weight=0: that is SRResNet; use --config.model.name=srresnet")
        try:
            features.least_side(self.content_layer)  # a name that is none is refused, whether the layer is used or not
        except UserError as error:
            raise UserError(f"model.content_layer: {error}") from None
        if self.content == "features" and min(self.columns["image"].shape[:2]) < features.least_side(self._layer):
            raise UserError(
                f"model.content_layer={self.content_layer} needs pictures of {features.least_side(self._layer)} pixels "
                "or more: choose an earlier layer, such as conv2_2, or larger pictures by --config.data.image_size"
            )

    @property
    def _layer(self) -> str:
        return features.nearest(self.features, self.content_layer)

    @functools.cached_property
    def _extractor(self) -> features.Frozen:
        # read when a step is traced: what only makes pictures does without the file
        return features.load(self.features, [self.content_layer])

    def content_loss(self, image: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """Return the content loss: equation 5, or 4 for pixels."""
        if self.content == "pixels":
            return tf.reduce_mean(tf.square(image - fake))
        true, made = (self._extractor.network(pictures)[self._layer] for pictures in (image, fake))
        return tf.reduce_mean(tf.square(true - made))

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator, on the same pictures."""
        image = data["image"]
        with tf.GradientTape() as tape:
            fake = self.generator(data["input"], training=True)
            with tape.stop_recording():
                logs = self.discriminator_step(image, fake)
            adversarial = tf.reduce_mean(tf.nn.softplus(-self.discriminator(fake, training=True)))
            content = self.content_loss(image, fake)
            loss = self.content_weight * content + self.adversarial_weight * adversarial
            if self.pixel_weight:
                loss += self.pixel_weight * tf.reduce_mean(tf.square(image - fake))
        self.update("generator", (tape, loss))
        return {**logs, "generator_loss": loss, "content_loss": content, "adversarial_loss": adversarial}

    def discriminator_step(self, image: tf.Tensor, fake: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the discriminator once (equation 2)."""
        with tf.GradientTape() as tape:
            real_logits, fake_logits = (self.discriminator(pictures, training=True) for pictures in (image, fake))
            loss = tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))
        self.update("discriminator", (tape, loss))
        right = tf.concat([real_logits > 0, fake_logits <= 0], axis=0)
        return {"discriminator_loss": loss, "accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}


def srresnet(channels: int, factor: int, base_channels: int, blocks: int) -> keras.Model:
    """Return the generator: (batch, H, W, channels) to (batch, factor H, factor W, channels), without bounds.

    A factor of 4 is two pixel shuffles of 2. Factors of 2 and 3, which the paper has not, are one.
    """
    picture = keras.Input((None, None, channels), name="picture")
    start = x = parametric_relu()(_convolution(picture, base_channels, 9))
    for _ in range(blocks):
        inner = parametric_relu()(_normalized(_convolution(x, base_channels, use_bias=False)))
        x = layers.Add()([_normalized(_convolution(inner, base_channels, use_bias=False)), x])
    x = layers.Add()([_normalized(_convolution(x, base_channels, use_bias=False)), start])
    for stage in _STAGES[factor]:
        x = parametric_relu()(PixelShuffle(stage)(_convolution(x, base_channels * stage**2)))
    # float32 whatever the precision of training: the picture leaves the network here
    return keras.Model(picture, _convolution(x, channels, 9, dtype="float32"), name="generator")


def parametric_relu() -> layers.Layer:
    """Return the parametric ReLU of He, Zhang, Ren and Sun (2015): a learned slope for each channel, 1/4 at first."""
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])


def discriminator(shape: tuple[int, int, int], base_channels: int) -> keras.Model:
    """Return the discriminator: pictures (batch, H, W, C) of one size to a logit each.

    Eight convolutions, every second one with stride 2, whose channels double four times; then two dense layers.
    """
    x = picture = keras.Input(shape, name="picture")
    for number in range(8):
        is_first = number == 0
        x = _convolution(x, base_channels * 2 ** (number // 2), stride=1 + number % 2, use_bias=is_first)
        x = layers.LeakyReLU(negative_slope=0.2)(x if is_first else _normalized(x))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(16 * base_channels)(layers.Flatten()(x)))
    return keras.Model(picture, layers.Dense(1, dtype="float32")(x), name="discriminator")


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int = 3, stride: int = 1, **options: Any
) -> keras.KerasTensor:
    return layers.Conv2D(filters, kernel, stride, padding="same", **options)(x)


def _normalized(x: keras.KerasTensor) -> keras.KerasTensor:
    return BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
