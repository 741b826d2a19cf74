"""Several maps in one bundle, each a function from named arrays to named arrays."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest

import serving
from serving import Generator
from zoo.bundle import MANIFEST, MAP_KEY, METADATA_KEY, SEAL_KEY, is_sealed, seal
from zoo.noise import fill
from zoo.shared import files
from zoo.spec import MapSpec, TensorSpec

FILES = {"generate": "model.onnx", "encode": "encode.onnx", "translate": "translate.onnx"}
PHOTOS = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 3)).astype(np.uint8)
ANIMALS = ("cat", "dog", "maple tree")


def network(path, inputs, output, own=""):
    """Return what the factory's dense network makes, in numpy."""
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in onnx.load(path).graph.initializer}
    first, *more = (np.asarray(values, np.float32).reshape(len(values), -1) for values in inputs)
    total = first @ weights[f"kernel{own}"] + weights[f"bias{own}"]
    total += sum(values.sum(axis=1, keepdims=True) / 100 for values in more)
    return np.tanh(total).reshape(-1, *output)


# --- the files ---------------------------------------------------------------------------------------------------


def test_every_map_has_a_sealed_file_that_describes_the_whole_bundle(several):
    assert sorted(path.name for path in several.iterdir()) == sorted([*FILES.values(), MANIFEST])
    manifest = json.loads((several / MANIFEST).read_text())
    assert list(manifest["maps"]) == list(FILES)
    assert sorted(manifest["files"]) == sorted(FILES.values())
    for name, file in FILES.items():
        data = (several / file).read_bytes()
        assert is_sealed(data)
        entries = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
        assert list(entries) == [METADATA_KEY, MAP_KEY, SEAL_KEY]
        assert entries[MAP_KEY] == name
        assert json.loads(entries[METADATA_KEY]) == manifest | {"files": {}}


def test_load_gives_the_maps_in_their_order(several):
    maps = serving.load(several)
    assert list(maps) == list(FILES)
    assert len(maps) == 3
    assert "encode" in maps
    assert maps.manifest.default == "generate"
    assert [maps[name].name for name in maps] == list(FILES)
    assert [maps[name].spec for name in maps] == list(maps.manifest.maps.values())


def test_a_map_alone_from_its_own_file(several):
    whole = serving.load(several)
    for name, file in FILES.items():
        alone = serving.load(several / file)
        assert list(alone) == [name]
        assert alone.manifest.files == {}
        given = {} if name == "generate" else {"photo": PHOTOS}
        for tensor, values in alone[name](seed=3, **given).items():
            np.testing.assert_array_equal(values, whole[name](seed=3, **given)[tensor])


def test_unknown_map(refused, several, bundle_path):
    with refused("unknown map 'encod'", "did you mean 'encode'"):
        serving.load(several)["encod"]
    assert "encod" not in serving.load(several)
    assert serving.load(several).get("encod") is None
    with refused("unknown map 'encod'", "did you mean 'encode'"):
        Generator(several, "encod")
    with refused("unknown map '3'", "encode"):
        Generator(several, 3)
    with refused(r"unknown map in .*encode.onnx 'generate'", "known: encode"):
        Generator(several / "encode.onnx", "generate")
    with refused("unknown map ''"):
        Generator(bundle_path, "")


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_checked_whichever_map_is_asked_for(refused, several, name):
    file = several / FILES[name]
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    for opened in (serving.load, Generator, lambda path: Generator(path, "encode")):
        with refused(FILES[name], "corrupt", "SHA-256"):
            opened(several)


def swap(path, first, second):
    """Exchange two files of a bundle, with their checksums."""
    held = (path / first).read_bytes()
    shutil.copyfile(path / second, path / first)
    (path / second).write_bytes(held)
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"] = files.checksums(path)
    del manifest["files"][MANIFEST]
    files.write_json(path / MANIFEST, manifest)


def test_the_wrong_map_in_a_file_is_refused(refused, factory, translate_spec):
    """Even where the tensors of both maps are the same, so that nothing but its name tells them apart."""
    path = factory(translate_spec, others={"back": translate_spec})
    swap(path, "model.onnx", "back.onnx")
    for opened in (serving.load, Generator, lambda path: Generator(path, "back")):
        with refused("manifest.json differs from the copy inside"):
            opened(path)


def test_a_lone_file_under_another_name_is_still_its_own_map(several, tmp_path):
    shutil.copyfile(several / "encode.onnx", tmp_path / "model.onnx")
    assert list(serving.load(tmp_path / "model.onnx")) == ["encode"]


def test_a_file_that_names_a_map_that_there_is_not(refused, factory, tmp_path):
    model = factory.model()
    model.metadata_props[1].value = "encode"
    (tmp_path / "model.onnx").write_bytes(seal(model.SerializeToString()))
    with refused("model.onnx", "unknown map 'encode'"):
        serving.load(tmp_path / "model.onnx")


def test_a_condition_named_like_an_argument(refused, factory):
    spec = MapSpec((TensorSpec("steps", (), "condition"),), (TensorSpec("x", (2,), "output"),))
    path = factory(others={"other": spec})
    with refused("map 'other': no condition may be called steps"):
        serving.load(path)


# --- calling -----------------------------------------------------------------------------------------------------


def test_every_output_is_what_the_network_makes(several):
    maps = serving.load(several)
    made = maps["encode"](photo=PHOTOS)
    assert list(made) == ["mean", "log_variance"]
    seen = PHOTOS / np.float32(127.5) - 1
    for own, name in (("", "mean"), ("1", "log_variance")):
        expected = network(several / "encode.onnx", [seen], (8,), own)
        np.testing.assert_allclose(made[name], expected, atol=1e-6)
        assert made[name].dtype == np.float32
    assert np.abs(made["mean"] - made["log_variance"]).max() > 0.1
    made = maps["translate"](photo=PHOTOS, label=7, seed=4, start=2)
    z = fill(maps["translate"].spec, 5, 4, 2, {"photo": seen})["z"]
    expected = network(several / "translate.onnx", [seen, np.full(5, 7), z], (4, 4, 3))
    np.testing.assert_allclose(made["translated"], expected, atol=1e-6)


def test_bytes_of_a_picture_are_scaled(several):
    encode = serving.load(several)["encode"]
    expected = encode(photo=PHOTOS)["mean"]
    for photos in (PHOTOS / 127.5 - 1, (PHOTOS / 127.5 - 1).astype(np.float32), (PHOTOS / 127.5 - 1).tolist()):
        np.testing.assert_allclose(encode(photo=photos)["mean"], expected, atol=1e-6)
    generator = Generator(several, "translate")
    np.testing.assert_array_equal(generator.sample(5, photo=PHOTOS), generator.sample(5, photo=PHOTOS / 127.5 - 1))


def test_a_single_picture_needs_no_batch_axis(several):
    maps = serving.load(several)
    one = maps["encode"](photo=PHOTOS[3])
    assert one["mean"].shape == (1, 8)
    np.testing.assert_array_equal(one["mean"], maps["encode"](photo=PHOTOS[3:4])["mean"])
    # for every sample that is asked for
    many = maps["translate"](4, photo=PHOTOS[3])["translated"]
    np.testing.assert_array_equal(many, maps["translate"](photo=PHOTOS[[3] * 4])["translated"])
    assert len(np.unique(many.reshape(4, -1), axis=0)) == 4, "the noise differs"


def test_the_count_follows_from_the_arrays(several):
    maps, generator = serving.load(several), Generator(several, "translate")
    assert maps["generate"]()["image"].shape == (1, 4, 4, 3)
    assert maps["generate"](7)["image"].shape == (7, 4, 4, 3)
    assert maps["encode"](photo=PHOTOS)["mean"].shape == (5, 8)
    assert generator.sample(photo=PHOTOS).shape == (5, 4, 4, 3)
    assert generator.sample(photo=PHOTOS[0], label=[1, 2, 3]).shape == (3, 4, 4, 3)
    assert generator.sample(photo=PHOTOS[0]).shape == (1, 4, 4, 3)


def test_a_map_is_given_its_noise_by_name(several, factory):
    translate, generator = serving.load(several)["translate"], Generator(several, "translate")
    drawn = fill(translate.spec, 5, 3, given={"photo": PHOTOS / np.float32(127.5) - 1})["z"]
    expected = translate(photo=PHOTOS, seed=3)["translated"]
    for more in ({}, {"count": 5}, {"label": np.arange(5)}):
        np.testing.assert_array_equal(translate(photo=PHOTOS, z=drawn, **more)["translated"], expected)
    sevens = translate(photo=PHOTOS, z=drawn, label=7)["translated"]
    assert np.abs(sevens - expected).max() > 0.01
    np.testing.assert_array_equal(
        sevens, generator.sample(noise=drawn, photo=PHOTOS, label=7, dtype="float32"), strict=True
    )
    one = translate(photo=PHOTOS[2], z=drawn[2], label=2)["translated"]
    np.testing.assert_array_equal(one, expected[2:3], strict=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"z": np.zeros(8)}, ["missing noise input shift"]),
        ({"z": np.zeros((2, 8)), "shift": np.zeros((1, 1))}, ["a batch axis of the same size"]),
        ({"z": np.zeros((2, 7)), "shift": np.zeros((2, 1))}, [r"z: needs shape \(2, 8\), got \(2, 7\)"]),
        ({"z": None, "shift": [0]}, ["z: needs real numbers; got None"]),
        ({"seed": 1}, ["either a seed or the noise"]),
        ({"start": 1}, ["either a seed or the noise"]),
        ({"seed": np.zeros(64)}, [r"seed array\(\[0., "]),
        ({"count": 3}, ["count 3 differs from the noise's batch of 2"]),
        ({"count": np.zeros(64)}, [r"count array\(\[0., "]),
        ({"labl": 3}, ["unknown condition 'labl'"]),
    ],
)
def test_bad_noise_by_name(refused, factory, conditional_spec, arguments, words):
    inputs = (*conditional_spec.inputs, TensorSpec("shift", (1,), "normal"))
    generate = serving.load(factory(dataclasses.replace(conditional_spec, inputs=inputs)))["generate"]
    whole = {} if "z" in arguments else {"z": np.zeros((2, 8)), "shift": np.zeros((2, 1))}
    with refused(*words):
        generate(**whole, **arguments)


def test_what_is_wrong_is_told_in_a_short_line(conditional):
    generate = serving.load(conditional)["generate"]
    for given in ({"count": np.zeros(64)}, {"label": "x\n" * 999}, {"label": np.array([None] * 999)}, {"x" * 999: 0}):
        with pytest.raises(serving.UserError, match=r"\A[^\n]{,200}\Z"):
            generate(**given)


def test_maps_and_generators_make_the_same(several):
    maps = serving.load(several)
    for name in ("generate", "translate"):
        given = {} if name == "generate" else {"photo": PHOTOS[0]}
        generator = Generator(several, name)
        made = maps[name](9, seed=2, start=5, **given)[generator.spec.output.name]
        np.testing.assert_array_equal(made, generator.sample(9, 2, start=5, dtype="float32", **given))
    np.testing.assert_array_equal(maps["generate"](9)["image"], maps["generate"](99)["image"][:9])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["missing condition photo"]),
        ({"foto": PHOTOS}, ["unknown condition 'foto'", "did you mean 'photo'"]),
        ({"photo": PHOTOS[:, :1]}, ["photo", "needs shape", r"\(5, 2, 2, 3\)"]),
        ({"photo": PHOTOS[:0]}, ["photo", "needs shape"]),
        ({"photo": PHOTOS, "count": 4}, ["photo", "needs shape", r"\(4, 2, 2, 3\)"]),
        ({"photo": PHOTOS.astype(int)}, ["photo", r"\[-1.0, 1.0\]"]),
        ({"photo": [[1.0], [1.0, 2.0]]}, ["photo", "differ in length"]),
        ({"photo": np.full((2, 2, 3), np.nan)}, ["photo", "NaN"]),
        ({"photo": "photo.png"}, ["photo", "real numbers"]),
        ({"photo": None}, ["photo", "real numbers"]),
        ({"photo": PHOTOS, "count": 0}, ["count"]),
        ({"photo": PHOTOS, "seed": -1}, ["seed"]),
        ({"photo": PHOTOS, "start": 0.5}, ["start"]),
    ],
)
def test_bad_calls(refused, several, arguments, words):
    for name in ("encode", "translate"):
        with refused(*words):
            serving.load(several)[name](**arguments)


def test_concurrent_calls(several):
    encode = serving.load(several)["encode"]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda k: encode(photo=PHOTOS[k % 5])["mean"], range(32)))
    for k, mean in enumerate(made):
        np.testing.assert_array_equal(mean, made[k % 5])


def test_nan_in_any_output_is_refused(refused, factory, make_node):
    z, x = TensorSpec("z", (2,), "normal"), TensorSpec("x", (2,), "output")
    spec = MapSpec((z,), (x, dataclasses.replace(x, name="y")))
    path = factory(spec, [make_node("Identity", "z", "x"), make_node("Sqrt", "z", "y")])
    generator = Generator(path)
    assert generator.sample(noise=np.ones((1, 2)), dtype="float32").shape == (1, 2)
    with refused("NaN or infinity in y"):
        generator.sample(noise=-np.ones((1, 2)), dtype="float32")


# --- classes by name ---------------------------------------------------------------------------------------------


@pytest.fixture
def animals(factory, conditional_spec):
    """A bundle whose three classes, numbered from 4, have names."""
    latent, label = conditional_spec.inputs
    label = dataclasses.replace(label, low=4, high=6, names=ANIMALS)
    return factory(dataclasses.replace(conditional_spec, inputs=(latent, label)))


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ("dog", [5]),
        (np.str_("dog"), [5]),
        (["maple tree", "cat", "dog"], [6, 4, 5]),
        (("maple tree", 4, "dog"), [6, 4, 5]),
        (np.array(["maple tree", "cat", "dog"]), [6, 4, 5]),
    ],
)
def test_classes_by_name(animals, given, numbers):
    generator, generate = Generator(animals), serving.load(animals)["generate"]
    made = generator.sample(3, label=given, dtype="float32")
    np.testing.assert_array_equal(made, generator.sample(3, label=np.resize(numbers, 3), dtype="float32"))
    np.testing.assert_array_equal(made, generate(3, label=given)["image"])
    assert len(generate(label=given)["image"]) == len(numbers)
    z = fill(generator.spec, 3, 0)["z"]
    for arguments in ({"noise": {"z": z, "label": given}}, {"noise": z, "label": given}):
        np.testing.assert_array_equal(generator.sample(**arguments, dtype="float32"), made)


def test_a_name_that_no_class_has(refused, animals):
    for given in ("god", ["cat", "god"], np.array(["cat", "god"])):
        with refused("label=god", "cat, dog, maple tree", "a number from 4 to 6"):
            Generator(animals).sample(2, label=given)


# --- sound and masks ---------------------------------------------------------------------------------------------


def test_16_bit_sound_is_scaled(factory):
    spec = MapSpec((TensorSpec("sound", (6,), "condition", "audio"),), (TensorSpec("x", (6,), "output"),))
    run = serving.load(factory(spec))["generate"]
    sound = np.random.default_rng(0).integers(-32768, 32768, (3, 6)).astype(np.int16)
    np.testing.assert_array_equal(run(sound=sound)["x"], run(sound=sound / 32768)["x"])


def test_a_mask_is_of_zeros_and_ones(refused, factory):
    spec = MapSpec((TensorSpec("mask", (2, 3, 1), "condition", "mask"),), (TensorSpec("x", (2,), "output"),))
    run = serving.load(factory(spec))["generate"]
    mask = np.array([0, 1, 1, 0, 1, 0]).reshape(2, 3, 1)
    expected = run(mask=mask)["x"]
    for same in (mask.astype(np.float32), mask.tolist(), (255 * mask).astype(np.uint8), mask > 0):
        np.testing.assert_array_equal(run(mask=same)["x"], expected)
    for wrong in (mask / 2, mask.astype(np.uint8), (128 * mask).astype(np.uint8)):
        with refused("mask", "0 and 1, or as bytes 0 and 255"):
            run(mask=wrong)


BEGUN = (
    TensorSpec("given", (6,), "condition", "audio", rate=100.0),
    TensorSpec("known", (6,), "condition", "mask", keeps="given"),
)


def test_a_shorter_sound_is_a_beginning(refused, factory):
    run = serving.load(factory(MapSpec(BEGUN, (TensorSpec("x", (6,), "output", "audio", rate=100.0),))))["generate"]
    sound = np.linspace(-0.5, 0.5, 8, dtype=np.float32).reshape(2, 4)
    padded, known = np.pad(sound, ((0, 0), (0, 2))), np.array([1, 1, 1, 1, 0, 0])
    expected = run(given=padded, known=known)["x"]
    np.testing.assert_array_equal(run(given=sound)["x"], expected)
    np.testing.assert_array_equal(run(given=sound[1])["x"], expected[1:])
    for wrong, length in ((padded, "6"), (sound[:, :0], "0"), (0.5, "0")):
        with refused("given: a beginning has 1 to 5 samples, got " + length, "known"):
            run(given=wrong)
    with refused("given", "needs shape"):
        run(given=sound, known=known)


def test_inputs_are_checked_as_they_were_given(several, refused):
    maps = serving.load(several)
    photo, z = np.zeros((2, 2, 2, 3)), np.zeros((2, 8))
    checked = maps["translate"].checked({"photo": photo, "label": [1, 2], "z": z})
    assert {name: (values.shape, values.dtype.name) for name, values in checked.items()} == {
        "photo": ((2, 2, 2, 3), "float32"),
        "label": ((2,), "int32"),
        "z": ((2, 8), "float32"),
    }
    with refused("missing input label"):
        maps["translate"].checked({"photo": photo, "z": z})
    with refused("unknown input 'x'"):
        maps["generate"].checked({"x": z})
    with refused("photo: needs shape", "got \\(2, 2, 3\\)"):
        maps["encode"].checked({"photo": photo[0]})
    with refused("a batch axis of the same size"):
        maps["translate"].checked({"photo": photo, "label": [1], "z": z})
    with refused("z: needs shape"):
        maps["generate"].checked({"z": z[:, :7]})


def test_a_number_is_no_picture(several, refused):
    with refused("photo: needs shape", "got \\(\\)"):
        serving.load(several)["encode"](photo=0.5)
