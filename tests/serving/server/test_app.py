"""Keys, request ids, the access log, metrics, and errors that nobody thought of."""

import json
import re
import time

import pytest

from serving.server.keys import Keys
from serving.server.metrics import Histogram, Metrics
from serving.server.refused import Refused
from zoo.shared.errors import UserError

KEY, OTHER = "a-long-enough-key-1", "a-long-enough-key-2"
ONE = {"instances": [[0.0] * 8]}
PREDICT = "/v1/models/m:predict"


@pytest.fixture
def running(start, models, several):
    models.put(several, "m")
    return start(models.root)


def test_keys_over_http(start, models, several):
    models.put(several, "m")
    running = start(models.root, keys=Keys([KEY, OTHER]))
    for headers in ({}, {"x_api_key": "x"}, {"authorization": f"Basic {KEY}"}, {"authorization": KEY}):
        answer = running.post(PREDICT, ONE, **headers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.error == "send an API key as 'Authorization: Bearer KEY'"
    for headers in ({"x_api_key": KEY}, {"authorization": f"Bearer {OTHER}"}, {"authorization": f"bearer {KEY}"}):
        assert running.post(PREDICT, ONE, **headers).status == 200
    for path in ("/metrics", "/v1/models/m", "/v2", "/nowhere"):
        assert running.get(path).status == 401
    for path in ("/v2/health/live", "/v2/health/ready"):  # whoever starts the server has no key
        assert running.get(path).status == 200


@pytest.mark.parametrize("sent", ["", KEY[:-1], KEY + "x", KEY.upper(), "\udcff"])
def test_keys_that_are_not_ours(sent):
    with pytest.raises(Refused):
        Keys([KEY]).check({"x-api-key": sent})


def test_every_key_is_compared(monkeypatch):
    import hmac

    seen = []
    monkeypatch.setattr("serving.server.keys.hmac.compare_digest", lambda a, b: seen.append(a) or a == b)
    Keys([KEY, OTHER]).check({"x-api-key": KEY})
    assert len(seen) == 2
    assert hmac is not None


def test_files_of_keys(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n{OTHER}\n")
    Keys.read(file).check({"x-api-key": OTHER})
    for text, words in (
        ("", "holds no key"),
        (f"{KEY}\nshort\n", "key 2 has fewer than 16 characters"),
        (f"{KEY}\n{'clé' * 6}\n", "key 2 has letters that no header can hold"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=words):
            Keys.read(file)
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(UserError, match="is no text"):
        Keys.read(file)


def logged(running, count):
    """Return the last of so many lines; a line is written after its answer was sent."""
    end = time.perf_counter() + 10
    while len(running.access) < count and time.perf_counter() < end:
        time.sleep(0.001)
    return running.access[count - 1]


def test_request_ids_and_the_access_log(running):
    answer = running.post(PREDICT, ONE, x_request_id="mine-7")
    assert answer.headers["x-request-id"] == "mine-7"
    line = logged(running, 1)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    told = json.loads(line)
    assert told.pop("seconds") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", told.pop("time"))
    assert told == {
        "id": "mine-7",
        "client": "127.0.0.1",
        "method": "POST",
        "path": PREDICT,
        "status": 200,
        "bytes": len(answer.body),
        "model": "m",
        "version": "1",
        "map": "generate",
    }
    for count, sent in enumerate(("with space", "x" * 65, "<script>", ""), 2):
        made = running.get("/x%0a", x_request_id=sent) if sent else running.get("/x%0a")
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", made.headers["x-request-id"])
        assert json.loads(logged(running, count))["path"] == "/x%0a"
    ids = [json.loads(line)["id"] for line in running.access]
    assert len(set(ids)) == len(ids)


def test_metrics_over_http(running):
    for body in (ONE, ONE, {}):
        running.post(PREDICT, body)
    running.get("/v1/models/nope/metadata")
    answer = running.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    assert 'genzoo_requests_total{model="m",version="1",map="generate",status="200"} 2' in lines
    assert 'genzoo_requests_total{model="m",version="1",map="",status="400"} 1' in lines
    # what there is not makes no names, or anyone could fill the memory with them
    assert 'genzoo_requests_total{model="",version="",map="",status="404"} 1' in lines
    assert 'genzoo_request_seconds_count{model="m",version="1"} 3' in lines
    assert 'genzoo_batch_requests_sum{model="m",version="1",map="generate"} 2.0' in lines
    assert 'genzoo_queue_depth{model="m",version="1",map="encode"} 0' in lines


def test_a_histogram_by_hand():
    histogram = Histogram("h", "A test.", ("model",), (1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(("m",), value)
    assert list(histogram.lines()) == [
        "# HELP h A test.",
        "# TYPE h histogram",
        'h_bucket{model="m",le="1.0"} 2',
        'h_bucket{model="m",le="2.0"} 3',
        'h_bucket{model="m",le="+Inf"} 4',
        'h_sum{model="m"} 12.0',
        'h_count{model="m"} 4',
    ]


def test_metrics_of_nothing():
    text = Metrics().text({("m", "1", "generate"): 3})
    assert text.endswith('genzoo_queue_depth{model="m",version="1",map="generate"} 3\n')
    assert "\n\n" not in text


def test_a_bug_is_a_500_without_its_traceback(running, capsys):
    running.service.checked = lambda *_: 1 / 0
    answer = running.post(PREDICT, ONE)
    assert (answer.status, answer.error) == (500, "internal error; the server's log has the reason")
    assert "ZeroDivisionError" in capsys.readouterr().err
    del running.service.checked
    assert running.post(PREDICT, ONE).status == 200


def test_draining_is_not_ready(running):
    running.service.is_draining = True
    assert running.get("/v2/health/ready").status == 503
    assert running.get("/v2/health/live").status == 200
    assert running.post(PREDICT, ONE).status == 200


def test_websockets_are_not_answered(running):
    headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    assert running.ask("GET", "/v2", headers=headers).status in (200, 400, 403, 426, 500)
    assert running.get("/v2").status == 200
