"""Run an ONNX file of a bundle with tract, a runtime in Rust: `pip install tract`.

    python run_tract.py model.onnx made z=z.npy

Every output NAME goes to made/NAME.npy. tract takes inputs in the order of the file, of shapes that it was told.
"""

import sys
from pathlib import Path

import numpy as np
import tract

TYPES = {"float32": "f32", "int32": "i32"}

model, folder, *given = sys.argv[1:]
arrays = {name: np.load(file) for name, file in (one.split("=", 1) for one in given)}
read = tract.onnx().load(model)
inputs = [arrays[read.input_name(k)] for k in range(read.input_count())]
for k, values in enumerate(inputs):
    read.set_input_fact(k, ",".join([*map(str, values.shape), TYPES[str(values.dtype)]]))
read.analyse()
names = [read.output_name(k).split("/")[-1] for k in range(read.output_count())]
made = read.into_model().into_runnable().run(inputs)

Path(folder).mkdir(exist_ok=True)
for name, tensor in zip(names, made, strict=True):
    np.save(f"{folder}/{name}.npy", tensor.to_numpy())
