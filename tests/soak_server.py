"""Whether the server's memory stays flat: minutes of good, bad and broken requests, and of new versions.

    python tests/soak_server.py 3

serves the DCGAN of `bench_server` for so many minutes. Eight connections ask for samples, predictions and what there is
not; others leave before their answer. A new version comes every 20 seconds. Prints the resident memory every 10
seconds, and in the end how it grew over the second half, by a line of least squares. There are no assertions.
"""

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_server import load, memory_of, message, requests, write_dcgan

SECONDS, NEW_VERSION = 10.0, 20.0
BAD = [
    message("/v1/models/dcgan:predict", b'{"instances": [[1, 2'),
    message("/v1/models/dcgan:sample", json.dumps({"count": 10**6}).encode()),
    message("/v2/models/nope/infer", b"{}"),
    message("/v1/models/dcgan:sample", b'{"truncation": -1}'),
]


def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        models = Path(temporary) / "models"
        models.mkdir()
        original = write_dcgan(Path(temporary))
        shutil.copytree(original, models / "dcgan" / "1")
        command = [sys.executable, "-m", "serving.server", f"--models={models}", "--port=0"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr
            port = int(server.stderr.readline().rpartition(":")[2])
            server.stderr.readline()  # it serves
            soak(server.pid, port, minutes, original, models / "dcgan")
        finally:
            server.kill()


def soak(process: int, port: int, minutes: float, original: Path, versions: Path) -> None:
    begin = time.perf_counter()
    seen: list[tuple[float, float]] = []
    numbers, ways = itertools.count(2), itertools.cycle(requests().values())
    count = last = 0
    while (now := time.perf_counter() - begin) < 60 * minutes:
        if now >= NEW_VERSION * (last + 1):
            last += 1
            number = next(numbers)
            shutil.copytree(original, versions / f".{number}")
            (versions / f".{number}").rename(versions / str(number))
            shutil.rmtree(versions / str(number - 1))
        count += len(load(port, next(ways), 8, 1.0))
        large = message("/v1/models/dcgan:sample", b'{"count": 256}', "accept: application/x-npy\r\n")
        count += len(load(port, large, 2, 0.2))
        count += broken(port, large)
        if now >= SECONDS * len(seen):
            seen.append((now, memory_of(process)))
            print(f"{now:6.0f} s {seen[-1][1]:7.1f} MB, {count:,} requests, version {last + 1}", flush=True)
    half = np.array(seen[len(seen) // 2 :])
    slope = np.polyfit(half[:, 0] / 60, half[:, 1], 1)[0]
    print(f"{seen[0][1]:.1f} MB first, {seen[-1][1]:.1f} MB last; {slope:+.2f} MB a minute in the second half")


def broken(port: int, large: bytes) -> int:
    """Send what is refused, and leave before an answer; return how many requests that were."""
    for request in (*BAD, large, large[: len(large) - 3]):
        with socket.create_connection(("127.0.0.1", port), 10) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(request)
            if request in BAD:
                assert raw.recv(1000)[9:10] == b"4"
    return len(BAD) + 2


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
