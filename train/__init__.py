"""Training: data, recipes and the loop that runs them. Needs the extra: pip install "genzoo[train]"."""

import sys
from importlib.util import find_spec
from pathlib import Path

# every program of train and export comes past here before it imports any of these
if not all(map(find_spec, ("ml_collections", "tensorflow", "tf2onnx"))):
    _NEEDED = 'this needs the training extra: pip install "genzoo[train]"'
    if sys.argv[0] == "-m" or Path(sys.argv[0]).name.startswith("genzoo-"):
        print(f"error: {_NEEDED}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(_NEEDED)
