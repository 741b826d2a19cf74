"""Programs of ours as processes of their own, which are asked to save their state when their caller is stopped."""

import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from train import config
from zoo.shared.errors import UserError

_THREADS = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"


class Programs:
    """Calls programs of ours, from one thread or several; `threads` is how many each may compute on, 0 leaves it."""

    def __init__(self, threads: int = 0) -> None:
        # our own programs, whatever file called train.py stands in the current directory: -m alone would look there
        # first (see -P below); last, it is there for a recipe of one's own that imports its neighbours
        places = [str(Path(config.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")]), os.getcwd()]
        numbers = dict.fromkeys(_THREADS, str(threads)) if threads else {}
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), **numbers}
        self.lock, self.processes, self.stopping = threading.Lock(), set[subprocess.Popen[str]](), False

    def call(self, log: Path, module: str, *arguments: str) -> list[str]:
        """Return the lines that a program prints; its errors go to the end of the `log`.

        One that fails is a `UserError`. Where a signal ends the caller in here, the program saves its state and leaves
        first.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", module, *arguments]
        # a process group of its own: Ctrl-C reaches it through `terminate` alone (a second signal would end it at once)
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "process_group": 0}
        with open(log, "a") as errors:
            begin = errors.tell()
            with self.lock:
                if self.stopping:
                    raise CancelledError
                process = subprocess.Popen(command, text=True, stderr=errors, env=self.environment, **options)
                self.processes.add(process)
            try:
                output, _ = process.communicate()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        with self.lock:
            self.processes.remove(process)
        if process.returncode:
            said = log.read_bytes()[begin:].decode(errors="replace").splitlines()
            last = next((line for line in reversed(said) if line.startswith("error: ")), "")
            last = last or f"it ended with status {process.returncode}, a signal if below 0"
            raise UserError(f"python -m {module} failed, see {log}: {last.removeprefix('error: ')}")
        return output.splitlines()

    def stop(self) -> None:
        """Start no other program, and ask those that run to save their state and leave."""
        with self.lock:
            self.stopping = True
            for process in self.processes:
                process.terminate()
