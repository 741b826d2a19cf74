import numpy as np
import pytest

from train import data
from train.data.sources.pictures import Section
from train.data.sources.shapes import KINDS
from zoo.shared.errors import UserError


def section(**changes):
    return Section(**{"name": "shapes", **data.defaults("shapes"), **changes})


def load(split="test", **changes):
    (table,) = data.load(section(**changes), split)
    return table


@pytest.fixture(scope="module")
def shapes():
    return load()


def test_outlines_pictures_and_kinds(shapes):
    assert {name: spec.kind for name, spec in shapes.specs.items()} == data.kinds(section())
    assert shapes.columns["input"].shape == (200, 32, 32, 1) and shapes.columns["image"].shape == (200, 32, 32, 3)
    assert all(shapes.columns[name].dtype == np.uint8 for name in ("input", "image"))
    assert shapes.specs["label"].names == KINDS
    counts = np.bincount(shapes.columns["label"], minlength=3)
    assert abs(counts - 200 / 3).max() < 5 * np.sqrt(200 * 2 / 9)


def test_shapes_have_the_colour_of_their_kind_inside_their_outline(shapes):
    columns = shapes.columns
    for outline, image, label in zip(columns["input"][..., 0], columns["image"], columns["label"], strict=True):
        rows, places = np.nonzero(outline > 128)
        assert len(rows), "there is an outline"
        middle = image[round(rows.mean()), round(places.mean())].astype(int)
        assert middle.argmax() == label, "red, green, blue"
        outside = np.ones(outline.shape, bool)
        outside[max(0, rows.min() - 2) : rows.max() + 3, max(0, places.min() - 2) : places.max() + 3] = False
        assert (image[outside] == 240).all() and (outline[outside] == 0).all()


def test_circles_are_round_and_darker_to_the_right(shapes):
    is_circle = shapes.columns["label"] == KINDS.index("circle")
    for outline, image in zip(shapes.columns["input"][is_circle], shapes.columns["image"][is_circle], strict=True):
        rows, places = np.nonzero(outline[..., 0] > 128)
        assert abs(np.ptp(rows) - np.ptp(places)) <= 1
        middle = image[round(rows.mean()), places.min() + 3 : places.max() - 2, 0].astype(int)
        assert (np.diff(middle) <= 0).all() and middle[0] > middle[-1]


def test_the_shapes_are_always_the_same_and_held_out_ones_are_others(shapes):
    assert load().fingerprint() == shapes.fingerprint()
    train = load("train", image_size=8)
    assert train.columns["image"].shape == (2000, 8, 8, 3)
    held = {picture.tobytes() for picture in load(image_size=8).columns["image"]}
    assert not held & {picture.tobytes() for picture in train.columns["image"]}


def test_with_a_crop_shapes_are_drawn_larger():
    table = load(image_size=16, crop=4)
    for name, channels in (("input", 1), ("image", 3)):
        assert table.columns[name].shape == (200, 20, 20, channels)
        assert table.specs[name].shape == (16, 16, channels)
    assert "16 px (stored 4 px larger)" in table.description


@pytest.mark.parametrize("changes", [{"channels": 1}, {"binarize": "dynamic"}, {"image_size": 3}, {"flip": 1}])
def test_options_that_shapes_cannot_have_are_one_line(changes):
    with pytest.raises(UserError, match="data.") as error:
        data.check(section(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["grey:shapes", "lowres:shapes"])
def test_shapes_have_inputs_of_their_own(name):
    with pytest.raises(UserError, match="'shapes' has inputs of its own"):
        data.check(Section(name=name, **data.defaults(name)))
