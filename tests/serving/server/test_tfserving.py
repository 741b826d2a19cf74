"""TF Serving's REST API: what its clients send is answered as TF Serving answers."""

import base64
import json

import numpy as np
import pytest

import serving
from zoo.images import encode_png
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

PREDICT = "/v1/models/tiny:predict"
IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")
LATENT = TensorSpec("z", (8,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)


@pytest.fixture(scope="module")
def bundle(shared_several):
    return serving.load(shared_several)


def noise(bundle, count, name="generate", given=None):
    return fill(bundle[name].spec, count, 5, 0, given)


def test_rows_of_the_one_input_become_predictions(tiny, bundle):
    inputs = noise(bundle, 3)
    answer = tiny.post(PREDICT, {"instances": inputs["z"].tolist()})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.keys() == {"predictions"}
    made = np.array(answer.json["predictions"], np.float32)
    np.testing.assert_array_equal(made, bundle["generate"].run(inputs)["image"])


def test_a_column_becomes_outputs_with_and_without_its_name(tiny, bundle):
    inputs = noise(bundle, 2)
    for value in (inputs["z"].tolist(), {"z": inputs["z"].tolist()}):
        answer = tiny.post(PREDICT, {"inputs": value})
        assert answer.json.keys() == {"outputs"}
        np.testing.assert_array_equal(
            np.array(answer.json["outputs"], np.float32), bundle["generate"].run(inputs)["image"]
        )


def test_a_signature_is_a_map_and_several_outputs_have_names(tiny, bundle):
    photo = np.linspace(-1, 1, 24).reshape(2, 2, 2, 3).astype(np.float32)
    expected = bundle["encode"](photo=photo)
    rows = tiny.post(PREDICT, {"signature_name": "encode", "instances": photo.tolist()}).json["predictions"]
    columns = tiny.post(PREDICT, {"signature_name": "encode", "inputs": photo.tolist()}).json["outputs"]
    for name, values in expected.items():
        np.testing.assert_array_equal(np.array([row[name] for row in rows], np.float32), values)
        np.testing.assert_array_equal(np.array(columns[name], np.float32), values)


def test_rows_of_several_inputs_are_objects(tiny, bundle):
    photo = np.linspace(-1, 1, 24).reshape(2, 2, 2, 3).astype(np.float32)
    inputs = noise(bundle, 2, "translate", {"photo": photo, "label": np.array([3, 9])})
    rows = [{name: values[k].tolist() for name, values in inputs.items()} for k in range(2)]
    for asked in (
        {"signature_name": "translate", "instances": rows},
        {"signature_name": "translate", "inputs": {name: values.tolist() for name, values in inputs.items()}},
    ):
        made = np.array(next(iter(tiny.post(PREDICT, asked).json.values())), np.float32)
        np.testing.assert_array_equal(made, bundle["translate"].run(inputs)["translated"])


def test_serving_default_is_the_first_map(tiny, bundle):
    z = noise(bundle, 1)["z"].tolist()
    answers = [
        tiny.post(PREDICT, {"inputs": z} | more).body
        for more in ({}, {"signature_name": ""}, {"signature_name": "serving_default"}, {"signature_name": "generate"})
    ]
    assert len(set(answers)) == 1


def test_b64_is_a_file(tiny, bundle):
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    row = {"b64": base64.b64encode(encode_png(picture)).decode()}
    asked = {"signature_name": "encode", "instances": [row, row]}
    made = tiny.post(PREDICT, asked).json["predictions"]
    np.testing.assert_array_equal(np.array(made[1]["mean"], np.float32), bundle["encode"](photo=picture)["mean"][0])


@pytest.mark.parametrize("place", ["", "/versions/1", "/labels/stable", "/versions/0001"])
def test_versions_and_labels(tiny, place):
    assert tiny.post(f"/v1/models/tiny{place}:predict", {"instances": [[0] * 8]}).status == 200
    assert tiny.get(f"/v1/models/tiny{place}/metadata").status == 200


@pytest.mark.parametrize("path", ["/V1/MODELS/tiny:PREDICT", "/v1/models/%74iny:predict"])
def test_paths_are_matched_as_tf_serving_matches_them(tiny, path):
    assert tiny.post(path, {"instances": [[0] * 8]}).status == 200


def test_status(tiny):
    expected = {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    for place in ("", "/versions/1", "/labels/stable"):
        assert tiny.get(f"/v1/models/tiny{place}").json == expected


def test_metadata(tiny):
    made = tiny.get("/v1/models/tiny/metadata").json
    assert made["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    signatures = made["metadata"]["signature_def"]["signature_def"]
    assert list(signatures) == ["serving_default", "generate", "encode", "translate"]
    sizes = [{"size": "-1", "name": ""}, {"size": "8", "name": ""}]
    assert signatures["serving_default"]["inputs"] == {
        "z": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": sizes, "unknown_rank": False},
            "name": "serving_default_z:0",
        }
    }
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert signatures["translate"]["inputs"]["label"]["dtype"] == "DT_INT32"
    assert [side["size"] for side in signatures["encode"]["inputs"]["photo"]["tensor_shape"]["dim"]] == [
        *("-1", "2", "2", "3")
    ]


# what is sent, its status, and what TF Serving says of it
REFUSED = [
    ("", 400, "JSON Parse error: The document is empty"),
    ("{", 400, "JSON Parse error: Invalid value. at offset: 1"),
    ('{"instances": [[NaN]]}', 400, "JSON Parse error: Invalid value. at offset: 16"),
    ("[1]", 400, "not an object"),
    ("{}", 400, "Missing 'inputs' or 'instances' key"),
    ({"instances": [], "inputs": []}, 400, "expecting only one of 'inputs' or 'instances' keys to exist"),
    ({"instances": []}, 400, "No values in 'instances' array"),
    ({"instances": 1}, 400, "Expecting 'instances' to be an list/array"),
    ({"instances": [[0] * 8], "signature_name": 1}, 400, "'signature_name' key must be a string value."),
    (
        {"instances": [[0] * 8], "signature_name": "x"},
        400,
        'Serving signature name: "x" not found in signature def',
    ),
    ({"instances": [["x"] * 8]}, 400, 'JSON Value: "x" Type: String is not of expected type: float'),
    ({"instances": [[True] * 8]}, 400, "JSON Value: true Type: Bool is not of expected type: float"),
    ({"instances": [[None] * 8]}, 400, "JSON Value: null Type: Null is not of expected type: float"),
    ({"instances": [[{}] * 8]}, 400, "JSON Value: {} Type: Object is not of expected type: float"),
    (
        {"instances": [[0] * 8, [0] * 7]},
        400,
        "Encountered list at unexpected size: 7 at level: 1 expected size: 8",
    ),
    ({"instances": [[[0]] * 8]}, 400, "Encountered list at unexpected level: 2 expected < 2"),
    ({"instances": [1, 2]}, 400, "JSON Value: 1 found at incorrect level: 1 in the JSON DOM. Expected at level: 2"),
    ({"instances": [[0] * 7]}, 400, "z: needs shape (1, 8), got (1, 7)"),
    ({"instances": [[1e300] * 8]}, 400, "z: NaN or infinity, or too large for float32"),
    ({"instances": [{"z": [0] * 8}, [0] * 8]}, 400, "Expecting object but got list at item 1 of input list"),
    ({"instances": [[0] * 8, {"z": [0] * 8}]}, 400, "Expecting value/list but got object at item 1 of input list"),
    ({"instances": [{"x": [0] * 8}]}, 400, "must only have keys: z"),
    ({"inputs": {"x": [[0] * 8]}}, 400, "Missing named input: z in 'inputs' object."),
    ({"inputs": {"z": [[]]}}, 400, "z: an empty list"),
    (
        {"signature_name": "translate", "instances": [[0]]},
        400,
        "instances is a plain list, but expecting list of objects",
    ),
    ({"signature_name": "translate", "inputs": [0]}, 400, "inputs is a plain value/list, but expecting an object"),
    (
        {"signature_name": "translate", "inputs": {"photo": [[[[0] * 3] * 2] * 2], "label": [1.5], "z": [[0] * 8]}},
        400,
        "label: JSON Value: 1.5 Type: Number is not of expected type: int32",
    ),
    (
        {"signature_name": "translate", "inputs": {"photo": [[[[0] * 3] * 2] * 2], "label": [10], "z": [[0] * 8]}},
        400,
        "label: values must lie in [0, 9]",
    ),
    (
        {"signature_name": "translate", "inputs": {"photo": [[[[0] * 3] * 2] * 2], "label": [2**70], "z": [[0] * 8]}},
        400,
        "label: JSON Value",
    ),
    (
        {"signature_name": "translate", "inputs": {"photo": [[[[0] * 3] * 2] * 2], "label": [2**63], "z": [[0] * 8]}},
        400,
        "label: a number does not fit into int32",
    ),
    (
        {"signature_name": "translate", "inputs": {"photo": [[[[0] * 3] * 2] * 2], "label": [1, 2], "z": [[0] * 8]}},
        400,
        "the inputs need a batch axis of the same size",
    ),
    ({"signature_name": "encode", "instances": [{"b64": "!"}]}, 400, "photo: Unable to base64 decode"),
    ({"signature_name": "encode", "instances": [{"b64": "AAAA"}]}, 400, "photo: cannot read the file"),
    ({"signature_name": "encode", "instances": [{"b64": "iVBORw0KGgo="}]}, 400, "photo: cannot read the file"),
    ({"instances": [{"b64": "AAAA"}]}, 400, "z is of kind latent: send a .npy file"),
]


@pytest.mark.parametrize(("asked", "status", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_run_is_refused_in_tf_servings_words(tiny, asked, status, words):
    answer = tiny.post(PREDICT, asked)
    assert (answer.status, words in answer.error) == (status, True), answer.error
    # one short line, whatever was sent
    assert len(answer.error) < 300


def test_lists_two_hundred_deep(tiny):
    for asked in ('{"instances": ' + "[" * 200 + "]" * 200 + "}", "[" * 200, "[" * 100_000):
        answer = tiny.post(PREDICT, asked)
        assert answer.status == 400
        assert len(answer.error) < 300


PATHS = [
    ("GET", "/v1/models/half", 404, "Could not find any versions of model half"),
    ("GET", "/v1/models/tiny/versions/9", 404, "Could not find version 9 of model tiny"),
    ("GET", "/v1/models/half/metadata", 404, "Servable not found for request: Latest(half)"),
    ("GET", "/v1/models", 400, "Missing model name in request."),
    ("GET", "/v1/models/tiny/labels/x", 400, "Unrecognized servable version label: x"),
    ("POST", "/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
    ("POST", "/v1/models/tiny/versions/9:predict", 404, "Servable not found for request: Specific(tiny, 9)"),
    ("POST", "/v1/models/tiny/labels/next:predict", 404, "Servable not found for request: Specific(tiny, 2)"),
    ("POST", "/v1/models/tiny/labels/x:predict", 400, "Unrecognized servable version label: x"),
    ("POST", f"/v1/models/tiny/versions/{'9' * 30}:predict", 400, "Failed to convert version: "),
    ("POST", f"/v1/models/tiny/versions/{'9' * 6000}:predict", 400, "Failed to convert version: "),
    ("POST", "/v1/models/tiny/metadata", 400, "Malformed request: POST /v1/models/tiny/metadata"),
    ("GET", "/v1/models/tiny:predict", 400, "Malformed request: GET /v1/models/tiny:predict"),
    ("GET", "/v1", 404, "Not Found: /docs lists the paths"),
    ("GET", "/v1/models/tiny/versions/x", 404, "Not Found: /docs lists the paths"),
    ("GET", "/v1/models/%2e%2e/metadata", 404, "Servable not found for request: Latest(..)"),
    ("GET", "/v1/models/..%2f..%2fetc/metadata", 404, "Servable not found"),
    ("POST", "/v1/models/%2e%2e%2fmodels%2ftiny:predict", 404, "Servable not found"),
    ("GET", "/v1/models/tiny%00/metadata", 404, "Servable not found"),
    ("GET", "/v1/models/tiny%ff%fe/metadata", 404, "Servable not found"),
    ("GET", "/v1/models/../models/tiny", 404, "Not Found: /docs lists the paths"),
    ("GET", "/v1/models/tiny/versions/%D9%A1/metadata", 404, "Not Found: /docs lists the paths"),
]


@pytest.mark.parametrize(("method", "path", "status", "words"), PATHS, ids=range(len(PATHS)))
def test_paths_that_lead_nowhere(tiny, method, path, status, words):
    answer = tiny.ask(method, path, "{}" if method == "POST" else None)
    assert (answer.status, words in answer.error) == (status, True), answer.error


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_maps_neither_classify_nor_regress(tiny, method):
    answer = tiny.post(f"/v1/models/tiny:{method}", {"examples": []})
    assert answer.status == 400
    assert f"to be tensorflow/serving/{method}. Was: tensorflow/serving/predict" in answer.error


def test_numbers_of_floats_have_a_decimal_point(start, models, factory, make_node):
    spec = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("x", (2,), "output"),))
    models.put(factory(spec, [make_node("Identity", "z", "x")]), "same")
    answer = start(models.root).post("/v1/models/same:predict", {"instances": [[1, -0.1]]})
    assert json.loads(answer.body) == {"predictions": [[1.0, -0.1]]}
    assert answer.body == b'{"predictions":[[1.0,-0.1]]}'
