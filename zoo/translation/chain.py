"""Weights of a feature network from a file of somebody else's: a chain of convolutions in ONNX or in a Keras model.

Such a chain is VGG's (Simonyan and Zisserman 2015), of any widths and depth: convolutions with an odd kernel that keep
the size, each with a ReLU behind it, parted by 2 x 2 pooling, with or without batch normalisation, which is folded into
the convolutions. What comes behind the last convolution is left out, such as a classifier. Nothing else is read: a
convolution that the chain does not reach, as in a network with branches, is refused.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from zoo.shared.errors import UserError

Weights = dict[str, tuple[np.ndarray, np.ndarray]]  # kernel (h, w, inputs, outputs) and bias (outputs,) of each layer


class Step(NamedTuple):
    """One step of a chain: its `kind`, the `name` that the file has for it, and what it computes with.

    A "convolution" has a kernel (h, w, inputs, outputs) and a bias, a "normalization" a factor and a shift for each
    channel; "relu" and "pool" have none. "other" is anything else, and the chain ends there.
    """

    kind: str
    name: str
    values: tuple[np.ndarray, ...] = ()


def assembled(steps: Iterable[Step], total: int) -> Weights:
    """Return the weights of a chain by VGG's names, conv1_1 and so on: a block ends at a pooling.

    `total` is the number of convolutions that the file has. A chain that leaves some of them out, or of another form
    than the file's docstring says, is a `UserError`.
    """
    found: Weights = {}
    block = number = 1
    # the convolution that has no ReLU behind it yet
    kernel = bias = None
    last, seen = "", 0
    for kind, name, values in steps:
        if kind == "convolution":
            if kernel is not None:
                raise UserError(f"the convolution {last!r} has no ReLU behind it")
            (kernel, bias), last, seen = values, name, seen + 1
        elif kind == "normalization":
            if kernel is None:
                raise UserError(f"the normalisation {name!r} does not follow a convolution")
            factor, shift = values
            kernel, bias = kernel * factor, bias * factor + shift
        elif kind == "relu" and kernel is not None:
            found[f"conv{block}_{number}"] = kernel.astype(np.float32), bias.astype(np.float32)
            kernel, number = None, number + 1
        elif kind == "pool" and kernel is None and number > 1:
            block, number = block + 1, 1
        elif kind in ("pool", "other"):
            last = name
            break
    if seen < total:
        raise UserError(f"{total - seen} of its {total} convolutions lie behind {last!r}, where its chain ends")
    if not found:
        raise UserError("it has no convolution with a ReLU behind it")
    inputs = 3
    for name, (kernel, bias) in found.items():
        if kernel.shape[2] != inputs:
            raise UserError(f"{name} reads {kernel.shape[2]} channels and is given {inputs}")
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise UserError(f"{name} holds NaN or infinity")
        inputs = len(bias)
    return found


def of_onnx(data: bytes) -> Weights:
    """Return the weights of the chain that begins at the first input of an ONNX file."""
    import onnx

    graph = onnx.load_model(io.BytesIO(data)).graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in held]
    return assembled(
        _nodes(graph, inputs[0], {name: onnx.numpy_helper.to_array(tensor) for name, tensor in held.items()}),
        sum(node.op_type == "Conv" for node in graph.node),
    )


_SILENT = ("Identity", "Dropout", "Transpose")  # a transposition moves the axis of the channels, whose place is known


def _nodes(graph: Any, tensor: str, held: dict[str, np.ndarray]) -> Iterator[Step]:
    """Yield the steps from a tensor on, as long as one node reads it."""
    import onnx

    while True:
        readers = [node for node in graph.node if tensor in node.input]
        if len(readers) != 1:
            yield Step("other", tensor)
            return
        (node,) = readers
        said = {given.name: onnx.helper.get_attribute_value(given) for given in node.attribute}
        name, values = node.name or node.output[0], [held.get(other) for other in node.input if other != tensor]
        if node.op_type == "Conv" and all(value is not None for value in values):
            yield _convolution(name, said, *values)
        elif node.op_type == "BatchNormalization" and all(value is not None for value in values):
            yield Step("normalization", name, _affine(*values, said.get("epsilon", 1e-5)))
        elif node.op_type in ("Add", "Mul") and len(values) == 1 and values[0] is not None:
            # what a converter makes of a normalisation; the channels are the one axis that is not 1
            one = values[0].reshape(-1).astype(np.float64)
            yield Step("normalization", name, (one, 0.0 * one) if node.op_type == "Mul" else (0.0 * one + 1.0, one))
        elif node.op_type == "Relu":
            yield Step("relu", name)
        elif node.op_type in ("MaxPool", "AveragePool"):
            padded = any(said.get("pads", ())) or said.get("ceil_mode", 0) or b"SAME" in said.get("auto_pad", b"")
            halves = list(said["kernel_shape"]) == list(said.get("strides", ())) == [2, 2] and not padded
            yield Step("pool" if halves else "other", name)
        elif node.op_type not in _SILENT:
            yield Step("other", name)
        tensor = node.output[0]


def _convolution(name: str, said: dict[str, Any], kernel: np.ndarray, bias: np.ndarray | None = None) -> Step:
    kept = [side // 2 for side in kernel.shape[2:]]
    pads = list(said.get("pads", [0] * 4))
    same = said.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER") or pads == kept * 2
    plain = said.get("group", 1) == 1 and {*said.get("strides", ()), *said.get("dilations", ())} <= {1}
    _check_convolution(name, same and plain, kernel.shape[2:])
    zeros = np.zeros(kernel.shape[0], np.float32)
    return Step("convolution", name, (kernel.transpose(2, 3, 1, 0), zeros if bias is None else bias))


def _check_convolution(name: str, is_plain: bool, sides: tuple[int, ...]) -> None:
    if len(sides) != 2 or any(side % 2 == 0 for side in sides) or not is_plain:
        raise UserError(f"the convolution {name!r} is none with an odd kernel that keeps the size, as VGG's are")


def _affine(scale: Any, shift: Any, mean: Any, variance: Any, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the shift that a batch normalisation is, once it has been trained."""
    factor = np.asarray(scale, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    return factor, shift - mean * factor


def of_keras(path: Path) -> Weights:
    """Return the weights of the chain that a whole Keras model is, saved as .keras or .h5."""
    model = keras.models.load_model(path, compile=False)
    held = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    is_row = isinstance(model, keras.Sequential)
    return assembled(_layers(held, is_row), sum(isinstance(layer, keras.layers.Conv2D) for layer in held))


def _layers(held: list[keras.Layer], is_row: bool) -> Iterator[Step]:
    """Yield the steps of the layers, as long as each reads nothing but the one before, as in a row all do."""
    before = None
    for layer in held:
        if before is not None and not is_row and layer.input is not before.output:
            yield Step("other", layer.name)
            return
        before = layer
        if isinstance(layer, keras.layers.Conv2D):
            plain = {*layer.strides, *layer.dilation_rate, layer.groups} == {1} and layer.padding == "same"
            _check_convolution(layer.name, plain and layer.data_format == "channels_last", layer.kernel_size)
            bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32)
            yield Step("convolution", layer.name, (np.asarray(layer.kernel), bias))
        if isinstance(layer, keras.layers.BatchNormalization):
            scale = np.asarray(layer.gamma) if layer.scale else 1.0
            shift = np.asarray(layer.beta) if layer.center else 0.0
            moments = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
            yield Step("normalization", layer.name, _affine(scale, shift, *moments, layer.epsilon))
        elif _is_relu(layer):
            yield Step("relu", layer.name)
        elif isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
            halves = tuple(layer.pool_size) == tuple(layer.strides) == (2, 2) and layer.padding == "valid"
            yield Step("pool" if halves else "other", layer.name)
        elif not isinstance(layer, keras.layers.Conv2D | keras.layers.Dropout):
            yield Step("other", layer.name)


def _is_relu(layer: keras.Layer) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return getattr(layer, "activation", None) is keras.activations.relu
