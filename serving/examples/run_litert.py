"""Run a map of a bundle with LiteRT (TensorFlow Lite): `pip install ai-edge-litert`.

    python convert_to_litert.py bundle/saved_model/1 generate generate.tflite
    python run_litert.py generate.tflite made z=z.npy

Every output NAME goes to made/NAME.npy.
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

model, folder, *given = sys.argv[1:]
inputs = {name: np.load(file) for name, file in (one.split("=", 1) for one in given)}

interpreter = Interpreter(model_path=model)
(signature,) = interpreter.get_signature_list()
runner = interpreter.get_signature_runner(signature)  # it resizes the inputs to what it is given
made = runner(**inputs)

Path(folder).mkdir(exist_ok=True)
for name, values in made.items():
    np.save(f"{folder}/{name}.npy", values)
