"""Metrics of sound, of makers whose figures are known."""

import numpy as np
import pytest

from train import config
from train.evaluate.comparison import Comparison
from train.evaluate.fitting import fitting
from train.evaluate.makers import Maker
from train.evaluate.metrics import check_possible, measure
from train.evaluate.reference import Reference
from train.evaluate.sounds import ratio
from zoo import media
from zoo.metrics.extractor import PICTURES, Extractor
from zoo.metrics.sounds import mu_law_level, mu_law_value
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

SAMPLES = 1280
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=1)
AUDIO = TensorSpec("audio", (SAMPLES,), "condition", "audio", rate=4000.0, levels=256, companding="mu_law")
MADE = TensorSpec("audio", (SAMPLES,), "output", "audio", rate=4000.0)
MAPS = {
    "generate": MapSpec((TensorSpec("u", (SAMPLES,), "uniform", low=0.0, high=1.0), LABEL), (MADE,)),
    "log_prob": MapSpec(
        (AUDIO,), (TensorSpec("log_prob", (), "output", "nats"), TensorSpec("by_sample", (SAMPLES,), "output"))
    ),
}


def compared(run, maps=MAPS):
    section = config.source("tones")
    reference = Reference(section, "test", 100, 0, Extractor(PICTURES))
    return Comparison(Maker(maps, {}, run, section, {}), reference, 100, 0, {})


def test_a_model_that_takes_every_level_as_likely_has_8_bits_where_it_counts():
    def run(name, inputs):
        by_sample = np.full(inputs["audio"].shape, -8 * np.log(2), np.float32)
        by_sample[:, :256] = -100.0  # the pause does not count
        return {"log_prob": by_sample.sum(axis=1), "by_sample": by_sample}

    line = measure(compared(run), "bits_per_sample")
    assert line["bits_per_sample"] == pytest.approx(8, abs=1e-5) and line["standard_error"] == pytest.approx(
        0, abs=1e-6
    )
    assert (line["rows"], line["samples"], line["levels"], line["spaced_by"]) == (100, 102400, 256, "mu_law")
    unigram, bigram = (line["baselines"][name]["bits_per_sample"] for name in ("unigram", "bigram"))
    assert np.log2(3) < bigram < unigram < 8


def test_simple_models_of_16_bits_pay_for_the_values_of_a_level():
    by_16_bits = {
        **MAPS,
        "log_prob": MapSpec((TensorSpec("audio", (SAMPLES,), "condition", "audio"),), MAPS["log_prob"].outputs),
    }

    def run(name, inputs):
        return {"log_prob": np.zeros(len(inputs["audio"])), "by_sample": np.zeros(inputs["audio"].shape)}

    lines = [measure(compared(run, maps), "bits_per_sample")["baselines"] for maps in (MAPS, by_16_bits)]
    rows = Reference(config.source("tones"), "test", 100, 0, Extractor(PICTURES)).rows
    widths = np.bincount(mu_law_level(np.arange(-32768, 32768) / 32768))
    more = np.log2(widths)[mu_law_level(rows["audio"])][rows["counted"] > 0.5].mean()
    for name in ("unigram", "bigram"):
        assert lines[1][name]["bits_per_sample"] - lines[0][name]["bits_per_sample"] == pytest.approx(more, rel=1e-6)


def test_a_ratio_and_its_error_by_hand():
    values, counted = np.array([[1.0, 3.0, 9.0], [2.0, 9.0, 9.0]]), np.array([[1, 1, 0], [1, 0, 0]], bool)
    # sums 4 and 2, sizes 2 and 1: the mean is 2, the rows stray by 0
    assert ratio(values, counted) == (2.0, 0.0)
    mean, error = ratio(np.array([[1.0], [3.0]]), np.ones((2, 1), bool))
    assert mean == 2 and error == pytest.approx(np.sqrt(2) / np.sqrt(2))


@pytest.mark.parametrize(("is_right", "pause"), [(True, 0), (True, 256), (False, 100)])
def test_a_classifier_hears_whether_samples_are_what_was_asked_for(is_right, pause):
    rows = Reference(config.source("tones"), "train", 400, 5, Extractor(PICTURES)).rows

    def run(name, inputs):
        wanted = inputs["label"] if is_right else 1 - inputs["label"]
        chosen = [np.flatnonzero(rows["label"] == label)[number] for number, label in enumerate(wanted)]
        audio = rows["audio"][chosen]
        # whether a pause goes before makes no difference
        return {"audio": np.pad(audio[:, 256 - pause :], ((0, 0), (0, 256 - pause)))}

    line = measure(compared(run), "sound")
    assert line["reference_accuracy"] > 0.95 and line["chance"] == 0.5
    assert line["accuracy"] > 0.95 if is_right else line["accuracy"] < 0.05
    assert line["spectral_distance_db"] < 3 and line["level_db"] == pytest.approx(line["reference_level_db"], abs=1)
    assert line["protocol"]["samples"] == 100 and line["protocol"]["classes"] == "in turn"


def test_what_fits_and_what_does_not():
    maker = Maker(MAPS, {}, lambda *_: {}, None, {})
    assert fitting(maker)[0] == "bits_per_sample"
    check_possible("bits_per_sample", maker, None)
    with pytest.raises(UserError, match="frechet is for outputs of kind image; generate makes audio"):
        check_possible("frechet", maker, None)
    image = MapSpec(
        (TensorSpec("image", (4, 4, 1), "condition", "image"),), (TensorSpec("log_prob", (), "output", "nats"),)
    )
    with pytest.raises(UserError, match="bits_per_sample is for the likelihood of kind audio"):
        check_possible("bits_per_sample", Maker({"log_prob": image}, {}, lambda *_: {}, None, {}), None)
    assert media.seen(MADE, media.stored(MADE, mu_law_value(np.array([[128]]))))[0, 0] > 0
