"""Heavy requests are worked on beside the event loop, which answers others meanwhile, and bombs not at all."""

import base64
import io
import threading

import numpy as np
import pytest
from PIL import Image

from serving.server import service as services
from serving.server.uploads import may_hold_files
from zoo import images
from zoo.spec import MapSpec, TensorSpec

PHOTO = TensorSpec("photo", (8, 8, 3), "condition", "image", multiple=1)
NPY = "application/x-npy"


def png(height, width, mode="RGB"):
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 1).save(buffer, "PNG")
    return buffer.getvalue()


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def running(start_shared, shared_models, shared_factory, make_node):
    """A server of three quick models: noise of 64 x 64 x 3, a map of pictures of any size, and a small picture."""
    noise = TensorSpec("u", (64, 64, 3), "uniform", low=0.0, high=1.0)
    shared_models.put(shared_factory(MapSpec((noise,), (TensorSpec("image", (4, 4, 1), "output", "image"),))), "noisy")
    larger = TensorSpec("larger", (8, 8, 3), "output", "image", follows="photo")
    chain = [make_node("Tanh", "photo", "t0"), *(make_node("Tanh", f"t{k}", f"t{k + 1}") for k in range(20))]
    path = shared_factory(MapSpec((PHOTO,), (larger,)), [*chain, make_node("Identity", "t20", "larger")])
    shared_models.put(path, "free")
    z, wide = TensorSpec("z", (8,), "normal"), TensorSpec("image", (28, 28, 1), "output", "image")
    shared_models.put(shared_factory(MapSpec((z,), (wide,))), "digits")
    return start_shared(shared_models.root)


@pytest.mark.parametrize(
    ("what", "path", "accept", "body"),
    [
        ("noise", "noisy:sample?count=400", NPY, None),
        ("frames that are magnified", "noisy:interpolate?steps=40", "image/webp", None),
        ("frames that are magnified", "noisy:interpolate?steps=60", "image/gif", None),
        ("a grid that is magnified", "digits:sample?count=1000&columns=1000", "image/png", None),
        ("a small file of a large picture", "free:generate", NPY, png(1600, 1600)),
        ("the same in JSON", "free:predict", "*/*", {"instances": [b64(png(1200, 1200, "1"))]}),
    ],
)
def test_health_is_told_while_a_request_is_worked_on(running, meanwhile, what, path, accept, body):
    def heavy():
        if body is None:
            return running.get(f"/v1/models/{path}", accept=accept)
        return running.post(f"/v1/models/{path}", body, accept=accept)

    answer, share = meanwhile(running, heavy)
    assert answer.status == 200, answer.body[:200]
    assert share < 0.6, f"/v2/health/live waited for {share:.0%} of the time that {what} took"


@pytest.mark.parametrize("word", ["b64", "\\u00626\\u0034"])
def test_files_in_json_are_never_read_in_the_event_loop(running, monkeypatch, word):
    threads = []

    def spied(*arguments):
        threads.append(threading.current_thread())
        return value_in(*arguments)

    value_in = services.value_in
    monkeypatch.setattr(services, "value_in", spied)
    file = f'{{"{word}": "{b64(png(4, 4))["b64"]}"}}'
    for path, body in (("predict", f'{{"instances": [{file}, {file}]}}'), ("generate", f'{{"photo": {file}}}')):
        assert running.post(f"/v1/models/free:{path}", body).status == 200
    assert len(threads) == 3 and running.thread not in threads


def test_what_may_hold_files():
    assert may_hold_files(png(1, 1)) and may_hold_files(b'{"b64"') and may_hold_files(b'{"\\u0062')
    assert not may_hold_files(b'{"instances": [[0.5]]}')


def test_packed_bodies_are_never_unpacked_in_the_event_loop(running, monkeypatch):
    threads = []
    monkeypatch.setattr(
        "serving.server.http.unpacked", lambda data, most: threads.append(threading.current_thread()) or b"{}"
    )
    assert running.post("/v1/models/digits:sample", b"packed", content_encoding="gzip").status == 200
    assert threads and running.thread not in threads


def test_no_picture_is_decoded_of_a_request_that_is_too_large(running, monkeypatch):
    def decoded(*_):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(images, "upright", decoded)
    bomb = b64(png(2048, 2048, "1"))
    answer = running.post("/v1/models/free:predict", {"instances": [bomb] * 20})
    assert answer.status == 400
    assert answer.error == "the pictures have 83,886,080 pixels; send at most 4,194,304 in all at a time"
    # 1,100 rows of few pixels, and two of which the answer would be too large
    assert "at most 1,024 at a time" in running.post("/v1/models/free:predict", {"instances": [bomb] * 1100}).error
    monkeypatch.setattr(running.service, "limits", services.Limits(output=1000))
    small = running.post("/v1/models/free:predict", {"instances": [b64(png(8, 8))] * 2})
    assert small.error == "the answer would hold 1,536 bytes; at most 1,000 are made at a time"


def test_the_memory_that_decoding_takes_is_held_before(running, monkeypatch):
    monkeypatch.delattr(images, "upright")
    budget = running.service.budget
    others = running.limits.memory - 100_000  # room for the file, and not for 100 x 100 pixels
    budget.take(others)
    try:
        answer = running.post("/v1/models/free:generate", png(100, 100))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    finally:
        budget.give(others)
    assert budget.held == 0


@pytest.mark.parametrize("make", [png, lambda height, width: npy(np.zeros((height, width, 3), np.uint8))])
def test_files_of_pictures_of_any_size_have_a_bound(running, monkeypatch, make):
    monkeypatch.setattr(running.service, "limits", services.Limits(pixels=100))
    assert running.post("/v1/models/free:generate", make(10, 10)).status == 200
    answer = running.post("/v1/models/free:generate", make(10, 11))
    assert (answer.status, answer.error) == (400, "the picture has 10 x 11 pixels; send at most 100 in all")


@pytest.mark.parametrize(
    ("fails", "status", "said"),
    [
        (MemoryError("Unable to allocate"), 503, "too many samples for the memory at once: Unable to allocate"),
        (
            np.full((1, 28, 28, 1), np.nan, np.float32),
            500,
            "the model made NaN or infinity in image; check its weights",
        ),
        (np.zeros((1, 2), np.float32), 500, "the model made image of shape (1, 2), its manifest promises"),
        (RuntimeError("of onnxruntime"), 500, "the model failed to run: of onnxruntime"),
    ],
)
def test_what_fails_by_the_servers_own_fault_is_no_400(running, monkeypatch, fails, status, said):
    class Session:
        def run(self, names, inputs):
            if isinstance(fails, Exception):
                raise fails
            return [fails]

    opened = running.repository.find("digits").loaded.bundle["generate"]._opened
    if isinstance(fails, MemoryError):
        monkeypatch.setattr(opened, "run_batch", lambda inputs: Session().run([], inputs))
    monkeypatch.setattr(opened, "_session", Session())
    for path in ("sample", "sample?count=3"):
        if isinstance(fails, Exception) or path == "sample":
            answer = running.get(f"/v1/models/digits:{path}")
            assert (answer.status, answer.error[: len(said)]) == (status, said)
            assert ("retry-after" in answer.headers) == (status == 503)


def test_too_little_memory_to_write_an_answer_is_a_503(running, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr("serving.server.forms.npy", fails)
    assert running.get("/v1/models/digits:sample", accept=NPY).status == 503


def test_nan_that_was_sent_is_a_400(running):
    values = np.full((8, 8, 3), np.nan, np.float32)
    assert running.post("/v1/models/free:generate", npy(values)).status == 400
