"""Pictures, sounds and videos over HTTP: the same as `serving.Generator` makes, in the form that is asked for."""

import base64
import io
import json
import time
import wave

import numpy as np
import pytest
from PIL import Image

import serving
from serving.server import forms
from serving.server.forms import choose, of
from serving.server.refused import Refused
from zoo import images, media
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (8,), "normal")
IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2, names=("cat", "dog", "42"))
LOOKS = TensorSpec("looks", (3,), "condition", "attributes", names=("glasses", "beard", "hat"))
PHOTO = TensorSpec("photo", (2, 3, 3), "condition", "image")
KNOWN = TensorSpec("known", (50,), "condition", "mask", keeps="given")
GIVEN = TensorSpec("given", (50,), "condition", "audio", rate=100.0)
SOUND = TensorSpec("sound", (50,), "output", "audio", rate=100.0)
VIDEO = TensorSpec("video", (3, 4, 4, 3), "output", "video", rate=5.0)
PNG = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def path(shared_factory):
    """A bundle with a map of every kind."""
    return shared_factory(
        MapSpec((Z, LABEL), (IMAGE,)),
        others={
            "faces": MapSpec((Z, LOOKS), (TensorSpec("face", (4, 4, 1), "output", "image"),)),
            "colour": MapSpec((PHOTO,), (TensorSpec("coloured", (4, 4, 3), "output", "image"),)),
            "pair": MapSpec((PHOTO, TensorSpec("other", (2, 3, 3), "condition", "image")), (IMAGE,)),
            "encode": MapSpec((PHOTO,), (TensorSpec("mean", (2,), "output"), TensorSpec("scale", (2,), "output"))),
            "speak": MapSpec((Z,), (SOUND,)),
            "go_on": MapSpec((GIVEN, KNOWN, Z), (TensorSpec("whole", (50,), "output", "audio", rate=100.0),)),
            "film": MapSpec((Z,), (VIDEO,)),
            "scatter": MapSpec((Z,), (TensorSpec("place", (2,), "output", "point"),)),
        },
    )


@pytest.fixture(scope="module")
def ask(start_shared, shared_models, path):
    """Ask about the model m: `ask("sample?count=2", body, accept=...)`."""
    shared_models.put(path, "m")
    running = start_shared(shared_models.root)

    def send(action, body=None, **headers):
        if body is None:
            return running.get(f"/v1/models/m:{action}", **headers)
        return running.post(f"/v1/models/m:{action}", body, **headers)

    return send


@pytest.fixture(scope="module")
def maps(path):
    return serving.load(path)


def array(answer):
    assert answer.status == 200, answer.body
    return np.load(io.BytesIO(answer.body), allow_pickle=False)


def frames(answer):
    picture = Image.open(io.BytesIO(answer.body))
    made = []
    for number in range(picture.n_frames):
        picture.seek(number)
        made.append(np.asarray(picture.convert("RGB")))
    return made


def png(answer):
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png"), answer.body
    return np.asarray(Image.open(io.BytesIO(answer.body)))


def test_one_sample_is_a_picture_and_several_are_a_grid(ask, path):
    generator = serving.Generator(path)
    one, four = generator.sample(1, 7), generator.sample(4, 7)
    np.testing.assert_array_equal(png(ask("sample", {"seed": 7})), one[0])
    np.testing.assert_array_equal(png(ask("sample", {"seed": 7, "count": 4})), images.grid(four))
    np.testing.assert_array_equal(png(ask("sample?seed=7&count=4&columns=4")), images.grid(four, 4))


def test_the_query_and_the_body_are_one(ask):
    expected = ask("sample", {"seed": 3, "count": 2, "label": "dog"}).body
    assert ask("sample?seed=3&count=2&label=dog").body == expected
    assert ask("sample?seed=3", {"count": 2, "label": 1}).body == expected
    assert ask("sample", json.dumps({"seed": 3, "count": 2, "label": ["dog", "dog"]})).body == expected


@pytest.mark.parametrize("label", ["cat", "dog", "42", 2, 0, "1"])
def test_classes_by_name_or_number(ask, path, label):
    made = array(ask("sample", {"seed": 1, "label": label}, accept="application/x-npy"))
    number = LABEL.names.index(label) if label in LABEL.names else int(label)
    expected = serving.Generator(path).sample(1, 1, dtype="float32", label=number)
    assert made.tobytes() == expected.tobytes()


def test_samples_are_those_of_the_generator_to_the_bit(ask, path):
    generator = serving.Generator(path)
    for count, begin in ((1, 0), (5, 0), (3, 20), (70, 0)):
        made = array(ask(f"sample?seed=9&count={count}&start={begin}", accept="application/x-npy"))
        assert made.tobytes() == generator.sample(count, 9, start=begin, dtype="float32").tobytes()


def test_attributes_by_name(ask, maps):
    for looks in ("glasses,hat", ["glasses", "hat"], [1, 0, 1]):
        made = array(ask("faces", {"looks": looks, "seed": 2}, accept="application/x-npy"))
        np.testing.assert_array_equal(made, maps["faces"](looks=[1, 0, 1], seed=2)["face"])
    made = array(ask("faces", {"looks": [["hat"], []], "seed": 2}, accept="application/x-npy"))
    np.testing.assert_array_equal(made, maps["faces"](looks=[[0, 0, 1], [0, 0, 0]], seed=2)["face"])


def upload(kind):
    buffer = io.BytesIO()
    if kind == "npy":
        np.save(buffer, PNG)
    else:
        Image.fromarray(PNG).save(buffer, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "npy"])
def test_a_file_is_the_one_condition(ask, maps, kind):
    expected = media.stored(IMAGE, maps["colour"](photo=PNG)["coloured"])[0]
    data = upload(kind)
    np.testing.assert_array_equal(png(ask("colour", data)), expected)
    np.testing.assert_array_equal(png(ask("colour", data, content_type="image/whatever")), expected)
    in_json = {"photo": {"b64": base64.b64encode(data).decode()}}
    np.testing.assert_array_equal(png(ask("colour", in_json)), expected)
    np.testing.assert_array_equal(png(ask("colour", {"photo": (PNG / 127.5 - 1).tolist()})), expected)


def test_a_jpeg_of_another_size_is_fitted(ask, maps):
    large = np.full((40, 90, 3), 200, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "JPEG", quality=100, subsampling=0)
    made = array(ask("colour", buffer.getvalue(), accept="application/x-npy"))
    expected = maps["colour"](photo=np.full((2, 3, 3), 200, np.uint8))["coloured"]
    np.testing.assert_allclose(made, expected, atol=0.05)


def test_outputs_that_are_no_pictures_are_json(ask, maps):
    answer = ask("encode", upload("PNG"))
    assert answer.headers["content-type"] == "application/json"
    expected = maps["encode"](photo=PNG)
    assert answer.json.keys() == {"outputs"}
    made = {name: np.array(values, np.float32) for name, values in answer.json["outputs"].items()}
    assert {name: values.tobytes() for name, values in made.items()} == {
        name: values.tobytes() for name, values in expected.items()
    }


def test_sounds(ask, maps):
    answer = ask("speak?seed=4")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.body == media.encode(SOUND, maps["speak"](seed=4)["sound"][0])
    with wave.open(io.BytesIO(ask("speak?seed=4&count=3").body)) as sound:
        assert sound.getnframes() == 3 * (50 + 30)


def test_a_sound_goes_on_from_a_file(ask, maps):
    beginning = (np.arange(20) * 500).astype(np.int16)
    made = array(ask("go_on?seed=1", media.encode_wav(beginning, 100), accept="application/x-npy"))
    np.testing.assert_array_equal(made, maps["go_on"](given=beginning, seed=1)["whole"])


def test_videos(ask, maps):
    answer = ask("film?seed=2")
    assert answer.headers["content-type"] == "image/gif"
    assert Image.open(io.BytesIO(answer.body)).n_frames == 3
    made = frames(ask("film?seed=2", accept="image/webp"))
    expected = media.stored(VIDEO, maps["film"](seed=2)["video"])[0]
    assert len(made) == 3
    for frame, values in zip(made, expected, strict=True):
        np.testing.assert_array_equal(frame, images.grid(values[None]))


def test_points(ask, maps):
    made = png(ask("scatter?count=50"))
    np.testing.assert_array_equal(made, images.scatter(maps["scatter"](50)["place"]))


def test_a_walk(ask, path):
    generator = serving.Generator(path)
    expected = generator.interpolate(3, 5, 6, label=1)
    asked = {"seed_from": 3, "seed_to": 5, "steps": 6, "label": "dog"}
    answer = ask("interpolate", asked)
    assert answer.headers["content-type"] == "image/webp"
    for frame, picture in zip(frames(answer), expected, strict=True):
        np.testing.assert_array_equal(frame, images.grid(picture[None]))
    made = array(ask("interpolate", asked, accept="application/x-npy"))
    assert made.tobytes() == generator.interpolate(3, 5, 6, dtype="float32", label=1).tobytes()
    np.testing.assert_array_equal(png(ask("interpolate", asked, accept="image/png")), images.grid(expected, 6))
    assert Image.open(io.BytesIO(ask("interpolate", asked, accept="image/gif").body)).n_frames == 6


def test_lossless_webp(ask, path):
    (frame,) = frames(ask("sample?seed=7", accept="image/webp"))
    np.testing.assert_array_equal(frame, serving.Generator(path).sample(1, 7)[0])


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "image/png"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/png"),
        ("image/webp", "image/webp"),
        ("image/png;q=0.1, image/webp", "image/webp"),
        ("image/*;q=0.5, application/x-npy;q=0.4", "image/png"),
        ("image/png;q=0, image/*", "image/webp"),
        ("APPLICATION/JSON", "application/json"),
        ("application/octet-stream", "application/octet-stream"),
        ("text/html, application/xhtml+xml, image/avif, */*;q=0.8", "image/png"),
    ],
)
def test_accept(accept, form):
    assert choose(accept, of(IMAGE, is_walk=False)) == form


def test_a_form_that_is_not_to_be_had(ask):
    answer = ask("sample", accept="audio/wav, image/png;q=0, image/png;q=x")
    assert answer.status == 406
    assert answer.error.startswith("this is to be had as image/png, image/webp, application/x-npy, ")


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def npy(shape, data, dtype="<f4", order="False"):
    head = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def bomb():
    """A PNG of 20,000 x 20,000 pixels in a few bytes."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def huge():
    """A PNG whose pixels are more than the server takes, and fewer than Pillow warns of."""
    buffer = io.BytesIO()
    Image.new("1", (3000, 2000)).save(buffer, "PNG")
    return buffer.getvalue()


REFUSED = [
    ("sample?count=0", None, 400, "count 0: use an integer from 1"),
    ("sample?count=1025", None, 400, "1,025 samples in one request; ask for at most 1,024 at a time"),
    ("sample?count=99999999999999999999999", None, 400, "count"),
    ("sample", {"count": 1e30}, 400, "count 1e+30: use an integer"),
    ("sample", {"count": [2]}, 400, "count: use an integer"),
    ("sample", {"count": True}, 400, "count True: use an integer"),
    ("sample?seed=-1", None, 400, "seed -1: use an integer from 0"),
    ("sample?seed=x", None, 400, "seed 'x': use an integer"),
    ("sample?sed=1", None, 400, "unknown parameter 'sed'; did you mean 'seed'?"),
    ("sample?label=cow", None, 400, "label=cow"),
    ("sample?label=3", None, 400, "label: values must lie in [0, 2]"),
    ("sample", {"label": 1.5}, 400, "label: JSON Value: 1.5 Type: Number is not of expected type: int32"),
    ("sample", {"label": None}, 400, "Type: Null"),
    ("sample", {"label": [[1]]}, 400, "label:"),
    ("sample?seed=1&seed=2", None, 400, "a parameter of the query is given twice"),
    ("sample?seed=1", {"seed": 2}, 400, "seed is given twice, in the query and in the body"),
    ("sample", [1], 400, "the body must be a JSON object, or a file"),
    ("sample", "{", 400, "JSON Parse error"),
    ("sample", upload("PNG"), 400, "a file can be one condition only; generate asks for none"),
    ("pair", upload("PNG"), 400, "pair asks for photo, other: give the others in the query, or send JSON"),
    ("colour", None, 400, 'missing photo: POST a picture, or JSON such as {"photo": {"b64": "..."}}'),
    ("colour?tile=64", upload("PNG"), 400, "unknown parameter 'tile'"),
    ("colour?photo=x", None, 400, "photo='x': give a number, or a file"),
    ("colour?photo=1", None, 400, "photo:"),
    ("colour", {"photo": [[[0]]]}, 400, "photo: needs shape (1, 2, 3, 3)"),
    ("colour", {"photo": [[["x"]]]}, 400, "Type: String"),
    ("colour", {"photo": []}, 400, "photo: an empty list"),
    ("colour", {"photo": b64(b"GIF89a")}, 400, "photo: cannot read the file: the file holds no PNG, JPEG or WebP"),
    ("colour", bomb(), 400, "photo: cannot read the file: Image size (400000000 pixels) exceeds limit"),
    ("colour", huge(), 400, "the picture has 2,000 x 3,000 pixels; send at most 4,194,304 in all"),
    ("colour", upload("PNG")[:60], 400, "photo: cannot read the file"),
    ("colour", npy((2, 3, 3), bytes(72)), 200, ""),
    ("colour", npy((2, 3, 3), bytes(71)), 400, "the .npy file says shape (2, 3, 3) of float32, and holds 71 bytes"),
    ("colour", npy((99999999999, 3, 3), bytes(72)), 400, "says shape (99999999999, 3, 3) of float32"),
    (
        "colour",
        npy((1, 2, 9), bytes(72)),
        400,
        "the .npy file holds shape (1, 2, 9); needs (2, 3, 3), or several along an axis",
    ),
    ("colour", npy((0, 2, 3, 3), b""), 400, "the .npy file holds shape (0, 2, 3, 3); needs (2, 3, 3)"),
    ("colour", npy((1025, 2, 3, 3), bytes(72 * 1025)), 400, "1,025 samples in one request"),
    ("colour", npy((2, 3, 3), bytes(72), "|O"), 400, "must hold real numbers, in C order"),
    ("colour", npy((2, 3, 3), bytes(72), order="True"), 400, "must hold real numbers, in C order"),
    ("colour", npy((-1,), bytes(72)), 400, "must hold real numbers, in C order"),
    ("colour", npy("(" * 500, bytes(72)), 400, "photo: cannot read the file"),
    ("colour", npy("__import__('os')", bytes(72)), 400, "photo: cannot read the file"),
    ("colour", npy((2, 3, 3), np.full(18, np.nan, "<f4").tobytes()), 400, "photo: NaN or infinity"),
    ("colour", b"\x93NUMPY", 400, "the .npy file's header is damaged"),
    ("colour", b"\x93NUMPY\x01\x00\xff\xff" + bytes(9), 400, "the .npy file's header is damaged"),
    ("go_on", b"RIFF\x00\x00\x00\x00WAVEfmt ", 400, "given: cannot read the file"),
    ("go_on", media.encode_wav(np.zeros(9, np.int16), 99), 400, "99 samples a second; given needs 100"),
    ("faces", {"looks": ["scarf"]}, 400, "unknown attribute of looks 'scarf'"),
    ("faces", {"looks": [["hat", "hat"], [["hat"]]]}, 400, "looks:"),
    ("interpolate", {"steps": 1}, 400, "steps 1: use an integer from 2"),
    ("interpolate", {"steps": 5000}, 400, "5,000 samples in one request; ask for at most 1,024 at a time"),
    ("interpolate", {"seed": 1}, 400, "unknown parameter 'seed'"),
    ("nope", {}, 404, "unknown map 'nope'; known: colour, encode"),
    ("model", {}, 404, "unknown map 'model'"),
]


@pytest.mark.parametrize(("action", "body", "status", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_made_is_refused(ask, action, body, status, words):
    answer = ask(action, body)
    if status == 200:
        assert answer.status == 200
        return
    assert (answer.status, words in answer.error) == (status, True), answer.error
    assert len(answer.error) < 400


def test_a_body_of_another_type(ask):
    answer = ask("colour", b"II*\x00", content_type="image/tiff")
    assert (answer.status, answer.error) == (
        415,
        "cannot read a body of 'image/tiff': send PNG, JPEG, WebP, WAV, .npy or a JSON object",
    )


def test_a_body_of_no_type_that_is_nothing_known(ask):
    for body in (b"GIF89a", b"BM\x00\x00", b"hello", b"\x00" * 99):
        for type in ("application/x-www-form-urlencoded", ""):
            answer = ask("colour", body, content_type=type)
            expected = "cannot read the body: send PNG, JPEG, WebP, WAV, .npy or a JSON object"
            assert (answer.status, answer.error) == (415, expected)


def test_its_own_arrays_are_taken_back(ask, path):
    """A .npy file of one value, of a batch of one and of several."""
    photo = np.random.default_rng(0).uniform(-1, 1, (3, 2, 3, 3)).astype("<f4")
    expected = serving.load(path)["colour"](photo=photo)["coloured"]
    for rows, shape in ((1, (2, 3, 3)), (1, (1, 2, 3, 3)), (3, (3, 2, 3, 3))):
        made = array(ask("colour", npy(shape, photo[:rows].tobytes()), accept="application/x-npy"))
        np.testing.assert_array_equal(made, expected[:rows])


def test_lists_deeper_than_python_goes(ask):
    deep = '{"looks": ' + "[" * 900 + "]" * 900 + "}"
    assert ask("faces", deep).status == 400
    assert ask("colour", deep.replace("looks", "photo")).status == 400
    assert ask("sample", deep.replace("looks", "label")).status == 400


def test_pictures_of_any_size_whole_and_in_tiles(start, models, factory, make_node):
    photo = TensorSpec("photo", (8, 8, 1), "condition", "image", multiple=4, least=4)
    made = TensorSpec("made", (8, 8, 1), "output", "image", follows="photo", reach=1)
    path = factory(MapSpec((photo,), (made,)), [make_node("Neg", "photo", "made")])
    models.put(path, "negative")
    running = start(models.root)
    picture = np.random.default_rng(1).integers(0, 256, (21, 34, 1)).astype(np.uint8)
    for query in ("", "?tile=8", "?tile=8&overlap=4"):
        answer = running.post(f"/v1/models/negative:generate{query}", images.encode_png(picture))
        assert (png(answer).astype(int) + picture[..., 0] == 255).all()
    assert "overlap 2" in running.post("/v1/models/negative:generate?overlap=2", images.encode_png(picture)).error
    wide = [[[[0.0]] * 2**13] * 2**10]
    answer = running.post("/v1/models/negative:predict", {"instances": wide})
    assert answer.error == "the picture has 1,024 x 8,192 pixels; send at most 4,194,304 in all"
    assert running.post("/v1/models/negative:generate", {"photo": wide}).error == answer.error


def test_noise_is_by_request(ask, maps):
    """What others ask at the same time never changes a sample: see test_batching for the batches themselves."""
    z = fill(maps["speak"].spec, 1, 4)
    assert array(ask("speak?seed=4", accept="application/x-npy")).tobytes() == maps["speak"].run(z)["sound"].tobytes()


def test_truncation(ask, path):
    generator = serving.Generator(path)
    for action in ("sample?count=3&seed=7&truncation=0.5&label=1", "generate?count=3&seed=7&truncation=5e-1&label=1"):
        expected = generator.sample(3, 7, dtype="float32", truncation=0.5, label=1)
        np.testing.assert_array_equal(array(ask(action, accept="application/x-npy")), expected)
    sent = {"seed_from": 1, "seed_to": 2, "steps": 4, "truncation": 0.5}
    expected = generator.interpolate(1, 2, 4, dtype="float32", truncation=0.5)
    np.testing.assert_array_equal(array(ask("interpolate", sent, accept="application/x-npy")), expected)
    for sent in ({"truncation": 0}, {"truncation": "x"}, {"truncation": [0.5]}, {"truncation": True}):
        answer = ask("sample", sent)
        assert (answer.status, answer.error.startswith("truncation")) == (400, True)
    assert ask("colour?truncation=1", images.encode_png(PNG)).error == (
        "truncation is for normal noise, and this map takes none"
    )


def test_long_walks_are_magnified_less(ask):
    """1,024 frames of 512 x 512 pixels would take half a minute."""
    begin = time.perf_counter()
    walk = ask("interpolate?steps=1024&label=1", accept="image/webp")
    assert walk.status == 200
    assert time.perf_counter() - begin < 20
    with Image.open(io.BytesIO(walk.body)) as made:
        assert made.n_frames > 900 and made.size <= (136, 136)  # equal neighbours become one


def test_pictures_of_too_many_pixels_are_refused():
    spec = TensorSpec("image", (256, 256, 3), "output", "image")
    assert forms.plan("image/png", spec, spec.shape, 256, False, None) == (1, None, 512, 4111, 4111)
    for form in ("image/png", "image/webp", "image/gif"):
        with pytest.raises(
            Refused, match="would have 16,842,752 pixels; at most 16,777,216 are written: ask for fewer"
        ):
            forms.plan(form, spec, spec.shape, 257, False, 1)
    with pytest.raises(Refused, match="would have 17,825,792 pixels"):  # 17 columns, 16 rows, the blank ones too
        forms.plan("image/png", spec, spec.shape, 257, False, None)
    assert forms.plan("application/x-npy", spec, spec.shape, 1000, False, None) is None


@pytest.mark.parametrize(("form", "longest"), [("image/webp", 16_383), ("image/gif", 65_535)])
def test_sides_that_a_form_cannot_have_are_refused(form, longest):
    spec = TensorSpec("image", (1, 4095, 1), "output", "image")
    most = (longest + 1) // 4096  # pictures, with a blank column after each but the last
    made = forms.plan(form, spec, spec.shape, most, False, 10**6)
    assert (made.columns, made.width) == (most, longest)
    with pytest.raises(Refused, match=f"its sides end at {longest:,}: ask for other columns, image/png or"):
        forms.plan(form, spec, spec.shape, most + 1, False, 10**6)
    assert forms.plan("image/png", spec, spec.shape, most + 1, False, 10**6).width > longest


def test_blank_columns_are_left_out(ask, path):
    two = serving.Generator(path).sample(2, 7)
    for form in ("image/png", "image/webp"):
        answer = ask("sample?seed=7&count=2&columns=1024", accept=form)
        made = np.asarray(Image.open(io.BytesIO(answer.body)).convert("RGB"))
        np.testing.assert_array_equal(made, images.grid(two, 2))


def test_what_is_written_stays_within_the_size_that_is_held_for_it(maps):
    """The worst there is for each form: noise, and numbers with as many digits as there are."""
    random = np.random.default_rng(0)
    longest = np.frombuffer(bytes([1, 0, 128, 128]), "<f4")[0]  # -1.1754945e-38
    for name, map in maps.items():
        spec = map.spec
        for is_walk, count, columns in ((False, 1, None), (False, 5, 2), (True, 7, None)):
            shapes = {tensor.name: (count, *tensor.shape) for tensor in spec.outputs}
            for form in of(spec.output, is_walk):
                made = {
                    key: np.full(shape, longest) if form == "application/json" else random.uniform(-1, 1, shape)
                    for key, shape in shapes.items()
                }
                made = {key: values.astype(np.float32) for key, values in made.items()}
                plan = forms.plan(form, spec.output, spec.output.shape, count, is_walk, columns)
                data = forms.write(form, spec, made, is_walk, plan)
                assert len(data) <= forms.size(form, spec, shapes, plan) + 1000, (name, form)
                if plan and form != "application/json":
                    with Image.open(io.BytesIO(data)) as picture:
                        assert picture.size == (plan.width, plan.height)


@pytest.mark.parametrize("frames", [1, 3, 60, 144, 1024])
@pytest.mark.parametrize("side", [1, 28, 227, 300])
def test_frames_are_never_magnified_beyond_the_bound(frames, side):
    spec = TensorSpec("image", (side, side, 3), "output", "image")
    if frames * side**2 <= 2**24:
        made = forms.plan("image/webp", spec, spec.shape, frames, True, None)
        assert made.frames * made.height * made.width <= 2**24
