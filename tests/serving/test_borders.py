"""Values that a map cannot take: each is told in one line, in Python and on the command line alike."""

import dataclasses

import numpy as np
import pytest
from shared import program

import serving
from zoo.spec import MapSpec, TensorSpec

IMAGE = TensorSpec("image", (2, 3, 1), "condition", "image", levels=256)
NATS = TensorSpec("log_prob", (), "output", "nats")
GIVEN = TensorSpec("given", (2, 3, 1), "condition", "image")
KNOWN = TensorSpec("known", (2, 3, 1), "condition", "mask", keeps="given")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
NOISE = TensorSpec("u", (2, 3, 1), "uniform", low=0.0, high=1.0)
COMPLETED = TensorSpec("completed", (2, 3, 1), "output", "image", levels=256)
WHOLE = TensorSpec("image", (2, 3, 1), "output", "image", levels=256)
BYTES = np.random.default_rng(0).integers(0, 256, (4, 2, 3, 1)).astype(np.uint8)
HALF = np.array([1, 1, 1, 0, 0, 0], np.float32).reshape(2, 3, 1)


@pytest.fixture
def raster(factory):
    """A bundle with the maps of a model in raster order; of 256 levels, or of 2 where the name says so."""
    return factory(
        MapSpec((NOISE, LABEL), (WHOLE,)),
        others={
            "log_prob": MapSpec((IMAGE, LABEL), (NATS,)),
            "log_prob_of_two": MapSpec((dataclasses.replace(IMAGE, levels=2),), (NATS,)),
            "complete": MapSpec((GIVEN, KNOWN, NOISE), (COMPLETED,)),
            "complete_of_two": MapSpec((GIVEN, KNOWN, NOISE), (dataclasses.replace(COMPLETED, levels=2),)),
            "repaint": MapSpec((GIVEN, KNOWN, NOISE), (dataclasses.replace(COMPLETED, levels=0),)),
        },
    )


def test_values_of_the_levels_are_taken_however_they_were_computed(raster):
    maps = serving.load(raster)
    expected = maps["log_prob"](image=BYTES)["log_prob"]
    for values in (BYTES / 127.5 - 1, np.float32(2) * (BYTES / np.float32(255)) - np.float32(1)):
        np.testing.assert_allclose(maps["log_prob"](image=values)["log_prob"], expected, atol=1e-5)
    two = 255 * (BYTES > 127).astype(np.uint8)
    expected = maps["log_prob_of_two"](image=two)["log_prob"]
    np.testing.assert_array_equal(maps["log_prob_of_two"](image=two / 127.5 - 1)["log_prob"], expected)


def test_what_is_not_known_may_hold_anything_in_range(refused, raster):
    complete = serving.load(raster)["complete_of_two"]
    rest = np.array([-0.3, 0.0, 0.7]).reshape(1, 3, 1)
    given = np.concatenate([np.ones((1, 3, 1)), rest])
    many = np.stack([given, given[::-1]])
    complete(given=given, known=HALF)
    complete(5, given=given, known=HALF)
    complete(given=many, known=np.stack([HALF, 1 - HALF]))
    for mask in (1 - HALF, np.stack([HALF, HALF])):
        with refused("given", "is no value of it", "where known is 1"):
            complete(given=many, known=mask)
    with refused("given", r"values must lie in \[-1.0, 1.0\]"):
        complete(given=2 * given, known=HALF)


def test_without_a_map_of_whole_samples_none_is_named(refused, factory):
    alone = serving.load(factory(MapSpec((GIVEN, KNOWN, NOISE), (COMPLETED,))))["generate"]
    with refused("known: is 0 everywhere: nothing is known; use 1 where given is to be kept$"):
        alone(given=BYTES[0], known=0 * HALF)


def test_a_mask_that_keeps_nothing_may_be_all_0_or_all_1(factory):
    mask = dataclasses.replace(KNOWN, keeps="")
    alone = serving.load(factory(MapSpec((mask, NOISE), (COMPLETED,))))["generate"]
    alone(known=np.stack([0 * HALF, HALF, 0 * HALF + 1]))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "log_prob",
            {"image": np.full((2, 3, 1), 0.3)},
            ["image: 0.3 is no value", "256 evenly spaced", "from -1 to 1"],
        ),
        ("log_prob", {"image": np.full((2, 3, 1), 0.5, np.float16)}, ["image: 0.5 is no value", "or bytes"]),
        ("log_prob", {"image": np.full((2, 3, 1), 1.01)}, ["image", r"values must lie in \[-1.0, 1.0\]"]),
        ("log_prob", {"image": BYTES.astype(int)}, ["image", r"values must lie in \[-1.0, 1.0\]"]),
        ("log_prob", {"image": BYTES[..., 0]}, ["image", "needs shape", r"2, 3, 1\)"]),
        ("log_prob", {"label": 10}, ["label", r"values must lie in \[0, 9\]"]),
        ("log_prob", {"label": -1}, ["label", r"values must lie in \[0, 9\]"]),
        (
            "log_prob_of_two",
            {"image": np.full((2, 3, 1), 0.5)},
            ["image: 0.5 is no value", "-1 or 1", "bytes 0 or 255"],
        ),
        ("log_prob_of_two", {"image": np.zeros((2, 3, 1))}, ["image: 0 is no value", "-1 or 1"]),
        ("log_prob_of_two", {"image": BYTES}, ["image", "is no value", "-1 or 1"]),
        (
            "complete",
            {"known": np.ones((2, 3, 1))},
            ["known: is 1 everywhere: nothing is left", "0 where completed is"],
        ),
        (
            "complete",
            {"known": np.zeros((2, 3, 1))},
            ["known: is 0 everywhere: nothing is known", "or the map generate"],
        ),
        ("complete", {"known": np.stack([HALF, 1 - HALF, 0 * HALF])}, ["known: is 0 everywhere in row 2"]),
        ("complete", {"known": np.full((2, 3, 1), 255, np.uint8)}, ["known: is 1 everywhere"]),
        ("repaint", {"known": np.stack([HALF, 0 * HALF + 1])}, ["known: is 1 everywhere in row 1"]),
        ("complete", {"given": HALF * 0.3}, ["given: 0.3 is no value", "256 evenly", "where known is 1"]),
        ("complete_of_two", {"given": BYTES}, ["given", "is no value of it: use -1 or 1", "where known is 1"]),
        ("complete_of_two", {"given": HALF - 1}, ["given: 0 is no value of it", "or as bytes 0 or 255"]),
        (
            "complete_of_two",
            {"given": np.stack([2 * HALF - 1, HALF]), "known": np.stack([HALF, 1 - HALF])},
            ["given: 0 is no value of it"],
        ),
        ("complete", {"known": HALF / 2}, ["known", "a mask holds 0 and 1"]),
        ("complete", {"known": HALF.astype(np.uint8)}, ["known", "as bytes 0 and 255"]),
        ("complete", {"known": HALF[..., 0]}, ["known", "needs shape", r"2, 3, 1\)"]),
        ("complete", {"given": np.full((2, 3, 1), -1.5)}, ["given", r"\[-1.0, 1.0\]"]),
    ],
)
def test_bad_values_are_refused_in_python_and_on_the_command_line(refused, raster, tmp_path, name, changes, words):
    sound = {
        "log_prob": {"image": BYTES[0], "label": 3},
        "log_prob_of_two": {"image": np.ones((2, 3, 1))},
        "complete": {"given": BYTES[0], "known": HALF},
        "complete_of_two": {"given": 2 * HALF - 1, "known": HALF},
        "repaint": {"given": HALF / 3, "known": HALF},
    }[name]
    serving.load(raster)[name](**sound)
    with refused(*words):
        serving.load(raster)[name](**sound | changes)
    texts = []
    for key, values in (sound | changes).items():
        np.save(tmp_path / f"{key}.npy", values)
        texts.append(f"{key}={values if key == 'label' else tmp_path / f'{key}.npy'}")
    generator = serving.Generator(raster, name)
    sample = program("serving.sample")
    # a file of another shape is refused by its own name
    with refused(*(word.replace("needs shape", "holds shape") for word in words)):
        conditions = sample._conditions(texts, generator.spec)
        generator.stream(sample._count_of(generator.spec, conditions), dtype="float32", **conditions)
