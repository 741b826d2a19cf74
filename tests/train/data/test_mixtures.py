import numpy as np
import pytest

from train import data
from train.data.batches import Batches
from train.data.sources.pictures import Section
from zoo.metrics.mixtures import MIXTURES


def load(name, split):
    (table,) = data.load(Section(name=name, **data.defaults(name)), split)
    return table


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize(("split", "count"), [("train", 100_000), ("test", 10_000)])
def test_points_lie_around_the_centre_of_their_label_with_the_mixture_s_sigma(name, split, count):
    table, mixture = load(name, split), MIXTURES[name]
    points, labels = table.columns["image"], table.columns["label"]
    assert points.shape == (count, 2) and points.dtype == np.float32
    assert labels.shape == (count,) and labels.dtype == np.int32
    assert table.specs["image"].kind == "point" and table.specs["image"].shape == (2,)
    offsets = (points - mixture.centres[labels]) / mixture.sigma
    # the sampling error of a standard deviation is 1 / sqrt(2 N), that of a mean or a correlation 1 / sqrt(N)
    np.testing.assert_allclose(offsets.std(axis=0), 1, atol=5 / np.sqrt(2 * count))
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=5 / np.sqrt(count))
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 5 / np.sqrt(count)
    radii = np.sort(np.hypot(*offsets.T))
    np.testing.assert_allclose(radii[count // 2], np.sqrt(2 * np.log(2)), atol=0.05)  # the Rayleigh law's median


@pytest.mark.parametrize("name", MIXTURES)
def test_modes_are_drawn_uniformly_and_in_no_order(name):
    labels, modes = load(name, "train").columns["label"], len(MIXTURES[name].centres)
    counts = np.bincount(labels, minlength=modes)
    assert counts.shape == (modes,)
    expected = len(labels) / modes
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert len(set(labels[: 20 * modes])) == modes


@pytest.mark.parametrize("name", MIXTURES)
def test_the_points_are_always_the_same_and_held_out_ones_are_others(name):
    train, again, test = (load(name, split) for split in ("train", "train", "test"))
    assert train.fingerprint() == again.fingerprint() != test.fingerprint()
    assert not set(map(tuple, train.columns["image"].tolist())) & set(map(tuple, test.columns["image"].tolist()))


def test_the_first_points_are_pinned():
    """Made with the package's own noise, so that they are the same on every machine and stay so."""
    columns = load("ring", "train").columns
    np.testing.assert_array_equal(columns["label"][:4], [2, 4, 5, 2])
    np.testing.assert_allclose(columns["image"][:2], [[0.0081030, 0.9909974], [-0.9905737, 0.0081457]], atol=1e-6)


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_labels_are_named_by_their_number(name, modes):
    table = load(name, "test")
    assert table.specs["label"].names == tuple(map(str, range(modes)))
    assert f"10,000 points of the {name} of {modes} Gaussians" in table.description and "'test'" in table.description


def test_batches_hold_the_points_of_their_labels_as_they_are():
    table = load("grid", "train")
    batches = Batches((table,), 64, seed=3, section=Section(name="grid"))
    (element,) = batches.dataset(7, 1).as_numpy_iterator()
    chosen = batches.indices(7)
    np.testing.assert_array_equal(element["image"], table.columns["image"][chosen])
    np.testing.assert_array_equal(element["label"], table.columns["label"][chosen])
    assert element["image"].dtype == np.float32 and np.abs(element["image"]).max() > 3, "not scaled to [-1, 1]"
