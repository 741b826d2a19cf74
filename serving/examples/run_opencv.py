"""Run an ONNX file of a bundle with OpenCV's module dnn: `pip install opencv-python-headless`.

    python run_opencv.py model.onnx made z=z.npy

Every output NAME goes to made/NAME.npy, and the first picture of it to made/NAME.png.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

model, folder, *given = sys.argv[1:]
network = cv2.dnn.readNetFromONNX(model)
for name, file in (one.split("=", 1) for one in given):
    network.setInput(np.load(file), name)

names = network.getUnconnectedOutLayersNames()
Path(folder).mkdir(exist_ok=True)
for name, values in zip(names, network.forward(names), strict=True):
    np.save(f"{folder}/{name}.npy", values)
    if values.ndim == 4 and values.shape[-1] in (1, 3):  # (count, height, width, channels) in [-1, 1]; OpenCV has BGR
        cv2.imwrite(f"{folder}/{name}.png", np.rint((values[0, ..., ::-1] + 1) * 127.5))
