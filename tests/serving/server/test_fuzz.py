"""Whatever is sent, the answer is a 200 or a 4xx with one line of JSON: no 5xx, no crash. The application is called
directly, without a socket, so that thousands of requests take seconds.
"""

import asyncio
import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from serving.server.app import App
from serving.server.limits import Limits
from serving.server.loading import load
from serving.server.metrics import Metrics
from serving.server.refused import Refused
from serving.server.repository import Repository
from serving.server.service import Service
from serving.server.tensors import from_bytes, numbers
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (3, 2), "normal")
LENGTH = "inference-header-content-length"
PIXELS = 64
many = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
few = settings(many, max_examples=60)

sizes = st.integers(-3, 40) | st.sampled_from([2**31 - 1, 2**31, 2**63, 10**20])
leaves = st.none() | st.booleans() | sizes | st.floats() | st.text(max_size=5) | st.sampled_from(["z", "photo", "FP32"])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=4), inner), max_leaves=20
)


@pytest.fixture(scope="module")
def ask(shared_models, shared_several, shared_factory, make_node):
    """Send one request to an application, and return its status and body.

    Beside the model m, `wide` makes pictures and videos, and `free` takes a picture of any size.
    """
    shared_models.put(shared_several, "m")
    image, film = (
        TensorSpec("image", (4, 800, 1), "output", "image"),
        TensorSpec("film", (2, 4, 4, 3), "output", "video"),
    )
    shared_models.put(shared_factory(MapSpec((Z,), (image,)), others={"film": MapSpec((Z,), (film,))}), "wide")
    photo = TensorSpec("photo", (4, 4, 3), "condition", "image", multiple=1)
    same = TensorSpec("same", (4, 4, 3), "output", "image", follows="photo")
    shared_models.put(shared_factory(MapSpec((photo,), (same,)), [make_node("Identity", "photo", "same")]), "free")
    limits = Limits(lanes=1, rows=64, output=2**20, pixels=PIXELS)
    pool, metrics = ThreadPoolExecutor(1), Metrics()
    repository = Repository(shared_models.root, lambda *place: load(*place, limits, pool, metrics.ran))
    repository.poll()
    app = App(Service(repository, limits, pool), metrics)

    def send(method, path, body=b"", query=b"", **headers):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message):
            sent.append(message)

        named = [(name.replace("_", "-").encode(), str(value).encode("latin-1")) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "raw_path": path, "query_string": query, "headers": named}
        asyncio.run(app(scope, receive, keep))
        start, end, *_ = sent  # a long answer ends in a message of its own
        if start["status"] != 200:
            assert 400 <= start["status"] < 500, end["body"]
            (said,) = json.loads(end["body"]).values()
            assert "\n" not in said and len(said) < 600
        return start["status"], end["body"]

    yield send
    pool.shutdown()


def dumped(value):
    return json.dumps(value).encode("utf-8", "surrogatepass")


@many
@given(st.binary(max_size=60), st.sampled_from(["GET", "POST", "PUT", "HEAD"]), st.binary(max_size=20))
def test_paths(ask, path, method, body):
    for start in (b"/", b"/v1/models/", b"/v1/models/m:", b"/v2/models/m/", b"/v2/"):
        ask(method, start + path, body)


@many
@given(values, st.sampled_from(["instances", "inputs"]), st.sampled_from(["", "encode", "translate"]))
def test_predict(ask, value, key, signature):
    ask("POST", b"/v1/models/m:predict", dumped({key: value, "signature_name": signature}))
    ask("POST", b"/v1/models/m:predict", dumped(value))


@many
@given(values, values, values, values)
def test_infer(ask, shape, data, parameters, outputs):
    for entry in (
        {"name": "z", "shape": shape, "datatype": "FP32", "data": [0] * 8, "parameters": {}},
        {"name": "z", "shape": [1, 8], "datatype": "FP32", "data": data},
        {"name": "z", "shape": [1, 8], "datatype": "FP32", "data": [0] * 8, "parameters": parameters},
        {"name": shape, "datatype": data},
    ):
        ask("POST", b"/v2/models/m/infer", dumped({"inputs": [entry], "outputs": outputs, "parameters": parameters}))
    ask("POST", b"/v2/models/m/infer", dumped({"inputs": shape, "id": data}))


@many
@given(st.lists(sizes, max_size=4), sizes | st.booleans(), st.binary(max_size=70), st.integers(-40, 400))
def test_infer_with_binary_tensors(ask, shape, size, data, length):
    one = {"name": "z", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": size}}
    head = dumped({"inputs": [one]})
    ask("POST", b"/v2/models/m/infer", head + data, **{LENGTH: len(head)})
    ask("POST", b"/v2/models/m/infer", head + data, **{LENGTH: length})
    ask("POST", b"/v2/models/m/infer", data, **{LENGTH: 0})


@many
@given(
    st.dictionaries(st.sampled_from(["count", "seed", "start", "truncation", "columns", "label", "photo"]), values),
    values,
)
def test_pictures(ask, asked, photo):
    for action in (b"sample", b"translate", b"encode", b"interpolate"):
        ask("POST", b"/v1/models/m:" + action, dumped(asked))
    ask("POST", b"/v1/models/m:encode", dumped({"photo": photo}))


@many
@given(
    st.binary(max_size=80), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"\x93NUMPY\x01\x00", b""])
)
def test_files(ask, data, beginning):
    ask("POST", b"/v1/models/m:encode", beginning + data)
    ask("POST", b"/v1/models/m:encode", data, content_encoding="gzip")


@many
@given(st.binary(max_size=40), st.text(st.characters(max_codepoint=255), max_size=20))
def test_queries_and_headers(ask, query, header):
    ask("GET", b"/v1/models/m:sample", query=query)
    ask("GET", b"/v1/models/m:sample", query=b"seed=" + query, accept=header)
    ask("POST", b"/v2/models/m/infer", b"{}", **{LENGTH: header, "content_encoding": header, "x_request_id": header})


accepts = st.sampled_from(
    ["*/*", "image/png", "image/webp", "image/gif", "application/x-npy", "application/json", "image/*;q=0.5, */*;q=0.1"]
)


@few
@given(st.integers(1, 70), st.sampled_from([1, 2, 40, 64]), accepts)
def test_forms_of_an_answer(ask, count, columns, accept):
    for path in (b"wide:sample", b"wide:film", b"wide:interpolate", b"m:sample"):
        query = b"columns=%d&%s=%d" % (columns, b"steps" if b"interpolate" in path else b"count", count)
        ask("GET", b"/v1/models/" + path, query=query, accept=accept)


@few
@given(st.integers(1, 14), st.integers(1, 14), st.integers(1, 5), st.sampled_from(["PNG", "WEBP", "npy"]), accepts)
def test_pictures_of_any_size(ask, height, width, count, form, accept):
    """They are taken as long as all of one request together, or each array, have no more pixels than are allowed."""
    pixels = np.full((height, width, 3), 7, np.uint8)
    buffer = io.BytesIO()
    np.save(buffer, pixels) if form == "npy" else Image.fromarray(pixels).save(buffer, form)
    data = buffer.getvalue()
    row = {"b64": base64.b64encode(data).decode()}
    one, all_ = height * width, height * width * (1 if form == "npy" else count)
    status, _ = ask("POST", b"/v1/models/free:generate", data, accept=accept)
    assert status == (406 if accept == "image/gif" else 400 if one > PIXELS else 200)
    assert ask("POST", b"/v1/models/free:predict", dumped({"instances": [row] * count}))[0] == (
        400 if all_ > PIXELS else 200
    )
    ask("POST", b"/v1/models/free:generate", dumped({"photo": row, "count": count, "tile": width}), accept=accept)
    ask("POST", b"/v1/models/m:translate", data, accept=accept)
    ask("POST", b"/v1/models/m:encode", dumped({"photo": row}), accept=accept)


@given(st.lists(st.integers(0, 5), max_size=4), st.binary(max_size=200))
def test_bytes_become_an_array_only_if_they_are_as_many_as_the_shape_says(shape, data):
    needed = 4 * int(np.prod(shape, dtype=object))
    if needed != len(data):
        with pytest.raises(Refused):
            from_bytes(Z, memoryview(data), shape)
        data = bytes(needed)
    made = from_bytes(Z, memoryview(data), shape)
    assert (made.shape, made.tobytes()) == (tuple(shape), data)


@given(st.data(), st.integers(1, 4))
def test_nested_lists_become_the_array_that_numpy_makes(data, rank):
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * rank))
    floats = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
    flat = data.draw(st.lists(floats, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    nested = np.array(flat, object).reshape(shape).tolist()
    np.testing.assert_array_equal(numbers(Z, nested, rank), np.array(nested, np.float64))
