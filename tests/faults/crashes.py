"""Every moment at which a program can be killed: before each of its calls that change a watched directory.

A kill leaves the file system as it is. So a copy of the directory, taken just before a call, is what a kill at that
call leaves behind; one run of a program yields all of them. That this is so is tested by real kills.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# events of `sys.addaudithook`, and where among their arguments the directory of a relative path stands
_CALLS = {"os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 2, "os.symlink": 2, "os.link": 2}


def watch(watched: str, states: str, kill_at: int) -> None:
    """From now on, copy the directory `watched` into STATES/NUMBER before each call that changes something below it.

    Without `states`, this process kills itself at call number `kill_at` instead. There is no way back: for a child.
    """
    number, is_copying = 0, False

    def before(call: str) -> None:
        nonlocal number, is_copying
        number += 1
        if states:
            is_copying = True
            shutil.copytree(watched, Path(states, f"{number:05d}"), symlinks=True)
            Path(states, f"{number:05d}.txt").write_text(call)
            is_copying = False
        elif number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not is_copying and (path := _changed(event, arguments)) and _is_below(path, watched):
            before(f"{event} {path.removeprefix(watched)}")

    os.fsync = _after(lambda: None if is_copying else before("fsync"), os.fsync)
    sys.addaudithook(hook)


def _after(first: Callable[[], None], call: Callable[[int], None]) -> Callable[[int], None]:
    def both(handle: int) -> None:
        first()
        call(handle)

    return both


def _changed(event: str, arguments: tuple[Any, ...]) -> str:
    """Return the path that a call is about to change, or "" if it changes nothing."""
    if event == "open":
        path, _, how = arguments
        return _absolute(path, -1) if how & _CHANGING else ""
    return _absolute(arguments[0], arguments[_CALLS[event]]) if event in _CALLS else ""


def _absolute(path: Any, directory: int) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        return ""  # of a file that is open already
    base = os.getcwd() if directory < 0 else os.readlink(f"/proc/self/fd/{directory}")
    return os.path.join(base, os.fsdecode(path))


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}{os.sep}")
