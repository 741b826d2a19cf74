"""Arbitrary style transfer by adaptive instance normalisation: one network for any picture in any style.

Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization" (2017). A frozen
encoder makes maps of content and style. Adaptive instance normalisation gives each channel of the content's maps the
mean and the deviation of that channel in the style's (equation 8). A decoder, the encoder's mirror image, learns to
make a picture of the result. `alpha` mixes that result with the content's own maps (equation 14): 0 rebuilds the
content.

The content loss is the squared error of the picture's maps to those that the decoder was given (equation 12). The
style loss is that of the means and deviations in four layers (equation 13).

A difference from the paper: the encoder is that of `zoo.translation.features`, which pads by zeros. The decoder pads by
reflection and enlarges by repeating pixels, as in the paper. Its pictures are clipped in the map alone: a tanh at its
end saturates within a few steps and learns no more.
"""

from dataclasses import replace
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo import noise
from zoo.layers import Bounded, NearestUpsampling
from zoo.model import GenerativeModel, Map
from zoo.shared import pinned
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec
from zoo.translation import features, style

DEEPEST = 4  # the block that the paper's encoder ends in


class AdaIN(GenerativeModel):
    """A decoder of encoded pictures whose channels were given the statistics of another (Huang and Belongie 2017).

    The column a holds the pictures of content, b those of style. `features` names the encoder, see
    `zoo.translation.features`; its weights are part of the map, so that a run is exported only where its file is. The
    encoder ends in the first layer of block `depth`, at most 4. The loss is the content loss, in that layer, plus
    `style_weight` times the style loss, in the first layer of each block.
    """

    options: ClassVar[dict[str, Any]] = {
        "depth": 4,  # block of the encoder's last layer, 1 to 4
        "style_weight": 0.01,  # of the style loss beside the content loss
        "features": "",  # the feature network: a file, see `zoo.translation.features`; "" is the one that comes along
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"a": ("image",), "b": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("decoder",)
    smallest: ClassVar[dict[str, Any]] = {"depth": 2}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        content, painting = self.columns["a"], self.columns["b"]
        self.check(content.shape, painting.shape)
        layers = [f"conv{block}_1" for block in range(1, self.depth + 1)]
        self.frozen, self._deepest = features.load(self.features, layers), layers[-1]
        self.decoder = decoder(features.widths(self.features, layers[-1]), content.shape[-1])
        self.stylizer = stylizer(self.frozen.network, self.decoder, content.shape[-1], painting.shape[-1])
        inputs = (
            replace(content, name="content", multiple=self.multiple, least=2 * self.multiple),
            replace(painting, name="style", multiple=1, least=self.multiple),
            TensorSpec("alpha", (), "condition", "latent", low=0.0, high=1.0),
        )
        stylized = TensorSpec("stylized", content.shape, "output", "image", follows="content")
        self.maps = {"stylize": Map(self.stylizer, MapSpec(inputs, (stylized,)))}

    @property
    def multiple(self) -> int:
        """How many pixels of a side become one of the encoder's smallest maps.

        The decoder reflects these maps by a pixel, so that the content needs two.
        """
        return features.least_side(f"conv{self.depth}_1")

    def check(self, content: tuple[int, ...], painting: tuple[int, ...]) -> None:
        """Refuse options and pictures (height, width, channels) that cannot be."""
        if not 1 <= self.depth <= DEEPEST:
            raise UserError(f"model.depth={self.depth}: use 1 to {DEEPEST}")
        step = self.multiple
        if any(side % step or side < 2 * step for side in content[:2]) or min(painting[:2]) < step:
            side = max(2 * step, min(*content[:2], *painting[:2]) // step * step)
            raise UserError(
                f"adain of depth {self.depth} takes sides that are multiples of {step} and at least {2 * step}, not "
                f"{content[0]} x {content[1]} pixels of content and {painting[0]} x {painting[1]} of style: set "
                f"--config.data.image_size={side}"
            )
        if not {content[-1], painting[-1]} <= {1, 3}:
            raise UserError(f"adain takes grey or colour, 1 or 3 channels, not {content[-1]} and {painting[-1]}")
        if self.style_weight < 0:
            raise UserError(f"model.style_weight={self.style_weight}: use 0 or more")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, the encoder's file by its SHA-256 too."""
        path, _ = pinned.split(self.features)
        return {**super().get_config(), "features": pinned.joined(path, self.frozen.sha256)}

    def conditions(self, name: str, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return content and style from the columns a and b, and an alpha of 1; fewer styles come again in turn."""
        count = len(rows["a"])
        styles = noise.cycled({"style": rows["b"]}, count)
        return {"content": rows["a"], **styles, "alpha": np.ones(count, np.float32)}

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the decoder down the content loss and the weighted style loss."""
        deepest = self._deepest
        wanted = {layer: style.moments(maps) for layer, maps in self.frozen.network(data["b"]).items()}
        target = normalized(self.frozen.network(data["a"])[deepest], wanted[deepest])
        with tf.GradientTape() as tape:
            maps = self.frozen.network(self.decoder(target, training=True))
            first, second = style.parted(maps[deepest])
            content_loss = tf.reduce_mean(tf.square(first - target))
            errors = []
            for layer, statistics in wanted.items():
                found = style.moments(second if layer == deepest else tf.identity(maps[layer]))
                errors += [tf.reduce_mean(tf.square(own - its)) for own, its in zip(found, statistics, strict=True)]
            style_loss = tf.add_n(errors)
            loss = content_loss + self.style_weight * style_loss
        self.update("decoder", (tape, loss))
        return {"loss": loss, "content_loss": content_loss, "style_loss": style_loss}


def normalized(maps: tf.Tensor, statistics: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Return the maps (batch, H, W, C) with other mean and deviation (batch, 1, 1, C) in each channel (equation 8)."""
    (mean, deviation), (other_mean, other_deviation) = style.moments(maps), statistics
    return other_deviation * (maps - mean) / deviation + other_mean


class AdaptiveInstanceNormalization(layers.Layer):
    """Maps of content (batch, H, W, C) with the statistics of the style's maps, mixed with their own by alpha."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Return alpha times the normalised maps plus 1 - alpha times the content's (equation 14)."""
        content, painting, alpha = inputs
        alpha = tf.reshape(alpha, (-1, 1, 1, 1))
        return alpha * normalized(content, style.moments(painting)) + (1.0 - alpha) * content

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the content's maps."""
        return shapes[0]


def stylizer(encoder: keras.Model, decoder: keras.Model, content_channels: int, style_channels: int) -> keras.Model:
    """Return the map from {"content", "style": pictures of any sides, "alpha": (batch,)} to {"stylized": pictures}."""
    inputs = {
        "content": keras.Input((None, None, content_channels), name="content"),
        "style": keras.Input((None, None, style_channels), name="style"),
        "alpha": keras.Input((), name="alpha"),
    }
    deepest = list(encoder.output)[-1]
    content, painting = (encoder(inputs[name])[deepest] for name in ("content", "style"))
    mixed = AdaptiveInstanceNormalization(dtype="float32")([content, painting, inputs["alpha"]])
    return keras.Model(inputs, {"stylized": Bounded(dtype="float32")(decoder(mixed))}, name="stylizer")


def decoder(widths: tuple[tuple[int, ...], ...], output_channels: int) -> keras.Model:
    """Return the mirror image of the encoder with these channels, block by block: its maps to pictures without bounds.

    Each 3 x 3 convolution leads back to the channels that the encoder's took. Each pooling becomes a doubling by
    repeated pixels. All layers pad by reflection, and all but the last end in a ReLU.
    """
    inputs = x = keras.Input((None, None, widths[-1][-1]), name="maps")
    taken = [output_channels, *(wide for block in widths for wide in block)][:-1]
    for block in reversed(widths):
        for _ in block:
            padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
            channels = taken.pop()
            # float32 whatever the precision of training: the picture leaves the network here
            x = layers.Conv2D(channels, 3, dtype=None if taken else "float32")(padded)
            x = layers.ReLU()(x) if taken else x
        x = NearestUpsampling()(x) if taken else x
    return keras.Model(inputs, x, name="decoder")
