"""The command: started, asked, told to stop."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.server.limits import Limits
from serving.server.loading import load
from zoo.shared.errors import UserError, needs
from zoo.spec import MapSpec, TensorSpec

ONE = json.dumps({"instances": [[0.0] * 8]}).encode()
PREDICT = "/v1/models/m:predict"


@pytest.fixture
def serve(models, several):
    """Start `python -m serving.server` on a free port, wait until it is ready, and return the process and the port."""
    models.put(several, "m")
    running = []

    def start(*arguments, first="m"):
        command = [sys.executable, "-m", "serving.server", f"--models={models.root}", "--port=0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        line = process.stderr.readline()
        found = re.fullmatch(r"genzoo-serve: listening on https?://127\.0\.0\.1:(\d+)\n", line)
        assert found, line + process.stderr.read()
        port = int(found[1])
        assert process.stderr.readline() == f"genzoo-serve: {first}: serves version 1\n"
        return process, port

    yield start
    for process in running:
        process.kill()
        process.communicate()


def post(port, body=ONE):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", PREDICT, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_it_serves_on_when_nobody_reads_its_log_any_more(serve):
    process, port = serve()
    process.stdout.close()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for _ in range(3):
        connection.request("POST", PREDICT, ONE)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
    assert process.stderr.readline() == "genzoo-serve: the access log ends: Broken pipe\n"
    process.stdout = None
    process.send_signal(signal.SIGTERM)
    assert (process.wait(20), process.stderr.read()) == (0, "genzoo-serve: stopped\n")


def test_it_serves_logs_and_ends_well(serve):
    process, port = serve()
    assert post(port)[0] == 200
    # a connection that is kept open does not hold it back
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    idle.request("GET", "/v2/health/ready")
    assert idle.getresponse().read() == b""
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "genzoo-serve: stopped\n")
    told = [json.loads(line) for line in output.splitlines()]
    assert [(line["path"], line["status"]) for line in told] == [(PREDICT, 200), ("/v2/health/ready", 200)]


def test_what_has_begun_is_finished_and_nothing_new_is_taken(serve):
    process, port = serve()
    with socket.create_connection(("127.0.0.1", port), 20) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (PREDICT.encode(), len(ONE)))
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 5)
        raw.sendall(ONE)
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert process.wait(20) == 0


def test_the_grace_is_limited(serve):
    process, port = serve("--grace=1")
    with socket.create_connection(("127.0.0.1", port), 20) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n" % PREDICT.encode())
        time.sleep(0.3)
        begin = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.perf_counter() - begin < 5


def test_it_ends_well_while_it_tries_what_may_run_together(serve, models, factory, make_node):
    """A map that runs for long: `_leave` does not wait for it, and nothing aborts."""
    size, layers = 1000, 400
    spec = MapSpec((TensorSpec("z", (size,), "normal"),), (TensorSpec("x", (size,), "output"),))
    names = ["z", *(f"h{k}" for k in range(1, layers)), "x"]
    nodes = [make_node("MatMul", f"{names[k]} w", names[k + 1]) for k in range(layers)]
    models.put(factory(spec, nodes, w=np.eye(size, dtype=np.float32)), "a")
    process, _ = serve(first="a")
    assert process.stderr.readline() == "genzoo-serve: m: serves version 1\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "genzoo-serve: stopped\n")


def test_killed_and_started_again(serve):
    process, port = serve()
    expected = post(port)
    process.kill()
    process.wait(20)
    _, port = serve(f"--port={port}")
    assert post(port) == expected


def test_a_new_version_is_picked_up(serve, models, several):
    process, port = serve("--poll=0.05", "--noaccess_log")
    models.put(several, "m/2" if (models.root / "m/1").exists() else "n/2")
    assert process.stderr.readline() == "genzoo-serve: n: serves version 2\n"


def test_tls(serve, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1",
        shell=True,
        check=True,
        capture_output=True,
    )
    _, port = serve(f"--tls_certificate={certificate}", f"--tls_key={key}")
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    connection.request("POST", PREDICT, ONE)
    assert connection.getresponse().status == 200


def test_flags_reach_the_server(serve):
    _, port = serve("--cors_origin=https://example.org", "--max_memory=3000000000", "--connections=7")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("HEAD", "/docs", headers={"origin": "https://example.org"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "https://example.org"


def test_keys_from_a_file(serve, tmp_path):
    (tmp_path / "keys").write_text("a-long-enough-key-1\n")
    _, port = serve(f"--api_keys={tmp_path / 'keys'}")
    assert post(port)[0] == 401


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "error: --models is missing; see --help, or try --presets"),
        (["--models=absent"], "error: absent is no directory of bundles"),
        (["--models=.", "--versions=newest"], "error: versions 'newest': use latest, latest:2, all, or numbers"),
        (["--models=.", "--label=x"], "error: --label=x: write it as MODEL:LABEL=VERSION"),
        (["--models=.", "--tls_key=x"], "error: --tls_certificate and --tls_key go together"),
        (["--models=.", "--tls_key=x", "--tls_certificate=y"], "error: cannot use y with x: No such file or directory"),
        (["--models=.", "--api_keys=absent"], "error: No such file or directory: absent"),
        (
            ["--models=.", "--browser_runtime=absent"],
            "error: --browser_runtime=absent lacks ort.wasm.min.mjs: give the",
        ),
        (["--models=.", "--cors_origin=example.org"], "error: origin 'example.org': write it as https://example.org"),
        (["--models=.", "--port=x"], "error: flag --port=x"),
        (["--models=.", "--host=256.1.1.1"], "error: "),
        (["--models=.", "--providers=TPU"], "error: unknown execution provider 'TPU'; this onnxruntime has "),
    ],
)
def test_flags_that_are_wrong(tmp_path, arguments, said):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    }
    command = [sys.executable, "-m", "serving.server", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


def test_a_port_that_is_taken(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "serving.server", f"--models={models.root}"]
        command.append(f"--port={taken.getsockname()[1]}")
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr.startswith("error: Address already in use")
    assert result.stderr.count("\n") == 1


def test_providers_are_those_of_the_sessions(several):
    with ThreadPoolExecutor(1) as pool, pytest.raises(UserError, match="unknown execution provider 'TPU'"):
        load(several, "m", 1, Limits(), pool, lambda *ran: None, ["TPU"])


def test_without_the_extra():
    code = (
        "import sys; sys.modules['orjson'] = None; sys.argv = ['serve', '--models=.']; "
        "from serving.server.__main__ import run; run()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (2, f"error: {needs('the server', 'orjson', 'server')}\n")


def test_neither_tensorflow_nor_training_is_imported():
    code = (
        "import sys, serving.server.app, serving.server.__main__; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'train', 'export'}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"
