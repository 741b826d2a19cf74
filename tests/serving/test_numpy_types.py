"""Every argument in the types of numpy: what means the same makes the same, to the bit."""

import dataclasses

import numpy as np
import pytest

import serving
from serving import Generator
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

WHOLE = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.array]
ANIMALS = ("cat", "dog", "maple tree")


@pytest.fixture
def animals(factory, conditional_spec):
    latent, label = conditional_spec.inputs
    label = dataclasses.replace(label, low=4, high=6, names=ANIMALS)
    return factory(dataclasses.replace(conditional_spec, inputs=(latent, label)))


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers(animals, kind):
    generator, generate = Generator(animals, threads=kind(1)), serving.load(animals, kind(1))["generate"]
    expected = generator.sample(5, 3, start=2, label=6)
    np.testing.assert_array_equal(generator.sample(kind(5), kind(3), start=kind(2), label=kind(6)), expected)
    made = generator.stream(kind(5), kind(3), start=kind(2), batch_size=kind(2), label=kind(6))
    np.testing.assert_array_equal(np.concatenate(list(made)), expected)
    made = generate(kind(5), kind(3), kind(2), label=kind(6))["image"]
    np.testing.assert_array_equal(made, generate(5, 3, 2, label=6)["image"])
    np.testing.assert_array_equal(generator.interpolate(kind(1), kind(2), kind(4)), generator.interpolate(1, 2, 4))


@pytest.mark.parametrize("value", [np.float32(2), np.array([2]), np.array(2.0), np.bool_(True), np.timedelta64(2)])
def test_numbers_that_are_not_whole(refused, animals, value):
    with refused("count .*: use an integer from 1"):
        Generator(animals).sample(value)


@pytest.mark.parametrize("given", [np.uint8, "uint8", "u1", np.dtype("uint8"), np.str_("uint8")])
def test_the_type_of_bytes(animals, given):
    made = Generator(animals).sample(3, dtype=given)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, Generator(animals).sample(3))


@pytest.mark.parametrize("given", [np.float32, "float32", "<f4", ">f4", np.dtype(np.float32)])
def test_the_type_of_the_network(animals, given):
    generator = Generator(animals)
    expected = generator.sample(3, dtype="float32")
    for made in (generator.sample(3, dtype=given), next(generator.stream(3, dtype=given))):
        assert made.dtype == np.dtype("float32")
        assert made.dtype.isnative
        np.testing.assert_array_equal(made, expected)
    assert generator.interpolate(0, 1, 3, dtype=given).dtype == np.float32


@pytest.mark.parametrize("given", [np.float64, float, None, "pixels", 3, "f4,f4", "i4,", ("f4", -1)])
def test_other_types(refused, animals, given):
    with refused("dtype .*: use 'uint8' or 'float32'"):
        Generator(animals).sample(1, dtype=given)


@pytest.mark.parametrize("kind", ["float16", "float64", "longdouble", ">f4", "int64"])
def test_noise_in_other_types(animals, kind):
    generator = Generator(animals)
    z = np.random.default_rng(0).integers(-2, 3, (3, 8)).astype(kind)
    expected = generator.sample(noise=z.astype(np.float32))
    np.testing.assert_array_equal(generator.sample(noise=z), expected)
    np.testing.assert_array_equal(generator.sample(noise={np.str_("z"): z[::1].tolist()}), expected)


@pytest.mark.parametrize(
    "label",
    [
        np.str_("dog"),
        np.array("dog"),
        np.array(["dog", "dog"]),
        np.array(["dog", "dog"], object),
        np.array(["dog", "dog"], np.dtypes.StringDType()),
        np.array([5, "dog"], object),
        np.array([5.0, 5.0], np.float16),
        np.array([5, 5], np.uint64),
        np.int8(5),
    ],
    ids=repr,
)
def test_classes(animals, label):
    generator = Generator(animals)
    np.testing.assert_array_equal(generator.sample(2, label=label), generator.sample(2, label=5))


class Column:
    """Such as a table's or another library's: it is no array, and becomes one."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def test_what_becomes_an_array(animals, several):
    generator = Generator(animals)
    np.testing.assert_array_equal(generator.sample(label=Column(["dog", "cat"])), generator.sample(2, label=[5, 4]))
    z = fill(generator.spec, 2, 0)["z"]
    np.testing.assert_array_equal(generator.sample(noise=Column(z)), generator.sample(2))
    encode, photo = serving.load(several)["encode"], np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(encode(photo=Column(photo))["mean"], encode(photo=photo)["mean"])


@pytest.mark.parametrize(
    ("kind", "shape", "value", "words"),
    [
        ("image", (2, 2, 3), 200.0, r"values must lie in \[-1.0, 1.0\]; bytes are of type uint8$"),
        ("audio", (4,), 200, r"values must lie in \[-1.0, 1.0\]; 16 bits are of type int16$"),
        ("point", (2,), 10, r"values must lie in \[0, 9\]$"),
    ],
)
def test_whole_numbers_of_a_wrong_type(refused, factory, kind, shape, value, words):
    bounds = {"low": 0, "high": 9} if kind == "point" else {}
    given = TensorSpec("given", shape, "condition", kind, **bounds)
    run = serving.load(factory(MapSpec((given,), (TensorSpec("x", (2,), "output"),))))["generate"]
    with refused(f"given: {words}"):
        run(given=np.full(shape, value))


def test_the_name_of_a_map(several):
    assert Generator(several, np.str_("encode")).spec == serving.load(several)[np.str_("encode")].spec


def test_sides(factory):
    """A tile's side of 8 bits would overflow in a picture of more than 255 pixels."""
    free = TensorSpec("photo", (4, 4, 3), "condition", "image", multiple=1)
    follows = TensorSpec("made", (4, 4, 3), "output", "image", follows="photo", reach=1)
    sides = serving.Sides(tile=np.uint8(200), overlap=np.uint8(7))
    assert sides == serving.Sides(tile=200, overlap=7)
    photo = np.linspace(-1, 1, 3 * 600 * 2).reshape(600, 2, 3).astype(np.float32)
    made = sides.run(MapSpec((free,), (follows,)), lambda inputs: {"made": inputs["photo"]}, {"photo": photo[None]})
    np.testing.assert_array_equal(made["made"][0], photo)


# --- noise without a batch axis ----------------------------------------------------------------------------------


def test_the_noise_of_one_sample(refused, animals):
    generator = Generator(animals)
    z = fill(generator.spec, 3, 0)["z"]
    expected = generator.sample(noise=z[1:2])
    assert expected.shape == (1, 4, 4, 3)
    for row in (z[1], z[1].tolist(), {"z": z[1]}):
        np.testing.assert_array_equal(generator.sample(noise=row), expected)
    with refused("count 2 differs from the noise's batch of 1"):
        generator.sample(2, noise=z[1])
    with refused(r"z: needs shape \(7, 8\), got \(7,\)"):
        generator.sample(noise=z[1, :7])


def test_the_noise_of_one_sample_and_of_many(refused, factory):
    """Both (2,) and (2, 2) may be meant for a noise of shape (2,): only the axes decide."""
    pair, square = TensorSpec("a", (2,), "normal"), TensorSpec("b", (2, 2), "normal")
    generator = Generator(factory(MapSpec((pair, square), (TensorSpec("x", (3,), "output"),))))
    noise = fill(generator.spec, 2, 0)
    rows = {name: values[0] for name, values in noise.items()}
    first = generator.sample(noise={name: values[:1] for name, values in noise.items()}, dtype="float32")
    np.testing.assert_array_equal(generator.sample(noise=rows, dtype="float32"), first)
    assert len(generator.sample(noise=noise, dtype="float32")) == 2
    with refused("a batch axis of the same size"):
        generator.sample(noise={"a": noise["a"], "b": rows["b"]}, dtype="float32")
