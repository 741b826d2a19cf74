"""Large, slow, packed and half requests: refused in words, and the server goes on."""

import contextlib
import gzip
import json
import socket
import time
import tracemalloc

import numpy as np
import pytest

from serving.server.http import unpacked
from serving.server.refused import Refused

PREDICT = "/v1/models/m:predict"
ONE = json.dumps({"instances": [[0.0] * 8]}).encode()


@pytest.fixture
def small(start, models, several):
    models.put(several, "m")
    return start(models.root, body=20_000, rows=8, output=1000, timeout=0.5)


def test_a_client_that_sends_on_sees_why_it_is_refused(small):
    for _ in range(20):
        answer = small.post(PREDICT, b" " * 3_000_000)
        assert (answer.status, answer.error) == (413, "the body is larger than 20,000 bytes")


def test_a_body_that_is_declared_too_large_is_not_read(small):
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 20001\r\n\r\n" % PREDICT.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_too_large(small):
    body = [b" " * 7000] * 4

    def pieces():
        yield from body

    answer = small.ask("POST", PREDICT, pieces())
    assert (answer.status, answer.error) == (413, "the body is larger than 20,000 bytes")


def test_packed_bodies(small):
    def packed(data, **headers):
        return small.post(PREDICT, data, content_encoding="gzip", **headers)

    assert packed(gzip.compress(ONE)).json == small.post(PREDICT, ONE).json
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 20_000
    assert packed(bomb).status == 413
    assert "not gzip" in packed(ONE).error
    assert "cut off" in packed(gzip.compress(ONE)[:-4]).error
    assert "something follows" in packed(gzip.compress(ONE) + b"x").error
    answer = small.post(PREDICT, ONE, content_encoding="br")
    assert (answer.status, answer.error) == (415, "content-encoding 'br': send the body as it is, or gzip")


def test_a_packed_body_is_unpacked_no_further_than_it_may():
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(Refused, match="larger than 20,000 bytes"):
        unpacked(bomb, 20_000)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_too_many_rows_and_too_large_answers(small):
    answer = small.post(PREDICT, {"instances": [[0.0] * 8] * 9})
    assert (answer.status, answer.error) == (400, "9 samples in one request; send at most 8 at a time")
    answer = small.post(PREDICT, {"instances": [[0.0] * 8] * 6})
    assert (answer.status, answer.error) == (
        400,
        "the answer would hold 1,152 bytes; at most 1,000 are made at a time",
    )
    assert small.post(PREDICT, {"instances": [[0.0] * 8] * 5}).status == 200


def test_a_slow_body(small):
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{" % PREDICT.encode())
        begin = time.perf_counter()
        assert raw.recv(100).startswith(b"HTTP/1.1 408 ")
        assert 0.4 < time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    "sent", [b"", b"POST ", b"POST %s HTTP/1.1\r\ncontent-length: 100\r\n\r\n{" % PREDICT.encode()]
)
def test_clients_that_go_away(small, sent):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
            raw.sendall(sent)
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
    assert small.post(PREDICT, ONE).status == 200


@pytest.mark.parametrize("length", [b"-1", b"x", b"9" * 40, b"1e3", "٣".encode()])
def test_lengths_that_are_none(small, length):
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %s\r\n\r\n{}" % (PREDICT.encode(), length))
        assert raw.recv(100)[9:10] == b"4"
    assert small.post(PREDICT, ONE).status == 200


def received(raw):
    with contextlib.suppress(ConnectionError):
        return raw.recv(1000)
    return b""


@pytest.mark.parametrize("head", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_an_end(small, head):
    """uvicorn alone would take it in until the memory is full."""
    more = b"x" * 10_000 if not head.endswith(b"1.1\r\n") else b"x: y\r\n" * 2000
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        sent = 0
        with contextlib.suppress(ConnectionError):
            raw.sendall(head)
            while sent < 20_000_000:
                raw.sendall(more)
                sent += len(more)
        assert sent < 20_000_000
    assert small.post(PREDICT, ONE).status == 200


@pytest.mark.parametrize("sent", [b"", b"POST /v1/mod", b"POST / HTTP/1.1\r\nhost:"])
def test_a_slow_head(small, sent):
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(sent)
        begin = time.perf_counter()
        assert received(raw) == b""
        assert 0.4 < time.perf_counter() - begin < 5


def test_a_slow_head_after_an_answer(small):
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n")
        got = b""
        while not got.endswith(b"}"):
            got += raw.recv(1000)
        assert got.startswith(b"HTTP/1.1 200 ")
        raw.sendall(b"GET /v2 HT")
        begin = time.perf_counter()
        assert received(raw) == b""
        assert 0.4 < time.perf_counter() - begin < 4  # before a connection that is kept open would be closed
        assert small.get("/v2").status == 200


@pytest.mark.parametrize("line", [b"CONNECT x:1", b"OPTIONS *", b"GET \xff", b"GET //\x00"])
def test_odd_request_lines(small, line):
    with socket.create_connection(("127.0.0.1", small.port), 10) as raw:
        raw.sendall(line + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        assert raw.recv(1000)[9:10] == b"4"
    assert small.post(PREDICT, ONE).status == 200


def test_a_long_string_among_many_numbers_takes_no_memory(start, models, several):
    """numpy would make an array of strings, each as long as the longest: here 40 GB."""
    models.put(several, "m")
    running = start(models.root)
    row = [0.0] * 100_000 + ["x" * 100_000]
    answer = running.post(PREDICT, {"instances": [row]})
    assert answer.status == 400
    assert "Type: String is not of expected type: float" in answer.error
    assert len(answer.error) < 300


def test_many_answers_at_once(small):
    made = [small.post(PREDICT, {"instances": np.full((5, 8), k / 9).tolist()}).body for k in range(3)]
    assert len(set(made)) == 3
