"""The ground that every floor stands on: errors, files, programs, ONNX sessions."""
