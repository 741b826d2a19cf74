"""How everyone here opens an ONNX file. Standard library only, until a session is opened: that needs onnxruntime."""

import ctypes
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.shared.errors import UserError, first_line, shown

_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
# GCC signs a place by its whole path and a signature, whose brackets may hold others; all else by a mere function name
_BRACKETS = r"\((?:[^()]|\([^()]*\))*\)"
_SIGNATURE = rf"[^()]*{_BRACKETS}(?:(?:>?::[^()\s]*)?{_BRACKETS})*(?: const)?(?: \[[^\]]*\])?"
_FULL_PATH, _FILE = r"/[\w/.+-]{1,300}\.(?:cc|h):\d+ ", r"(?:\w:)?[\w\\+-]{1,300}\.(?:cc|h):\d+ "
_PLACE = re.compile(rf"{_FULL_PATH}{_SIGNATURE}|{_FILE}[\w:~]+")
_ASIDES = re.compile(r"ONNX Runtime only \*guarantees\*.*? versions\.|The operator schemas and or .*? compatibility\.")
_EXTERNAL_DATA = re.compile(
    rf'does not exist: "{re.escape(os.devnull)}/(?P<beside>[^"]+)"|External data path: "(?P<outside>[^"]+)"'
)
_TOO_NEW = re.compile(r"max supported IR version|is till opset")
CPU = "CPUExecutionProvider"
# which package holds a provider that the package onnxruntime lacks
_PACKAGES = {"CUDAExecutionProvider": "onnxruntime-gpu", "TensorrtExecutionProvider": "onnxruntime-gpu"}


class Session:
    """An open ONNX file that goes to other processes: its copy, its pickle, and what a fork leaves of it open it anew.

    They do so from the bytes that were given, which are kept: the disk may have changed, and is not read. Safe to call
    from several threads at once. The arguments and errors are those of `open_session`.
    """

    def __init__(
        self, data: bytes, path: str | os.PathLike[str], threads: int = 0, providers: Sequence[str] | None = None
    ) -> None:
        self.data = data
        self._arguments = data, str(path), threads, providers
        self._opened = open_session(*self._arguments)
        _SESSIONS.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Session, self._arguments

    @property
    def opened(self) -> Any:
        """The `onnxruntime.InferenceSession`."""
        opened = self._opened
        if opened is None:
            # two threads may do so at once, and one of the two is dropped
            self._opened = opened = open_session(*self._arguments)
        return opened

    def run(self, names: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """Return the outputs called `names`; errors are those of onnxruntime."""
        made: list[Any] = self.opened.run(names, dict(inputs))
        return made

    def forsake(self) -> None:
        """Let go of a session whose threads a fork has left behind: a run, or its end, would wait for them for ever."""
        if self._opened is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._opened))  # so that it never ends
            self._opened = None


_SESSIONS: weakref.WeakSet[Session] = weakref.WeakSet()


def _forsake_all() -> None:
    for session in list(_SESSIONS):
        session.forsake()


os.register_at_fork(after_in_child=_forsake_all)


def check_providers(providers: Sequence[str] | None) -> list[str]:
    """Return names of onnxruntime's execution providers, None for the CPU's; one that is not there is a `UserError`."""
    if providers is None:
        return [CPU]
    onnxruntime = _onnxruntime()
    there = onnxruntime.get_available_providers()
    if isinstance(providers, str) or not isinstance(providers, Sequence) or not providers:
        raise UserError(f"providers {shown(providers)}: use a list of {', '.join(there)}")
    for name in providers:
        if name not in there:
            if name in onnxruntime.get_all_providers():
                build = f"the package {_PACKAGES[name]}" if name in _PACKAGES else "a build of onnxruntime that has it"
                raise UserError(
                    f"this onnxruntime has no {name}, only {', '.join(there)}: install {build} in its place"
                )
            raise UserError(f"unknown execution provider {shown(name)}; this onnxruntime has {', '.join(there)}")
    return [str(name) for name in providers]


def open_session(
    data: bytes, path: str | os.PathLike[str], threads: int = 0, providers: Sequence[str] | None = None
) -> Any:
    """Return an `onnxruntime.InferenceSession` for the bytes of an ONNX file.

    A run may use `threads` cores, 0 for all. `providers` are those of onnxruntime that run it, the preferred first; by
    default the CPU, which in any case runs what the others cannot. `path` is only what the error calls the file: a file
    that onnxruntime cannot load, a model whose weights lie in other files, and a provider that is not there or does not
    start, is a `UserError`.
    """
    onnxruntime, wanted = _onnxruntime(), check_providers(providers)
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
        session = onnxruntime.InferenceSession(data, options, providers=wanted, enable_fallback=0)
    except Exception as error:  # onnxruntime's errors have no common base of their own
        said = reason(error)
        if "External data path" in str(error) or "data from external tensors" in str(error):
            said = (
                f"its weights lie in another file{_other_file(str(error))}: put them into it, with "
                "onnx.save(onnx.load(file), file) or, where torch exports it, external_data=False"
            )
        raise UserError(f"{path} holds no ONNX model that onnxruntime can load: {said}") from None
    # one whose libraries are missing is left out without an error
    for name in wanted:
        if name not in session.get_providers():
            raise UserError(f"{name} does not start on this machine: are its driver and its libraries installed?")
    return session


def _onnxruntime() -> Any:
    # since 1.29 it writes an identifier below the home directory and tells Microsoft of every session, unless refused
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def _other_file(said: str) -> str:
    """Return the name of the file of weights that an error of onnxruntime tells of, as the model has it."""
    if found := _EXTERNAL_DATA.search(said):
        return (
            f", {found['beside'] or found['outside']!r}{', which leads out of its folder' if found['outside'] else ''}"
        )
    return ", at an absolute path" if "Absolute path" in said else ""


def reason(error: BaseException) -> str:
    """Return what an error of onnxruntime says, in one line: without its code and without places in its C++ source."""
    said = _CODE.sub("", " ".join(str(error).split()))
    for noise in (_PLACE, _ASIDES):
        said = noise.sub(" ", said)
    said = " ".join(said.split())
    if _TOO_NEW.search(said):
        said = f"{said.rstrip('.')}; a newer onnxruntime may read it"
    return first_line(RuntimeError(said or type(error).__name__))
