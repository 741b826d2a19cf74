"""What a request costs the server, beside a bare `session.run`: CPU per request, p99, and memory after a large batch.

    python tests/bench_server.py

The server runs in a process of its own, and so does the bare loop. Both are asked in turns for a DCGAN of 0.3 million
weights at batch 1. CPU is what the kernel counts for the process, so that a busy machine changes it little. There are
no assertions: what is too slow is for a reader to judge.
"""

import itertools
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "serving"))
from conftest import Factory, node

from zoo.spec import MapSpec, TensorSpec

SPEC = MapSpec((TensorSpec("z", (64,), "normal"),), (TensorSpec("image", (32, 32, 1), "output", "image"),))
CHANNELS = (128, 64, 32, 1)
TURNS, SECONDS = 3, 1.5
TICK = os.sysconf("SC_CLK_TCK")
Z = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)

# runs the session until the time is over; prints CPU seconds and runs
BARE = """
import sys, time
import numpy as np
from zoo.bundle import read_onnx
from zoo.shared.inference import open_session
from pathlib import Path
path = Path(sys.argv[1]) / "model.onnx"
session, z = open_session(read_onnx(path), path, 1), np.load(sys.argv[2])
for line in sys.stdin:
    end, count, cpu = time.perf_counter() + float(line), 0, time.process_time()
    while time.perf_counter() < end:
        session.run(["image"], {"z": z})
        count += 1
    print(time.process_time() - cpu, count, flush=True)
"""


def write_dcgan(root: Path) -> Path:
    """Write the bundle: a dense layer to 4 x 4 x 128, and three transposed convolutions to 32 x 32 x 1."""
    random = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) * 0.05).astype(np.float32)

    weights = {"k": weight(64, 2048), "b": weight(2048), "shape": np.array([-1, 128, 4, 4])}
    nodes = [node("Gemm", "z k b", "dense"), node("Relu", "dense", "flat"), node("Reshape", "flat shape", "h0")]
    for number, (own, following) in enumerate(itertools.pairwise(CHANNELS)):
        weights |= {f"w{number}": weight(own, following, 4, 4), f"c{number}": weight(following)}
        nodes += [
            node("ConvTranspose", f"h{number} w{number} c{number}", f"a{number}", strides=[2, 2], pads=[1] * 4),
            node("Relu" if following > 1 else "Tanh", f"a{number}", f"h{number + 1}"),
        ]
    nodes.append(node("Transpose", "h3", "image", perm=[0, 2, 3, 1]))
    return Factory(root)(SPEC, nodes, **weights)


def requests() -> dict[str, bytes]:
    """Return the whole request of each way to ask, by its name."""
    head = {"inputs": [{"name": "z", "shape": [1, 64], "datatype": "FP32", "parameters": {"binary_data_size": 256}}]}
    told = json.dumps(head | {"parameters": {"binary_data_output": True}}).encode()
    length = f"inference-header-content-length: {len(told)}\r\n"
    predict = json.dumps({"instances": Z.tolist()}).encode()
    return {
        "binary (v2)": message("/v2/models/dcgan/infer", told + Z.tobytes(), length),
        ".npy (:sample)": message("/v1/models/dcgan:sample", b'{"seed": 7}', "accept: application/x-npy\r\n"),
        "PNG (:sample)": message("/v1/models/dcgan:sample", b'{"seed": 7}', "accept: image/png\r\n"),
        "JSON (:predict)": message("/v1/models/dcgan:predict", predict),
    }


def message(path: str, body: bytes, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


class Client:
    """One connection, kept open: one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun, self._got, self._size = 0.0, b"", 0

    def send(self, request: bytes) -> None:
        self.begun, self._got, self._size = time.perf_counter(), b"", 0
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what there is; whether the answer is complete, which must be a 200."""
        self._got += self.socket.recv(1 << 20)
        if not self._size:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return False
            assert self._got.startswith(b"HTTP/1.1 200 "), self._got[:200]
            self._size = end + 4 + int(re.search(rb"content-length: (\d+)", self._got)[1])  # type: ignore[index]
        return len(self._got) >= self._size


def load(port: int, request: bytes, connections: int, seconds: float) -> list[float]:
    """Ask over so many connections at once for a time; return how long each answer took."""
    clients, times = [Client(port) for _ in range(connections)], []
    end = time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send(request)
        waiting = connections
        while waiting:
            for key, _ in selector.select():
                if key.data.is_answered():
                    now = time.perf_counter()
                    times.append(now - key.data.begun)
                    if now < end:
                        key.data.send(request)
                    else:
                        waiting -= 1
    for client in clients:
        client.socket.close()
    return times


def cpu_of(process: int) -> float:
    """Return the CPU seconds of a process, its threads included."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_of(process: int) -> float:
    """Return the resident memory of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024  # type: ignore[index]


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        models = Path(temporary)
        bundle = write_dcgan(models).rename(models / "dcgan")
        noise = models / "z.npy"
        np.save(noise, Z)
        command = [sys.executable, "-m", "serving.server", f"--models={models}", "--port=0", *sys.argv[1:]]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        bare = subprocess.Popen(
            [sys.executable, "-c", BARE, str(bundle), str(noise)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            measure(server, bare)
        finally:
            server.kill()
            bare.kill()


def measure(server: subprocess.Popen[str], bare: subprocess.Popen[str]) -> None:
    assert server.stderr and bare.stdin and bare.stdout
    port = int(server.stderr.readline().rpartition(":")[2])
    server.stderr.readline()  # it serves

    def run_bare() -> float:
        print(SECONDS, file=bare.stdin, flush=True)
        cpu, count = map(float, bare.stdout.readline().split())  # type: ignore[union-attr]
        return cpu / count

    run_bare()
    begun = memory_of(server.pid)
    print("| answer | connections | CPU ms | x bare | req/s | median ms | p99 ms |\n|---|---|---|---|---|---|---|")
    for name, request in requests().items():
        for connections in (1, 16, 64):
            load(port, request, connections, 0.3)
            costs, ratios, times, wall = [], [], [], 0.0
            for _ in range(TURNS):
                alone, cpu, begin = run_bare(), cpu_of(server.pid), time.perf_counter()
                took = load(port, request, connections, SECONDS)
                costs.append((cpu_of(server.pid) - cpu) / len(took))
                wall += time.perf_counter() - begin
                ratios.append(costs[-1] / statistics.mean([alone, run_bare()]))
                times += took
            centiles = statistics.quantiles(times, n=100)
            print(
                f"| {name} | {connections} | {1e3 * statistics.median(costs):.3f} | {statistics.median(ratios):.2f} "
                f"| {len(times) / wall:.0f} | {1e3 * centiles[49]:.1f} | {1e3 * centiles[98]:.1f} |",
                flush=True,
            )
    large = json.dumps({"count": 512}).encode()
    load(port, message("/v1/models/dcgan:sample", large, "accept: application/x-npy\r\n"), 1, 0.1)
    print(f"memory: {begun:.0f} MB at the start, {memory_of(server.pid):.0f} MB after a batch of 512")


if __name__ == "__main__":
    main()
