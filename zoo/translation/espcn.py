"""ESPCN: real-time super-resolution by an efficient sub-pixel convolutional network.

Shi, Caballero, Huszar, Totz, Aitken, Bishop, Rueckert and Wang (2016). All convolutions work at the size of the small
picture. The last one makes factor^2 channels, which are shuffled into the pixels of the large picture (equations 3, 4).
The three layers are those of section 3.1: 5 x 5 with 64 channels, 3 x 3 with 32, and 3 x 3, with tanh between them. The
loss is the mean squared error (equation 5).

The paper works on luma. A colour picture's luma goes through the network and its chroma is enlarged bicubically, all
inside the map. A grey picture is luma itself.
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.layers import Luma, PixelShuffle
from zoo.translation.upscaling import Upscaling, reach_of


class ESPCN(Upscaling):
    """Three convolutions and a pixel shuffle (Shi et al. 2016).

    The first layer has `base_channels`, the second half as many.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 64,  # of the first layer; the second has half as many
    }
    players: ClassVar[tuple[str, ...]] = ("generator",)
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 4}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.generator = espcn(self.factor, self.base_channels)
        self.luma = Luma(dtype="float32")
        self.maps = self.upscaling(self.generator, reach_of((5, 1), (3, 1), (3, self.factor)), luma_alone=True)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step down the mean squared error of the luma."""
        small, large = (data[name] if data[name].shape[-1] == 1 else self.luma(data[name]) for name in self.reads)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(large - self.generator(small, training=True)))
        self.update("generator", (tape, loss))
        return {"loss": loss}


def espcn(factor: int, base_channels: int) -> keras.Model:
    """Return the network: luma (batch, H, W, 1) in [-1, 1] to (batch, factor H, factor W, 1), without bounds."""
    x = small = keras.Input((None, None, 1), name="luma")
    x = layers.Conv2D(base_channels, 5, padding="same", activation="tanh")(x)
    x = layers.Conv2D(max(1, base_channels // 2), 3, padding="same", activation="tanh")(x)
    # float32 whatever the precision of training: the picture leaves the network here
    x = layers.Conv2D(factor**2, 3, padding="same", dtype="float32")(x)
    return keras.Model(small, PixelShuffle(factor, dtype="float32")(x), name="generator")
