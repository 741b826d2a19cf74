import numpy as np
import pytest
from sklearn.datasets import load_digits

from train import data
from train.data.sources.pictures import Section


def load(split, **changes):
    (table,) = data.load(Section(**{"name": "digits", **data.defaults("digits"), **changes}), split)
    return table


def test_every_sixth_scan_is_held_out_and_nothing_is_lost():
    train, test = (load(split) for split in data.SPLITS)
    assert train.columns["image"].shape == (1498, 8, 8, 1) and test.columns["image"].shape == (299, 8, 8, 1)
    assert train.columns["image"].dtype == np.uint8 and train.columns["label"].dtype == np.int32
    scans, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(test.columns["image"][3].ravel(), np.rint(scans[23] * 255 / 16))
    np.testing.assert_array_equal(train.columns["image"][5].ravel(), np.rint(scans[6] * 255 / 16))
    np.testing.assert_array_equal(test.columns["label"], labels[5::6])
    np.testing.assert_array_equal(train.columns["label"][4:7], labels[[4, 6, 7]])
    assert train.columns["image"].min() == 0 and train.columns["image"].max() == 255
    assert train.specs["label"].names == tuple("0123456789") and train.specs["label"].classes == 10
    assert train.specs["image"].shape == (8, 8, 1)
    assert "1,498" in train.description and "'train'" in train.description and "not resized" in train.description


def test_resizing_keeps_the_digit():
    small, large = (load("test", image_size=size) for size in (0, 32))
    assert large.columns["image"].shape == (299, 32, 32, 1) and large.specs["image"].shape == (32, 32, 1)
    back = large.columns["image"].reshape(299, 8, 4, 8, 4).mean((2, 4))
    assert np.corrcoef(back.ravel(), small.columns["image"].ravel())[0, 1] > 0.95
    assert "from 8 to 32 px" in large.description


def test_three_channels_repeat_the_grey():
    colour = load("test", channels=3)
    assert colour.specs["image"].shape == (8, 8, 3)
    np.testing.assert_array_equal(colour.columns["image"], np.repeat(load("test").columns["image"], 3, axis=-1))


@pytest.mark.parametrize(("size", "crop", "stored"), [(0, 0, 8), (0, 3, 11), (16, 4, 20)])
def test_with_a_crop_pictures_are_stored_larger_than_they_are_seen(size, crop, stored):
    table = load("test", image_size=size, crop=crop)
    assert table.columns["image"].shape == (299, stored, stored, 1)
    assert table.specs["image"].shape == (stored - crop, stored - crop, 1)
    assert (f"(stored {crop} px larger)" in table.description) == bool(crop)
