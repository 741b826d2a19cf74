"""Conditions: what a generator is told beside its noise, and the classes that count up where nothing is said."""

import dataclasses

import numpy as np
import pytest

from serving import Generator
from zoo.noise import fill
from zoo.spec import TensorSpec


def test_conditions(conditional):
    generator = Generator(conditional)
    three = generator.sample(6, label=3)
    np.testing.assert_array_equal(three, generator.sample(6, label=[3] * 6))
    np.testing.assert_array_equal(three, generator.sample(6, label=3.0))
    assert not np.array_equal(three, generator.sample(6, label=9))
    mixed = generator.sample(6, label=[3, 9] * 3)
    np.testing.assert_array_equal(mixed[::2], three[::2])
    chunks = generator.stream(6, label=np.array([3, 9] * 3), batch_size=4)
    np.testing.assert_array_equal(np.concatenate(list(chunks)), mixed)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"labels": 1}, ["unknown condition", "labels", "did you mean 'label'"]),
        ({"label": -1}, ["label", r"\[0, 9\]"]),
        ({"label": 10}, ["label", r"\[0, 9\]"]),
        ({"label": 2.5}, ["label", "whole"]),
        ({"label": 2**40}, ["label", "whole"]),
        ({"label": float("nan")}, ["label", "whole"]),
        ({"label": "3"}, ["label=3", "use a number from 0 to 9"]),
        ({"label": [1, 2, "cat", 4]}, ["label=cat", "have no names"]),
        ({"label": [[1], [1, 2]]}, ["label", "differ in length"]),
        ({"label": np.ma.array([1, 2, 3, 4], mask=[0, 0, 1, 0])}, ["label", "masked"]),
        ({"label": None}, ["label: needs whole numbers; got None$"]),
        ({"label": True}, ["label: needs whole numbers; got True$"]),
        ({"label": [1, 2]}, ["label", "needs shape", "4"]),
    ],
)
def test_bad_conditions(refused, conditional, conditions, words):
    with refused(*words):
        Generator(conditional).sample(4, **conditions)


@pytest.mark.parametrize("start", [0, 7])
def test_classes_come_in_turn(conditional, start):
    """Sample k has class k mod 10, whatever else is asked for with it."""
    generator = Generator(conditional)
    whole = generator.sample(33, 5, start=start, dtype="float32")
    labels = (start + np.arange(33)) % 10
    np.testing.assert_array_equal(whole, generator.sample(33, 5, start=start, dtype="float32", label=labels))
    for batch_size in (1, 3, 64):
        chunks = generator.stream(33, 5, start=start, dtype="float32", batch_size=batch_size)
        np.testing.assert_array_equal(np.concatenate(list(chunks)), whole)
    for row in (1, 2, 32):
        one = generator.sample(1, 5, start=start + row, dtype="float32")
        np.testing.assert_array_equal(one[0], whole[row])


def test_classes_in_turn_begin_at_the_lowest(factory, conditional_spec):
    latent, label = conditional_spec.inputs
    label = dataclasses.replace(label, low=4, high=6)
    generator = Generator(factory(dataclasses.replace(conditional_spec, inputs=(latent, label))))
    np.testing.assert_array_equal(generator.sample(5), generator.sample(5, label=[4, 5, 6, 4, 5]))


def test_classes_with_given_noise(conditional):
    """In the mapping, as an argument, or in turn from the first row on."""
    generator = Generator(conditional)
    drawn = fill(generator.spec, 12, 3)
    in_turn, sevens = generator.sample(12, 3), generator.sample(12, 3, label=7)
    for noise in (drawn, {"z": drawn["z"]}, drawn["z"]):
        np.testing.assert_array_equal(generator.sample(noise=noise), in_turn)
    for label in (7, np.full(12, 7)):
        np.testing.assert_array_equal(generator.sample(noise={"z": drawn["z"], "label": label}), sevens)
        np.testing.assert_array_equal(generator.sample(noise=drawn["z"], label=label), sevens)


@pytest.mark.parametrize(
    ("changes", "label", "words"),
    [
        ({"label": 1}, 1, ["label", "not both"]),
        ({"label": 10}, None, ["label", r"\[0, 9\]"]),
        ({"label": [1, 2]}, None, ["label", "needs shape", "4"]),
        ({"lable": 1}, None, ["unknown noise input", "lable", "did you mean 'label'"]),
    ],
)
def test_bad_classes_with_given_noise(refused, conditional, changes, label, words):
    with refused(*words):
        Generator(conditional).sample(noise={"z": np.zeros((4, 8)), **changes}, **({"label": label} if label else {}))


@pytest.mark.parametrize(
    "change",
    [{"kind": "latent", "low": 0.0, "high": 9.0}, {"kind": "class"}, {"kind": "class", "low": 0}],
)
def test_conditions_that_are_no_classes_are_required(refused, factory, conditional_spec, change):
    degrees = TensorSpec("degrees", (), "condition", **change)
    spec = dataclasses.replace(conditional_spec, inputs=(*conditional_spec.inputs, degrees))
    generator = Generator(factory(spec))
    np.testing.assert_array_equal(generator.sample(2, degrees=1), generator.sample(2, degrees=1, label=[0, 1]))
    for arguments in ({}, {"noise": np.zeros((1, 8))}, {"label": 3}):
        with refused("missing condition degrees"):
            generator.sample(**arguments)
    with refused("unknown noise input", "degrees"):
        generator.sample(noise={"z": np.zeros((1, 8)), "degrees": 1})
