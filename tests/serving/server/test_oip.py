"""The open inference protocol: JSON and binary tensors, by known bytes, and what is refused."""

import json
import struct

import numpy as np
import pytest
from schemas import misfits

import serving
from serving.server.tensors import BYTES
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

INFER = "/v2/models/tiny/infer"
LENGTH = "inference-header-content-length"
ZEROS = {"name": "z", "shape": [1, 8], "datatype": "FP32", "data": [0] * 8}


@pytest.fixture
def same(start, models, factory, make_node):
    """A server of "same", whose x is z, two numbers."""
    spec = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("x", (2,), "output"),))
    models.put(factory(spec, [make_node("Identity", "z", "x")]), "same")
    return start(models.root)


@pytest.fixture(scope="module")
def bundle(shared_several):
    return serving.load(shared_several)


def binary(asked, *tensors):
    head = json.dumps(asked).encode()
    return b"".join([head, *tensors]), {"inference_header_content_length": str(len(head))}


def test_json_by_known_bytes(same):
    asked = {
        "id": "seven",
        "inputs": [{"name": "z", "shape": [2, 2], "datatype": "FP32", "data": [1, -0.5, 3, 4]}],
    }
    expected = {
        "model_name": "same",
        "model_version": "1",
        "outputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1.0, -0.5, 3.0, 4.0]}],
        "id": "seven",
    }
    answer = same.post("/v2/models/same/infer", asked)
    assert (answer.status, answer.json) == (200, expected)
    asked["inputs"][0]["data"] = [[1, -0.5], [3, 4]]
    assert same.post("/v2/models/same/versions/1/infer", asked).json == expected
    assert LENGTH not in answer.headers


def test_binary_by_known_bytes(same):
    data = bytes.fromhex("0000803f 000000bf 00004040 00008040")  # 1, -0.5, 3, 4
    one = {"name": "z", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    for asked in (
        {"inputs": [one], "parameters": {"binary_data_output": True}},
        {"inputs": [one], "outputs": [{"name": "x", "parameters": {"binary_data": True}}]},
    ):
        body, headers = binary(asked, data)
        answer = same.post("/v2/models/same/infer", body, **headers)
        assert answer.status == 200, answer.body
        size = int(answer.headers[LENGTH])
        assert answer.body[size:] == data
        assert json.loads(answer.body[:size])["outputs"] == [
            {"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}}
        ]
        assert answer.headers["content-type"] == "application/octet-stream"
    # an output's own word counts for more
    asked["outputs"][0]["parameters"]["binary_data"] = False
    body, headers = binary(asked | {"parameters": {"binary_data_output": True}}, data)
    assert same.post("/v2/models/same/infer", body, **headers).json["outputs"][0]["data"] == [1, -0.5, 3, 4]


def test_a_raw_binary_request(same):
    answer = same.post("/v2/models/same/infer", struct.pack("<2f", 7, 8), inference_header_content_length="0")
    assert answer.body[int(answer.headers[LENGTH]) :] == struct.pack("<2f", 7, 8)


def test_maps_are_models_of_their_own(tiny, bundle):
    photo = np.linspace(-1, 1, 12).reshape(1, 2, 2, 3).astype(np.float32)
    given = {"photo": photo, "label": np.array([3])}
    inputs = fill(bundle["translate"].spec, 1, 5, 0, given)
    entries, tensors = [], []
    for name, values in inputs.items():
        datatype = {"float32": "FP32", "int32": "INT32"}[values.dtype.name]
        entries.append({"name": name, "shape": values.shape, "datatype": datatype})
        if name == "label":
            entries[-1]["data"] = values.tolist()
            continue
        tensors.append(values.tobytes())
        entries[-1]["parameters"] = {"binary_data_size": len(tensors[-1])}
    body, headers = binary({"inputs": entries}, *tensors)
    for path in ("/v2/models/tiny:translate/infer", "/v2/models/tiny%3Atranslate/versions/1/infer"):
        answer = tiny.post(path, body, **headers)
        assert answer.json["model_name"] == "tiny:translate"
        made = np.array(answer.json["outputs"][0]["data"], np.float32)
        np.testing.assert_array_equal(made, bundle["translate"].run(inputs)["translated"].ravel())


def test_outputs_that_are_wanted_come_in_their_order(tiny, bundle):
    photo = {"name": "photo", "shape": [1, 2, 2, 3], "datatype": "FP32", "data": [0] * 12}
    asked = {"inputs": [photo], "outputs": [{"name": "log_variance"}]}
    (only,) = tiny.post("/v2/models/tiny:encode/infer", asked).json["outputs"]
    expected = bundle["encode"](photo=np.zeros((2, 2, 3)))
    np.testing.assert_array_equal(np.float32(only["data"]), expected["log_variance"][0])
    both = tiny.post("/v2/models/tiny:encode/infer", {"inputs": [photo]}).json["outputs"]
    assert [output["name"] for output in both] == ["mean", "log_variance"]


def test_what_there_is(tiny):
    assert tiny.get("/v2").json.keys() == {"name", "version", "extensions"}
    for what in ("live", "ready"):
        answer = tiny.get(f"/v2/health/{what}")
        assert (answer.status, answer.body) == (200, b"")
    assert tiny.get("/v2/models/tiny").json == {
        "name": "tiny",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "z", "datatype": "FP32", "shape": [-1, 8]}],
        "outputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 4, 4, 3]}],
    }
    assert [tensor["name"] for tensor in tiny.get("/v2/models/tiny:encode").json["outputs"]] == ["mean", "log_variance"]
    for name in ("tiny", "tiny/versions/1", "tiny:encode"):
        assert tiny.get(f"/v2/models/{name}/ready").status == 200
    assert tiny.post("/v2/repository/index").json == [{"name": "tiny", "version": "1", "state": "READY", "reason": ""}]


def test_the_index_tells_why_a_version_does_not_serve(start, models, several):
    models.put(several, "tiny")
    running = start(models.root)
    path = models.put(several, "bad/3")
    (path / "model.onnx").write_bytes(b"")
    running.repository.poll()
    broken = running.post("/v2/repository/index").json[0]
    assert (broken["name"], broken["version"], broken["state"]) == ("bad", "3", "UNAVAILABLE")
    assert "is corrupt" in broken["reason"]
    assert [entry["name"] for entry in running.post("/v2/repository/index", {"ready": True}).json] == ["tiny"]


def test_an_empty_repository_lives_and_is_not_ready(start, models):
    running = start(models.root)
    assert running.get("/v2/health/live").status == 200
    assert running.get("/v2/health/ready").status == 503


PATHS = [
    ("GET", "/v2/models/nope", 404, "Request for unknown model: 'nope' is not found"),
    ("GET", "/v2/models/tiny:nope", 404, "Request for unknown model: 'tiny:nope' is not found"),
    ("GET", "/v2/models/tiny/versions/7", 404, "Request for unknown model: 'tiny' version 7 is not found"),
    ("GET", "/v2/models/tiny/versions/x", 404, "Request for unknown model: 'tiny' version x is not found"),
    ("POST", "/v2/models/nope/infer", 404, "Request for unknown model: 'nope' is not found"),
    ("GET", f"/v2/models/tiny/versions/{'9' * 5000}", 404, "Request for unknown model: 'tiny' version 999"),
    ("GET", "/v2/models/nope/ready", 400, "Model version not ready"),
    ("GET", "/v2/models/%2e%2e/ready", 400, "Model version not ready"),
    ("GET", "/v2/models/..%2ftiny", 404, "Request for unknown model: '../tiny' is not found"),
    ("GET", INFER, 405, "Method Not Allowed"),
    ("POST", "/v2/models/tiny", 405, "Method Not Allowed"),
    ("GET", "/v2/x", 404, "Not Found: /docs lists the paths"),
]


@pytest.mark.parametrize(("method", "path", "status", "words"), PATHS, ids=range(len(PATHS)))
def test_paths_that_lead_nowhere(tiny, method, path, status, words):
    answer = tiny.ask(method, path)
    assert (answer.status, words in answer.error) == (status, True), answer.error
    assert len(answer.error) < 300
    if status == 405:
        assert answer.headers["allow"] == ("POST" if method == "GET" else "GET")


# what is sent in place of, or beside, eight zeros
REFUSED = [
    ({"inputs": [ZEROS | {"name": "x"}]}, "unexpected inference input 'x' for model 'tiny'"),
    ({"inputs": [ZEROS | {"name": ["z"]}]}, "unexpected inference input that is no string for model 'tiny'"),
    ({"inputs": [ZEROS, ZEROS]}, "input 'z' already exists in request"),
    ({"inputs": []}, "expected 1 inputs but got 0 inputs for model 'tiny'. Missing: z"),
    ({"inputs": {}}, "a list of 'inputs'"),
    ({}, "a list of 'inputs'"),
    ([], "a list of 'inputs'"),
    ({"inputs": [1]}, "an input must be a JSON object"),
    ({"inputs": [ZEROS], "id": 1}, "'id' must be a string"),
    ({"inputs": [ZEROS], "outputs": [{"name": "x"}]}, "unexpected inference output 'x' for model 'tiny'"),
    ({"inputs": [ZEROS], "outputs": {}}, "'outputs' must be a list"),
    ({"inputs": [ZEROS], "outputs": [{"name": "image", "parameters": {"classification": 2}}]}, "'classification'"),
    ({"inputs": [ZEROS], "parameters": 1}, "parameters must be a JSON object"),
    (
        {"inputs": [ZEROS | {"datatype": "FP64"}]},
        "inference input 'z' data-type is 'FP64', but model 'tiny' expects 'FP32'",
    ),
    (
        {"inputs": [ZEROS | {"shape": [1, 7]}]},
        "unexpected shape for input 'z' for model 'tiny'. Expected [-1, 8], got [1, 7]",
    ),
    ({"inputs": [ZEROS | {"shape": [8]}]}, "Expected [-1, 8], got [8]"),
    ({"inputs": [ZEROS | {"shape": []}]}, "Expected [-1, 8], got []"),
    ({"inputs": [ZEROS | {"shape": [-1, 8]}]}, "must be a list of whole numbers from 0"),
    ({"inputs": [ZEROS | {"shape": [True, 8]}]}, "must be a list of whole numbers from 0"),
    ({"inputs": [ZEROS | {"shape": [1.0, 8]}]}, "must be a list of whole numbers from 0"),
    ({"inputs": [ZEROS | {"shape": "8"}]}, "must be a list of whole numbers from 0"),
    ({"inputs": [ZEROS | {"shape": [1] * 9}]}, "a shape of 9 axes; at most 8"),
    ({"inputs": [ZEROS | {"shape": [99999999999, 8]}]}, "must be a list of whole numbers from 0"),
    (
        {"inputs": [ZEROS | {"shape": [2**31 - 1, 8]}]},
        "data holds 8 numbers, shape [2147483647, 8] needs 17,179,869,176",
    ),
    ({"inputs": [ZEROS | {"shape": [0, 8], "data": []}]}, "a batch axis of the same size, 1 or more"),
    ({"inputs": [ZEROS | {"data": [0] * 7}]}, "data holds 7 numbers, shape [1, 8] needs 8"),
    ({"inputs": [ZEROS | {"data": [[0] * 7]}]}, "data of shape [1, 7], but its shape says [1, 8]"),
    ({"inputs": [ZEROS | {"data": ["x"] * 8}]}, 'JSON Value: "x" Type: String'),
    ({"inputs": [ZEROS | {"data": "x"}]}, "data must be a list"),
    ({"inputs": [{"name": "z", "shape": [1, 8], "datatype": "FP32"}]}, "data must be a list"),
    ({"inputs": [ZEROS | {"parameters": {"shared_memory_region": "x"}}]}, "there is no shared memory here"),
    ({"inputs": [ZEROS | {"parameters": {"binary_data_size": 32}}]}, "without 'data'"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_run_is_refused(tiny, asked, words):
    answer = tiny.post(INFER, asked)
    assert (answer.status, words in answer.error) == (400, True), answer.error
    assert len(answer.error) < 300


def claimed(shape, size, data, datatype="FP32"):
    one = {"name": "z", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}
    return binary({"inputs": [one]}, data)


@pytest.mark.parametrize(
    ("shape", "size", "data", "words"),
    [
        ([99999999999, 8], 32, bytes(32), "must be a list of whole numbers"),
        ([2**31 - 1, 8], 32, bytes(32), "got 32 bytes, shape [2147483647, 8] of float32 needs 68,719,476,704"),
        ([1, 8], 31, bytes(31), "got 31 bytes, shape [1, 8] of float32 needs 32"),
        ([1, 8], 33, bytes(32), "32 are left"),
        ([1, 8], -1, bytes(32), "32 are left"),
        ([1, 8], True, bytes(32), "32 are left"),
        ([1, 8], "32", bytes(32), "32 are left"),
        ([1, 8], 32, bytes(33), "unexpected additional input data: 1 bytes for model 'tiny'"),
        ([0, 8], 0, b"", "a batch axis of the same size, 1 or more"),
        ([1, 8], 32, struct.pack("<8f", *[float("nan")] * 8), "z: NaN or infinity"),
    ],
)
def test_binary_sizes_that_do_not_agree(tiny, shape, size, data, words):
    body, headers = claimed(shape, size, data)
    answer = tiny.post(INFER, body, **headers)
    assert (answer.status, words in answer.error) == (400, True), answer.error


@pytest.mark.parametrize("length", ["-5", "x", "9" * 30, "9" * 6000, "1.5", "257", ""])
def test_a_header_size_that_is_none(tiny, length):
    answer = tiny.post(INFER, bytes(256), inference_header_content_length=length)
    assert answer.status == 400
    assert "inference header size should be in range (0, 256), got:" in answer.error
    assert len(answer.error) < 300


def test_types_are_little_endian():
    assert {name: dtype.str for name, dtype in BYTES.items()} == {"float32": "<f4", "int32": "<i4"}


# --- the published description, specification/protocol/open_inference_rest.yaml of the protocol's repository ----------

TEXT, PARAMETERS = {"type": "string"}, {"type": "object"}
TENSOR = {
    "type": "object",
    "properties": {"name": TEXT, "datatype": TEXT, "shape": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name", "datatype", "shape"],
}
SERVER = {
    "type": "object",
    "properties": {"name": TEXT, "version": TEXT, "extensions": {"type": "array", "items": TEXT}},
    "required": ["name", "version", "extensions"],
}
MODEL = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "versions": {"type": "array", "items": TEXT},
        "platform": TEXT,
        "inputs": {"type": "array", "items": TENSOR},
        "outputs": {"type": "array", "items": TENSOR},
    },
    "required": ["name", "platform"],
}
DATA = {"type": "array", "items": {"anyOf": [{"type": "array"}, {"type": "number"}, TEXT, {"type": "boolean"}]}}
OUTPUT = {
    "type": "object",
    "properties": {**TENSOR["properties"], "parameters": PARAMETERS, "data": DATA},
    "required": ["name", "shape", "datatype", "data"],
}
INFERENCE = {
    "type": "object",
    "properties": {
        "model_name": TEXT,
        "model_version": TEXT,
        "id": TEXT,
        "parameters": PARAMETERS,
        "outputs": {"type": "array", "items": OUTPUT},
    },
    "required": ["model_name", "outputs"],
}
ERROR = {"type": "object", "properties": {"error": TEXT}, "required": ["error"]}


def test_answers_are_those_that_the_published_description_promises(tiny):
    assert misfits(SERVER, tiny.get("/v2/").json) == []
    for name in ("tiny", "tiny:encode", "tiny:translate"):
        assert misfits(MODEL, tiny.get(f"/v2/models/{name}/versions/1").json) == []
    photo = {"name": "photo", "shape": [1, 2, 2, 3], "datatype": "FP32", "data": [0.0] * 12}
    for name, entry in (("tiny", ZEROS), ("tiny:encode", photo)):
        answer = tiny.post(f"/v2/models/{name}/versions/1/infer", {"id": "7", "inputs": [entry]})
        assert (answer.status, misfits(INFERENCE, answer.json)) == (200, [])
    for answer in (tiny.post(INFER, {"inputs": []}), tiny.post(INFER, b"{"), tiny.post(INFER, {"inputs": [photo]})):
        assert (answer.status, misfits(ERROR, answer.json)) == (400, [])  # it knows 200 and 400 alone
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/versions/1/ready"):
        assert tiny.get(path).status == 200


def test_the_description_finds_what_it_does_not_promise():
    good = {"model_name": "m", "outputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
    assert misfits(INFERENCE, good) == []
    assert misfits(INFERENCE, {**good, "model_version": 1}) == ["$.model_version: 1 is no string"]
    good["outputs"][0] |= {"shape": [1.5], "data": [None]}
    assert len(misfits(INFERENCE, good)) > 1
    assert misfits(INFERENCE, {"outputs": []}) == ["$: lacks model_name"]
