"""A map in onnxruntime's own format, which its small builds for phones read, without a parser of protobuf."""

import os
import tempfile
from pathlib import Path

from zoo.shared.errors import UserError
from zoo.shared.inference import reason


def convert(model: bytes) -> bytes:
    """Return an ONNX file in the format .ort, metadata included.

    Its graph is optimised as far as holds on every processor: layouts of this one's caches would not run elsewhere.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="genzoo") as directory:
        place = Path(directory) / "model.ort"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(place)
        options.log_severity_level = 4
        options.add_session_config_entry("session.save_model_format", "ORT")
        try:
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        except Exception as error:  # onnxruntime's errors have no common base of their own
            raise UserError(f"onnxruntime cannot write its own format: {reason(error)}") from error
        return place.read_bytes()
