"""Run an ONNX file of a bundle with MNN, a runtime for phones: `pip install MNN`, which brings the converter too.

    python run_mnn.py model.onnx made z=z.npy

The converted file is written beside the outputs, as made/model.mnn. Every output NAME goes to made/NAME.npy.
"""

import argparse
import sys
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", help="an ONNX file of a bundle")
parser.add_argument("folder", type=Path, help="where the outputs go")
parser.add_argument("given", nargs="*", metavar="NAME=FILE.npy", help="inputs; a batch of arrays each")
arguments = parser.parse_args()
try:
    import _tools  # MNN's; its command mnnconvert does the same, but installs a package to report each use to its maker
    import MNN
    import MNN.expr
    import MNN.nn
    import numpy as np
except ModuleNotFoundError:
    sys.exit("error: needs MNN: pip install MNN")

arrays = {name: np.load(file) for name, file in (one.split("=", 1) for one in arguments.given)}
arguments.folder.mkdir(exist_ok=True)
converted = str(arguments.folder / "model.mnn")
_tools.mnnconvert(
    ["mnnconvert", "-f", "ONNX", "--modelFile", arguments.model, "--MNNModel", converted, "--bizCode", "genzoo"]
)
if not Path(converted).exists():
    sys.exit("MNN's converter refused the file: see above")

network = MNN.nn.load_module_from_file(converted, [], [])
told = network.get_info()
inputs = []
for name in told["inputNames"]:
    values = np.ascontiguousarray(arrays[name])
    kind = MNN.expr.int if values.dtype == np.int32 else MNN.expr.float
    inputs.append(MNN.expr.const(values, list(values.shape), MNN.expr.NCHW, kind))
for name, output in zip(told["outputNames"], network.forward(inputs), strict=True):
    values = MNN.expr.convert(output, MNN.expr.NCHW) if output.data_format == MNN.expr.NC4HW4 else output
    np.save(arguments.folder / f"{name}.npy", values.read().copy())
