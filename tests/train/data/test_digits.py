from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_digits

from train import data


def config(size=8, channels=0):
    return SimpleNamespace(name="digits", image_size=size, channels=channels, binarize="none", unreadable="skip")


def test_every_sixth_scan_is_held_out_and_nothing_is_lost():
    train, test = (data.load(config(), split) for split in data.SPLITS)
    assert train.samples.shape == (1498, 8, 8, 1) and test.samples.shape == (299, 8, 8, 1)
    assert train.samples.dtype == np.uint8 and train.labels.dtype == np.int32
    scans, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(test.samples[3].ravel(), np.rint(scans[23] * 255 / 16))
    np.testing.assert_array_equal(train.samples[5].ravel(), np.rint(scans[6] * 255 / 16))
    np.testing.assert_array_equal(test.labels, labels[5::6])
    np.testing.assert_array_equal(train.labels[4:7], labels[[4, 6, 7]])
    assert train.samples.min() == 0 and train.samples.max() == 255
    assert train.label_names == tuple("0123456789")
    assert "1,498" in train.description and "'train'" in train.description and "not resized" in train.description


def test_resizing_keeps_the_digit():
    small, large = (data.load(config(size), "test") for size in (8, 32))
    assert large.samples.shape == (299, 32, 32, 1)
    back = large.samples.reshape(299, 8, 4, 8, 4).mean((2, 4))
    assert np.corrcoef(back.ravel(), small.samples.ravel())[0, 1] > 0.95
    assert "from 8 to 32 px" in large.description


def test_three_channels_repeat_the_grey():
    images = data.load(config(channels=3), "test").samples
    np.testing.assert_array_equal(images, np.repeat(data.load(config(), "test").samples, 3, axis=-1))
