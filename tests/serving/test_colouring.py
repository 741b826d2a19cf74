"""Photographs in colour at their own size, by a map that colours small grey pictures."""

import itertools

import numpy as np
import pytest
from PIL import Image

from serving import Generator, colouring
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

GREY = TensorSpec("input", (8, 8, 1), "condition", "image")
COLOUR = TensorSpec("output", (8, 8, 3), "output", "image")
SHIFT = np.array([0.2, 0.0, -0.3], np.float32)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def tinted(factory, make_node):
    """A bundle whose map makes every channel the grey times a half and adds SHIFT to the three."""
    half, shift = np.full((1, 1, 1, 3), 0.5, np.float32), SHIFT
    nodes = [make_node("Mul", "input half", "scaled"), make_node("Add", "scaled shift", "output")]
    return factory(MapSpec((GREY,), (COLOUR,)), nodes=nodes, half=half, shift=shift)


def written(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("sides", [(8, 8), (30, 50), (97, 11), (5, 3), (1, 1), (8, 9)])
def test_the_luma_is_that_of_the_photograph_and_the_chroma_that_of_the_map(tinted, tmp_path, sides):
    # within 200 levels, so that no colour is clipped
    grey = np.random.default_rng(0).integers(60, 195, sides).astype(np.uint8)
    made = colouring.colour(Generator(tinted), written(tmp_path / "photo.png", grey))
    expected = grey[..., None] + 127.5 * (SHIFT - SHIFT @ LUMA)
    assert made.shape == (*sides, 3) and made.dtype == np.uint8
    np.testing.assert_allclose(made, expected, atol=0.51)


def test_of_a_colour_photograph_only_the_luma_is_seen(tinted, tmp_path):
    colours = np.random.default_rng(1).integers(0, 256, (12, 20, 3)).astype(np.uint8)
    photograph = Image.fromarray(colours)
    photograph.save(tmp_path / "colour.png")
    photograph.convert("L").save(tmp_path / "grey.png")
    by_colour, by_grey = (colouring.colour(Generator(tinted), tmp_path / f"{name}.png") for name in ("colour", "grey"))
    np.testing.assert_array_equal(by_colour, by_grey)


def test_each_part_gets_the_colour_that_the_map_makes_there(factory, make_node, tmp_path):
    """A map that paints light red and dark green, on a photograph that is dark on the left and light on the right."""
    nodes = [make_node("Mul", "input tint", "output")]
    bundle = factory(MapSpec((GREY,), (COLOUR,)), nodes=nodes, tint=np.array([0.3, -0.3, 0.0], np.float32))
    grey = np.repeat([90, 160], 100).astype(np.uint8)[None].repeat(40, axis=0)
    made = colouring.colour(Generator(bundle), written(tmp_path / "photo.png", grey)).astype(int)
    left, right = made[:, 20:60].reshape(-1, 3).mean(axis=0), made[:, 140:180].reshape(-1, 3).mean(axis=0)
    assert left[1] > left[0] + 15 and right[0] > right[1] + 15
    np.testing.assert_allclose(made @ LUMA, grey, atol=1)


def test_edges_from_black_to_white_stay_within_the_range_of_a_picture(tinted, tmp_path):
    grey = np.repeat([0, 255, 0, 255], [7, 30, 11, 40]).astype(np.uint8)[None].repeat(33, axis=0)
    made = colouring.colour(Generator(tinted), written(tmp_path / "photo.png", grey))
    np.testing.assert_array_equal(made[..., 2][grey == 0], 0)  # black has no less blue to give


@pytest.mark.parametrize("side", [8, 9, 12, 13, 16, 17, 100, 1001])
def test_squares_cover_a_side_and_overlap_by_half(side):
    places = colouring.places(side, 8)
    assert places[0] == 0 and places[-1] == side - 8
    assert all(after - before <= 4 for before, after in itertools.pairwise(places))
    assert len(places) == 1 + -(-(side - 8) // 4), "and there are no more than that takes"


def test_a_map_that_does_not_colour_and_a_file_that_is_none_are_refused(bundle_path, tinted, tmp_path):
    with pytest.raises(UserError, match="--full_size: this map does not colour grey pictures of one size"):
        colouring.check(Generator(bundle_path).spec)
    (tmp_path / "photo.png").write_bytes(b"none")
    with pytest.raises(UserError, match=r"cannot read .*photo.png: the file holds no PNG, JPEG or WebP picture"):
        colouring.colour(Generator(tinted), tmp_path / "photo.png")
