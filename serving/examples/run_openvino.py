"""Run an ONNX file of a bundle with OpenVINO: `pip install openvino`.

    python run_openvino.py model.onnx made z=z.npy

Every output NAME goes to made/NAME.npy.
"""

import sys
from pathlib import Path

import numpy as np
import openvino

model, folder, *given = sys.argv[1:]
inputs = {name: np.load(file) for name, file in (one.split("=", 1) for one in given)}

core = openvino.Core()
# by itself OpenVINO takes bfloat16 where the processor has it, and pictures are then some grey levels off
network = core.read_model(model)
names = [output.any_name for output in network.outputs]  # once compiled, an output has names of inner tensors too
made = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)

Path(folder).mkdir(exist_ok=True)
for name in names:
    np.save(f"{folder}/{name}.npy", made[name])
