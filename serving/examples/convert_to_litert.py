"""Make a LiteRT file of one map of a bundle's SavedModel; needs TensorFlow 2.21.

python convert_to_litert.py bundle/saved_model/1 generate generate.tflite
"""

import sys
from pathlib import Path

import tensorflow as tf

directory, name, output = sys.argv[1:]
converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=[name])
Path(output).write_bytes(converter.convert())
