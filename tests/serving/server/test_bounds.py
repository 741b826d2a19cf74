"""What many clients together may take, clients that leave or do not read, browsers of other sites, and HEAD."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest

from serving.server.budget import Budget
from serving.server.cors import Cors
from serving.server.http import Request
from serving.server.refused import Refused
from zoo.shared.errors import UserError

PREDICT = "/v1/models/m:predict"
ONE = json.dumps({"instances": [[0.0] * 8]}).encode()


@pytest.fixture
def serve(start, models, several):
    """Start a server of the model m with some limits."""
    models.put(several, "m")
    return lambda **options: start(models.root, **options)


def until(is_so):
    end = time.perf_counter() + 10
    while not is_so():
        assert time.perf_counter() < end
        time.sleep(0.005)


def test_a_budget_by_hand():
    budget = Budget(100)
    budget.take(60)
    budget.take(40)
    with pytest.raises(Refused, match="other requests hold 100 of 100 bytes") as refused:
        budget.take(1)
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})
    budget.give(60)
    budget.take(60)
    budget.give(100)
    assert budget.held == 0
    budget.take(1000)  # who is alone may take more: a limit of its own bounds one request
    budget.take(1000, own=1000)
    with pytest.raises(Refused, match="other requests hold 1,000 of 100 bytes"):
        budget.take(1, own=1000)


@contextlib.contextmanager
def sending(port, size):
    """A client that has sent so many bytes of a body, and one more is to come."""
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (PREDICT.encode(), size + 1))
        raw.sendall(b" " * size)
        yield raw


def test_bodies_in_flight_are_bounded(serve):
    running = serve(memory=100_000)
    budget = running.service.budget
    with sending(running.port, 60_000) as one:
        until(lambda: budget.held == 60_000)
        with sending(running.port, 60_000) as other:
            assert other.recv(1000).startswith(b"HTTP/1.1 503 ")
        answer = running.post(PREDICT, b" " * 50_000)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.error == "other requests hold 60,000 of 100,000 bytes; try again later"
        assert running.post(PREDICT, ONE).status == 200  # a small one has room
        one.sendall(b" ")
        assert one.recv(1000).startswith(b"HTTP/1.1 400 ")
    until(lambda: budget.held == 0)


def test_arrays_count_too(serve):
    running = serve(memory=100_000)
    with sending(running.port, 60_000):
        until(lambda: running.service.budget.held == 60_000)
        # 8 numbers of noise and 48 of a picture, of four bytes
        assert running.get("/v1/models/m:sample?count=60", accept="application/x-npy").status == 200
        assert running.get("/v1/models/m:sample?count=200").status == 503
        assert running.get("/v1/models/m:interpolate?steps=200").status == 503
        assert running.post(PREDICT, {"instances": [[0.0] * 8] * 100}).status == 503  # JSON counts 15 times


def test_answers_count_too(serve):
    running = serve(memory=120_000)
    sample = "/v1/models/m:sample?count=100"  # 22,400 bytes of inputs and outputs
    with sending(running.port, 60_000):
        until(lambda: running.service.budget.held == 60_000)
        assert running.get(sample, accept="application/x-npy").status == 503  # and 2 times 19,200 of the answer
        assert running.get(sample, accept="application/json").status == 503
        assert running.get(sample, accept="image/png").status == 503
        z = {"name": "z", "shape": [100, 8], "datatype": "FP32", "parameters": {"binary_data_size": 3200}}
        for is_binary in (True, False):
            head = json.dumps({"inputs": [z], "parameters": {"binary_data_output": is_binary}}).encode()
            length = {"inference_header_content_length": str(len(head))}
            assert running.post("/v2/models/m/infer", head + bytes(3200), **length).status == 503
        assert running.post(PREDICT, {"instances": [[0] * 8] * 60}).status == 503
    assert running.get(sample).status == 200
    until(lambda: running.service.budget.held == 0)


def test_nothing_is_held_for_a_request_that_is_over():
    budget = Budget(100)
    scope = {"method": "GET", "raw_path": b"/", "headers": [], "query_string": b""}
    request = Request(scope, None, budget)
    request.hold(60)
    request.release()
    with pytest.raises(Refused, match="the request is over"):  # by a thread that still works for it
        request.hold(1)
    assert budget.held == 0


@pytest.mark.parametrize("body", [ONE, b"{", b"", b"\x1f\x8b", json.dumps({"instances": [[0.0] * 7]}).encode()])
def test_every_answer_gives_back_what_it_took(serve, body):
    running = serve()
    running.post(PREDICT, body)
    running.post("/v2/models/m/infer", body)
    running.post("/v1/models/m:sample", body)
    until(lambda: running.service.budget.held == 0)


def test_connections_are_bounded(serve):
    running = serve(connections=2, timeout=5.0)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 10)) for _ in range(2)]
        until(lambda: len(running.server.server_state.connections) == 2)
        answer = running.post(PREDICT, ONE)
        assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")
        assert answer.error == "too many connections; try again later"
        waiting = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 10))
        until(lambda: len(running.server.server_state.connections) == 3)
        # and no more is held open than that
        with socket.create_connection(("127.0.0.1", running.port), 10) as last, contextlib.suppress(ConnectionError):
            assert last.recv(100) == b""
        waiting.close()
        idle[0].close()
        until(lambda: len(running.server.server_state.connections) == 1)
        assert running.post(PREDICT, ONE).status == 200


class Slow:
    """A map that waits for `gate`; `runs` counts the rows of each run."""

    def __init__(self, map):
        self.spec, self.is_free, self.parts = map.spec, map.is_free, map.parts
        self.gate, self.runs = threading.Event(), []

    def run(self, inputs, start=0, sides=None):
        self.runs.append(len(inputs["z"]))
        assert self.gate.wait(10)
        return {"image": np.zeros((len(inputs["z"]), 4, 4, 3), np.float32)}


def slowed(running):
    batcher = running.repository.find("m").loaded.batchers["generate"]
    batcher.map, batcher._is_quick = Slow(batcher.map), False
    return batcher


@contextlib.contextmanager
def asking(port, path):
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        raw.sendall(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path.encode())
        yield raw


def test_nothing_more_is_run_for_a_client_that_left(serve):
    running = serve(lanes=1)
    batcher = slowed(running)
    with asking(running.port, "/v1/models/m:sample?count=64"):
        until(lambda: batcher.map.runs)
        with asking(running.port, "/v1/models/m:sample?count=64&seed=1"):
            until(lambda: batcher.depth)
    until(lambda: len(running.access) == 2)  # both clients are gone, and the log says so
    assert [json.loads(line)["status"] for line in running.access] == [499, 499]
    batcher.map.gate.set()
    assert running.get("/v1/models/m:sample?count=2").status == 200
    # a part of the first, none of the second
    assert batcher.map.runs == [16, 2]
    until(lambda: running.service.budget.held == 0)


def test_a_run_in_parts_is_the_run_of_the_whole(serve):
    running = serve()
    batcher = running.repository.find("m").loaded.batchers["generate"]
    z = {"z": np.random.default_rng(0).normal(size=(70, 8)).astype(np.float32)}

    async def run(start):
        return await batcher.run(z, start)

    for start in (0, 3, 40):
        np.testing.assert_array_equal(asyncio.run(run(start))["image"], batcher.map.run(z, start)["image"])


def test_who_does_not_read_is_let_go(serve):
    running = serve(timeout=2.0, rows=100_000, output=2**26)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", running.port))
        raw.sendall(b"GET /v1/models/m:sample?count=40000 HTTP/1.1\r\nhost: x\r\naccept: application/x-npy\r\n\r\n")
        raw.settimeout(10)
        assert raw.recv(15) == b"HTTP/1.1 200 OK"
        time.sleep(0.1)
        assert running.service.budget.held > 7 * 10**6  # it waits in memory to be read
        until(lambda: not running.server.server_state.connections)
        until(lambda: running.service.budget.held == 0)
    until(lambda: running.access)
    assert [json.loads(line)["status"] for line in running.access] == [499]
    assert 'status="499"} 1' in running.get("/metrics").body.decode()


def test_who_reads_slowly_is_served(serve):
    running = serve(timeout=2.0, rows=100_000, output=2**26)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        raw.connect(("127.0.0.1", running.port))
        raw.sendall(b"GET /v1/models/m:sample?count=20000 HTTP/1.1\r\nhost: x\r\naccept: application/x-npy\r\n\r\n")
        got, begin = 0, time.perf_counter()
        while got < 20_000 * 48 * 4:
            got += len(raw.recv(2**14) or pytest.fail(f"cut off after {got:,} bytes"))
            time.sleep(0.012)
        assert time.perf_counter() - begin > 2.2


def test_head_is_get_without_a_body(serve):
    running = serve()
    for path in ("/v2", "/v1/models/m", "/metrics", "/v2/models/nope", "/v1/models/m:sample?seed=3"):
        whole, head = running.get(path), running.ask("HEAD", path)
        assert (head.status, head.body) == (whole.status, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]
        if path != "/metrics":
            assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.body))
    assert running.ask("HEAD", "/v2/models/m/infer").status == 405


ORIGIN = "https://example.org"


def test_pages_of_other_sites(serve):
    running = serve(cors=Cors([ORIGIN]))
    answer = running.post(PREDICT, ONE, origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "origin"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert running.post(PREDICT, b"{", origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN  # errors too
    for origin in ("https://example.org.evil.net", "http://example.org", "null"):
        assert "access-control-allow-origin" not in running.post(PREDICT, ONE, origin=origin).headers
    assert "access-control-allow-origin" not in running.post(PREDICT, ONE).headers
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    answer = running.ask("OPTIONS", PREDICT, headers=asked)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_without_the_flag_no_page_of_another_site_may_ask(serve):
    running = serve()
    assert not {name for name in running.post(PREDICT, ONE, origin=ORIGIN).headers if name.startswith("access-control")}
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    assert running.ask("OPTIONS", PREDICT, headers=asked).status == 400


def test_every_site(serve):
    running = serve(cors=Cors(["*"]))
    assert running.post(PREDICT, ONE, origin=ORIGIN).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://a b", ""])
def test_origins_that_are_none(origin):
    with pytest.raises(UserError, match="write it as https://example.org"):
        Cors([origin])
