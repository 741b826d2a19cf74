"""Samples beside real pictures, whoever made them: what each metric tells, and what the reference is."""

import numpy as np
import pytest
from judged import DIGITS, LUMA, RED, compared, save, scans

from train import config, data
from train.evaluate.metrics import measure
from train.evaluate.reference import Reference, alike, ours
from zoo import images
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extracted, Extractor
from zoo.shared.errors import UserError


def test_sets_of_pictures_get_as_many_channels():
    grey, red = LUMA[:2], RED[:2]
    assert [x.shape[-1] for x in alike(grey, red, grey.repeat(3, axis=-1))] == [3, 3, 3]
    for images_ in alike(grey.repeat(3, axis=-1), grey):
        np.testing.assert_array_equal(images_, grey)
    late = np.repeat(grey[:1].repeat(3, axis=-1), 3000, axis=0)
    late[-1, -1, -1, 2] ^= 1
    assert alike(late)[0].shape[-1] == 3, "one pixel of the last picture has colour"


@pytest.mark.parametrize(
    ("section", "metrics", "has_colour", "path"),
    [
        (("digits",), ["frechet"], False, DIGITS_AND_FASHION),
        (("mnist",), ["frechet"], False, DIGITS_AND_FASHION),
        (("mnist:3.0.1",), ["score"], False, DIGITS_AND_FASHION),
        (("fashion_mnist",), [], False, DIGITS_AND_FASHION),
        (("lowres:fashion_mnist",), ["frechet"], False, DIGITS_AND_FASHION),
        (("stacked:mnist",), ["stacked_modes", "frechet"], True, DIGITS_AND_FASHION),
        (("stacked:mnist",), ["frechet"], True, PICTURES),
        (("mnist",), ["frechet"], True, PICTURES),
        (("mnist", 3), ["frechet"], False, PICTURES),
        (("grey:mnist",), ["frechet"], True, PICTURES),
        (("cifar10",), ["frechet"], False, PICTURES),
        (("cifar10", 1), ["frechet"], False, PICTURES),
        (("kmnist",), ["frechet"], False, PICTURES),
        (("shapes",), ["frechet"], False, PICTURES),
        (("folder:mnist",), ["frechet"], False, PICTURES),
        (("folder:digits/mnist",), ["frechet"], False, PICTURES),
    ],
)
def test_the_data_choose_the_extractor(section, metrics, has_colour, path):
    name, *channels = section
    assert ours(config.source(name, **({"channels": channels[0]} if channels else {})), metrics, has_colour) == path


def test_real_images_beside_themselves_are_perfect_and_train_beside_test_nearly():
    train, test = scans("train"), scans("test")
    same, other = compared(test), compared(train[::5])
    assert len(same.reference.images) == len(other.reference.images) == 299
    assert measure(same, "frechet")["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert measure(same, "precision_recall")["precision"] == 1
    assert measure(same, "two_sample")["accuracy"] == 0, "each has a copy in the other set"
    for metric, figure in (("score", "inception_score"), ("ms_ssim", "ms_ssim")):
        of_test, beside = measure(same, metric), measure(other, metric)
        assert of_test[figure] == of_test[f"reference_{figure}"] == beside[f"reference_{figure}"] != beside[figure]
    assert measure(other, "two_sample")["accuracy"] == pytest.approx(0.5, abs=0.1)
    assert measure(other, "precision_recall")["recall"] > 0.7
    assert abs(measure(other, "kernel")["kernel_distance"]) < 3 * measure(other, "kernel")["standard_error"]
    assert measure(other, "density_coverage")["coverage"] > 0.8
    assert (measure(other, "parzen")["validation"], measure(other, "parzen")["count"]) == (149, 150)
    assert measure(other, "sliced_wasserstein")["count"] == 299


def test_half_of_the_classes_cost_recall_and_not_precision():
    train, labels = scans("train"), scans("train", column="label")
    whole = measure(compared(train[:299]), "precision_recall")
    half = measure(compared(train[labels < 5][:299]), "precision_recall")
    assert half["precision"] > whole["precision"] - 0.05
    assert half["recall"] < whole["recall"] - 0.2


def test_the_score_of_few_real_images_is_that_of_as_many_samples():
    """It grows with the count: 1,000 samples would beat the 299 real ones that they are."""
    line = measure(compared(scans("test")[np.arange(1000) % 299]), "score")
    assert line["count"] == 299
    assert line["inception_score"] == line["reference_inception_score"]


def test_real_images_are_chosen_by_the_seed():
    chosen = [Reference(DIGITS, "test", 50, seed, Extractor()).images for seed in (0, 1, 0)]
    assert np.array_equal(chosen[0], chosen[2])
    assert len({bytes(np.sort(x.ravel())) for x in (*chosen, scans("test")[:50])}) == 3


def test_the_rows_of_a_reference_belong_together():
    reference = Reference(config.source("grey:digits"), "test", 50, 3, Extractor())
    rows = reference.rows
    np.testing.assert_array_equal(images.to_uint8(rows["image"]), reference.images)
    (table,) = data.load(config.source("grey:digits"), "test")
    np.testing.assert_array_equal(rows["label"], table.columns["label"][reference.chosen])
    np.testing.assert_array_equal(images.to_uint8(rows["input"])[..., 0], reference.images[..., 0])
    some = reference.rows_of("train", 30)
    assert {name: values.shape[0] for name, values in some.items()} == dict.fromkeys(("image", "label", "input"), 30)


def test_what_looks_at_whole_splits_says_so():
    comparison = compared(scans("train")[:100])
    for name, splits in (("nearest_neighbours", "train; test, held out"), ("parzen", "test: a part chooses sigma")):
        told = measure(comparison, name)["protocol"]["reference"]
        assert told["splits"].startswith(splits)
        assert not told.keys() & {"split", "count", "from"}


def test_the_width_of_the_parzen_window_is_not_chosen_on_what_was_trained_on():
    """Copies of the training images: the best width for these would be the least there is."""
    line = measure(compared(scans("train")), "parzen")
    assert line["sigma"] > 0.11


def test_every_metric_tells_noise_from_digits():
    rng = np.random.default_rng(0)
    junk = rng.integers(0, 256, (299, 8, 8, 1), dtype=np.uint8)
    noisy, fair = compared(junk), compared(scans("train")[::5])
    for name, key, sign in (
        ("frechet", "frechet_distance", 1),
        ("kernel", "kernel_distance", 1),
        ("precision_recall", "precision", -1),
        ("density_coverage", "coverage", -1),
        ("two_sample", "accuracy", 1),
        ("sliced_wasserstein", "average", 1),
        ("parzen", "nats", -1),
    ):
        assert sign * measure(noisy, name)[key] > sign * measure(fair, name)[key], name


def test_a_generator_that_copies_training_images_is_caught():
    line = measure(compared(scans("train")[:100]), "nearest_neighbours")
    assert (line["close_share"], line["median_ratio"]) == (1, 0)
    assert line["closer_probability"] == pytest.approx(1, abs=0.01)
    assert (line["count_train"], line["count_held_out"], line["count_fake"]) == (1498, 299, 100)


def test_copies_of_few_pictures_are_caught_too(tmp_path, cache):
    folder = config.source(f"folder:{save(scans('train')[:60], tmp_path / 'few')}")
    copied, held_out = (Reference(folder, split, 60, 0, Extractor()).images for split in ("train", "test"))
    line = measure(compared(copied, section=folder), "nearest_neighbours")
    assert 2 <= line["count_held_out"] == len(held_out) < 20
    assert (line["close_share"], line["close_share_held_out"]) == (1, 1 / len(held_out))
    assert line["percentile"] == 100 / len(held_out)
    one = config.source(f"folder:{save(scans('train')[:12], tmp_path / 'fewer')}")
    with pytest.raises(UserError, match="needs 2 held-out images or more, and the reference has 1"):
        measure(compared(copied, section=one), "nearest_neighbours")


def test_the_reference_is_seen_as_the_model_saw_it():
    binary = Reference(config.source("digits", binarize="dynamic"), "test", 50, 0, Extractor())
    assert binary.images.shape == (50, 8, 8, 1)
    assert set(np.unique(binary.images)) == {0, 255}
    assert binary.protocol["binarize"] == "dynamic"
    cropped = Reference(config.source("digits", image_size=8, crop=4), "test", 50, 0, Extractor())
    assert cropped.images.shape == (50, 8, 8, 1)


def test_score_needs_classes():
    def blind(pictures):
        return Extracted(pictures.reshape(len(pictures), -1), None)

    blind.path, blind.protocol = "blind.onnx", {}
    with pytest.raises(UserError, match=r"blind.onnx has no output called probabilities or logits"):
        measure(compared(scans("test"), extractor=blind), "score")


def test_an_extractor_that_cannot_see_what_it_judges_is_told_of(capsys):
    colour = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), np.uint8)
    shapes = config.source("shapes", image_size=8)
    for samples, section, path, said in (
        (colour, shapes, DIGITS_AND_FASHION, "does not see the colours of these pictures, since its input has one"),
        (colour, config.source("stacked:digits"), DIGITS_AND_FASHION, "does not see the colours"),
        (colour, config.source("digits"), DIGITS_AND_FASHION, "does not see the colours"),
        (colour, shapes, PICTURES, ""),
        (colour[..., :1], config.source("digits"), DIGITS_AND_FASHION, ""),
        (colour[..., :1], config.source("digits"), PICTURES, ""),
    ):
        measure(compared(samples, section=section, extractor=Extractor(path)), "frechet")
        told = capsys.readouterr().err
        assert f"warning: frechet by {path} {said}" in told if said else "warning" not in told
        assert told.count("\n") == bool(said)


def test_modes_are_counted_beside_stacked_pictures_only_and_by_what_knows_digits():
    with pytest.raises(UserError, match="stacked_modes is for stacked pictures; the reference is digits: use stacked:"):
        measure(compared(scans("test")), "stacked_modes")
    stacked = config.source("stacked:digits")
    with pytest.raises(UserError, match=r"counts digits, and pictures.onnx knows the ten objects of cifar10 only"):
        measure(compared(RED[:, :8, :8], section=stacked, extractor=Extractor(PICTURES)), "stacked_modes")
