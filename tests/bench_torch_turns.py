"""Processes that take turns: what the children of `make bench-torch` and `make bench-gpu` and their parents share.

A child gets ready, tells so in one line of JSON, and waits. A line "go 20" makes it train 20 steps, and it answers
with the seconds that passed and those that its threads ran. While others have their turn a child is stopped, so that
not even its data are drawn ahead. Only the standard library: the children are of two Python environments.
"""

import importlib.util
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
TESTS = Path(__file__).parent
PRODUCT = 2048  # the side of the matrices whose product is the machine's rate
PATIENCE = 600.0  # seconds until a child is ready, or answers


class Failure(Exception):
    """A child that did not get ready or did not answer; the message is the last that it said."""


class Child:
    """A process that `serve`s; `told` is what it said of itself. Close it, or it stays."""

    def __init__(
        self, command: list[str], told: dict[str, Any], threads: int, environment: dict[str, str] | None = None
    ) -> None:
        """Start it on so many of the processors that this process may use; libraries take as many threads."""
        self._directory = tempfile.TemporaryDirectory()
        file = Path(self._directory.name) / "told.json"
        file.write_text(json.dumps({**told, "directory": self._directory.name}))
        self._errors = open(Path(self._directory.name) / "errors", "w+", errors="replace")  # noqa: SIM115
        paths = [str(TESTS), str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        processors = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
        self._process = subprocess.Popen(
            ["taskset", "-c", processors, *command, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(environment or {})},
        )
        self.told: dict[str, Any] = {}

    def wait(self, seconds: float = PATIENCE) -> None:
        """Wait until it is ready, and stop it; a `Failure` if it never is."""
        self.told = self._read(seconds)
        self._process.send_signal(signal.SIGSTOP)

    def ask(self, command: str, number: int = 0) -> Any:
        """Return its answer, see `serve`; it runs only until then."""
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write(f"{command} {number}\n")
        self._process.stdin.flush()
        answer = self._read(PATIENCE)["answer"]
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            file.close()
        self._directory.cleanup()

    def _read(self, seconds: float) -> dict[str, Any]:
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise Failure(f"no answer in {seconds:.0f} s" if not ready else self._last_error())
        return json.loads(line)

    def _last_error(self) -> str:
        """Return the line of a traceback that says what was wrong."""
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        # an exception of TensorFlow or torch goes on for many lines below the one that begins with its name
        named = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Unsupported"))]
        return (named or lines or [f"exit {self._process.wait()}"])[-1][:200]


def serve(told: dict[str, Any], commands: dict[str, Callable[[int], Any]]) -> None:
    """Be a child: tell what there is to tell, then obey until the parent is gone.

    A command gets a number. "operations" is answered with what it returns, all others with two numbers of seconds:
    those that passed, and those that the threads of the process ran. On one thread the second does not see other
    programs; on several it counts those that wait in a loop.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    print(json.dumps(told), file=replies, flush=True)
    for line in sys.stdin:
        name, number = line.split()
        begin, ran = time.perf_counter(), time.process_time()
        made = commands[name](int(number))
        seconds = time.perf_counter() - begin, time.process_time() - ran
        print(json.dumps({"answer": made if name == "operations" else seconds}), file=replies, flush=True)


def torch_command(option: str = "") -> list[str] | None:
    """Return the command of a Python that has torch: the `option`, this one, or `make bench-torch`'s; None without."""
    if option:
        return shlex.split(option)
    if importlib.util.find_spec("torch"):
        return [sys.executable]
    own = REPOSITORY / ".venv-torch" / "bin" / "python"
    return [str(own)] if own.is_file() else None
