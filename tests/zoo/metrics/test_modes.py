"""Modes and their divergence against counts made by hand; stacked digits against a classifier that knows them."""

import math

import numpy as np
import pytest

from train import data
from train.config import source
from train.evaluate.comparison import Comparison
from train.evaluate.makers import Maker
from train.evaluate.metrics import measure
from train.evaluate.reference import Reference
from zoo.metrics.extractor import Extracted, Extractor
from zoo.metrics.modes import coverage, stacked_coverage, stacked_mode
from zoo.shared.errors import UserError

SECTION = source("stacked:digits")
EVERY_MODE = np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), axis=1)


def stacked(digits, size=4):
    """Return pictures (N, size, size, 3) whose channels show the digits as grey levels: digit d is the level 10 d."""
    return np.broadcast_to(10 * digits[:, None, None, :], (len(digits), size, size, 3)).astype(np.uint8)


def classify(pictures, classes=10):
    """Read such levels: certain of the digit, or with 20 classes more certain of a garment."""
    assert pictures.dtype == np.uint8 and pictures.shape[1:] == (4, 4, 1)
    levels = pictures[:, 0, 0, 0] // 10
    p = np.full((len(pictures), classes), 0.01)
    p[np.arange(len(pictures)), levels] = 0.4
    if classes == 20:
        p[:, 13] = 0.5
    return p


@pytest.mark.parametrize("modes", [8, 25, 1000])
def test_every_mode_once_is_perfect(modes):
    assert coverage(np.arange(modes), modes) == {"modes": modes, "reverse_kl": pytest.approx(0, abs=1e-12)}


def test_one_mode_costs_the_logarithm_of_their_number_and_half_of_them_log_2():
    assert coverage(np.full(70, 999), 1000) == {"modes": 1, "reverse_kl": pytest.approx(math.log(1000))}
    assert coverage(np.repeat(np.arange(0, 1000, 2), 3), 1000) == {
        "modes": 500,
        "reverse_kl": pytest.approx(math.log(2)),
    }


def test_uneven_modes_cost_though_all_are_found():
    found = np.repeat(np.arange(4), [5, 1, 1, 1])
    expected = 5 / 8 * math.log(5 / 8 * 4) + 3 / 8 * math.log(1 / 8 * 4)
    assert coverage(found, 4) == {"modes": 4, "reverse_kl": pytest.approx(expected)}


def test_no_samples_have_no_divergence():
    assert coverage(np.zeros(0, int), 10) == {"modes": 0, "reverse_kl": None}


def test_few_samples_of_uniform_modes_have_the_documented_bias():
    rng = np.random.default_rng(0)
    measured = [coverage(rng.integers(1000, size=26_000), 1000)["reverse_kl"] for _ in range(20)]
    # the deviation of one is about sqrt((K - 1) / 2) / N
    assert np.mean(measured) == pytest.approx(999 / 52_000, abs=4 * math.sqrt(999 / 2 / 20) / 26_000 + 0.0002)


def test_three_digits_are_the_number_that_they_spell():
    np.testing.assert_array_equal(stacked_mode(EVERY_MODE), np.arange(1000))
    assert stacked_mode(np.array([[7, 0, 3]])) == 703


@pytest.mark.parametrize("classes", [10, 20])
def test_every_stack_of_digits_is_read_channel_by_channel(classes):
    measured = stacked_coverage(stacked(EVERY_MODE), lambda x: classify(x, classes))
    assert measured == {"modes": 1000, "reverse_kl": pytest.approx(0, abs=1e-12), "count": 1000}


def test_a_generator_that_repeats_one_digit_in_one_channel_has_a_tenth_of_the_modes():
    digits = EVERY_MODE.copy()
    digits[:, 1] = 4
    measured = stacked_coverage(stacked(digits), classify)
    assert measured == {"modes": 100, "reverse_kl": pytest.approx(math.log(10)), "count": 1000}


def test_grey_pictures_have_ten_modes():
    """The channels are alike: only 000, 111 and so on are found."""
    measured = stacked_coverage(stacked(np.repeat(np.arange(10)[:, None], 3, axis=1)), classify)
    assert measured == {"modes": 10, "reverse_kl": pytest.approx(math.log(100)), "count": 10}


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_channels_are_refused(channels):
    with pytest.raises(UserError, match=f"the images have {channels} channels: stacked pictures have 3"):
        stacked_coverage(np.zeros((5, 4, 4, channels), np.uint8), classify)


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        (None, "no class probabilities: to count modes it must give those of the 10 digits"),
        (np.zeros((15, 1008)), "1008 class probabilities: to count modes"),
        (np.full((15, 10), np.nan), "class probabilities that are NaN: use one that knows"),
    ],
)
def test_other_classes_are_refused(probabilities, said):
    with pytest.raises(UserError, match=said):
        stacked_coverage(np.zeros((5, 4, 4, 3), np.uint8), lambda _: probabilities)


def test_the_extractor_that_comes_along_reads_held_out_digits():
    """Of 299 held-out scans it misreads few, so that nearly every mode that is there is found, and no more."""
    (table,) = data.load(SECTION, "test")
    images, labels = (table.columns[name][:1500] for name in ("image", "label"))
    true = coverage(labels, 1000)
    measured = stacked_coverage(images, lambda x: Extractor()(x).probabilities)
    assert measured["modes"] == pytest.approx(true["modes"], rel=0.02)
    assert measured["reverse_kl"] == pytest.approx(true["reverse_kl"], abs=0.02)


class Levels:
    """An extractor of the pictures of `stacked`."""

    path, protocol = "levels.onnx", {"file": "levels.onnx"}

    def __call__(self, pictures):
        return Extracted(np.zeros((len(pictures), 2)), classify(pictures))


def test_the_metric_tells_of_samples_and_reference_apart(monkeypatch):
    reference = Reference(SECTION, "test", 500, 0, Levels())
    reference.images = stacked(EVERY_MODE[:500])
    maker = Maker({}, {}, None, None, {}, lambda count, seed: stacked(EVERY_MODE[:count]))
    line = measure(Comparison(maker, reference, 100, 0, {}), "stacked_modes")
    assert (line["metric"], line["modes"], line["count"], line["reference_modes"]) == ("stacked_modes", 100, 100, 500)
    assert line["reverse_kl"] == pytest.approx(math.log(10))
    assert line["reference_reverse_kl"] == pytest.approx(math.log(2))
    assert line["protocol"]["extractor"] == Levels.protocol
    assert line["protocol"]["reference"]["name"] == "stacked:digits"
