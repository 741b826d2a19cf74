import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches
from zoo.shared.errors import UserError


def config(name="stacked:digits", **changes):
    defaults = {"image_size": 4, "channels": 0, "binarize": "none", "unreadable": "skip"}
    return SimpleNamespace(name=name, **defaults | changes)


@pytest.fixture(scope="module", params=["train", "test"])
def split(request):
    """A split's name, its stacks, and the digits that they are made of."""
    return request.param, data.load(config(), request.param), data.load(config("digits"), request.param)


def rows(pictures):
    return [picture.tobytes() for picture in pictures]


def test_shapes_types_and_labels(split):
    name, source, _ = split
    count = {"train": 128_000, "test": 26_000}[name]
    assert source.samples.shape == (count, 4, 4, 3) and source.samples.dtype == np.uint8
    assert source.labels.shape == (count,) and source.labels.dtype == np.int32
    assert source.label_names[0] == "000" and source.label_names[73] == "073" and len(source.label_names) == 1000
    assert f"{count:,} stacks of three pictures" in source.description and f"split {name!r}" in source.description


def test_each_channel_is_a_picture_of_the_same_split_with_the_label_s_digit(split):
    _, source, digits = split
    known = {}
    for picture, label in zip(rows(digits.samples), digits.labels.tolist(), strict=True):
        known.setdefault(picture, set()).add(label)  # at 4 px two scans may look alike
    stacks, labels = source.samples[:3000], source.labels[:3000]
    for channel, place in enumerate((100, 10, 1)):
        for picture, digit in zip(rows(stacks[..., channel]), (labels // place % 10).tolist(), strict=True):
            assert digit in known[picture]


def test_pictures_are_drawn_uniformly_and_channels_independently(split):
    _, source, digits = split
    share = np.bincount(digits.labels, minlength=10) / len(digits.labels)
    expected = np.einsum("a,b,c->abc", share, share, share).ravel() * len(source.labels)
    counts = np.bincount(source.labels, minlength=1000)
    # chi-squared with 999 degrees of freedom: mean 999, standard deviation sqrt(2 * 999) = 45
    assert abs(((counts - expected) ** 2 / expected).sum() - 999) < 5 * 45
    pictures, times = np.unique(source.samples[..., 1].reshape(len(source.labels), -1), axis=0, return_counts=True)
    assert len(pictures) == len(set(rows(digits.samples))), "every picture is used"
    assert times.max() < 3 * len(source.labels) / len(digits.labels)


def test_the_stacks_are_always_the_same_and_held_out_ones_are_others():
    train, again, test = (
        data.load(config(channels=channels), s) for channels, s in ((0, "train"), (3, "train"), (0, "test"))
    )
    assert train.fingerprint() == again.fingerprint() != test.fingerprint()
    # drawn with the package's own noise, so that they are the same on every machine and stay so
    np.testing.assert_array_equal(train.labels[:4], [301, 666, 822, 329])


def test_the_image_size_is_passed_on():
    large = data.load(config(image_size=8), "test")
    assert large.samples.shape == (26_000, 8, 8, 3)
    np.testing.assert_array_equal(large.labels, data.load(config(), "test").labels)
    digits = set(rows(data.load(config("digits", image_size=8), "test").samples))
    assert set(rows(large.samples[:100, ..., 2])) <= digits


def test_batches_hold_the_stacks_and_their_labels():
    source = data.load(config(), "test")
    assert source.holds_pictures, "which models see scaled to [-1, 1]"
    batches = Batches(source, 16, seed=3)
    chosen, example = batches.indices(7), batches.example(7)
    np.testing.assert_array_equal(example["image"], source.samples[chosen])
    np.testing.assert_array_equal(example["label"], source.labels[chosen])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "stacked:minst"}, "unknown data set 'minst'; did you mean 'mnist'"),
        ({"name": "stacked:"}, "unknown data set ''"),
        ({"name": "stacked"}, "did you mean 'stacked:NAME'"),
        ({"name": "stakced:mnist"}, "did you mean 'stacked:NAME'"),
        ({"name": "stacked:ring"}, "'stacked:ring'; stack a set of 10 classes with 1 channel, such as 'stacked:mnist'"),
        ({"name": "stacked:stacked:digits"}, "stack a set of 10 classes with 1 channel"),
        ({"name": "stacked:folder:/nowhere/at/all"}, "/nowhere/at/all is missing"),
        ({"channels": 1}, "data.channels is 1; stacked pictures have 3: use 3 or 0"),
        ({"binarize": "dynamic"}, "data.binarize is 'dynamic'; stacked pictures need 'none'"),
        ({"image_size": 65}, "data.image_size is 65; stacked pictures have at most 64 pixels"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(changes, said):
    with pytest.raises(UserError, match=said) as error:
        data.check(config(**changes))
    assert "\n" not in str(error.value)


def folder(path, classes, mode):
    rng = np.random.default_rng(0)
    for index in range(40):
        file = path / f"{index % classes}" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(4, 4), dtype=np.uint8)).convert(mode).save(file)
    return f"stacked:folder:{path}"


@pytest.mark.parametrize(
    ("classes", "mode", "said"), [(9, "L", "1 channels and 9 classes"), (10, "RGB", "3 channels and 10")]
)
def test_sets_of_other_classes_or_channels_are_refused(tmp_path, monkeypatch, classes, mode, said):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    name = folder(tmp_path / "pictures", classes, mode)
    with pytest.raises(UserError, match=f"{said}.*stack a set of 10 classes with 1 channel") as error:
        data.load(config(name), "train")
    assert "\n" not in str(error.value)


def test_any_grey_set_of_ten_classes_can_be_stacked(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    source = data.load(config(folder(tmp_path / "pictures", 10, "L")), "train")
    assert source.samples.shape == (128_000, 4, 4, 3) and len(set(source.labels.tolist())) == 1000


def test_checking_imports_no_tensorflow():
    code = """
import sys
from types import SimpleNamespace
from train import data
data.check(SimpleNamespace(name="stacked:mnist", image_size=28, channels=3, binarize="none", unreadable="skip"))
assert not {"tensorflow", "tensorflow_datasets", "sklearn"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
