"""The description of the server: true of every answer, with examples that work, and a page that shows it."""

import base64
import contextlib
import io
import json
import re

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemas import misfits
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import serving
from zoo.spec import MapSpec, TensorSpec

Z, WALK = TensorSpec("z", (8,), "normal"), TensorSpec("long", (40, 40), "uniform", low=-1.0, high=1.0)
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2, names=("cat", "dog", "it's"))
LOOKS = TensorSpec("looks", (3,), "condition", "attributes", names=("glasses", "beard", "hat"))
PHOTO = TensorSpec("photo", (2, 3, 3), "condition", "image")
WIDE = TensorSpec("wide", (32, 32, 3), "condition", "image")
GIVEN = TensorSpec("given", (500,), "condition", "audio", rate=100.0)
IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")


@pytest.fixture(scope="module")
def path(shared_factory):
    return shared_factory(
        MapSpec((Z, LABEL), (IMAGE,)),
        others={
            "faces": MapSpec((Z, LOOKS), (TensorSpec("face", (4, 4, 1), "output", "image"),)),
            "pair": MapSpec((PHOTO, WIDE, LABEL), (TensorSpec("mean", (2,), "output"), TensorSpec("s", (), "output"))),
            "colour": MapSpec((WIDE,), (TensorSpec("coloured", (4, 4, 3), "output", "image"),)),
            "speak": MapSpec((WALK,), (TensorSpec("sound", (50,), "output", "audio", rate=100.0),)),
            "echo": MapSpec((GIVEN,), (TensorSpec("back", (50,), "output", "audio", rate=100.0),)),
            "film": MapSpec((Z,), (TensorSpec("video", (3, 4, 4, 3), "output", "video", rate=5.0),)),
        },
    )


@pytest.fixture(scope="module")
def running(start_shared, shared_models, shared_several, path):
    shared_models.put(path, "kinds")
    shared_models.put(shared_several, "several/3")
    return start_shared(shared_models.root)


@pytest.fixture(scope="module")
def told(running):
    return running.get("/openapi.json").json


def operations(told):
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def check(told, operation, answer):
    """Assert that an answer has a status, a type and a body that were promised."""
    status = str(answer.status)
    promised = operation["responses"].get(status) or operation["responses"][f"{status[0]}XX"]
    if "$ref" in promised:
        promised = told["components"]["responses"]["Error"]
    if "content" not in promised:
        assert answer.body == b""
        return
    schema = promised["content"][answer.headers["content-type"].partition(";")[0]]["schema"]
    if answer.headers["content-type"] == "application/json":
        assert misfits(schema, answer.json) == []


def test_what_serves_is_there(running, told):
    assert told["openapi"] == "3.1.0"
    assert {"/v2", "/metrics", "/v2/repository/index", "/v1/models/kinds:predict"} < told["paths"].keys()
    assert {"/v1/models/several:sample", "/v1/models/several:translate", "/v2/models/several:encode"} < told[
        "paths"
    ].keys()
    sample = told["paths"]["/v1/models/kinds:sample"]["get"]
    assert [one["name"] for one in sample["parameters"]] == ["count", "seed", "start", "truncation", "columns", "label"]
    assert sample["parameters"][-1]["schema"]["anyOf"][0] == {"enum": ["cat", "dog", "it's"]}
    speak = told["paths"]["/v1/models/kinds:speak"]["get"]
    assert "truncation" not in [one["name"] for one in speak["parameters"]]  # its noise is uniform
    assert "get" not in told["paths"]["/v1/models/kinds:colour"]  # a file is sent by POST
    assert "/v1/models/several:interpolate" in told["paths"]


def test_every_example_is_answered_as_it_is_described(running, told):
    """A 200, of the promised type and schema; the examples name all that must be given."""
    count = 0
    for path, method, operation in operations(told):
        query = "&".join(
            f"{one['name']}={one['example']}" for one in operation.get("parameters", ()) if "example" in one
        )
        sent = operation.get("requestBody", {"content": {"application/json": {}}})["content"]["application/json"]
        bodies = [one["value"] for one in sent.get("examples", {}).values()] or [sent.get("example")]
        for body in bodies:
            data = None if body is None else json.dumps(body)
            answer = running.ask(method, f"{path}?{query}" if query else path, data)
            assert answer.status == 200, (method, path, answer.body)
            check(told, operation, answer)
            count += 1
    assert count > 40


def test_examples_are_of_the_bundle(running, told, path):
    """The row of an example, run in Python, makes what the server answers."""
    sent = told["paths"]["/v1/models/kinds:predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    row = sent["pair"]["value"]["instances"][0]
    assert base64.b64decode(row["wide"]["b64"]).startswith(b"\x89PNG")
    made = running.post("/v1/models/kinds:predict", sent["pair"]["value"]).json["predictions"][0]
    wide = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["wide"]["b64"]))))
    expected = serving.load(path)["pair"](photo=np.array(row["photo"], np.float32), wide=wide, label=row["label"])
    np.testing.assert_allclose(made["mean"], expected["mean"][0], atol=1e-5)


def test_it_follows_what_serves(start, models, several, factory):
    models.put(several, "m")
    running = start(models.root)
    first = running.get("/openapi.json")
    assert "/v1/models/m:encode" in first.json["paths"]
    assert running.get("/openapi.json").body == first.body
    models.put(factory(), "m2")
    running.repository.poll()
    assert "/v1/models/m2:sample" in running.get("/openapi.json").json["paths"]


def test_the_page_needs_nothing_from_elsewhere(running):
    answer = running.get("/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = answer.body.decode()
    files = re.findall(r'(?:href|src)="(/page/[^"]+)"', page)
    assert {file.rpartition(".")[2] for file in files} == {"svg", "css", "js"}
    page += "".join(running.get(file).body.decode() for file in files if not file.endswith(".svg"))
    assert not re.search(r"https?://|@import|url\(['\"h]", page)
    assert 'fetch("openapi.json"' in page


def test_other_programs_read_it_and_find_nothing_that_breaks(tiny):
    """schemathesis makes requests that fit the description, and such that do not."""
    checks = not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance
    bounded = settings(
        max_examples=5,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    asked = []
    schema = schemathesis.openapi.from_dict(tiny.get("/openapi.json").json)
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        for result in schema.get_all_operations():

            @bounded
            @given(case=result.ok().as_strategy(generation_mode=mode))
            def ask(case):
                answer = case.call(base_url=f"http://127.0.0.1:{tiny.port}", timeout=30)
                asked.append(answer.status_code)
                case.validate_response(answer, checks=checks)

            with contextlib.suppress(Unsatisfiable):  # where nothing can be asked wrongly
                ask()
    assert tiny.get("/v2/health/ready").status == 200
    assert len(asked) > 120
    assert set(asked) >= {200, 400}
