"""Run an ONNX file of a bundle with tract, a runtime in Rust: `pip install tract`.

    python run_tract.py model.onnx made z=z.npy

Every output NAME goes to made/NAME.npy. tract takes inputs in the order of the file, of shapes that it was told.
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
    import tract
except ModuleNotFoundError:
    sys.exit("error: needs tract: pip install tract")

TYPES = {"float32": "f32", "int32": "i32"}

arrays = {name: np.load(file) for name, file in (one.split("=", 1) for one in arguments.given)}
read = tract.onnx().load(arguments.model)
inputs = [arrays[read.input_name(k)] for k in range(read.input_count())]
for k, values in enumerate(inputs):
    read.set_input_fact(k, ",".join([*map(str, values.shape), TYPES[str(values.dtype)]]))
read.analyse()
names = [read.output_name(k).split("/")[-1] for k in range(read.output_count())]
made = read.into_model().into_runnable().run(inputs)

arguments.folder.mkdir(exist_ok=True)
for name, tensor in zip(names, made, strict=True):
    np.save(arguments.folder / f"{name}.npy", tensor.to_numpy())
