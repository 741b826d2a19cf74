"""Run an ONNX file of a bundle with MNN, a runtime for phones: `pip install MNN`, which brings the converter too.

    python run_mnn.py model.onnx made z=z.npy

The converted file is written beside the outputs, as made/model.mnn. Every output NAME goes to made/NAME.npy.
"""

import sys
from pathlib import Path

import _tools  # MNN's; its command mnnconvert does the same, but installs a package to report each use to its maker
import MNN
import MNN.expr
import MNN.nn
import numpy as np

model, folder, *given = sys.argv[1:]
arrays = {name: np.load(file) for name, file in (one.split("=", 1) for one in given)}
Path(folder).mkdir(exist_ok=True)
converted = f"{folder}/model.mnn"
_tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", model, "--MNNModel", converted, "--bizCode", "genzoo"])
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
    np.save(f"{folder}/{name}.npy", values.read().copy())
