"""The programs of serving/examples: each runs a file of ours without this package, in a runtime of its own."""

import ast
import re
import subprocess
import sys

import numpy as np
import pytest
from elsewhere import EXAMPLES, RUNTIMES, Failed, installed, reason
from PIL import Image

import serving
from zoo import bundle, images, noise
from zoo.spec import MapSpec, TensorSpec

PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.*") if path.suffix in (".py", ".cjs", ".cpp", ".html"))


def run(*arguments, folder):
    """Run the example in Python with onnxruntime and return the outputs that it wrote, by name."""
    command = [sys.executable, "-I", str(EXAMPLES / "run_onnxruntime.py"), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Failed(ended.stderr.strip().splitlines()[-1])
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def test_a_seed_makes_what_serving_makes_of_it_and_its_picture(conditional, tmp_path):
    made = run(conditional / bundle.ONNX, tmp_path / "made", "--seed=3", "--count=12", folder=tmp_path / "made")
    expected = serving.load(conditional)["generate"](count=12, seed=3)["image"]
    np.testing.assert_array_equal(made["image"], expected)
    with Image.open(tmp_path / "made" / "image.png") as picture:
        pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels, images.to_uint8(expected).reshape(12 * 4, 4, 3))


@pytest.mark.parametrize("role", ["normal", "uniform"])
def test_the_noise_of_every_law_and_stream_is_ours(factory, tmp_path, role):
    """The second noise of a file has a stream of its own; an odd size leaves half of a pair."""
    bounds = {"low": -0.5, "high": 2.0} if role == "uniform" else {}
    spec = MapSpec(
        (TensorSpec("z", (3,), "normal"), TensorSpec("u", (3,), role, **bounds)), (TensorSpec("x", (5,), "output"),)
    )
    path = factory(spec)
    made = run(path / bundle.ONNX, tmp_path / "made", "--seed=5", "--count=7", folder=tmp_path / "made")
    np.testing.assert_array_equal(made["x"], serving.load(path)["generate"](count=7, seed=5)["x"])


def test_what_is_given_is_taken_and_what_is_missing_is_named(several, tmp_path):
    photo = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 3)).astype(np.float32)
    np.save(tmp_path / "photo.npy", photo)
    made = run(several / "encode.onnx", tmp_path / "made", f"photo={tmp_path / 'photo.npy'}", folder=tmp_path / "made")
    expected = serving.load(several)["encode"](photo=photo)
    for name in ("mean", "log_variance"):
        np.testing.assert_array_equal(made[name], expected[name])
    with pytest.raises(Failed, match=r"^error: give photo=FILE.npy, an array \(count, 2, 2, 3\)$"):
        run(several / "encode.onnx", tmp_path / "other", folder=tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["z"], "error: z is not NAME=FILE.npy"),
        (["z=nowhere.npy"], "error: cannot read nowhere.npy: "),
        (["z=text.npy"], "error: cannot read text.npy: "),
        (["zz=z.npy"], "error: unknown input zz; known: z, label"),
        (["z=double.npy"], "error: z is float64: save it as float32"),
        (["z=z.npy", "label=z.npy"], "error: label is float32: save it as int32"),
        (["z=short.npy"], "error: .*index: 1 Got: 7 Expected: 8"),
        (["--seed=-1"], r"error: --seed=-1: use a whole number from 0 to 2\^63 - 1"),
        (["--count=0"], "error: --count=0: use a whole number from 1"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(conditional, tmp_path, arguments, told):
    z = np.zeros((2, 8), np.float32)
    for name, values in (("z", z), ("double", z.astype(np.float64)), ("short", z[:, :7])):
        np.save(tmp_path / f"{name}.npy", values)
    (tmp_path / "text.npy").write_text("not what its name says")
    for model in (conditional / bundle.ONNX, *([tmp_path / "nowhere.onnx"] if arguments == ["z"] else [])):
        command = [sys.executable, "-I", EXAMPLES / "run_onnxruntime.py", model, tmp_path / "made", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert re.match(told if model.exists() else "error: .*nowhere.onnx", ended.stderr), ended.stderr
        assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("program", "given", "lacked"),
    [
        ("run_onnxruntime.py", ["m.onnx", "made"], "onnxruntime"),
        ("run_openvino.py", ["m.onnx", "made"], "openvino"),
        ("run_opencv.py", ["m.onnx", "made"], "opencv-python-headless"),
        ("run_tract.py", ["m.onnx", "made"], "tract"),
        ("run_mnn.py", ["m.onnx", "made"], "MNN"),
        ("run_litert.py", ["m.tflite", "made"], "ai-edge-litert"),
        ("convert_to_litert.py", ["saved_model/1", "generate", "m.tflite"], "tensorflow"),
        ("../tf_serving/clients/grpc_client.py", ["--model=digits", "in.npz", "out.npz"], "grpc"),
    ],
)
def test_a_package_that_is_missing_is_named_and_help_needs_none(program, given, lacked):
    modules = ["onnxruntime", "openvino", "cv2", "tract", "MNN", "_tools", "ai_edge_litert", "tensorflow", "grpc"]
    code = f"import runpy, sys; sys.modules |= dict.fromkeys({modules}); sys.argv = sys.argv[1:]; "
    command = [sys.executable, "-I", "-c", code + "runpy.run_path(sys.argv[0], run_name='__main__')"]
    command.append(str(EXAMPLES / program))
    ended = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(f"error: needs {lacked}: pip install [^\n]*\n", ended.stderr), ended.stderr
    ended = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: ")


@pytest.mark.parametrize("title", [title for title, runtime in RUNTIMES.items() if runtime.ending == ".onnx"])
def test_another_runtime_makes_the_same(conditional, conditional_spec, title, tmp_path):
    if title not in installed():
        pytest.skip(f"{title} is not installed: make runtimes")
    for count in (1, 5):
        inputs = noise.fill(conditional_spec, count, seed=1)
        made = installed()[title](conditional / bundle.ONNX, inputs)
        expected = serving.load(conditional)["generate"](count=count, seed=1)["image"]
        assert made.keys() == {"image"}
        assert made["image"].dtype == np.float32
        np.testing.assert_allclose(made["image"], expected, atol=1e-5)
        assert np.ptp(expected) > 0.5, "there is something to compare"


@pytest.mark.parametrize("channels", [1, 3])
def test_node_writes_the_picture_that_python_writes(factory, channels, tmp_path):
    if "onnxruntime-node" not in installed():
        pytest.skip("onnxruntime-node is not installed: make runtimes")
    spec = MapSpec((TensorSpec("z", (8,), "normal"),), (TensorSpec("image", (3, 5, channels), "output", "image"),))
    path = factory(spec)
    np.save(tmp_path / "z.npy", noise.fill(spec, 2, seed=1)["z"])
    runtime = installed()["onnxruntime-node"]
    runtime.start(EXAMPLES / runtime.program, path / bundle.ONNX, tmp_path / "made", f"z={tmp_path / 'z.npy'}")
    run(path / bundle.ONNX, tmp_path / "ours", f"z={tmp_path / 'z.npy'}", folder=tmp_path / "ours")
    made, ours = (np.asarray(Image.open(tmp_path / folder / "image.png")) for folder in ("made", "ours"))
    assert ours.shape == ((6, 5) if channels == 1 else (6, 5, 3))
    np.testing.assert_array_equal(made, ours)


def test_the_programs_stand_alone_and_the_page_about_them_names_each():
    readme = (EXAMPLES / "README.md").read_text()
    for name in PROGRAMS:
        assert name.removesuffix(".cpp") in readme
        if name.endswith(".py"):
            tree = ast.parse((EXAMPLES / name).read_text())
            imported = {
                alias.name.split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            imported |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not imported & {"zoo", "train", "export", "serving", *(other[:-3] for other in PROGRAMS)}
    for name in re.findall(r"\b(?:python|node) (\w+\.\w+)", readme):
        assert name in PROGRAMS


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "[07:39] :220: These Op Not Support: ONNX::IsInf | ONNX::IsNaN \nConverted Failed!",
            "has no ONNX::IsInf | ONNX::IsNaN",
        ),
        (
            'TractError: Failed analyse for node #80 "a/loop" Unimplemented(Loop)\n\nCaused by:\n  Op says 1',
            "has no Loop",
        ),
        ("Unsupported operations:\n\tReverseSequence\n\n[ERROR:0]", "has no ReverseSequence"),
        ("ERROR during processing node with 5 inputs: [Loop]:(onnx_node!a/loop) from", "refuses Loop"),
        ("where\n>     'input' is 4 (CV_32SC1)\n", "refuses an operation on CV_32SC1"),
        (
            "loc(fused[\"x\"]): error: 'tf.TensorListReserve' op requires element_shape to be static during TF Lite",
            "the converter refuses tf.TensorListReserve: it requires element_shape to be static",
        ),
        ("Traceback:\n  File\nValueError: what\n\n", "ValueError: what"),
        ("", ""),
    ],
)
def test_a_refusal_is_told_in_a_line(said, meant):
    assert reason(said) == meant
