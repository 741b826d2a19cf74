"""PixelRNN: Row LSTM and Diagonal BiLSTM.

van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel recurrent neural networks" (2016). After a masked convolution of 7 x 7
come residual blocks, each an LSTM of h features over a map of 2h, and two 1 x 1 layers. An LSTM is (eq. 3)

    [o, f, i, g] = sigm, sigm, sigm, tanh (K_ss * h + K_is * x),    c <- f . c + i . g,    h = o . tanh(c)

- "row_lstm" walks the rows downwards. K_is is a masked convolution along the row, K_ss one of 3 positions of the row
  above. It sees a triangle above each pixel.
- "diagonal_bilstm" walks the diagonals from both upper corners. A state follows from its neighbours above and behind.
  The map from the right is shifted down by a row before it is added, so that it sees no pixel to come.

The BiLSTM sees every pixel before a position but one: the last pixel of the row above. Only the last four positions of
a row see it, through the 7 x 7 kernel. No feature of its own row holds it, and the map from the right adds to a row
only features of the rows above. Where the channels of a pixel are made in order, only the last channel is missed.
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.autoregressive.pixels import PixelDistribution
from zoo.autoregressive.raster import Nest, Raster, RasterModel, Turn, head_of
from zoo.layers.causal import CausalSteps, MaskedConv2D, by_position, follow
from zoo.layers.recurrent import lstm, walk
from zoo.shared.errors import unknown


class PixelRNN(RasterModel):
    """LSTMs over pictures (van den Oord et al. 2016a), trained by maximum likelihood.

    `variant` is "row_lstm" or "diagonal_bilstm", `base_channels` h, `depth` the number of LSTM layers, `head_channels`
    the features before the parameters. For `likelihood` and `mixtures` see `RasterModel`.
    """

    options: ClassVar[dict[str, Any]] = {
        "variant": "diagonal_bilstm",  # diagonal_bilstm or row_lstm
        "base_channels": 16,  # h: features of an LSTM
        "depth": 7,  # LSTM layers
        "head_channels": 32,  # features before the distribution
    }
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 3, "depth": 1, "head_channels": 4}

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of maximum likelihood."""
        return self.ascend(data)

    def make_network(self, channels: int, pixels: PixelDistribution) -> "PixelRNNNetwork":
        """Return the stack of LSTMs."""
        if self.variant not in VARIANTS:
            raise unknown("variant of pixel_rnn", self.variant, VARIANTS)
        layer = VARIANTS[self.variant]
        return PixelRNNNetwork(channels, pixels, layer, self.base_channels, self.depth, self.head_channels)


class RowLSTM(keras.layers.Layer):
    """(batch, height, width, inputs) to the states h, (batch, height, width, features), row by row."""

    def __init__(self, inputs: int, features: int, groups: int) -> None:
        super().__init__(dtype="float32")
        self.features = features
        self.input_to_state = MaskedConv2D(inputs, 4 * features, (1, 3), groups=groups, parts=4)
        shape = (1, 3, features, 4 * features)
        self.state_to_state = self.add_weight(shape, initializer="glorot_uniform", name="state_to_state")
        self.built = True

    def from_above(self, h: tf.Tensor) -> tf.Tensor:
        """Return K_ss * h of the row above, (batch, width, 4 features)."""
        return tf.squeeze(tf.nn.conv2d(tf.expand_dims(h, 1), self.state_to_state.value, 1, "SAME"), 1)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the states of all rows."""
        gates = tf.transpose(self.input_to_state(x), (1, 0, 2, 3))
        nothing = tf.zeros((tf.shape(x)[0], x.shape[2], self.features))

        def one_row(gates: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return lstm(gates + self.from_above(h), c)

        made, _ = walk(gates, one_row, (nothing, nothing))
        return tf.transpose(made, (1, 0, 2, 3))

    def steps(self) -> "RowSteps":
        """Return the same computation in raster order."""
        return RowSteps(self)


class RowSteps:
    """A Row LSTM in raster order. A row leaves h and c."""

    def __init__(self, layer: RowLSTM) -> None:
        self.layer, self.input_to_state = layer, CausalSteps(layer.input_to_state)
        self.kept = [layer.features] * 2

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return zeros: the states above the picture."""
        return [tf.zeros((batch, width, size)) for size in self.kept]

    def row(self, memory: Nest) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Return what the positions of a row take from the states above, what they carry, and the memory."""
        h, c = memory
        left = tf.zeros((tf.shape(h)[0], self.input_to_state.reach, self.input_to_state.inputs))
        return [by_position(self.layer.from_above(h)), by_position(c)], left, memory

    def pixel(self, above: list[tf.Tensor], carried: Nest, x: tf.Tensor) -> Turn:
        """Return h at a position whose input is `x` (batch, inputs), what is carried on, and what is kept."""
        gates, c = above
        window = tf.concat([carried, tf.expand_dims(x, 1)], axis=1)
        h, c = lstm(self.input_to_state.along(window) + gates, c)
        return h, follow(carried, x), [h, c]

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Remember the row's h and c."""
        return [by_position(row) for row in kept]


class DiagonalLSTM(keras.layers.Layer):
    """(batch, height, width, inputs) to the states h, (batch, height, width, features), from the upper left corner.

    On the skewed map a column is a diagonal. In the column before, a row holds its left neighbour, and the row above it
    the upper one. To the left of a row all gates are 0, since K_ss has no bias: so its states begin at 0.
    """

    def __init__(self, inputs: int, features: int, groups: int) -> None:
        super().__init__(dtype="float32")
        self.features = features
        self.input_to_state = MaskedConv2D(inputs, 4 * features, groups=groups, parts=4)
        shape = (features, 4 * features)
        self.from_above = self.add_weight(shape, initializer="glorot_uniform", name="from_above")
        self.from_left = self.add_weight(shape, initializer="glorot_uniform", name="from_left")
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the states of all positions."""
        height, width = x.shape[1:3]
        gates = tf.transpose(skew(self.input_to_state(x)), (2, 0, 1, 3))
        nothing = tf.zeros((tf.shape(x)[0], height, self.features))

        def one_column(gates: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            upper, _ = tf.split(tf.pad(h, ((0, 0), (1, 0), (0, 0))), (height, 1), axis=1)
            return lstm(gates + upper @ self.from_above.value + h @ self.from_left.value, c)

        made, _ = walk(gates, one_column, (nothing, nothing))
        return unskew(tf.transpose(made, (1, 2, 0, 3)), width)


def skew(x: tf.Tensor) -> tf.Tensor:
    """Return (batch, height, width, size) with row i moved i columns to the right, height + width - 1 columns wide."""
    height, width, size = x.shape[1:]
    # read as one long row, lines one longer than they will be begin one column later each
    padded = tf.pad(x, ((0, 0), (0, 0), (0, height), (0, 0)))
    flat = tf.reshape(padded, (-1, height * (width + height), size))[:, : height * (width + height - 1)]
    return tf.reshape(flat, (-1, height, width + height - 1, size))


def unskew(x: tf.Tensor, width: int) -> tf.Tensor:
    """Return what `skew` made of the map returned, `width` columns wide."""
    height, columns, size = x.shape[1:]
    flat = tf.pad(tf.reshape(x, (-1, height * columns, size)), ((0, 0), (0, height), (0, 0)))
    return tf.reshape(flat, (-1, height, columns + 1, size))[:, :, :width]


class DiagonalBiLSTM(keras.layers.Layer):
    """Two diagonal LSTMs, from the upper left and the upper right corner; the latter's map one row further down."""

    def __init__(self, inputs: int, features: int, groups: int) -> None:
        super().__init__(dtype="float32")
        self.features = features
        self.left, self.right = (DiagonalLSTM(inputs, features, groups) for _ in range(2))
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the sum of both maps, (batch, height, width, features)."""
        from_right = tf.reverse(self.right(tf.reverse(x, (2,))), (2,))
        return self.left(x) + tf.pad(from_right, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]

    def steps(self) -> "DiagonalSteps":
        """Return the same computation in raster order."""
        return DiagonalSteps(self)


class DiagonalSteps:
    """A Diagonal BiLSTM in raster order.

    A row leaves h from the left, and K_is * x of the map from the right: its states are computed once the row is whole.
    Above the first row both are 0, and gates of 0 make states of 0.
    """

    def __init__(self, layer: DiagonalBiLSTM) -> None:
        self.left, self.right = layer.left, layer.right
        self.left_gates, self.right_gates = (CausalSteps(side.input_to_state) for side in (layer.left, layer.right))
        self.kept = [layer.features, 4 * layer.features]

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return 0: h from the left, gates from the right, and h from the right a row higher."""
        left, gates = (tf.zeros((batch, width, size)) for size in self.kept)
        return [left, gates, left]

    def row(self, memory: Nest) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Walk the row above from the right; return what the positions take from above, carry, and the memory."""
        left, kept_gates, higher = memory
        gates = by_position(kept_gates + higher @ self.right.from_above.value)
        start = tf.zeros((tf.shape(left)[0], left.shape[2]))
        width = left.shape[1]

        def one_position(i: tf.Tensor, h: tf.Tensor, c: tf.Tensor, made: tf.TensorArray) -> tuple[Any, ...]:
            h, c = lstm(tf.gather(gates, width - 1 - i) + h @ self.right.from_left.value, c)
            # in the order of the turns: tf2onnx takes every array for one that is written so
            return i + 1, h, c, made.write(i, h)

        made = tf.TensorArray(tf.float32, width, element_shape=(None, left.shape[2]))
        *_, made = tf.while_loop(lambda i, *_: i < width, one_position, (0, start, start, made))
        right = tf.gather(made.stack(), tf.range(width - 1, -1, -1))
        above = [by_position(left @ self.left.from_above.value), right]
        return above, [start, start], [left, kept_gates, by_position(right)]

    def pixel(self, above: list[tf.Tensor], carried: Nest, x: tf.Tensor) -> Turn:
        """Return the layer's output at a position whose input is `x` (batch, inputs), what it carries and keeps."""
        gates, right = above
        h, c = carried
        h, c = lstm(self.left_gates.here(x) + gates + h @ self.left.from_left.value, c)
        return h + right, [h, c], [h, self.right_gates.here(x)]

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Remember the row's h from the left and gates from the right."""
        return [*(by_position(row) for row in kept), memory[2]]


VARIANTS = {"row_lstm": RowLSTM, "diagonal_bilstm": DiagonalBiLSTM}


class PixelRNNNetwork(Raster):
    """{"image"} to the parameters of every pixel, by `depth` layers of one kind; h is `features`."""

    def __init__(
        self, channels: int, pixels: PixelDistribution, layer: type, features: int, depth: int, head: int
    ) -> None:
        super().__init__(name="network", dtype="float32")
        self.groups, self.reach = pixels.groups, 3
        groups = pixels.groups
        self.first = MaskedConv2D(channels, 2 * features, (7, 7), "A", groups)
        self.recurrent = [layer(2 * features, features, groups) for _ in range(depth)]
        self.up = [MaskedConv2D(features, 2 * features, groups=groups) for _ in range(depth)]
        self.head = head_of(2 * features, head, pixels)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the parameters, (batch, height, width, parameters)."""
        x = self.first(inputs["image"])
        for layer, up in zip(self.recurrent, self.up, strict=True):
            x += up(layer(x))
        for convolution in self.head:
            x = convolution(tf.nn.relu(x))
        return x

    def steps(self, label: tf.Tensor | None) -> "PixelRNNSteps":
        """Return the same computation in raster order."""
        return PixelRNNSteps(self)


class PixelRNNSteps:
    """The stack of LSTMs in raster order."""

    def __init__(self, network: PixelRNNNetwork) -> None:
        self.first = CausalSteps(network.first)
        self.recurrent = [layer.steps() for layer in network.recurrent]
        self.up = [CausalSteps(convolution) for convolution in network.up]
        self.head = [CausalSteps(convolution) for convolution in network.head]
        self.kept = [size for steps in self.recurrent for size in steps.kept]

    def begin(self, batch: tf.Tensor, width: int) -> Nest:
        """Return the memory of each layer before the first row."""
        return [steps.begin(batch, width) for steps in self.recurrent]

    def row(self, memory: Nest, rows: tf.Tensor) -> tuple[list[tf.Tensor], Nest, Nest]:
        """Return what the positions of a row take from above, two tensors a layer, what they carry, and the memory."""
        parts = [steps.row(past) for steps, past in zip(self.recurrent, memory, strict=True)]
        above = [by_position(self.first.above(rows)), *(tensor for taken, _, _ in parts for tensor in taken)]
        return above, [carried for _, carried, _ in parts], [remembered for *_, remembered in parts]

    def pixel(self, above: list[tf.Tensor], carried: Nest, window: tf.Tensor) -> Turn:
        """Walk the stack at one position."""
        x = self.first.along(window) + above[0]
        taken = zip(above[1::2], above[2::2], strict=True)
        onward, kept = [], []
        for steps, up, pair, before in zip(self.recurrent, self.up, taken, carried, strict=True):
            h, after, keeps = steps.pixel(list(pair), before, x)
            onward.append(after)
            kept += keeps
            x += up.here(h)
        for convolution in self.head:
            x = convolution.here(tf.nn.relu(x))
        return x, onward, kept

    def end_row(self, memory: Nest, kept: list[tf.Tensor]) -> Nest:
        """Hand each layer what its positions kept."""
        pairs = zip(kept[::2], kept[1::2], strict=True)
        return [
            steps.end_row(past, list(pair)) for steps, past, pair in zip(self.recurrent, memory, pairs, strict=True)
        ]
