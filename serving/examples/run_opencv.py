"""Run an ONNX file of a bundle with OpenCV's module dnn: `pip install opencv-python-headless`.

    python run_opencv.py model.onnx made z=z.npy

Every output NAME goes to made/NAME.npy, and the first picture of it to made/NAME.png.
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
    import cv2
    import numpy as np
except ModuleNotFoundError:
    sys.exit("error: needs opencv-python-headless: pip install opencv-python-headless")

network = cv2.dnn.readNetFromONNX(arguments.model)
for name, file in (one.split("=", 1) for one in arguments.given):
    network.setInput(np.load(file), name)

names = network.getUnconnectedOutLayersNames()
arguments.folder.mkdir(exist_ok=True)
for name, values in zip(names, network.forward(names), strict=True):
    np.save(arguments.folder / f"{name}.npy", values)
    if values.ndim == 4 and values.shape[-1] in (1, 3):  # (count, height, width, channels) in [-1, 1]; OpenCV has BGR
        cv2.imwrite(str(arguments.folder / f"{name}.png"), np.rint((values[0, ..., ::-1] + 1) * 127.5))
