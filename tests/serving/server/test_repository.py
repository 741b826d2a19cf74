"""Directories that appear, change, break and vanish, with a loader that only reads a word; and real bundles."""

import concurrent.futures
import http.client
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest

from serving.server.repository import Policy, Repository, Status, Unknown
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec


class Words:
    """A repository whose bundles are one word; "bad" ones do not load."""

    def __init__(self, root, policy="latest", **options):
        self.root, self.loaded, self.lines = root, [], []
        self.repository = Repository(root, self.load, Policy.parse(policy), log=self.lines.append, **options)

    def load(self, path, model, number):
        word = (path / "model.onnx").read_text()
        self.loaded.append((model, number, word))
        if word.startswith("bad"):
            raise UserError(f"{word} indeed")
        return word

    def write(self, place, word):
        path = self.root / place
        path.mkdir(parents=True, exist_ok=True)
        (path / "new").write_text(word)
        (path / "new").rename(path / "model.onnx")

    def poll(self):
        self.repository.poll()
        return {
            model: {version.number: version.loaded for version in versions}
            for model, versions in self.repository.models.items()
        }


@pytest.fixture
def words(tmp_path):
    (tmp_path / "models").mkdir()
    return Words(tmp_path / "models")


def test_a_bundle_is_version_1_and_numbers_are_versions(words):
    words.write("one", "a")
    words.write("two/3", "b")
    words.write("two/00020", "c")
    words.write("two/x", "not a version")
    words.write(".hidden", "being written")
    (words.root / "empty").mkdir()
    (words.root / "file").touch()
    assert words.poll() == {"one": {1: "a"}, "two": {20: "c"}}
    assert words.repository.find("one").loaded == "a"
    assert words.repository.find("two", 20).loaded == "c"


def test_what_is_passed_over_is_told_once(tmp_path):
    words = Words(tmp_path, "7", labels={("m", "stable"): 9})
    words.poll()
    assert words.lines == [
        f"{tmp_path} holds no bundle yet",
        "m: version 9, which is to be called stable, does not serve",
    ]
    words.write("m/1", "a")
    words.write("two words", "a")
    words.write(".hidden", "a")
    words.write("m2/v1", "a")
    (tmp_path / "lone.onnx").touch()
    words.poll()
    words.poll()
    assert sorted(words.lines[2:]) == [
        "'two words' is passed over: use letters, digits, '_', '.' and '-' in the name of a model",
        "lone.onnx is passed over: a model is the directory of a bundle",
        "m2 is passed over: it holds no bundle, and no directory NUMBER/ with one",
        "m: none of the versions that were asked for is there, only 1",
    ]


def test_a_flat_bundle_is_version_1_beside_numbered_ones(tmp_path):
    words = Words(tmp_path, "all")
    words.write("m", "a")
    assert words.poll() == {"m": {1: "a"}}
    words.write("m/2", "b")
    assert words.poll() == {"m": {2: "b", 1: "a"}}
    words.write("m/2", "c")
    assert words.poll() == {"m": {2: "c", 1: "a"}}
    assert [word for *_, word in words.loaded] == ["a", "b", "c"]  # the first was not loaded anew


def test_what_may_wait_is_done_when_all_serves(tmp_path):
    seen = []

    def settle(word):
        seen.append((word, sorted(words.repository.models), words.repository.is_read))

    words = Words(tmp_path, settle=settle)
    for name in ("one", "two", "three"):
        words.write(name, {"one": "a", "two": "b", "three": "bad"}[name])
    words.poll()
    assert seen == [("a", ["one", "two"], True), ("b", ["one", "two"], True)]
    words.write("one", "c")
    words.poll()
    words.poll()
    assert [word for word, *_ in seen] == ["a", "b", "c"]


def test_reasons_name_no_place_outside_the_repository(tmp_path):
    words = Words(tmp_path)
    words.write("m/3", f"bad {tmp_path}/m/3/model.onnx and {tmp_path.resolve()}/m/3/x, not /else{tmp_path}/m or /m")
    words.poll()
    (status,) = words.repository.status("m")
    assert status.reason == f"bad m/3/model.onnx and m/3/x, not /else{tmp_path}/m or /m indeed"
    assert str(tmp_path) in words.lines[-1]  # the log is the operator's


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("latest", {4: "d"}),
        ("latest:2", {4: "d", 2: "b"}),
        ("latest:9", {4: "d", 2: "b", 1: "a"}),
        ("all", {4: "d", 2: "b", 1: "a"}),
        ("1,2,7", {2: "b", 1: "a"}),
    ],
)
def test_policies(tmp_path, policy, expected):
    words = Words(tmp_path, policy)
    for number, word in ((1, "a"), (2, "b"), (3, "bad"), (4, "d")):
        words.write(f"m/{number}", word)
    assert words.poll() == {"m": expected}
    assert list(words.poll()["m"]) == list(expected)  # the newest first


@pytest.mark.parametrize("text", ["", "latest:0", "newest", "1,", "-1", "1;2", "latest:", "1" * 19])
def test_policies_that_there_are_not(text):
    with pytest.raises(UserError, match="use latest, latest:2, all, or numbers"):
        Policy.parse(text)


def test_a_new_version_takes_over_and_the_old_one_stays_with_who_holds_it(words):
    words.write("m/1", "a")
    words.poll()
    held = words.repository.find("m")
    words.write("m/2", "b")
    assert words.poll() == {"m": {2: "b"}}
    assert held.loaded == "a"
    with pytest.raises(Unknown, match=r"^Servable not found for request: Specific\(m, 1\)$"):
        words.repository.find("m", 1)


def test_a_broken_version_is_refused_and_tried_again_when_it_changes(words):
    words.write("m/1", "a")
    words.poll()
    words.write("m/2", "bad")
    assert words.poll() == {"m": {1: "a"}}
    assert words.repository.status("m") == [Status(2, "END", "bad indeed"), Status(1, "AVAILABLE")]
    assert words.lines[-1] == "m: version 2 is refused: bad indeed"
    words.poll()
    assert words.loaded.count(("m", 2, "bad")) == 1  # nothing has changed
    words.write("m/2", "good")
    assert words.poll() == {"m": {2: "good"}}
    assert words.repository.status("m") == [Status(2, "AVAILABLE")]


def test_a_version_is_tried_again_when_a_file_in_a_directory_of_it_is_there(words):
    """As a SavedModel that is still being copied: the top of the bundle stays as it is."""
    words.write("m/1", "bad")
    inner = words.root / "m/1/saved_model/1"
    inner.mkdir(parents=True)
    words.poll()
    words.poll()
    assert len(words.loaded) == 1
    (inner / "saved_model.pb").write_text("whole")
    words.poll()
    assert len(words.loaded) == 2


def test_a_version_changed_in_its_place(words):
    words.write("m", "a")
    words.poll()
    words.write("m", "b")
    assert words.poll() == {"m": {1: "b"}}
    words.write("m", "bad")
    assert words.poll() == {"m": {1: "b"}}
    assert words.repository.status("m") == [Status(1, "AVAILABLE", "bad indeed")]
    assert words.poll() == {"m": {1: "b"}}
    assert [word for _, _, word in words.loaded] == ["a", "b", "bad"]


def test_a_version_that_breaks_in_its_place_does_not_give_way_to_an_older_one(words):
    words.write("m/1", "a")
    words.write("m/2", "b")
    words.poll()
    words.write("m/2", "bad")
    assert words.poll() == {"m": {2: "b"}}


def test_a_restart_beside_a_broken_version_serves_the_one_before(words):
    words.write("m/1", "a")
    words.write("m/2", "bad")
    assert words.poll() == {"m": {1: "a"}}


def test_a_version_taken_away_goes_on_until_another_one_loads(words):
    words.write("m/1", "a")
    words.poll()
    words.write("m/2", "bad")
    shutil.rmtree(words.root / "m/1")
    assert words.poll() == {"m": {1: "a"}}


def test_a_model_is_unloaded_when_its_directory_stays_away(words):
    words.write("m", "a")
    words.poll()
    (words.root / "m").rename(words.root / ".m")
    assert words.poll() == {"m": {1: "a"}}
    (words.root / ".m").rename(words.root / "m")
    words.poll()
    shutil.rmtree(words.root / "m")
    assert words.poll() == {"m": {1: "a"}}
    assert words.poll() == {}
    assert words.repository.status("m") == []
    with pytest.raises(Unknown, match=r"^Servable not found for request: Latest\(m\)$"):
        words.repository.find("m")


def test_an_unreadable_root_takes_nothing_away(words):
    words.write("m", "a")
    words.poll()
    words.root.rename(words.root.with_name("elsewhere"))
    for _ in range(3):
        assert words.poll() == {"m": {1: "a"}}
    assert "cannot read" in words.lines[-1]


def test_a_loader_that_fails_in_a_way_nobody_thought_of(words):
    words.write("m", "a")
    words.repository._load = lambda *_: 1 / 0
    assert words.poll() == {}
    assert words.repository.status("m") == [Status(1, "END", "division by zero")]


def test_while_a_version_loads_its_status_says_so(words):
    words.write("m/1", "a")
    words.poll()
    seen = []

    def load(path, model, number):
        seen.append(words.repository.status("m"))
        return "b"

    words.repository._load = load
    words.write("m/2", "b")
    words.poll()
    assert seen == [[Status(2, "LOADING"), Status(1, "AVAILABLE")]]


def test_labels(tmp_path):
    words = Words(tmp_path, "all", labels={("m", "stable"): 1, ("m", "next"): 3})
    words.write("m/1", "a")
    words.write("m/2", "b")
    words.poll()
    assert words.repository.find("m", label="stable").loaded == "a"
    with pytest.raises(Unknown, match=r"Specific\(m, 3\)"):
        words.repository.find("m", label="next")
    with pytest.raises(UserError, match="^Unrecognized servable version label: x$"):
        words.repository.find("m", label="x")


@pytest.mark.parametrize("name", ["..", "../m", "m/1", "", ".", "m\0", "/etc", "M"])
def test_names_are_never_paths(words, name):
    words.write("m", "a")
    words.poll()
    assert words.repository.status(name) == []
    with pytest.raises(Unknown):
        words.repository.find(name)


def test_a_root_that_is_none(tmp_path, bundle_path):
    with pytest.raises(UserError, match="is no directory of bundles"):
        Repository(tmp_path / "absent", None)
    with pytest.raises(UserError, match="is a bundle: give the directory that holds it"):
        Repository(bundle_path, None)


def test_polling_goes_on_after_a_failure(words):
    words.write("m", "a")
    stop, polls = threading.Event(), []

    def poll():
        polls.append(1)
        if len(polls) == 3:
            stop.set()
        raise RuntimeError("a bug")

    words.repository.poll = poll
    words.repository.poll_until(stop, 0.001)
    assert len(polls) == 3
    assert words.lines == [f"reading {words.root} failed: a bug"] * 3


def constant(factory, value):
    """A bundle whose map makes x = 0 * z + value, twice: out and again."""
    spec = MapSpec(
        (TensorSpec("z", (4,), "normal"),),
        (TensorSpec("out", (4,), "output"), TensorSpec("again", (4,), "output")),
    )
    from onnx import helper

    nodes = [helper.make_node("Mul", ["z", "zero"], ["nothing"])]
    nodes += [helper.make_node("Add", ["nothing", "value"], [name]) for name in ("out", "again")]
    return factory(spec, nodes, zero=np.zeros(1, np.float32), value=np.full(1, value, np.float32))


Z = [[0.5] * 4] * 3
ROWS = {"instances": Z}
WAYS = [
    ("/v1/models/m:predict", {"inputs": Z}, lambda body: [body["outputs"]["out"], body["outputs"]["again"]]),
    ("/v1/models/m:predict", ROWS, lambda body: [[row["out"], row["again"]] for row in body["predictions"]]),
    ("/v1/models/m:sample", {"count": 2, "seed": 3}, lambda body: [body["outputs"]["out"], body["outputs"]["again"]]),
    (
        "/v2/models/m/infer",
        {"inputs": [{"name": "z", "shape": [3, 4], "datatype": "FP32", "data": Z}]},
        lambda body: [output["data"] for output in body["outputs"]],
    ),
]


def test_a_thousand_mixed_requests_during_ten_reloads(start, models, factory):
    """None is lost, none is answered by a mixture of versions, and no answer is older than the one before it."""
    running = start(models.root)
    models.put(constant(factory, 1), "m/1")
    running.repository.poll()
    answered, is_over = [], threading.Event()

    def reload():
        for number in range(2, 12):
            while len(answered) < 100 * (number - 1):
                time.sleep(0.001)
            models.put(constant(factory, number), f"m/{number}")
            running.repository.poll()
            if number == 6:  # a broken one in between
                path = models.put(constant(factory, 99), "m/99")
                (path / "model.onnx").write_bytes(b"broken")
                running.repository.poll()
                shutil.rmtree(path)
        is_over.set()

    def ask(own):
        seen = []
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        while not is_over.is_set():
            path, asked, values_of = WAYS[(own + len(seen)) % len(WAYS)]
            connection.request("POST", path, json.dumps(asked), {"accept": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            assert answer.status == 200, body
            values = np.array(values_of(body))
            assert values.min() == values.max()
            seen.append(values.max())
            answered.append(1)
        assert seen == sorted(seen)
        return seen

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        changes = pool.submit(reload)
        asked = list(pool.map(ask, range(4)))
        changes.result(60)
    assert len(answered) >= 1000
    assert {value for seen in asked for value in seen} >= set(range(1, 11))
    assert running.repository.find("m").number == 11


@pytest.mark.parametrize("how", ["flipped", "cut", "missing", "empty", "another"])
def test_damaged_bundles_are_refused_and_the_reason_is_told(start, models, factory, how):
    models.put(factory(), "m/1")
    running = start(models.root)
    path = models.put(factory(), "m/2")
    model = path / "model.onnx"
    data = bytearray(model.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 1
        model.write_bytes(data)
    if how == "cut":
        model.write_bytes(data[:-10])
    if how == "missing":
        model.unlink()
    if how == "empty":
        model.write_bytes(b"")
    if how == "another":
        os.replace(
            factory(MapSpec((TensorSpec("z", (3,), "normal"),), (TensorSpec("x", (2,), "output"),))) / "model.onnx",
            model,
        )
    running.repository.poll()
    (broken, good) = running.get("/v1/models/m").json["model_version_status"]
    assert (broken["version"], broken["state"], broken["status"]["error_code"]) == ("2", "END", "FAILED_PRECONDITION")
    assert "m/2" in broken["status"]["error_message"]
    assert str(models.root) not in broken["status"]["error_message"]  # where it lies is the operator's affair
    assert good == {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert running.post("/v1/models/m:predict", {"instances": [[0] * 8]}).status == 200
    assert any("version 2 is refused" in line for line in running.lines)


def test_a_model_that_makes_nan_never_serves(start, models, factory, make_node):
    spec = MapSpec((TensorSpec("z", (4,), "normal"),), (TensorSpec("x", (4,), "output"),))
    models.put(factory(spec, [make_node("Sqrt", "z", "x")]), "m")
    running = start(models.root)
    assert "NaN" in running.get("/v1/models/m").json["model_version_status"][0]["status"]["error_message"]
    assert running.post("/v1/models/m:predict", {"instances": [[0] * 4]}).status == 404


def test_bundles_that_lie_elsewhere_serve_beside_those_of_the_directory(tmp_path):
    (tmp_path / "models").mkdir()
    words = Words(tmp_path / "models")
    words.write("../elsewhere/one", "preset one")
    words.write("../elsewhere/two", f"bad {tmp_path / 'elsewhere/two/x'}")
    words.write("../elsewhere/three", "preset three")
    others = {name: tmp_path / "elsewhere" / name for name in ("one", "two", "three")}
    both = Words(tmp_path / "models", others=others)
    both.write("one", "my one")
    assert both.poll() == {"one": {1: "my one"}, "three": {1: "preset three"}}
    assert both.repository.status("two") == [Status(1, "END", "bad two/x indeed")], "not where it lies"
    shutil.rmtree(tmp_path / "models" / "one")
    assert both.poll()["one"] == {1: "preset one"}
    alone = Words(None, others=others)
    assert alone.poll() == {"one": {1: "preset one"}, "three": {1: "preset three"}}
