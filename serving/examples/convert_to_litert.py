"""Make a LiteRT file of one map of a bundle's SavedModel; needs TensorFlow 2.21.

python convert_to_litert.py bundle/saved_model/1 generate generate.tflite
"""

import argparse
import sys
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory", help="saved_model/1 of a bundle")
parser.add_argument("name", help="the map")
parser.add_argument("output", type=Path, help="the .tflite file to write")
arguments = parser.parse_args()
try:
    import tensorflow as tf
except ModuleNotFoundError:
    sys.exit("error: needs tensorflow: pip install tensorflow==2.21")

converter = tf.lite.TFLiteConverter.from_saved_model(arguments.directory, signature_keys=[arguments.name])
arguments.output.write_bytes(converter.convert())
