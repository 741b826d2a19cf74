"""ONNX files of anybody: why one cannot be opened is told in one line."""

import os
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.shared.errors import UserError
from zoo.shared.inference import CPU, check_providers, open_session, reason


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


def test_providers_are_those_that_were_asked_for(model):
    there = onnxruntime.get_available_providers()
    for asked in (None, [CPU], there):
        session = open_session(model.SerializeToString(), "net.onnx", providers=asked)
        assert session.get_providers() == (asked or [CPU])
        assert check_providers(asked) == (asked or [CPU])


@pytest.mark.parametrize("asked", [["TPUExecutionProvider"], [CPU, "cpu"], [CPU, None], [["a"]], [], CPU, 3, {CPU}])
def test_providers_that_are_not_there(model, asked):
    with pytest.raises(UserError, match=f"^[^\n]*provider[^\n]*{CPU}[^\n]*$"):
        open_session(model.SerializeToString(), "net.onnx", providers=asked)


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("CUDAExecutionProvider", "the package onnxruntime-gpu"),
        ("TensorrtExecutionProvider", "the package onnxruntime-gpu"),
        ("QNNExecutionProvider", "a build of onnxruntime that has it"),
    ],
)
def test_a_provider_that_this_build_lacks_is_told_with_the_package_that_has_it(monkeypatch, name, build):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(UserError, match=f"^this onnxruntime has no {name}, only {CPU}: install {build} in its place$"):
        check_providers([CPU, name])


def test_a_provider_that_does_not_start(model, monkeypatch):
    """As CUDA's, where its libraries are missing: onnxruntime goes on without it."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["NoneSuchExecutionProvider", CPU])
    started = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda data, options, providers, **more: started(data, options, [CPU], **more)
    )
    with pytest.raises(UserError, match="^NoneSuchExecutionProvider does not start on this machine"):
        open_session(model.SerializeToString(), "net.onnx", providers=["NoneSuchExecutionProvider"])


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("net.onnx.data", ", 'net.onnx.data'"),
        ("inner/net.onnx.data", ", 'inner/net.onnx.data'"),
        ("../net.onnx.data", ", '../net.onnx.data', which leads out of its folder"),
        ("absolute", ", at an absolute path"),
        ("two\nlines", ", 'two\\nlines'"),
    ],
)
@pytest.mark.parametrize("where", ["initializer", "constant"])
def test_weights_in_another_file_are_never_read(model, tmp_path, monkeypatch, location, named, where):
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
    assert message.startswith(f"its weights lie in another file{named}: put them into it")
    for remedy in ("onnx.save(onnx.load(file), file)", "external_data=False"):
        assert remedy in message


def test_the_advice_for_weights_in_another_file_helps(model, tmp_path):
    file = tmp_path / "net.onnx"
    onnx.save(model, file, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    assert "another file" in refusal(file.read_bytes())
    onnx.save(onnx.load(file), file)
    open_session(file.read_bytes(), file)


def test_a_newer_version_is_told_with_the_reason_and_the_remedy(model):
    model.ir_version = 99
    told = refusal(model.SerializeToString())
    assert re.fullmatch(
        r"Unsupported model IR version: 99, max supported IR version: \d+; a newer onnxruntime may read it", told
    )
    model.ir_version = 10
    model.opset_import[0].version = 99
    told = refusal(model.SerializeToString())
    assert re.fullmatch(
        r"Opset 99 is under development and support for this is limited\. Current official support for domain ai\.onnx "
        r"is till opset \d+; a newer onnxruntime may read it",
        told,
    )


def weight_of_another_type(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.eye(4, dtype=np.int64), "weight"))


def weight_of_another_shape(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.eye(5, dtype=np.float32), "weight"))


def weight_that_is_cut(model):
    model.graph.initializer[0].raw_data = b"123"


def operation_of_a_long_name(model):
    model.graph.node[1].op_type = "Unheard"
    model.graph.node[1].name = "functional/" * 100


def other_domain(model):
    model.graph.node[1].domain = "com.example"


def output_that_nothing_makes(model):
    model.graph.node[2].output[0] = "z"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (weight_of_another_type, ["bound to different types (tensor(float) and tensor(int64)"]),
        (weight_of_another_shape, ["MatMul", "Incompatible dimensions for matrix multiplication"]),
        (weight_that_is_cut, ["tensor weight", "source and destination buffer size mismatch"]),
        (operation_of_a_long_name, ["No Op registered for Unheard with domain_version of 18"]),
        (other_domain, ["No opset import for domain 'com.example'"]),
        (output_that_nothing_makes, ["Graph output (y) does not exist in the graph"]),
    ],
)
def test_the_reason_is_told_without_onnxruntime_s_source(model, change, words):
    change(model)
    told = refusal(model.SerializeToString())
    for word in words:
        assert word in told
    for noise in ("ONNXRuntimeError", "FAIL", "/onnxruntime", "onnxruntime::", ".cc:", "const"):
        assert noise not in told
    assert len(told) < 350


@pytest.mark.parametrize(("data", "told"), [(b"", "No graph was found"), (b"not a model", "protobuf parsing failed")])
def test_what_is_no_model(data, told):
    assert told in refusal(data)


def test_nothing_is_printed_while_a_file_is_refused(model, capfd):
    model.graph.node[1].op_type = "Unheard"
    data = model.SerializeToString().replace(b"Unheard", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9")
    capfd.readouterr()
    assert "can't decode" in refusal(data)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "reason_"),
    [
        (
            "/o/model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, const Registry*) Unsupported: 99 (of 14)\n",
            "Unsupported: 99 (of 14)",
        ),
        ("/o/a-b.h:17 static void Safe<onnxruntime::E>::OnOverflow() Integer overflow\n", "Integer overflow"),
        (
            "/o/x.cc:9 T f(std::function<void(int)>) const [with T = std::vector<float>] It (all) broke",
            "It (all) broke",
        ),
        ("/o/x.cc:9 f(int)::<lambda(const A&)>::operator()(const A&) const It broke", "It broke"),
        (r"D:\a\1\onnxruntime\core\model.cc:149 onnxruntime::Model::Model Unknown format", "Unknown format"),
        (
            "Deserialize tensor w failed.endian_utils.cc:66 CopyLittleEndian sizes differ",
            "Deserialize tensor w failed. sizes differ",
        ),
        (
            "In Add node. Name:'a/b.c:1' Status Message: /o/ops.h:563 void B::Init(ptrdiff_t, ptrdiff_t) 2 by 4",
            "In Add node. Name:'a/b.c:1' Status Message: 2 by 4",
        ),
        (
            "Got invalid dimensions for input: x\n index: 1 Got: 5\n",
            "Got invalid dimensions for input: x index: 1 Got: 5",
        ),
        ("a" * 150 + "why" * 100 + "z" * 150, "a" * 150 + " ... " + "z" * 150),
        ("", "RuntimeError"),
    ],
)
def test_a_reason_is_one_line_without_code_and_place(said, reason_):
    assert reason(RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : {said}" if said else said)) == reason_


def test_a_reason_at_run_time_is_whole(model):
    session = open_session(model.SerializeToString(), "net.onnx")
    with pytest.raises(Exception, match="ONNXRuntimeError") as failed:
        session.run(None, {"x": np.zeros((2, 5), np.float32)})
    for word in ("invalid dimensions for input: x", "index: 1 Got: 5 Expected: 4"):
        assert word in reason(failed.value)
    with pytest.raises(ValueError, match="x") as failed:
        session.run(None, {})
    assert reason(failed.value) == "Required inputs (['x']) are missing from input feed ([])."


@pytest.mark.parametrize("error", [MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")])
def test_errors_of_other_kinds_have_reasons_too(error):
    assert reason(error) in ("MemoryError", "'utf-8' codec can't decode byte 0xff in position 0: bad")


def test_nothing_is_written_below_the_home_directory(model, tmp_path):
    """A fresh process, since onnxruntime decides at its import; it sends nothing where CI is set."""
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    code = "import sys; from zoo.shared.inference import open_session; open_session(open(sys.argv[1], 'rb').read(), '')"
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.onnx")], env=environment, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [file.name for file in tmp_path.rglob("*")] == ["net.onnx"]


def test_an_unknown_operation_is_named(model):
    model.graph.node[1].op_type = "Unheard"
    assert "Unheard" in refusal(model.SerializeToString())
