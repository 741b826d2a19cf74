import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


def section(name="stacked:digits", **changes):
    return Section(**{"name": name, **data.defaults(name), "image_size": 4, **changes})


def load(split, name="stacked:digits", **changes):
    (table,) = data.load(section(name, **changes), split)
    return table


@pytest.fixture(scope="module", params=["train", "test"])
def split(request):
    """A split's name, its stacks, and the digits that they are made of."""
    return request.param, load(request.param), load(request.param, "digits")


def rows(pictures):
    return [picture.tobytes() for picture in pictures]


def test_shapes_types_and_labels(split):
    name, table, _ = split
    count = {"train": 128_000, "test": 26_000}[name]
    stacks, labels = table.columns["image"], table.columns["label"]
    assert stacks.shape == (count, 4, 4, 3) and stacks.dtype == np.uint8
    assert labels.shape == (count,) and labels.dtype == np.int32
    names = table.specs["label"].names
    assert names[0] == "000" and names[73] == "073" and len(names) == table.specs["label"].classes == 1000
    assert table.specs["image"].kind == "image", "which models see scaled to [-1, 1]"
    assert f"{count:,} stacks of three pictures" in table.description and f"split {name!r}" in table.description


def test_each_channel_is_a_picture_of_the_same_split_with_the_label_s_digit(split):
    _, table, digits = split
    known = {}
    for picture, label in zip(rows(digits.columns["image"]), digits.columns["label"].tolist(), strict=True):
        known.setdefault(picture, set()).add(label)  # at 4 px two scans may look alike
    stacks, labels = table.columns["image"][:3000], table.columns["label"][:3000]
    for channel, place in enumerate((100, 10, 1)):
        for picture, digit in zip(rows(stacks[..., channel]), (labels // place % 10).tolist(), strict=True):
            assert digit in known[picture]


def test_pictures_are_drawn_uniformly_and_channels_independently(split):
    _, table, digits = split
    stacks, labels, own = table.columns["image"], table.columns["label"], digits.columns["label"]
    share = np.bincount(own, minlength=10) / len(own)
    expected = np.einsum("a,b,c->abc", share, share, share).ravel() * len(labels)
    counts = np.bincount(labels, minlength=1000)
    # chi-squared with 999 degrees of freedom: mean 999, standard deviation sqrt(2 * 999) = 45
    assert abs(((counts - expected) ** 2 / expected).sum() - 999) < 5 * 45
    pictures, times = np.unique(stacks[..., 1].reshape(len(labels), -1), axis=0, return_counts=True)
    assert len(pictures) == len(set(rows(digits.columns["image"]))), "every picture is used"
    assert times.max() < 3 * len(labels) / len(own)


def test_the_stacks_are_always_the_same_and_held_out_ones_are_others():
    train, again, test = (
        load(split, channels=channels) for channels, split in ((0, "train"), (3, "train"), (0, "test"))
    )
    assert train.fingerprint() == again.fingerprint() != test.fingerprint()
    # drawn with the package's own noise, so that they are the same on every machine and stay so
    np.testing.assert_array_equal(train.columns["label"][:4], [301, 666, 822, 329])


def test_the_image_size_is_passed_on():
    large = load("test", image_size=8)
    assert large.columns["image"].shape == (26_000, 8, 8, 3)
    np.testing.assert_array_equal(large.columns["label"], load("test").columns["label"])
    digits = set(rows(load("test", "digits", image_size=8).columns["image"]))
    assert set(rows(large.columns["image"][:100, ..., 2])) <= digits
    assert load("test", image_size=0).specs["image"].shape == (8, 8, 3), "0 is the digits' own"


def test_batches_hold_the_stacks_and_their_labels():
    table = load("test")
    batches = Batches((table,), 16, seed=3, section=section())
    chosen, example = batches.indices(7), batches.example(7)
    np.testing.assert_array_equal(example["image"], table.columns["image"][chosen])
    np.testing.assert_array_equal(example["label"], table.columns["label"][chosen])


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("stacked:minst", {}, "unknown data set 'minst'; did you mean 'mnist'"),
        ("stacked", {}, "did you mean 'stacked:NAME'"),
        ("stakced:mnist", {}, "did you mean 'stacked:NAME'"),
        ("stacked:ring", {}, "'stacked:ring'; stack a set of 10 classes with 1 channel, such as 'stacked:mnist'"),
        ("stacked:stacked:digits", {}, "stack a set of 10 classes with 1 channel"),
        ("stacked:grey:digits", {}, "stack a set of 10 classes with 1 channel"),
        ("stacked:folder:/nowhere/at/all", {}, "/nowhere/at/all is missing"),
        ("stacked:digits", {"channels": 1}, "data.channels is 1; stacked pictures have 3: use 3 or 0"),
        ("stacked:digits", {"binarize": "dynamic"}, "data.binarize and data.crop are not for stacked pictures"),
        ("stacked:digits", {"crop": 2}, "data.binarize and data.crop are not for stacked pictures"),
        ("stacked:digits", {"image_size": 65}, "data.image_size is 65; stacked pictures have at most 64 pixels"),
        ("stacked:digits", {"flip": 1}, "data.flip is 1"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(name, changes, said):
    settings = section(name, **changes)
    if name == "stacked:ring":
        del settings.image_size
    with pytest.raises(UserError, match=said) as error:
        data.check(settings)
    assert "\n" not in str(error.value)


def folder(path, classes, mode, side=4):
    rng = np.random.default_rng(0)
    for index in range(40):
        file = path / f"{index % classes}" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(side, side), dtype=np.uint8)).convert(mode).save(file)
    return f"stacked:folder:{path}"


@pytest.mark.parametrize(
    ("classes", "mode", "said"),
    [
        (9, "L", "1 channels and 9 classes.*stack a set of 10 classes with 1 channel"),
        (10, "RGB", "3 channels and 10.*stack a set of 10 classes with 1 channel"),
        (1, "L", "1 channels and 0 classes"),
    ],
)
def test_sets_of_other_classes_or_channels_are_refused(tmp_path, classes, mode, said):
    name = folder(tmp_path / "pictures", classes, mode)
    with pytest.raises(UserError, match=said) as error:
        load("train", name)
    assert "\n" not in str(error.value)


def test_pictures_whose_own_size_would_not_fit_into_memory_are_refused(tmp_path):
    name = folder(tmp_path / "pictures", 10, "L", side=66)
    with pytest.raises(UserError, match="are larger than 64 pixels; set data.image_size"):
        load("train", name, image_size=0)


def test_any_grey_set_of_ten_classes_can_be_stacked(tmp_path):
    table = load("train", folder(tmp_path / "pictures", 10, "L"))
    assert table.columns["image"].shape == (128_000, 4, 4, 3)
    assert len(set(table.columns["label"].tolist())) == 1000
