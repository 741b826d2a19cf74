"""From a trained run to a bundle: SavedModel and ONNX with proven parity. `python -m export --help`."""
