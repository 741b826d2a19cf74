"""Training: data, recipes and the loop that runs them. Needs the extra: pip install "genzoo[train]"."""

import sys
from importlib.util import find_spec

# every program of train and export comes past here before it imports any of these
if not all(map(find_spec, ("ml_collections", "tensorflow", "tf2onnx"))):
    print('error: this needs the training extra: pip install "genzoo[train]"', file=sys.stderr)
    sys.exit(2)
