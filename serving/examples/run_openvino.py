"""Run an ONNX file of a bundle with OpenVINO: `pip install openvino`.

    python run_openvino.py model.onnx made z=z.npy

Every output NAME goes to made/NAME.npy.
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
    import numpy as np
    import openvino
except ModuleNotFoundError:
    sys.exit("error: needs openvino: pip install openvino")

inputs = {name: np.load(file) for name, file in (one.split("=", 1) for one in arguments.given)}

core = openvino.Core()
# by itself OpenVINO takes bfloat16 where the processor has it, and pictures are then some grey levels off
network = core.read_model(arguments.model)
names = [output.any_name for output in network.outputs]  # once compiled, an output has names of inner tensors too
made = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)

arguments.folder.mkdir(exist_ok=True)
for name in names:
    np.save(arguments.folder / f"{name}.npy", made[name])
