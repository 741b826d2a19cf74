"""How everyone here opens an ONNX file. Standard library only, until a session is opened: that needs onnxruntime."""

import os
import re
from typing import Any

from zoo.shared.errors import UserError, first_line

_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
# GCC signs a place by its whole path and a signature, whose brackets may hold others; all else by a mere function name
_BRACKETS = r"\((?:[^()]|\([^()]*\))*\)"
_SIGNATURE = rf"[^()]*{_BRACKETS}(?:(?:>?::[^()\s]*)?{_BRACKETS})*(?: const)?(?: \[[^\]]*\])?"
_FULL_PATH, _FILE = r"/[\w/.+-]{1,300}\.(?:cc|h):\d+ ", r"(?:\w:)?[\w\\+-]{1,300}\.(?:cc|h):\d+ "
_PLACE = re.compile(rf"{_FULL_PATH}{_SIGNATURE}|{_FILE}[\w:~]+")
_ASIDES = re.compile(r"ONNX Runtime only \*guarantees\*.*? versions\.|The operator schemas and or .*? compatibility\.")
_TOO_NEW = re.compile(r"max supported IR version|is till opset")


def open_session(data: bytes, path: str | os.PathLike[str], threads: int = 0) -> Any:
    """Return an `onnxruntime.InferenceSession` on the CPU for the bytes of an ONNX file.

    A run may use `threads` cores, 0 for all. `path` is only what the error calls the file: a file that onnxruntime
    cannot load, and a model whose weights lie in other files, is a `UserError`.
    """
    # since 1.29 it writes an identifier below the home directory and tells Microsoft of every session, unless refused
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
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
        # without it, onnxruntime prints a banner on stdout and tries the CPU once more
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime's errors have no common base of their own
        said = reason(error)
        if "External data path" in str(error):
            said = (
                "its weights lie in another file: put them into it, with onnx.save(onnx.load(file), file) or, where "
                "torch exports it, external_data=False"
            )
        raise UserError(f"{path} holds no ONNX model that onnxruntime can load: {said}") from None


def reason(error: BaseException) -> str:
    """Return what an error of onnxruntime says, in one line: without its code and without places in its C++ source."""
    said = _CODE.sub("", " ".join(str(error).split()))
    for noise in (_PLACE, _ASIDES):
        said = noise.sub(" ", said)
    said = " ".join(said.split())
    if _TOO_NEW.search(said):
        said = f"{said.rstrip('.')}; a newer onnxruntime may read it"
    return first_line(RuntimeError(said or type(error).__name__))
