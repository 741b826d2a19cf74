import hashlib
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches, held_out
from train.data.sources.pictures import Section
from zoo import images
from zoo.shared.errors import UserError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "pairs").mkdir()
    return tmp_path / "pairs"


def section(root, **changes):
    name = f"pairs:{root}"
    return Section(**{"name": name, **data.defaults(name), **changes})


def load(root, split="train", **changes):
    settings = section(root, **changes)
    data.check(settings)
    (table,) = data.load(settings, split)
    return table


def save(path, value=0, mode="L", size=(8, 8), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def save_pair(place, name, level, ending="png"):
    """Write a grey input of twice the `level`, and an image that is red by it."""
    save(place / "input" / f"{name}.png", 2 * level)
    save(place / "image" / f"{name}.{ending}", (level, 0, 0), "RGB")


def save_double(path, level, size=(16, 8)):
    """Write a picture whose left half is red by the `level` and whose right half is blue by it."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, : size[0] // 2, 0] = picture[:, -(size[0] // 2) :, 2] = level
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def levels(table):
    """Return the level of each pair, one of the writers above."""
    (level,) = {tuple(table.columns["image"].max((1, 2, 3)).tolist())}
    return list(level)


def is_held_out(name):
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0


def test_pictures_of_equal_names_are_a_pair_whatever_their_endings(root):
    save_pair(root, "b", 10)
    save_pair(root, "deep/a.v2", 20, ending="webp")
    save_pair(root, "a", 30)
    table = load(root)
    assert list(table.columns) == list(table.specs) == ["input", "image"]
    assert table.specs["input"].shape == (8, 8, 1) and table.specs["image"].shape == (8, 8, 3)
    assert data.kinds(section(root)) == {"input": "image", "image": "image"}
    assert table.columns["input"][:, 0, 0, 0].tolist() == [60, 20, 40]
    np.testing.assert_allclose(table.columns["image"][:, 0, 0, 0], [30, 10, 20], atol=1)  # WebP loses
    assert "3 pairs" in table.description and "3 of 3 pairs" in table.description


@pytest.mark.parametrize(("side", "input_channel"), [("left", 0), ("right", 2)])
@pytest.mark.parametrize("width", [16, 17])
def test_one_picture_may_hold_both_side_by_side(root, side, input_channel, width):
    save_double(root / "a.png", 100, (width, 8))
    save_double(root / "deep" / "b.png", 200, (width, 8))
    table = load(root, input_side=side)
    assert table.specs["input"].shape == table.specs["image"].shape == (8, 8, 3)
    for column, channel in (("input", input_channel), ("image", 2 - input_channel)):
        expected = np.zeros((2, 8, 8, 3))
        expected[..., channel] = np.array([100, 200])[:, None, None]
        np.testing.assert_array_equal(table.columns[column], expected)


def test_pictures_side_by_side_may_lie_in_folders_of_any_name(root):
    for index, name in enumerate("abc"):
        save_double(root / name / "1.png", index + 1)
    assert levels(load(root)) == [1, 2, 3]


def test_a_relative_path_is_one(root, monkeypatch):
    save_pair(root, "a", 10)
    monkeypatch.chdir(root.parent)
    assert levels(load("pairs")) == [10]


@pytest.mark.parametrize("size", [(20, 12), (12, 20)])
def test_rectangular_pictures_keep_their_size(root, size):
    picture = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0])
    for column, values in (("input", picture), ("image", 255 - picture)):
        (root / column).mkdir()
        Image.fromarray(values).save(root / column / "a.png")
    table = load(root)
    np.testing.assert_array_equal(table.columns["input"][0, ..., 0], picture)
    np.testing.assert_array_equal(table.columns["image"][0, ..., 0], 255 - picture)
    assert table.specs["image"].shape == table.specs["input"].shape == (*picture.shape, 1)
    assert f"{size[0]} x {size[1]} px" in table.description


def test_rectangular_pictures_side_by_side_keep_their_size(root):
    save_double(root / "a.png", 100, (24, 16))
    table = load(root)
    assert table.specs["image"].shape == table.specs["input"].shape == (16, 12, 3)
    assert (table.columns["input"] == (100, 0, 0)).all() and (table.columns["image"] == (0, 0, 100)).all()


def test_an_image_size_takes_the_centre_square_of_both(root):
    picture = np.zeros((8, 16), np.uint8)
    picture[:, 4:12] = np.arange(8) * 10 + 100
    for column in ("input", "image"):
        (root / column).mkdir()
        Image.fromarray(picture).save(root / column / "a.png")
    table = load(root, image_size=8)
    for column in ("input", "image"):
        np.testing.assert_array_equal(table.columns[column][0, ..., 0], np.tile(np.arange(8) * 10 + 100, (8, 1)))
    assert load(root, image_size=4).specs["input"].shape == (4, 4, 1)


def test_inputs_of_another_size_are_fitted_to_the_images(root):
    save(root / "input" / "a.png", 50, size=(30, 10))
    save(root / "image" / "a.png", 60, size=(12, 8))
    table = load(root)
    assert table.columns["input"].shape == table.columns["image"].shape == (1, 8, 12, 1)
    assert (table.columns["input"] == 50).all()


def test_pictures_of_another_shape_are_told(root, warnings):
    save_pair(root, "a", 10)
    save_pair(root, "b", 10)
    save(root / "input" / "b.png", size=(16, 8))
    save_pair(root, "c", 10)
    save(root / "input" / "c.png", size=(17, 16))  # of 8 x 8, up to a pixel
    load(root)
    (said,) = warnings
    assert said.startswith(f"1 pairs of {root} have pictures of different shapes, such as b: ")


def test_names_match_however_their_accents_are_encoded(root):
    """As macOS and other systems write them."""
    for form, column in (("NFC", "input"), ("NFD", "image")):
        save(root / column / f"{unicodedata.normalize(form, 'é')}.png")
    assert len(load(root)) == 1


def test_what_systems_put_beside_pictures_and_other_endings_are_left_out(root):
    save_pair(root, "a", 10)
    save(root / "image" / "@eaDir" / "a.png")
    (root / "input" / "._a.png").write_bytes(b"AppleDouble")
    assert "left out" not in load(root).description
    save(root / "input" / "b.gif")
    save(root / "image" / "b.tif")
    table = load(root)
    assert len(table) == 1 and "; left out: 2 picture files of other endings (1 ." in table.description


def test_photographs_need_a_choice(root):
    save_pair(root, "a", 10)
    save(root / "image" / "a.png", size=(2000, 1500))
    with pytest.raises(UserError, match=f"{root} have 2000 x 1500 px, and at most 1024 px are kept: choose one, .*=64"):
        load(root)


@pytest.mark.parametrize(("width", "is_kept"), [(2048, True), (2050, False)])
def test_of_pictures_side_by_side_one_of_both_is_measured(root, width, is_kept):
    save_double(root / "a.png", 100, (width, 8))
    if is_kept:
        table = load(root)
        assert table.specs["image"].shape == (8, 1024, 3) and "1 pairs of" in table.description
        assert ", side by side, split" in table.description
    else:
        with pytest.raises(UserError, match="have 1025 x 8 px"):
            load(root)


def test_images_of_several_sizes_need_a_choice(root):
    save_pair(root, "a", 10)
    save_pair(root, "b", 10)
    save(root / "image" / "b.png", size=(9, 8))
    with pytest.raises(UserError, match="differ in size.*choose one") as error:
        load(root)
    assert str(root) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "channels"),
    [({}, (1, 3)), ({"channels": 1}, (1, 1)), ({"input_channels": 3}, (3, 3)), ({"channels": 3}, (1, 3))],
)
def test_each_of_the_two_has_channels_of_its_own(root, options, channels):
    save_pair(root, "a", 100)
    table = load(root, **options)
    assert (table.specs["input"].shape[-1], table.specs["image"].shape[-1]) == channels
    if options.get("channels") == 1:
        assert (table.columns["image"] == round(0.299 * 100)).all()


def test_a_tenth_is_held_out_by_the_hash_of_the_name(root):
    names = [f"{index:02}" for index in range(40)]
    for index, name in enumerate(names):
        save_pair(root, name, index)
    train, test, whole = (levels(load(root, split)) for split in (*data.SPLITS, data.ALL))
    assert test == [index for index, name in enumerate(names) if is_held_out(name)] and test
    assert sorted(train + test) == whole == list(range(40))
    assert "by the sha256 of the name" in load(root, "test").description
    for name in names[9:]:
        for column in ("input", "image"):
            (root / column / f"{name}.png").unlink()
    assert len(levels(load(root))) == 9
    with pytest.raises(UserError, match="split 'test' .* is empty"):
        load(root, "test")


def test_folders_train_and_test_are_the_splits(root):
    for index in range(12):
        save_pair(root / "train", f"{index}", 10 + index)
    save_pair(root / "test", "1", 99)
    assert sorted(levels(load(root))) == list(range(10, 22))
    assert levels(load(root, "test")) == [99]
    assert sorted(levels(load(root, "all"))) == [*range(10, 22), 99]
    assert "1 of 13 pairs, 0 unreadable" in load(root, "test").description


def test_folders_train_and_test_may_hold_pictures_side_by_side(root):
    save_double(root / "train" / "1.png", 10)
    save_double(root / "test" / "1.png", 20)
    save(root / "val" / "other.png")
    assert levels(load(root)) == [10] and levels(load(root, "test")) == [20] and levels(load(root, "all")) == [20, 10]


def test_one_split_may_lie_side_by_side_and_the_other_in_two_folders(root):
    save_double(root / "train" / "1.png", 10)
    save_pair(root / "test", "1", 99)
    table = load(root, image_size=8)
    assert table.columns["input"][0].max((0, 1)).tolist() == [10, 0, 0]
    assert table.columns["image"][0].max((0, 1)).tolist() == [0, 0, 10]


def test_both_splits_have_the_channels_of_all_pairs(root):
    save(root / "train" / "input" / "a.png")
    save(root / "train" / "image" / "a.png")
    save_pair(root / "test", "a", 9)
    for split in ("train", "test", "all"):
        assert load(root, split).specs["image"].shape == (8, 8, 3)
        assert load(root, split).specs["input"].shape == (8, 8, 1)


_MISNAMED = {
    "capitals": ("Input", "Image"),
    "plural": ("inputs", "images"),
    "A and B": ("A", "B"),
    "trainA": ("trainA", "trainB", "testA", "testB"),
}


def mistaken(root, mistake):
    """Lay out pairs with one mistake."""
    if mistake == "alone":
        save_pair(root, "a", 1)
        save(root / "input" / "b.png")
    elif mistake == "alone in test":
        save_pair(root / "train", "a", 1)
        save_pair(root / "test", "a", 1)
        save(root / "test" / "image" / "b.png")
    elif mistake == "one folder":
        save(root / "input" / "a.png")
    elif mistake == "empty folders":
        (root / "input").mkdir()
        (root / "image").mkdir()
    elif mistake == "two of a name":
        save_pair(root, "a", 1)
        save(root / "input" / "a.jpg")
    elif mistake == "other endings":
        save(root / "input" / "a.bmp")
        save(root / "image" / "a.bmp")
    elif mistake == "one of another ending":
        save(root / "input" / "a.png")
        save(root / "image" / "a.bmp")
    elif mistake in _MISNAMED:
        for name in _MISNAMED[mistake]:
            save(root / name / "a.png")
    elif mistake == "deeper":
        save_pair(root / "train", "a", 1)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("none at all", "no pairs below .*/pairs: put pictures of equal names into .*/input and .*/image"),
        ("alone", "pictures of .*/pairs without a partner: 1, such as input/b, whose name is not in image/"),
        ("alone in test", "pairs/test without a partner: 1, such as image/b, whose name is not in input/"),
        ("one folder", "pairs/image is missing"),
        ("empty folders", "no picture file below .*/input; genzoo reads .png, .*.webp$"),
        ("other endings", r"no picture file below .*/input; .*, not the 2 picture files of other endings \(2 .bmp\)"),
        (
            "one of another ending",
            r"such as input/a, whose name is not in image/; genzoo reads .*, not the 1 picture files of .*1 .bmp",
        ),
        ("capitals", "pairs has the folders Image, Input: pairs must lie in .*/pairs/input and .*/pairs/image"),
        ("plural", "has the folders images, inputs: "),
        ("A and B", "has the folders A, B: "),
        ("trainA", "has the folders testA, testB, trainA, trainB: "),
        ("two of a name", "input has two pictures of the name a: a.(png and a.jpg|jpg and a.png); remove one"),
        ("deeper", "train/.*/a.png lies in a deeper folder: input/ and image/ must lie in"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(root, mistake, said):
    mistaken(root, mistake)
    with pytest.raises(UserError, match=said) as error:
        data.check(section(root))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input_channels": 2}, "data.input_channels is 2; it must be 0 .*, 1 or 3"),
        ({"input_channels": True}, "data.input_channels is True"),
        ({"input_side": "top"}, "data.input_side is 'top'; it must be 'left' or 'right'"),
        ({"unreadable": "ignore"}, "'skip' or 'refuse'"),
        ({"crop": -1}, "data.crop is -1"),
    ],
)
def test_bad_options_are_named(root, changes, said):
    save_pair(root, "a", 1)
    with pytest.raises(UserError, match=said):
        data.check(section(root, **changes))


def test_a_pair_is_skipped_if_one_of_the_two_is_unreadable(root, warnings):
    for index, name in enumerate("abcd"):
        save_pair(root, name, index)
    (root / "input" / "b.png").write_bytes(b"")
    (root / "image" / "d.png").write_bytes((root / "image" / "d.png").read_bytes()[:-30])
    table = load(root)
    assert levels(table) == [0, 2] and table.columns["input"][:, 0, 0, 0].tolist() == [0, 4]
    assert "2 unreadable" in table.description
    assert ["input/b.png" in line for line in warnings] == [True, False]
    assert ["image/d.png" in line for line in warnings] == [False, True]
    with pytest.raises(UserError, match="input/b.png") as error:
        load(root, unreadable="refuse")
    assert "\n" not in str(error.value)


def test_a_second_load_opens_nothing_until_a_file_changes(root, monkeypatch):
    save_pair(root, "a", 10)
    first = load(root)
    with monkeypatch.context() as patch:
        patch.setattr(images, "opened", lambda *_: pytest.fail("opened again"))
        assert load(root).fingerprint() == first.fingerprint()
    save(root / "input" / "a.png", 77)
    os.utime(root / "input" / "a.png", ns=(0, 1))
    assert (load(root).columns["input"] == 77).all()


def test_sides_and_sizes_do_not_collide_in_the_cache(root):
    save_double(root / "a.png", 100)
    left, right = (load(root, input_side=side) for side in ("left", "right"))
    np.testing.assert_array_equal(left.columns["input"], right.columns["image"])
    assert (left.columns["input"] != right.columns["input"]).any()
    assert load(root, crop=2).columns["input"].shape == (1, 10, 10, 3)
    assert load(root, image_size=4).columns["input"].shape == (1, 4, 4, 3)


def test_both_pictures_move_alike(root):
    """Pixels tell their place: those of the image are the input's, told in another way."""
    place = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
    for column, values in (("input", 2 * place), ("image", place)):
        (root / column).mkdir()
        Image.fromarray(values).save(root / column / "a.png")
    options = {"image_size": 0, "flip": True, "crop": 0}
    table = load(root, **options)
    batches = Batches((table,), 64, 1, section(root, **options))
    example = batches.example(0)
    np.testing.assert_array_equal(example["input"], 2 * example["image"])
    assert {row[0, 0, 0] for row in example["image"]} == {0, 11}
    # a margin of 2 pixels: stored pictures are enlarged by it
    options["crop"] = 2
    table = load(root, **options)
    assert table.columns["image"].shape == (1, 10, 14, 1) and table.specs["image"].shape == (8, 12, 1)
    example = Batches((table,), 256, 1, section(root, **options)).example(0)
    np.testing.assert_allclose(example["input"], 2.0 * example["image"], atol=2)
    assert len({row.tobytes() for row in example["image"]}) == 3 * 3 * 2
    held = held_out(table, section(root, **options))
    np.testing.assert_allclose(held["input"] + 1, 2 * (held["image"] + 1), atol=2 / 127)
