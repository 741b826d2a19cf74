"""Gated PixelCNN.

van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu, "Conditional image generation with PixelCNN
decoders" (2016). Two stacks of convolutions: the vertical one sees all rows above, the horizontal one the pixels to
the left in its own row, and in each layer what the vertical one made. So a position sees every pixel before it that
lies within the reach of the kernels, which is as far up as to the left and to the right. Every layer is gated,

    y = tanh(W_f * x + V_f h) . sigm(W_g * x + V_g h)

where h is the class, if there is one. The horizontal stack has residual connections.
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.autoregressive.pixels import PixelDistribution
from zoo.autoregressive.raster import Nest, Raster, RasterModel, Turn, head_of
from zoo.layers.causal import CausalSteps, MaskedConv2D, by_position, follow, row_of
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec


class GatedPixelCNN(RasterModel):
    """Two gated stacks without a blind spot (van den Oord et al. 2016b), trained by maximum likelihood.

    `base_channels` is the number of features of each stack, `depth` the number of layers: the first of `first_size`
    pixels square, which does not see its own, the others of `kernel_size`. `head_channels` are the features before the
    parameters. With `conditional` it sees the class of each picture. For `likelihood` and `mixtures` see `RasterModel`.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 32,  # features of each of the two stacks
        "depth": 7,  # layers
        "kernel_size": 3,  # side of the kernels, but for the first
        "first_size": 7,  # side of the first kernel, which does not see its own pixel
        "head_channels": 64,  # features before the distribution
        "conditional": False,  # whether it sees the class of each picture
    }
    reads_if: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {"conditional": {"label": ("class",)}}
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 3, "depth": 2, "first_size": 3, "head_channels": 4}

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of maximum likelihood."""
        return self.ascend(data)

    def make_network(self, channels: int, pixels: PixelDistribution) -> "GatedPixelCNNNetwork":
        """Return the two stacks."""
        for key in ("kernel_size", "first_size"):
            if (size := getattr(self, key)) % 2 == 0 or size < 3:
                raise UserError(f"model.{key}={size}: use an odd number from 3")
        sizes = [self.first_size, *[self.kernel_size] * (self.depth - 1)]
        label = self.columns["label"] if self.conditional else None
        if label and not (label.is_class and label.classes > 1):
            raise UserError("model.conditional=True: needs labels of known bounds, and of at least 2 classes")
        return GatedPixelCNNNetwork(channels, pixels, self.base_channels, sizes, self.head_channels, label)


def gate(x: tf.Tensor) -> tf.Tensor:
    """Return tanh of the first half of the features times the sigmoid of the second (eq. 2)."""
    content, door = tf.split(x, 2, axis=-1)
    return tf.tanh(content) * tf.sigmoid(door)


class VerticalConv2D(keras.layers.Layer):
    """A convolution of the rows from `size` // 2 above down to a position's own; without its own if `kind` is "A"."""

    def __init__(self, inputs: int, outputs: int, size: int, kind: str) -> None:
        super().__init__(dtype="float32")
        self.rows_above, self.is_own_seen = size // 2, kind == "B"
        rows = self.rows_above + self.is_own_seen
        self.kernel = self.add_weight((rows, size, inputs, outputs), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight((outputs,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the whole raster, (batch, height, width, outputs)."""
        if not self.is_own_seen:
            x = tf.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]  # every row in the place of the next
        above = self.kernel.shape[0] - 1
        beside = self.kernel.shape[1] // 2
        padded = tf.pad(x, ((0, 0), (above, 0), (beside, beside), (0, 0)))
        return tf.nn.conv2d(padded, self.kernel.value, 1, "VALID") + self.bias

    def row(self, rows: tf.Tensor) -> tf.Tensor:
        """Return one row of it, (batch, width, outputs), of the `rows` that it sees."""
        return row_of(rows, self.kernel.value) + self.bias


class GatedLayer(keras.layers.Layer):
    """One layer of both stacks: (v, h[, label]) to the next v and h.

    What the last layer makes of v is not used: there the class has no part in it.
    """

    def __init__(
        self, inputs: int, features: int, size: int, kind: str, groups: int, classes: int, is_last: bool
    ) -> None:
        super().__init__(dtype="float32")
        self.inputs, self.is_first, self.is_last = inputs, kind == "A", is_last
        self.vertical = VerticalConv2D(inputs, 2 * features, size, kind)
        self.link = MaskedConv2D(2 * features, 2 * features)
        self.horizontal = MaskedConv2D(inputs, 2 * features, (1, size), kind, groups, parts=2)
        self.out = MaskedConv2D(features, features, groups=groups)
        if classes:
            gates = 2 if is_last else 4
            self.embedding = keras.layers.Embedding(classes, gates * features, "zeros", dtype="float32")
            self.embedding.build(None)
        self.built = True

    def of_class(self, label: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return V h of the vertical and of the horizontal gates, (batch, 2 features) each; 0 where there is none."""
        none = tf.zeros((1, 1))
        if label is None:
            return none, none
        both = self.embedding(label)
        return (none, both) if self.is_last else tuple(tf.split(both, 2, axis=-1))

    def call(self, v: tf.Tensor, h: tf.Tensor, label: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return both stacks after this layer."""
        for_v, for_h = (tf.expand_dims(tf.expand_dims(part, 1), 1) for part in self.of_class(label))
        seen = self.vertical(v)
        made = self.out(gate(self.horizontal(h) + self.link(seen) + for_h))
        return gate(seen + for_v), made if self.is_first else h + made


class GatedPixelCNNNetwork(Raster):
    """{"image"[, "label"]} to the parameters of every pixel, by layers of these kernel `sizes`."""

    def __init__(
        self,
        channels: int,
        pixels: PixelDistribution,
        features: int,
        sizes: list[int],
        head: int,
        label: TensorSpec | None,
    ) -> None:
        super().__init__(name="network", dtype="float32")
        self.groups, self.reach = pixels.groups, sizes[0] // 2
        self.lowest_class, classes = (int(label.low), label.classes) if label else (0, 0)
        inputs = [channels, *[features] * (len(sizes) - 1)]
        last = len(sizes) - 1
        self.gated = [
            GatedLayer(seen, features, size, "B" if number else "A", pixels.groups, classes, number == last)
            for number, (seen, size) in enumerate(zip(inputs, sizes, strict=True))
        ]
        self.head = head_of(features, head, pixels)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the parameters, (batch, height, width, parameters)."""
        return self.head[-1](self.hidden(inputs))

    def hidden(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the last hidden layer, (batch, height, width, head): what the model knows before each pixel."""
        v = h = inputs["image"]
        label = self.numbered(inputs.get("label"))
        for layer in self.gated:
            v, h = layer(v, h, label)
        return tf.nn.relu(self.head[0](tf.nn.relu(h)))

    def numbered(self, label: tf.Tensor | None) -> tf.Tensor | None:
        """Return the classes counted from 0, if there are any."""
        return None if label is None else label - self.lowest_class

    def steps(self, label: tf.Tensor | None) -> "GatedSteps":
        """Return the same computation in raster order."""
        return GatedSteps(self, self.numbered(label))


class GatedSteps:
    """Both stacks in raster order: the vertical one a row at a time, the horizontal one a pixel at a time."""

    def __init__(self, network: GatedPixelCNNNetwork, label: tf.Tensor | None) -> None:
        self.first, *self.others = network.gated
        self.links = [CausalSteps(layer.link) for layer in network.gated]
        self.horizontal = [CausalSteps(layer.horizontal) for layer in network.gated]
        self.out = [CausalSteps(layer.out) for layer in network.gated]
        self.head = [CausalSteps(convolution) for convolution in network.head]
        self.classes = [[tf.expand_dims(part, 1) for part in layer.of_class(label)] for layer in network.gated]
        self.kept: list[int] = []  # the vertical stack leaves all there is

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return zeros for the rows of v above the picture."""
        return [tf.zeros((batch, layer.vertical.rows_above, width, layer.inputs)) for layer in self.others]

    def row(self, memory: Nest, rows: tf.Tensor) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Walk the vertical stack for a row, and hand each layer's to the horizontal one."""
        above, remembered, v = [], [], None
        layers = zip((self.first, *self.others), self.links, self.classes, [None, *memory], strict=True)
        for layer, link, (for_v, for_h), past in layers:
            if past is not None:
                rows = tf.concat([past, tf.expand_dims(v, 1)], axis=1)
                remembered.append(follow(past, v))
            seen = layer.vertical.row(rows)
            above.append(by_position(link.here(seen) + for_h))
            v = gate(seen + for_v)
        left = [tf.zeros((tf.shape(rows)[0], steps.reach * steps.inputs)) for steps in self.horizontal[1:]]
        return above, left, remembered

    def pixel(self, above: list[tf.Tensor], carried: Nest, window: tf.Tensor) -> Turn:
        """Walk the horizontal stack at one position."""
        h = self.out[0].here(gate(self.horizontal[0].along(window) + above[0]))
        onward = []
        for number, left in enumerate(carried, 1):
            # flat windows, from the left: a pixel takes as long as it has operations
            window = tf.concat([left, h], axis=1)
            onward.append(h if left.shape == h.shape else tf.split(window, (h.shape[1], left.shape[1]), axis=1)[1])
            h += self.out[number].here(gate(self.horizontal[number].along(window) + above[number]))
        for convolution in self.head:
            h = convolution.here(tf.nn.relu(h))
        return h, onward, []

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Return the memory, which the vertical stack brought up to date."""
        return memory
