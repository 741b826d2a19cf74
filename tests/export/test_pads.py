"""Paddings that are the same at all sides, told instead of left to the runtime."""

import keras
import numpy as np
import onnx as onnx_library
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import onnx
from export.pads import pad_explicitly
from zoo.model import Map
from zoo.spec import MapSpec, TensorSpec


def reducing(multiple, kernel=3, depth=1):
    """Return a map of pictures with sides of multiples, halved by each of some convolutions."""
    photo = keras.Input((None, None, 1), name="photo")
    made = photo
    for _ in range(depth):
        made = keras.layers.Conv2D(1, kernel, 2, "same", activation="tanh")(made)
    side = 16 * multiple
    reduced = side // 2**depth
    spec = MapSpec(
        (TensorSpec("photo", (side, side, 1), "condition", "image", multiple=multiple),),
        (TensorSpec("made", (reduced, reduced, 1), "output", "image", follows="photo"),),
    )
    return Map(keras.Model({"photo": photo}, {"made": made}), spec)


def convolutions(model):
    """Return the attributes of each convolution."""
    return [
        {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        for node in model.graph.node
        if node.op_type == "Conv"
    ]


@pytest.mark.parametrize(
    ("settings", "pads"),
    [
        ({"multiple": 2}, [[0, 0, 1, 1]]),  # an even side and a kernel of 3: one pixel behind the last
        ({"multiple": 2, "kernel": 4}, [[1, 1, 1, 1]]),
        ({"multiple": 2, "kernel": 5}, [[1, 1, 2, 2]]),
        ({"multiple": 4, "depth": 2}, [[0, 0, 1, 1]] * 2),
    ],
)
def test_a_padding_that_is_one_at_all_sides_is_told(settings, pads):
    made = reducing(**settings)
    model = onnx.convert(made)
    found = convolutions(model)
    assert [told["pads"] for told in found] == pads
    assert not any("auto_pad" in told for told in found)
    for shape in ((1, 8, 12, 1), (2, 24, 16, 1)):
        photo = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
        expected = made.network({"photo": photo})["made"].numpy()
        outputs = onnx.load(model.SerializeToString())({"photo": photo})
        np.testing.assert_allclose(outputs["made"], expected, atol=1e-6)
    onnx_library.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    ("auto_pad", "strides", "pads"),
    [
        ("SAME_UPPER", [2, 2], [0, 0, 1, 1]),
        ("SAME_LOWER", [2, 2], [1, 1, 0, 0]),
        ("SAME_UPPER", [2, 1], [0, 1, 1, 1]),
        ("VALID", [2, 2], None),
    ],
)
def test_onnxruntime_makes_the_same_bits_of_told_paddings(auto_pad, strides, pads):
    spec = reducing(2).spec
    settings = {"auto_pad": auto_pad, "strides": strides, "kernel_shape": [3, 3]}
    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(1, 1, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Transpose", ["photo"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w"], ["made"], **settings),
    ]
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["batch", "height", "width", 1])
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, ["batch", 1, "h", "w"])
    graph = helper.make_graph(nodes, "graph", [photo], [made], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    inputs = {"photo": np.random.default_rng(1).normal(size=(2, 6, 8, 1)).astype(np.float32)}
    expected = onnx.load(model.SerializeToString())(inputs)["made"]
    pad_explicitly(model, spec)
    assert convolutions(model)[0].get("pads") == pads
    np.testing.assert_array_equal(onnx.load(model.SerializeToString())(inputs)["made"], expected)


def test_a_padding_that_the_side_decides_is_left_to_the_runtime():
    """Sides of 2 k are even before the first convolution, and k may be odd before the second."""
    photo = keras.Input((None, None, 1), name="photo")
    halved = keras.layers.Conv2D(1, 3, 2, "same")(keras.layers.Conv2D(1, 3, 2, "same")(photo))
    spec = MapSpec(
        (TensorSpec("photo", (8, 8, 1), "condition", "image", multiple=2),),
        (TensorSpec("made", (8, 8, 1), "output", "image", follows="photo"),),
    )
    made = keras.ops.tanh(keras.layers.Conv2DTranspose(1, 4, 4, "same")(halved))
    first, second = convolutions(onnx.convert(Map(keras.Model({"photo": photo}, {"made": made}), spec)))
    assert first["pads"] == [0, 0, 1, 1]
    assert second["auto_pad"] == b"SAME_UPPER"
    assert "pads" not in second
