"""How everyone here opens an ONNX file. Standard library only, until a session is opened: that needs onnxruntime."""

import os
from typing import Any

from zoo.shared.errors import UserError, first_line


def open_session(data: bytes, path: str | os.PathLike[str], threads: int = 0) -> Any:
    """Return an `onnxruntime.InferenceSession` on the CPU for the bytes of an ONNX file.

    A run may use `threads` cores, 0 for all. `path` is only what the error calls the file: a file that onnxruntime
    cannot load, and a model whose weights lie in other files, is a `UserError`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena keeps forever what its largest run took
    options.log_severity_level = 4  # what matters is raised; nothing else belongs on a server's stderr
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # a model from bytes would look for external weights in the working directory: let there be no such directory
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base of their own
        said = first_line(error)
        if "External data path" in said:
            said = (
                "its weights lie in another file: put them into it, with onnx.save(onnx.load(file), file) or, where "
                "torch exports it, external_data=False"
            )
        raise UserError(f"{path} holds no ONNX model that onnxruntime can load: {said}") from None
