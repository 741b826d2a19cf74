"""Patches: each picture cut on a grid, split by picture, turned, and reduced for super-resolution."""

import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches
from train.data.sources.lowres import reduced
from train.data.sources.patches import cut
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


def section(name, **changes):
    return Section(**{"name": name, **data.defaults(name), **changes})


def load(name, split="train", **changes):
    settings = section(name, **changes)
    data.check(settings)
    (table,) = data.load(settings, split)
    return table


def save(root, *shapes):
    """Save pictures of noise of these shapes."""
    root.mkdir()
    rng = np.random.default_rng(0)
    for index, shape in enumerate(shapes):
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(root / f"{index:02}.png")
    return f"patches:{root}"


def test_the_grid_by_hand():
    picture = np.arange(5 * 7).reshape(5, 7, 1)
    made = cut(picture, side=2, stride=2)
    assert [int(patch[0, 0, 0]) for patch in made] == [0, 2, 4, 14, 16, 18]
    assert made[1, ..., 0].tolist() == [[2, 3], [9, 10]]
    assert [int(patch[0, 0, 0]) for patch in cut(picture, side=4, stride=1)] == [0, 1, 2, 3, 7, 8, 9, 10]
    assert len(cut(picture, side=5, stride=100)) == 1


def test_every_fourth_patch_is_turned_alike():
    picture = np.random.default_rng(0).integers(256, size=(4, 10, 3), dtype=np.uint8)
    plain, turned = (cut(picture, 2, 2, turn) for turn in (False, True))
    assert len(plain) == 10
    for number, (patch, other) in enumerate(zip(plain, turned, strict=True)):
        np.testing.assert_array_equal(np.rot90(patch, number % 4), other)


def test_patches_of_pictures_of_several_sizes(tmp_path):
    name = save(tmp_path / "photos", (20, 33, 3), (16, 16, 3), (8, 8, 3), (19, 24))
    table = load(name, image_size=8, stride=8)
    assert table.specs["image"].shape == (8, 8, 3)
    assert len(table) == 2 * 4 + 2 * 2 + 1 + 2 * 3
    assert list(table.columns) == list(data.kinds(section(name)))
    first = np.asarray(Image.open(tmp_path / "photos" / "00.png"))
    np.testing.assert_array_equal(table.columns["image"][5], first[8:16, 8:16])
    assert "19 patches of 8 px, 8 px apart, of" in table.description and "(4 of 4 files" in table.description
    # without a stride none overlap
    assert len(load(name, image_size=8)) == 19 and len(load(name, image_size=8, stride=4)) > 19


@pytest.mark.parametrize("stride", [0, 3, 8, 50])
def test_how_many_patches_there_will_be_is_told_before_they_are_cut(tmp_path, capsys, stride):
    name = save(tmp_path / "photos", (20, 33, 3), (7, 30, 3), (8, 9, 3))
    count = len(load(name, image_size=8, stride=stride))
    assert f" for {count} rows of 192 bytes; " in capsys.readouterr().err


def test_a_picture_that_is_too_small_is_left_out_or_refused(tmp_path, caplog):
    name = save(tmp_path / "photos", (20, 33, 3), (7, 30, 3))
    assert len(load(name, image_size=8)) == 8
    with pytest.raises(UserError, match=r"01.png: its 30 x 7 pixels are fewer than a patch of 8; repair or remove it"):
        load(name, image_size=8, unreadable="refuse")
    with pytest.raises(UserError, match="none of the 2 picture files"):
        load(name, image_size=64)


def test_no_picture_gives_patches_to_both_splits(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    for index in range(30):  # each in a grey of its own
        Image.fromarray(np.full((8, 12), 8 * index, np.uint8)).save(root / f"{index:02}.png")
    splits = [load(f"patches:{root}", split, image_size=4).columns["image"] for split in ("train", "test", "all")]
    greys = [set(np.unique(patches).tolist()) for patches in splits]
    assert greys[0] and greys[1] and not greys[0] & greys[1]
    assert greys[0] | greys[1] == greys[2] == {8 * index for index in range(30)}
    assert [len(patches) for patches in splits] == [6 * len(grey) for grey in greys]


def test_small_inputs_of_patches_are_made_after_flips_and_crops(tmp_path):
    options = {"image_size": 8, "stride": 4, "crop": 4, "flip": True, "turn": True, "factor": 2}
    name = f"lowres:{save(tmp_path / 'photos', (20, 33, 3), (17, 12, 3))}"
    table = load(name, **options)
    assert table.columns["image"].shape[1:] == (12, 12, 3)
    assert table.specs["image"].shape == (8, 8, 3) and table.specs["input"].shape == (4, 4, 3)
    example = Batches((table,), 4, 0, section(name, **options)).example(0)
    np.testing.assert_array_equal(example["input"], reduced(example["image"], 2))


def test_other_patches_are_another_set_of_data(tmp_path):
    name = save(tmp_path / "photos", (20, 33, 3), (16, 16, 3))
    made = [load(name, image_size=8, **more) for more in ({}, {"stride": 4}, {"turn": True}, {"crop": 2})]
    assert len({table.fingerprint() for table in made}) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_size": 0}, "data.image_size is 0; it must be a number from 4 to 1024"),
        ({"stride": -1}, "data.stride is -1; it must be a number of pixels up to 1024, or 0"),
        ({"stride": 2.0}, "data.stride is 2.0"),
        ({"turn": 1}, "data.turn is 1; it must be true or false"),
        ({"unreadable": "keep"}, "data.unreadable is 'keep'"),
        ({"strides": 2}, "unknown option of the data source .* did you mean 'stride'"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(tmp_path, changes, said):
    with pytest.raises(UserError, match=said) as error:
        load(save(tmp_path / "photos", (8, 8)), **changes)
    assert "\n" not in str(error.value)


def test_a_folder_without_pictures_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no picture file below"):
        load(f"patches:{tmp_path / 'empty'}")
    with pytest.raises(UserError, match="is missing"):
        load("patches:/nowhere/at/all")
