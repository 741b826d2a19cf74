"""PixelCNN.

van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel recurrent neural networks" (2016). A stack of masked convolutions: the
first, 7 x 7, sees the pixels before its own (mask A), the others their own features too (mask B). Residual blocks have
three of them, 1 x 1 from 2h to h features, 3 x 3, and 1 x 1 back to 2h. Two more 1 x 1 make the parameters of a pixel.

The stack has a blind spot: pixels above and to the right that no path of kernels leads from. The Gated PixelCNN has
none.
"""

from typing import Any, ClassVar

import tensorflow as tf

from zoo.autoregressive.pixels import PixelDistribution
from zoo.autoregressive.raster import Nest, Raster, RasterModel, Turn, head_of
from zoo.layers.causal import CausalSteps, MaskedConv2D, by_position, follow


class PixelCNN(RasterModel):
    """Masked convolutions with residual blocks (van den Oord et al. 2016a), trained by maximum likelihood.

    `base_channels` is h, `depth` the number of residual blocks, `head_channels` the features before the parameters.
    For `likelihood` and `mixtures` see `RasterModel`.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 32,  # h: a block has 2h features outside, h inside
        "depth": 7,  # residual blocks
        "head_channels": 64,  # features before the distribution
    }
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 3, "depth": 1, "head_channels": 4}

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of maximum likelihood."""
        return self.ascend(data)

    def make_network(self, channels: int, pixels: PixelDistribution) -> "PixelCNNNetwork":
        """Return the stack."""
        return PixelCNNNetwork(channels, pixels, self.base_channels, self.depth, self.head_channels)


class PixelCNNNetwork(Raster):
    """{"image"} to the parameters of every pixel, see the module's docstring; h is `features`."""

    def __init__(self, channels: int, pixels: PixelDistribution, features: int, depth: int, head: int) -> None:
        super().__init__(name="network", dtype="float32")
        self.groups, self.reach = pixels.groups, 3
        groups = pixels.groups
        self.first = MaskedConv2D(channels, 2 * features, (7, 7), "A", groups)
        self.blocks = [
            [
                MaskedConv2D(2 * features, features, groups=groups),
                MaskedConv2D(features, features, (3, 3), groups=groups),
                MaskedConv2D(features, 2 * features, groups=groups),
            ]
            for _ in range(depth)
        ]
        self.head = head_of(2 * features, head, pixels)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the parameters, (batch, height, width, parameters)."""
        x = self.first(inputs["image"])
        for block in self.blocks:
            h = x
            for convolution in block:
                h = convolution(tf.nn.relu(h))
            x += h
        for convolution in self.head:
            x = convolution(tf.nn.relu(x))
        return x

    def steps(self, label: tf.Tensor | None) -> "PixelCNNSteps":
        """Return the same computation in raster order."""
        return PixelCNNSteps(self)


class PixelCNNSteps:
    """The stack in raster order. Rows leave the inputs of the 3 x 3 convolutions for the row below."""

    def __init__(self, network: PixelCNNNetwork) -> None:
        self.first = CausalSteps(network.first)
        self.blocks = [[CausalSteps(convolution) for convolution in block] for block in network.blocks]
        self.head = [CausalSteps(convolution) for convolution in network.head]
        self.kept = [middle.inputs for _, middle, _ in self.blocks]

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return zeros: what lies above the picture."""
        return [tf.zeros((batch, 1, width, size)) for size in self.kept]

    def row(self, memory: Nest, rows: tf.Tensor) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Convolve the rows above, in every layer that sees them."""
        above = [middle.above(past) for (_, middle, _), past in zip(self.blocks, memory, strict=True)]
        left = [tf.zeros((tf.shape(rows)[0], 1, size)) for size in self.kept]
        return [by_position(part) for part in (self.first.above(rows), *above)], left, memory

    def pixel(self, above: list[tf.Tensor], carried: Nest, window: tf.Tensor) -> Turn:
        """Walk the stack at one position."""
        x = self.first.along(window) + above[0]
        inputs = []
        for (reduce, middle, expand), left, from_above in zip(self.blocks, carried, above[1:], strict=True):
            h = tf.nn.relu(reduce.here(tf.nn.relu(x)))
            inputs.append(h)
            h = middle.along(tf.concat([left, tf.expand_dims(h, 1)], axis=1)) + from_above
            x += expand.here(tf.nn.relu(h))
        for convolution in self.head:
            x = convolution.here(tf.nn.relu(x))
        return x, [follow(left, h) for left, h in zip(carried, inputs, strict=True)], inputs

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Remember the row's inputs of the 3 x 3 convolutions."""
        return [follow(past, by_position(row)) for past, row in zip(memory, kept, strict=True)]
