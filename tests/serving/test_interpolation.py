"""The walk between two noises."""

import numpy as np
import pytest

from serving import Generator
from serving.generator import _slerp
from zoo.runtime import BLOCK
from zoo.shared.errors import UserError


@pytest.mark.parametrize("steps", [2, 3, BLOCK, BLOCK + 1, 2 * BLOCK + 1])
def test_interpolation_ends_are_the_samples(conditional, steps):
    generator = Generator(conditional)
    walk = generator.interpolate(3, 8, steps, dtype="float32", label=2)
    assert walk.shape == (steps, 4, 4, 3)
    np.testing.assert_array_equal(walk[:1], generator.sample(1, 3, dtype="float32", label=2))
    np.testing.assert_array_equal(walk[-1:], generator.sample(1, 8, dtype="float32", label=2))
    assert len(np.unique(walk.reshape(steps, -1), axis=0)) == steps


def test_interpolation_between_truncated_samples(bundle_path):
    generator = Generator(bundle_path)
    walk = generator.interpolate(3, 8, 5, dtype="float32", truncation=0.3)
    for row, seed in ((0, 3), (-1, 8)):
        np.testing.assert_array_equal(walk[row], generator.sample(1, seed, dtype="float32", truncation=0.3)[0])


def test_interpolation_keeps_the_class_of_the_first_sample(conditional):
    generator = Generator(conditional)
    walk = generator.interpolate(3, 8, 6, dtype="float32")
    np.testing.assert_array_equal(walk, generator.interpolate(3, 8, 6, dtype="float32", label=0))
    np.testing.assert_array_equal(walk[-1:], generator.sample(1, 8, dtype="float32"))


def test_interpolation_is_straight_for_uniform_noise(factory, vector_spec, make_node):
    spec = vector_spec(3, role="uniform", low=-1.0, high=1.0)
    walk = Generator(factory(spec, [make_node("Identity", "z", "x")])).interpolate(0, 1, 5, dtype="float32")
    np.testing.assert_allclose(np.diff(walk, axis=0), np.tile((walk[-1] - walk[0]) / 4, (4, 1)), atol=1e-6)


def test_interpolation_keeps_to_the_sphere_for_normal_noise(factory, vector_spec, make_node):
    walk = Generator(factory(vector_spec(3), [make_node("Identity", "z", "x")])).interpolate(0, 1, 9, dtype="float32")
    # along the great circle the parts of the arc are equal, measured from the weights of both ends
    begin, end = walk[0].astype(float), walk[-1].astype(float)
    angle = np.arccos(begin @ end / np.linalg.norm(begin) / np.linalg.norm(end))
    middle = (begin + end) * np.sin(angle / 2) / np.sin(angle)
    np.testing.assert_allclose(walk[4], middle, rtol=1e-5)


@pytest.mark.parametrize(
    ("begin", "end"),
    [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([0, 0], [0, 0]), ([1, 2], [2, 4]), ([1, 2], [-1, -2]), ([1, 0], [1, 1e-9])],
)
def test_slerp_without_an_arc_is_straight(begin, end):
    walk = _slerp(np.array(begin, np.float32), np.array(end, np.float32), 5)
    np.testing.assert_allclose(walk, np.linspace(begin, end, 5), atol=1e-6)


def test_slerp_on_a_quarter_circle():
    walk = _slerp(np.array([1, 0], np.float32), np.array([0, 1], np.float32), 4)
    angles = np.linspace(0, np.pi / 2, 4)
    np.testing.assert_allclose(walk, np.stack([np.cos(angles), np.sin(angles)], axis=1), atol=1e-6)


@pytest.mark.parametrize(
    "bad", [{"steps": 1}, {"steps": 2.0}, {"seed_from": -1}, {"seed_to": 2**63}, {"dtype": "x"}, {"hue": 1}]
)
def test_bad_interpolation(bundle_path, bad):
    with pytest.raises(UserError, match=next(iter(bad)).split("_")[0]):
        Generator(bundle_path).interpolate(**{"seed_from": 0, "seed_to": 1, **bad})
