"""Runtimes that are no dependency: a test runs files in those that are installed.

OpenVINO is found as the Python package openvino, onnxruntime-web by Node.js, of which NODE_PATH names node_modules.
"""

import functools
import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[Path, dict[str, np.ndarray]], dict[str, np.ndarray]]

# reads {"name": [type, shape]} and raw values, writes the same: the types are those of onnxruntime-web
_SCRIPT = """
const ort = require("onnxruntime-web"), fs = require("fs");
const [file, folder] = process.argv.slice(1);
const arrays = {float32: Float32Array, int32: Int32Array, int64: BigInt64Array};
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
(async () => {
  const bytes = new Uint8Array(fs.readFileSync(file));
  const session = await ort.InferenceSession.create(bytes, {executionProviders: ["wasm"]});
  const told = JSON.parse(fs.readFileSync(`${folder}/inputs.json`)), feeds = {};
  for (const [name, [type, shape]] of Object.entries(told)) {
    const bytes = new Uint8Array(fs.readFileSync(`${folder}/${name}.in`));
    feeds[name] = new ort.Tensor(type, new arrays[type](bytes.buffer), shape);
  }
  const made = await session.run(feeds), outputs = {};
  for (const [name, tensor] of Object.entries(made)) {
    outputs[name] = [tensor.type, tensor.dims];
    const {buffer, byteOffset, byteLength} = tensor.data;
    fs.writeFileSync(`${folder}/${name}.out`, new Uint8Array(buffer, byteOffset, byteLength));
  }
  fs.writeFileSync(`${folder}/outputs.json`, JSON.stringify(outputs));
})();
"""


@functools.cache
def installed() -> dict[str, Run]:
    """Return the runtimes that are here, by name: a function of a file and its inputs returns the outputs by name."""
    found: dict[str, Run] = {}
    if importlib.util.find_spec("openvino"):
        found["OpenVINO"] = run_in_openvino
    if shutil.which("node") and not _node('require.resolve("onnxruntime-web")').returncode:
        found["onnxruntime-web"] = run_in_onnxruntime_web
    return found


def run_in_openvino(file: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of a file in OpenVINO's CPU plugin in float32: by itself it may take bfloat16."""
    import openvino

    # from a file: of bytes, OpenVINO 2026.4 reads loops that it refuses in a file
    model = openvino.Core().read_model(file)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = compiled(inputs)
    return {name: made[output] for output in compiled.outputs for name in output.names}


def run_in_onnxruntime_web(file: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of a file in onnxruntime-web's WebAssembly, which a browser runs too."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inputs.json").write_text(json.dumps({n: [str(x.dtype), x.shape] for n, x in inputs.items()}))
        for title, values in inputs.items():
            (folder / f"{title}.in").write_bytes(np.ascontiguousarray(values).tobytes())
        process = _node(_SCRIPT, str(file), name)
        assert not process.returncode, process.stderr
        told = json.loads((folder / "outputs.json").read_text())
        return {
            title: np.frombuffer((folder / f"{title}.out").read_bytes(), dtype).reshape(shape)
            for title, (dtype, shape) in told.items()
        }


def _node(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["node", "-e", script, *arguments], capture_output=True, text=True, check=False)
