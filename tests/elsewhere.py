"""Runtimes that are no dependency, each run by its example in serving/examples: a test takes those that are installed.

Python's are looked for in the environment of the tests, or of the interpreter that RUNTIMES_PYTHON names; those of
Node.js below the folder that NODE_PATH names.
"""

import dataclasses
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "serving" / "examples"
_LONGEST = 600  # seconds
# what runtimes say when they refuse a file, and what that means
_TELLING = {
    r"Op Not Support: ([^\n]*)": r"has no \1",
    r"Unimplemented\((\w+)\)": r"has no \1",
    r"Unsupported operations:\s+(\w+)": r"has no \1",
    r"\[(\w+)\]:\(onnx_node": r"refuses \1",
    r"'input' is \d+ \((\w+)\)": r"refuses an operation on \1",
    r"'(tf\.\w+)' op requires ([\w ]+?) during": r"the converter refuses \1: it requires \2",
}
_LONGEST_REASON = 300  # characters


class Failed(Exception):
    """A runtime does not run a file; the message is its reason, in a line."""


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A program of serving/examples, the module and the package that it needs, and the ending of what it runs."""

    program: str
    module: str
    package: str
    ending: str = ".onnx"

    @property
    def command(self) -> list[str]:
        """The interpreter, and what it must be told."""
        if self.program.endswith(".cjs"):
            return [shutil.which("node") or "node"]
        return [os.environ.get("RUNTIMES_PYTHON", sys.executable)]

    def is_installed(self) -> bool:
        """Whether the module can be loaded."""
        try:
            if self.program.endswith(".cjs"):
                self.start("-e", f"require({self.module!r})")
            else:
                self.start("-c", f"import {self.module}")
        except (Failed, OSError):
            return False
        return True

    def version(self) -> str:
        """Return the version of the package."""
        if self.program.endswith(".cjs"):
            told = f"path.dirname(require.resolve({self.package!r})), '..', 'package.json'"
            return self.start("-p", f"const path = require('path'); require(path.join({told})).version")
        return self.start("-c", f"from importlib import metadata; print(metadata.version({self.package!r}))")

    def __call__(self, file: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a file, by name; raises `Failed` where the runtime refuses it."""
        with tempfile.TemporaryDirectory() as name:
            folder, made = Path(name), Path(name, "made")
            for title, values in inputs.items():
                np.save(folder / f"{title}.npy", values)
            given = [f"{title}={folder / title}.npy" for title in inputs]
            self.start(str(EXAMPLES / self.program), str(file), str(made), *given)
            return {path.stem: np.load(path) for path in made.glob("*.npy")}

    def start(self, *arguments: str | Path) -> str:
        """Return what the interpreter prints, run with these arguments; `Failed` where it fails."""
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "ONNXRUNTIME": self.module, "RUST_BACKTRACE": "0"}
        environment.pop("PYTHONPATH", None)  # the examples run without this package
        command = [*self.command, *map(str, arguments)]
        try:
            ended = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace", timeout=_LONGEST
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {_LONGEST} s") from None
        if ended.returncode:
            raise Failed(reason(ended.stderr + ended.stdout) or f"ended with code {ended.returncode}")
        return ended.stdout.strip()


RUNTIMES = {
    "onnxruntime-node": Runtime("run_node.cjs", "onnxruntime-node", "onnxruntime-node"),
    "onnxruntime-web": Runtime("run_node.cjs", "onnxruntime-web", "onnxruntime-web"),
    "OpenVINO": Runtime("run_openvino.py", "openvino", "openvino"),
    "OpenCV": Runtime("run_opencv.py", "cv2", "opencv-python-headless"),
    "tract": Runtime("run_tract.py", "tract", "tract"),
    "MNN": Runtime("run_mnn.py", "MNN", "MNN"),
    "LiteRT": Runtime("run_litert.py", "ai_edge_litert", "ai-edge-litert", ".tflite"),
}
# they run every map of every model
WHOLE = ("onnxruntime-node", "onnxruntime-web", "OpenVINO")


@functools.cache
def installed() -> dict[str, Runtime]:
    """Return the runtimes that are here, by name."""
    return {name: runtime for name, runtime in RUNTIMES.items() if runtime.is_installed()}


def reason(said: str) -> str:
    """Return in a line why a program failed: what it said, if `_TELLING` knows that, else its last line."""
    for pattern, meaning in _TELLING.items():
        if found := re.search(pattern, said):
            return " ".join(found.expand(meaning).split())[:_LONGEST_REASON]
    lines = [line for line in said.splitlines() if line.strip()]
    return " ".join(lines[-1].split())[:_LONGEST_REASON] if lines else ""
