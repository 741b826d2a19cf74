"""Run a map of a bundle with LiteRT (TensorFlow Lite): `pip install ai-edge-litert`.

    python convert_to_litert.py bundle/saved_model/1 generate generate.tflite
    python run_litert.py generate.tflite made z=z.npy

Every output NAME goes to made/NAME.npy.
"""

import argparse
import sys
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", help="a .tflite file of a map")
parser.add_argument("folder", type=Path, help="where the outputs go")
parser.add_argument("given", nargs="*", metavar="NAME=FILE.npy", help="inputs; a batch of arrays each")
arguments = parser.parse_args()
try:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:
    sys.exit("error: needs ai-edge-litert: pip install ai-edge-litert")

inputs = {name: np.load(file) for name, file in (one.split("=", 1) for one in arguments.given)}

interpreter = Interpreter(model_path=arguments.model)
(signature,) = interpreter.get_signature_list()
runner = interpreter.get_signature_runner(signature)  # it resizes the inputs to what it is given
made = runner(**inputs)

arguments.folder.mkdir(exist_ok=True)
for name, values in made.items():
    np.save(arguments.folder / f"{name}.npy", values)
