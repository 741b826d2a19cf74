"""The page over HTTP: its files, and what it asks the server besides the protocols."""

import io
import re

import numpy as np
import pytest

import serving
from serving.directions import principal_directions, samples_of
from serving.server.keys import Keys
from serving.server.static import DIGEST, WASM, browser_runtime
from zoo import bundle
from zoo.bundle import read_manifest
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

U, Z = TensorSpec("u", (3, 1), "uniform", low=-1.0, high=1.0), TensorSpec("z", (8,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2, names=("cat", "dog", "owl"))
PHOTO = TensorSpec("photo", (2, 3, 3), "condition", "image")
IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")
RECIPE = {"data": {"name": "folder:cats"}}
EXAMPLES = np.random.default_rng(0).uniform(-1, 1, (10, 2, 3, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def path(shared_factory, add_files):
    """A bundle with two kinds of noise, a class, a translation, examples and a card."""
    colour = MapSpec((PHOTO,), (TensorSpec("coloured", (4, 4, 3), "output", "image"),))
    made = shared_factory(MapSpec((U, Z, LABEL), (IMAGE,)), others={"colour": colour}, recipe=RECIPE)
    held = io.BytesIO()
    np.savez(held, **{"colour/photo": EXAMPLES})
    return add_files(made, {bundle.EXAMPLES: held.getvalue(), bundle.SAMPLES: b"\x89PNG a card"})


@pytest.fixture(scope="module")
def server(start_shared, shared_models, path):
    shared_models.put(path, "m/3")
    return start_shared(shared_models.root)


def array(answer):
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-npy"), answer.body
    return np.load(io.BytesIO(answer.body), allow_pickle=False)


def linked(text):
    """The paths in attributes of HTML."""
    return re.findall(r'(?:href|src)="(/[^"]*)"', text)


def test_the_page_and_all_that_it_imports(server):
    answer = server.get("/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    seen, waiting = set(), [path for path in linked(answer.body.decode()) if path != "/docs"]
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = server.get(path)
        assert answer.status == 200, path
        assert answer.headers["content-type"] == types[path.rpartition(".")[2]]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        text = answer.body.decode()
        assert not re.findall(r"https?://(?!www\.w3\.org/)", text), "the page works offline"
        assert len(text.splitlines()) < 300
        waiting += [f"/page/{DIGEST}/{name}" for name in re.findall(r"from '\./([a-z]+\.js)'", text)]
    assert len(seen) >= 15


def test_nothing_but_the_page_itself_may_run(server):
    headers = server.get("/").headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["x-content-type-options"] == "nosniff"


def test_what_a_browser_has_is_not_sent_again(server):
    first = server.get("/")
    again = server.ask("GET", "/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert server.ask("GET", "/", headers={"If-None-Match": '"other"'}).body == first.body


@pytest.mark.parametrize(
    "place",
    [
        f"/page/{DIGEST}/../app.py",
        f"/page/{DIGEST}/%2e%2e/app.py",
        f"/page/{DIGEST}/app.py",
        f"/page/{DIGEST}/other.js",
        "/page/0123456789abcdef/app.js",
        "/page/runtime/ort.wasm.min.mjs",
        "/page/",
        "/gallery/m/maps/colour/onnx",
        "/gallery/nobody/card",
        "/gallery/m/versions/4/card",
        "/gallery/m/maps/nothing/directions",
        "/gallery/m/maps/generate/noise/label",
        "/gallery/m/maps/colour/examples/image",
        "/gallery/m/maps/generate/examples/label",
    ],
)
def test_what_is_not_there(server, place):
    answer = server.get(place)
    assert answer.status == 404
    assert answer.error


def test_the_models_and_their_maps(server, path):
    told = server.get("/gallery").json
    assert told["engines"] == []
    (model,) = told["models"]
    maps = {
        name: MapSpec.from_json({key: spec[key] for key in ("inputs", "outputs")})
        for name, spec in model["maps"].items()
    }
    assert maps == read_manifest(path).maps
    assert {name: spec["walk"] for name, spec in model["maps"].items()} == {"generate": "z", "colour": None}
    del model["maps"]
    assert model == {
        "name": "m",
        "version": 3,
        "title": "tiny",
        "data": "folder:cats",
        "step": 7,
        "has_card": True,
        "examples": {"colour": ["photo"]},
        "rows": False,
    }


def test_the_noise_of_a_seed_makes_what_the_seed_makes(server, path):
    spec = read_manifest(path).maps["generate"]
    expected = fill(spec, 5, 9, 2)
    made = {
        name: array(server.get(f"/gallery/m/maps/generate/noise/{name}?seed=9&count=5&start=2")) for name in ("u", "z")
    }
    for name, values in made.items():
        assert values.tobytes() == expected[name].tobytes()
    inputs = [
        {"name": name, "datatype": "FP32", "shape": values.shape, "data": values.ravel().tolist()}
        for name, values in made.items()
    ]
    inputs.append({"name": "label", "datatype": "INT32", "shape": [5], "data": expected["label"].tolist()})
    answer = server.post("/v2/models/m:generate/infer", {"inputs": inputs})
    sampled = serving.load(path)["generate"].run(expected)["image"]
    np.testing.assert_array_equal(np.float32(answer.json["outputs"][0]["data"]), sampled.ravel())


@pytest.mark.parametrize(
    ("query", "said"),
    [("seed=-1", "seed -1"), ("count=0", "count 0"), ("count=2000", "2,000 samples"), ("number=1", "parameter")],
)
def test_noise_that_is_not_to_be_had(server, query, said):
    answer = server.get(f"/gallery/m/maps/generate/noise/z?{query}")
    assert answer.status == 400
    assert said in answer.error


def test_examples_are_those_of_the_bundle(server):
    np.testing.assert_array_equal(array(server.get("/gallery/m/versions/3/maps/colour/examples/photo")), EXAMPLES[:8])


def test_directions_are_worked_out_once(server, path, monkeypatch):
    map = serving.load(path)["generate"]
    expected = principal_directions(map, fill(map.spec, samples_of(map.spec), 0))
    first = server.get("/gallery/m/maps/generate/directions")
    assert first.json["tensor"] == "z"
    np.testing.assert_array_equal(np.float32(first.json["vectors"]), expected.vectors)
    np.testing.assert_array_equal(np.float32(first.json["strengths"]), expected.strengths)
    monkeypatch.setattr("serving.server.gallery.principal_directions", None)
    assert server.get("/gallery/m/maps/generate/directions").body == first.body
    answer = server.get("/gallery/m/maps/colour/directions")
    assert (answer.status, answer.error.startswith("colour cannot be walked")) == (400, True)


def test_the_card(server):
    answer = server.get("/gallery/m/card")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/png", b"\x89PNG a card")


@pytest.fixture
def runtime(tmp_path):
    """A directory that holds files called as those of onnxruntime-web."""
    root = tmp_path / "dist"
    root.mkdir()
    for name in WASM:
        (root / name).write_bytes(name.encode())
    return root


def test_networks_for_the_browser(start, models, path, runtime):
    placed = models.put(path, "m")
    server = start(models.root)
    server.service.browser_runtime = browser_runtime(str(runtime))
    assert server.get("/gallery").json["engines"] == ["wasm"]
    for map, name in (("generate", "model.onnx"), ("colour", "colour.onnx")):
        answer = server.get(f"/gallery/m/maps/{map}/onnx")
        assert (answer.status, answer.body) == (200, (path / name).read_bytes())
        again = server.ask("GET", f"/gallery/m/maps/{map}/onnx", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    wasm = server.get(f"/page/runtime/{WASM[2]}")
    assert (wasm.status, wasm.headers["content-type"]) == (200, "application/wasm")
    assert wasm.body == WASM[2].encode()
    assert wasm.headers["cross-origin-embedder-policy"] == "require-corp"
    again = server.ask(
        "GET", "/page/runtime/ort-wasm-simd-threaded.wasm", headers={"If-None-Match": wasm.headers["etag"]}
    )
    assert (again.status, again.body) == (304, b"")
    assert server.get("/page/runtime/ort.webgpu.min.mjs").status == 404
    # what runs is sent, whatever has become of the disk
    (placed / "colour.onnx").write_bytes(b"other")
    assert server.get("/gallery/m/maps/colour/onnx").body == (path / "colour.onnx").read_bytes()


def test_a_directory_that_is_no_runtime(runtime, refused):
    assert browser_runtime(None) is None
    (runtime / WASM[2]).unlink()
    with refused("--browser_runtime=", f"lacks {WASM[2]}", "npm pack onnxruntime-web"):
        browser_runtime(str(runtime))


def test_the_page_itself_needs_no_key(start, models, path):
    models.put(path, "m")
    server = start(models.root, keys=Keys(["a-key-of-16-letters"]))
    assert server.get("/").status == 200
    assert server.get(f"/page/{DIGEST}/app.js").status == 200
    for other in ("/gallery", "/gallery/m/card", "/gallery/m/maps/generate/noise/z", "/pages", "//"):
        assert server.get(other).status == 401
        assert server.ask("GET", other, headers={"X-API-Key": "a-key-of-16-letters"}).status != 401


def test_a_bundle_without_data_or_examples(start, models, bundle_path):
    models.put(bundle_path, "plain")
    (model,) = start(models.root).get("/gallery").json["models"]
    assert (model["data"], model["examples"], model["has_card"]) == ("", {}, False)
