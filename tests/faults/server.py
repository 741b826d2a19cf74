"""A process that has imported TensorFlow once and runs our programs in children of its own, each as if freshly started.

A fork is sound as long as the parent never runs an operation. `Server` is the other end, in the tests' process.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status (negative: the signal), and all that it printed."""

    status: int
    output: str


class Server:
    """Runs programs; `states` and `kill_at` are what `crashes.watch` takes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        program: str,
        arguments: Sequence[str],
        watched: Path | None = None,
        states: Path | None = None,
        kill_at: int = 0,
        environment: dict[str, str] | None = None,
    ) -> Ended:
        """Run `python -m PROGRAM arguments...` to its end, whichever that is."""
        request = {
            "program": program,
            "arguments": list(arguments),
            "watch": watched and [os.fspath(watched), os.fspath(states) if states else "", kill_at],
            "environment": environment or {},
        }
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextlib.contextmanager
def started() -> Iterator[Server]:
    """Yield a server, which ends with the block."""
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server"],
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.stdin.close()


def _serve() -> None:
    for name in ("keras", "matplotlib.pyplot", "export.build", "train.loop.trainer", "train.evaluate.makers"):
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            child = os.fork()
            if not child:
                _become(request, output.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            print(json.dumps({"status": status, "output": output.read()}), flush=True)


def _become(request: dict[str, Any], output: int) -> None:
    """Be the program, in a child: never returns."""
    status = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(request["environment"])
        sys.argv = [request["program"], *request["arguments"]]
        program = importlib.import_module(request["program"])
        if request["watch"]:
            from tests.faults import crashes

            crashes.watch(*request["watch"])
        program.run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
