"""Training: data, recipes and the loop that runs them. Needs the extra "train"."""

import sys
from importlib.util import find_spec
from pathlib import Path

from zoo.shared.errors import needs

# every program of train and export comes past here before it imports any of these
_MISSING = [name for name in ("ml_collections", "tensorflow", "tf2onnx") if not find_spec(name)]
if _MISSING:
    _NEEDED = needs("this", _MISSING[0], "train")
    if sys.argv[0] == "-m" or Path(sys.argv[0]).name.startswith("genzoo-"):
        print(f"error: {_NEEDED}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(_NEEDED)
