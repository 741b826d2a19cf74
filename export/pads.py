"""Tell convolutions of free sides their padding, where it is the same at all sides that the map takes.

tf2onnx writes "SAME_UPPER" where it does not know the sides. OpenCV 5.0 pads such a convolution of stride 2 at the
wrong end, without a word. Where sides are multiples of a number, the padding is most often the same for all of them.
"""

import numpy as np
import onnx
from onnx import helper

from zoo.spec import MapSpec

# sides grow in steps of `multiple`, and paddings repeat when a side has grown by the product of the strides
_STEPS = 16


def pad_explicitly(model: onnx.ModelProto, spec: MapSpec) -> None:
    """Replace, in place, `auto_pad` of every convolution whose padding is one at all the sides of the spec.

    Sizes are inferred at 16 sides in turn; what the standard's inference cannot follow stays as it is.
    """
    automatic = [node for node in model.graph.node if node.op_type == "Conv" and _of(node).get("auto_pad") in _SAME]
    shapes = [_shapes(model, spec, step) for step in range(_STEPS)] if automatic else []
    for node in automatic:
        found = {_pads(node, at) for at in shapes}
        if len(found) == 1 and (pads := found.pop()):
            kept = [attribute for attribute in node.attribute if attribute.name not in ("auto_pad", "pads")]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("pads", pads)])


_SAME = (b"SAME_UPPER", b"SAME_LOWER")


def _of(node: onnx.NodeProto) -> dict:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _shapes(model: onnx.ModelProto, spec: MapSpec, step: int) -> dict[str, tuple[int, ...]]:
    """Return the known shapes, by name, where the free sides are `step` steps above their least."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in spec.inputs}
    for value in sized.graph.input:
        if (tensor := tensors[value.name]).multiple:
            side = tensor.nearest_side(0) + step * tensor.multiple
            for axis in value.type.tensor_type.shape.dim[1:3]:
                axis.dim_value = side
    for value in sized.graph.output:
        for axis in value.type.tensor_type.shape.dim[1:]:
            axis.Clear()
    inferred = onnx.shape_inference.infer_shapes(sized, data_prop=True).graph
    return {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    } | {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}


def _pads(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the padding of a convolution, (before of each axis, after of each axis); () if its sides are not known."""
    told = _of(node)
    sides, kernel = np.array(shapes.get(node.input[0], ())[2:]), shapes.get(node.input[1], ())[2:]
    if not len(sides) or not sides.all() or not len(kernel):
        return ()
    strides = np.array(told.get("strides", [1] * len(kernel)))
    # dilations are 1: onnxruntime has no others with an automatic padding
    total = np.maximum((-(-sides // strides) - 1) * strides + np.array(kernel) - sides, 0)
    fewer, more = total // 2, total - total // 2
    upper = told["auto_pad"] == b"SAME_UPPER"
    before, after = (fewer, more) if upper else (more, fewer)
    return (*before.tolist(), *after.tolist())
