from types import SimpleNamespace

import numpy as np
import pytest

from train import data
from train.data.batches import Batches
from zoo.metrics.mixtures import MIXTURES
from zoo.shared.errors import UserError


def config(name, **changes):
    defaults = {"image_size": 16, "channels": 0, "binarize": "none", "unreadable": "skip"}
    return SimpleNamespace(name=name, **defaults | changes)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize(("split", "count"), [("train", 100_000), ("test", 10_000)])
def test_points_lie_around_the_centre_of_their_label_with_the_mixture_s_sigma(name, split, count):
    source, mixture = data.load(config(name), split), MIXTURES[name]
    assert source.samples.shape == (count, 2) and source.samples.dtype == np.float32
    assert source.labels.shape == (count,) and source.labels.dtype == np.int32
    offsets = (source.samples - mixture.centres[source.labels]) / mixture.sigma
    # the sampling error of a standard deviation is 1 / sqrt(2 N), that of a mean or a correlation 1 / sqrt(N)
    np.testing.assert_allclose(offsets.std(axis=0), 1, atol=5 / np.sqrt(2 * count))
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=5 / np.sqrt(count))
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 5 / np.sqrt(count)
    radii = np.sort(np.hypot(*offsets.T))
    np.testing.assert_allclose(radii[count // 2], np.sqrt(2 * np.log(2)), atol=0.05)  # the Rayleigh law's median


@pytest.mark.parametrize("name", MIXTURES)
def test_modes_are_drawn_uniformly_and_in_no_order(name):
    labels, modes = data.load(config(name), "train").labels, len(MIXTURES[name].centres)
    counts = np.bincount(labels, minlength=modes)
    assert counts.shape == (modes,)
    expected = len(labels) / modes
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert len(set(labels[: 20 * modes])) == modes


@pytest.mark.parametrize("name", MIXTURES)
def test_the_points_are_always_the_same_and_held_out_ones_are_others(name):
    train, again, test = (data.load(config(name), split) for split in ("train", "train", "test"))
    assert train.fingerprint() == again.fingerprint() != test.fingerprint()
    assert not set(map(tuple, train.samples.tolist())) & set(map(tuple, test.samples.tolist()))
    assert data.load(config(name, image_size=64, channels=3), "test").fingerprint() == test.fingerprint()


def test_the_first_points_are_pinned():
    """Made with the package's own noise, so that they are the same on every machine and stay so."""
    source = data.load(config("ring"), "train")
    np.testing.assert_array_equal(source.labels[:4], [2, 4, 5, 2])
    np.testing.assert_allclose(source.samples[:2], [[0.0081030, 0.9909974], [-0.9905737, 0.0081457]], atol=1e-6)


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_labels_are_named_by_their_number(name, modes):
    source = data.load(config(name), "test")
    assert source.label_names == tuple(map(str, range(modes)))
    assert f"10,000 points of the {name} of {modes} Gaussians" in source.description and "'test'" in source.description


def test_points_cannot_be_binarised():
    with pytest.raises(UserError, match="data.binarize is 'dynamic'; the points of 'grid' need 'none'") as error:
        data.check(config("grid", binarize="dynamic"))
    assert "\n" not in str(error.value)


def test_batches_hold_the_points_of_their_labels_as_they_are():
    source = data.load(config("grid"), "train")
    batches = Batches(source, 64, seed=3)
    (element,) = batches.dataset(7, 1).as_numpy_iterator()
    chosen = batches.indices(7)
    np.testing.assert_array_equal(element["image"], source.samples[chosen])
    np.testing.assert_array_equal(element["label"], source.labels[chosen])
    assert element["image"].dtype == np.float32 and np.abs(element["image"]).max() > 3, "not scaled to [-1, 1]"
