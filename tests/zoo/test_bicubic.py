"""Bicubic resizing: weights by hand, what is kept, and the published bicubic rows' kernel."""

from fractions import Fraction

import numpy as np
import pytest

from zoo.bicubic import kernel, matrix, resized

SCALES = [2, 3, 4, Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)]


def test_the_kernel_by_hand():
    """Keys (1981), a = -1/2: 1 at 0, 0 at other whole numbers, 9/16 at 1/2 and -1/16 at 3/2."""
    np.testing.assert_allclose(
        kernel(np.array([0, 1, -1, 2, 3, 0.5, -0.5, 1.5])), [1, 0, 0, 0, 0, 9 / 16, 9 / 16, -1 / 16]
    )


def test_weights_of_an_enlargement_by_hand():
    """At twice the size the centres lie a quarter beside old ones; beyond its edge a row is mirrored."""
    near = np.array([-9, 111, 29, -3]) / 128  # at distances of 5/4, 1/4, 3/4 and 7/4
    expected = np.zeros((4, 8))
    expected[1, :4], expected[2, 1:5] = near[::-1], near
    found = matrix(8, Fraction(2))
    np.testing.assert_allclose(found[3], [-9 / 128, 111 / 128, 29 / 128, -3 / 128, 0, 0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(found[4], [-3 / 128, 29 / 128, 111 / 128, -9 / 128, 0, 0, 0, 0], atol=1e-15)
    # the first centre is at -1/4: pixels -2, -1, 0, 1, of which the first two are 1 and 0
    np.testing.assert_allclose(found[0, :3], [(29 + 111) / 128, (-3 - 9) / 128, 0], atol=1e-15)


def test_weights_of_a_reduction_by_hand():
    """At half the size the kernel is twice as wide: eight pixels, at distances of 1/4, 3/4, 5/4 and 7/4."""
    half = np.array([111, 29, -9, -3]) / 256
    np.testing.assert_allclose(matrix(16, Fraction(1, 2))[3, 3:11], [*half[::-1], *half], atol=1e-15)
    assert np.count_nonzero(matrix(16, Fraction(1, 2))[3]) == 8


def test_a_known_picture():
    """0 and 128, mirrored as 128 0 | 0 128 | 128 0: the weights of the test above, with 128 in their places."""
    picture = np.tile([0.0, 128.0], (2, 1))[..., None]
    np.testing.assert_allclose(resized(picture, 2)[..., 0], np.tile([-3 - 9, 29 - 3, 111 - 9, 128 + 12], (4, 1)))


@pytest.mark.parametrize("scale", SCALES)
def test_each_row_has_the_sum_1_so_that_constants_stay(scale):
    np.testing.assert_allclose(matrix(12, Fraction(scale)).sum(axis=1), 1)
    np.testing.assert_allclose(resized(np.full((12, 24, 3), 7.0), scale), 7)


@pytest.mark.parametrize("scale", SCALES)
def test_a_straight_line_stays_one_away_from_the_edges(scale):
    places = np.arange(48.0)
    picture = (places[:, None] + 10 * places)[..., None]
    made = resized(picture, scale)[..., 0]
    centres = (np.arange(len(made)) + 0.5) / float(scale) - 0.5
    edge = int(2 * max(scale, 1)) + 2
    inner = slice(edge, -edge)
    if made[inner].size:
        np.testing.assert_allclose(made[inner, inner], (centres[:, None] + 10 * centres)[inner, inner], atol=1e-9)


def test_height_and_width_and_any_number_of_rows():
    pictures = np.random.default_rng(0).uniform(size=(2, 3, 12, 6, 3))
    made = resized(pictures, Fraction(1, 3))
    assert made.shape == (2, 3, 4, 2, 3)
    down, across = matrix(12, Fraction(1, 3)), matrix(6, Fraction(1, 3))
    np.testing.assert_allclose(made, np.einsum("oh,abhwc,pw->abopc", down, pictures, across))
    assert resized(pictures, Fraction(1, 4)).shape == (2, 3, 3, 2, 3)  # 6 / 4 is rounded up


def test_what_aliases_does_not():
    """The finest stripes become their mean, where every fourth pixel alone would be black or white."""
    stripes = np.tile(np.array([0.0, 255.0]), (16, 8))[..., None]
    assert np.abs(resized(stripes, Fraction(1, 4))[:, 1:-1] - 127.5).max() < 10
