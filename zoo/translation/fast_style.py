"""Fast style transfer: a network that gives any picture the style of one.

Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution" (2016), with the
instance normalisation of Ulyanov, Vedaldi and Lempitsky (2016). A residual network, c9s1-32, d64, d128, R128 five
times, u64, u32, c9s1-3, learns to lower the loss that Gatys et al. lower picture by picture: the content loss (equation
2) keeps the features of the picture, the style loss (equation 4) gives it the Gram matrices of the style picture, and
the total variation keeps it smooth.

Differences from the paper: the layers are those of `zoo.translation.features`, conv1_2, conv2_2, conv3_3 and conv4_3
where the network has so many, and the content is compared in conv3_3. Each loss is relative, see
`zoo.translation.style.relative`, so that the weights do not hang on the scale of the features.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from zoo.model import GenerativeModel, Map
from zoo.shared import pinned
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec
from zoo.translation import features, style
from zoo.translation.residual import LEAST, MULTIPLE, residual_generator

CONTENT_LAYER = "conv3_3"
STYLE_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


class FastStyle(GenerativeModel):
    """A network that paints pictures in the style of one (Johnson et al. 2016).

    `style` is the path of a picture, or the name of a pattern that is drawn: stripes, dots or waves. Its shorter side
    is resized to `style_size` pixels. The network has `base_channels` next to the picture and so many residual
    `blocks`.

    The loss is `content_weight` times the content loss, plus `style_weight` times the style loss, plus `tv_weight`
    times the total variation. `features` names the feature network, see `zoo.translation.features`.

    Style picture and features are for training alone: a run keeps their SHA-256, goes on only with the same files, and
    is exported without them.
    """

    options: ClassVar[dict[str, Any]] = {
        "style": "stripes",  # path of the picture whose style is wanted; or stripes, dots or waves, which are drawn
        "style_size": 256,  # pixels of that picture's shorter side
        "base_channels": 32,  # width of the network next to the picture
        "blocks": 5,  # residual blocks
        "content_weight": 1.0,  # of the content loss
        "style_weight": 1.0,  # of the style loss
        "tv_weight": 0.1,  # of the total variation
        "features": "",  # the feature network: a file, see `zoo.translation.features`; "" is the one that comes along
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("generator",)
    # light losses: where a channel is nearly constant, its normalisation makes the last bits of a gradient 300 times as
    # large, and the tests take plain steps down it
    smallest: ClassVar[dict[str, Any]] = {
        "base_channels": 4,
        "blocks": 1,
        "style_size": 16,
        "content_weight": 0.1,
        "style_weight": 0.1,
    }

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        image = self.columns["image"]
        self.check(image.shape)
        self._content_layer = features.nearest(self.features, CONTENT_LAYER)
        self._goal: Goal | None = None
        self._pinned = {"style": self.style, "features": self.features}
        if not pinned.split(self.features)[1]:
            # a new model: its files have to be there, and what they are is kept with the run
            self._pinned = {"style": style.pin(self.style), "features": features.pin(self.features)}
            self._goal = self._load()
        channels = image.shape[-1]
        self.generator = residual_generator(
            channels, channels, self.base_channels, self.blocks, kernel=9, names=("image", "stylized")
        )
        stylized = TensorSpec("stylized", image.shape, "output", "image", follows="image")
        condition = replace(image, multiple=MULTIPLE, least=LEAST)
        self.maps = {"stylize": Map(self.generator, MapSpec((condition,), (stylized,)))}

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse options and pictures (height, width, channels) that cannot be."""
        if shape[-1] not in (1, 3):
            raise UserError(f"fast_style takes grey or colour, 1 or 3 channels, not {shape[-1]}")
        if any(side < LEAST or side % MULTIPLE for side in shape[:2]):
            raise UserError(
                f"fast_style takes sides that are multiples of {MULTIPLE} and at least {LEAST}, not {shape[0]} x "
                f"{shape[1]} pixels: set --config.data.image_size={max(LEAST, min(shape[:2]) // MULTIPLE * MULTIPLE)}"
            )
        style.check(self.style, self.style_size)
        for option in ("base_channels", "blocks"):
            if getattr(self, option) < 1:
                raise UserError(f"model.{option}={getattr(self, option)}: use a positive number")
        weights = {option: getattr(self, option) for option in ("content_weight", "style_weight", "tv_weight")}
        if min(weights.values()) < 0 or not any(weights.values()):
            told = ", ".join(f"model.{option}={value}" for option, value in weights.items())
            raise UserError(f"{told}: use 0 or more, and not 0 for all")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, the files by their SHA-256 too."""
        return {**super().get_config(), **self._pinned}

    def _load(self) -> "Goal":
        frozen = features.load(self._pinned["features"], (CONTENT_LAYER, *STYLE_LAYERS))
        maps = frozen.network(style.read(self._pinned["style"], self.style_size))
        layers = {features.nearest(self.features, layer) for layer in STYLE_LAYERS}
        return Goal(frozen, {layer: style.gram(maps[layer]).numpy() for layer in sorted(layers)})

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step down the weighted sum of the three losses."""
        if self._goal is None:
            with tf.init_scope():
                self._goal = self._load()
        network, layer = self._goal.frozen.network, self._content_layer
        content = network(data["image"])[layer]
        with tf.GradientTape() as tape:
            made = self.generator({"image": data["image"]}, training=True)["stylized"]
            seen, smoothed = style.parted(made)
            losses = style.perceptual_losses(network(seen), layer, content, self._goal.grams)
            content_loss, style_loss, tv_loss = map(tf.reduce_mean, (*losses, style.total_variation(smoothed)))
            loss = self.content_weight * content_loss + self.style_weight * style_loss + self.tv_weight * tv_loss
        self.update("generator", (tape, loss))
        return {"loss": loss, "content_loss": content_loss, "style_loss": style_loss, "tv_loss": tv_loss}


@dataclass(frozen=True)
class Goal:
    """What training compares with: the feature network, and the Gram matrices of the style, (1, C, C) by layer."""

    frozen: features.Frozen
    grams: dict[str, np.ndarray]
