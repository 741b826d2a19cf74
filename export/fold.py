"""Fold batch normalisation into the dense layer that precedes it through a reshape.

DCGAN and its kin project noise to a small map: dense, reshape to (side, side, channels), normalise each channel.
onnxslim folds what follows a convolution; here the scale and shift of the channels, repeated over the map, go into
the weights and the bias of the dense layer:  MatMul, Reshape, Mul, Add  becomes  Gemm, Reshape.
"""

import numpy as np
import onnx
from onnx import numpy_helper


def fold_projections(model: onnx.ModelProto) -> None:
    """Fold, in place, every MatMul-Reshape-Mul[-Add] whose operands are constant and whose steps are used once."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for projection in [node for node in graph.node if node.op_type == "MatMul"]:
        reshape = _only_consumer(graph, projection.output[0], "Reshape")
        scale = reshape and _only_consumer(graph, reshape.output[0], "Mul")
        if not scale or projection.input[1] not in constants or reshape.input[1] not in constants:
            continue
        shift = _only_consumer(graph, scale.output[0], "Add")
        by_channel = [_constant_operand(node, constants) for node in (scale, shift) if node]
        weights = numpy_helper.to_array(constants[projection.input[1]])
        shape = numpy_helper.to_array(constants[reshape.input[1]])
        shared = sum(projection.input[1] in node.input for node in graph.node) > 1
        if (
            shared
            or weights.ndim != 2
            or any(value is None or value.size not in (1, shape[-1]) for value in by_channel)
        ):
            continue
        repeated = [np.resize(value.ravel(), weights.shape[1]).astype(weights.dtype) for value in by_channel]
        bias = repeated[1] if shift else np.zeros(weights.shape[1], weights.dtype)
        last = shift or scale

        names = [f"{projection.output[0]}/{what}" for what in ("weights", "bias")]
        for name, value in zip(names, (weights * repeated[0], bias), strict=True):
            graph.initializer.append(numpy_helper.from_array(value, name))
        old_weights = projection.input[1]
        gemm = onnx.helper.make_node("Gemm", [projection.input[0], *names], [projection.output[0]], projection.name)
        projection.CopyFrom(gemm)
        reshape.output[0] = last.output[0]
        graph.initializer.remove(constants.pop(old_weights))
        for node in filter(None, (scale, shift)):
            graph.node.remove(node)


def _only_consumer(graph: onnx.GraphProto, name: str, op_type: str) -> onnx.NodeProto | None:
    consumers = [node for node in graph.node if name in node.input]
    is_output = any(output.name == name for output in graph.output)
    return consumers[0] if len(consumers) == 1 and consumers[0].op_type == op_type and not is_output else None


def _constant_operand(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> np.ndarray | None:
    found = [numpy_helper.to_array(constants[name]) for name in node.input if name in constants]
    return found[0] if len(found) == 1 else None
