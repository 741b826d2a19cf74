"""ONNX files of anybody: why one cannot be opened is told in one line."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.shared.errors import UserError
from zoo.shared.inference import open_session


@pytest.fixture
def model():
    """A product of 4 numbers by a matrix, once a weight and once a constant in the graph."""
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32), "weight")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy")
    nodes = [
        helper.make_node("Constant", [], ["constant"], value=weight),
        helper.make_node("MatMul", ["x", "weight"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "constant"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "double", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def refusal(data):
    with pytest.raises(UserError) as refused:
        open_session(data, "some/net.onnx")
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith("some/net.onnx holds no ONNX model that onnxruntime can load: ")
    return message.partition(": ")[2]


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_model_runs(model, threads):
    session = open_session(model.SerializeToString(), "net.onnx", threads)
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(session.run(["y"], {"x": x})[0], x)


@pytest.mark.parametrize("location", ["net.onnx.data", "../net.onnx.data", "absolute", "two\nlines"])
@pytest.mark.parametrize("where", ["initializer", "constant"])
def test_weights_in_another_file_are_never_read(model, tmp_path, monkeypatch, location, where):
    """Neither beside the file nor in the working directory, where onnxruntime looks for them by itself."""
    weight = model.graph.initializer[0] if where == "initializer" else model.graph.node[0].attribute[0].t
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for place in (tmp_path, tmp_path / "inner"):
        (place / "net.onnx.data").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    place = str(tmp_path / "net.onnx.data") if location == "absolute" else location
    weight.external_data.add(key="location", value=place)
    message = refusal(model.SerializeToString())
    assert message.startswith("its weights lie in another file: put them into it")
    for remedy in ("onnx.save(onnx.load(file), file)", "external_data=False"):
        assert remedy in message


def test_the_advice_for_weights_in_another_file_helps(model, tmp_path):
    file = tmp_path / "net.onnx"
    onnx.save(model, file, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    assert "another file" in refusal(file.read_bytes())
    onnx.save(onnx.load(file), file)
    open_session(file.read_bytes(), file)


def test_a_newer_version_is_told_with_the_reason(model):
    model.ir_version = 99
    assert "Unsupported model IR version: 99, max supported IR version" in refusal(model.SerializeToString())
    model.ir_version = 10
    model.opset_import[0].version = 99
    assert "Current official support for domain ai.onnx is till opset" in refusal(model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"not a model", bytes(1000)])
def test_what_is_no_model(data):
    assert refusal(data)


def test_an_unknown_operation_is_named(model):
    model.graph.node[1].op_type = "Unheard"
    assert "Unheard" in refusal(model.SerializeToString())
