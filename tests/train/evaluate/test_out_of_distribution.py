"""Out-of-distribution detection: known answers for likelihoods that are made up, and what cannot be asked for."""

import dataclasses
import json

import numpy as np
import pytest
from judged import save, scans
from shared import program, tiny_config, trained

from train import config
from train.check import check
from train.evaluate import makers
from train.evaluate.makers import Maker
from train.evaluate.metrics import check_possible
from train.evaluate.reference import Reference
from zoo import images
from zoo.metrics.complexity import compressed_bits, compressors
from zoo.metrics.extractor import Extractor
from zoo.metrics.likelihood import independent_pixels
from zoo.metrics.roc import auroc
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

evaluate = program("train.evaluate.__main__")

IMAGE = TensorSpec("image", (8, 8, 1), "condition", "image", levels=256)
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
EPS = TensorSpec("eps", (1,), "normal")
EXACT = TensorSpec("log_prob", (), "output", "nats")
WEIGHT = TensorSpec("log_weight", (), "output", "nats")
GENERATE = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("image", (8, 8, 1), "output", "image"),))
TRAIN, TEST = scans("train"), scans("test")
INVERTED = 255 - TRAIN[:60]


@pytest.fixture
def folder(tmp_path, cache):
    """60 digits, inverted, as --other."""
    return f"folder:{save(INVERTED, tmp_path / 'inverted')}"


def maker(log_prob, image=IMAGE, noise=(), **section):
    """Return a model whose log p(x) is a function of uint8 pictures (count, H, W, C)."""
    name = (WEIGHT if noise else EXACT).name

    def run(_, inputs):
        nats = log_prob(images.to_uint8(inputs["image"]))
        return {name: nats + inputs["eps"][:, 0] - 0.5 if noise else nats}

    spec = MapSpec((image, *noise), (WEIGHT if noise else EXACT,))
    return Maker({"generate": GENERATE, "log_prob": spec}, {}, run, config.source("digits", **section), {})


def brightness(pictures):
    return pictures.mean(axis=(1, 2, 3)) / 10


def printed(capsys, *arguments):
    """Return the lines that the program prints, run in this process."""
    own = evaluate.SOURCE._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["train.evaluate", *arguments])
    evaluate.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def measured(monkeypatch, capsys):
    """Measure a made-up model as the program does one from a bundle."""

    def measure(made, *flags, metrics="out_of_distribution"):
        monkeypatch.setattr(makers, "kind_of", lambda _: "bundle")
        monkeypatch.setattr(makers, "create", lambda *_: made)
        (line, *_) = printed(capsys, "--source=x", f"--metrics={metrics}", *flags)
        return line

    return measure


def test_the_areas_are_those_of_scores_by_hand(folder, measured):
    line = measured(maker(brightness), f"--other={folder}")
    own = TEST[np.random.default_rng(0).permutation(299)[:60]]
    assert line["log_likelihood"] == pytest.approx(auroc(brightness(own), brightness(INVERTED)))
    assert line["log_likelihood"]["auroc"] < 0.2, "brighter pictures are more likely, and inverted ones are brighter"
    lengths = compressed_bits(own), compressed_bits(INVERTED)
    corrected = (brightness(x) / np.log(2) + bits for x, bits in zip((own, INVERTED), lengths, strict=True))
    assert line["input_complexity"] == pytest.approx(auroc(*corrected))
    independent = independent_pixels(TRAIN, 256)
    assert line["baselines"] == {
        "compressed_length": pytest.approx(auroc(-lengths[0], -lengths[1])),
        "mean_grey_level": pytest.approx(auroc(-brightness(own), -brightness(INVERTED))),
        "independent_pixels": pytest.approx(auroc(independent(own), independent(INVERTED))),
    }
    assert line["scores"].keys() == {"log_likelihood", "input_complexity", *line["baselines"]}
    for side, pictures, bits in zip(("reference", "other"), (own, INVERTED), lengths, strict=True):
        nats = brightness(pictures)
        assert line[side] == {
            "nats": pytest.approx(nats.mean()),
            "standard_error": pytest.approx(nats.std(ddof=1) / np.sqrt(60)),
            "bits_per_dimension": pytest.approx(-nats.mean() / 64 / np.log(2)),
            "count": 60,
            "compressed_bits_per_dimension": pytest.approx(bits.mean() / 64),
        }
    assert (line["bound"], line["compressed_by"]) == ("exact", compressors())
    protocol = line["protocol"]
    assert (protocol["map"], protocol["seed"]) == ("log_prob", 0)
    assert [protocol[side]["name"] for side in ("reference", "other")] == ["digits", folder]
    assert [protocol[side]["split"] for side in ("reference", "other")] == ["test", "all"]
    assert [protocol[side]["count"] for side in ("reference", "other")] == [60, 60]


@pytest.mark.parametrize(("sign", "area"), [(1, 1), (-1, 0)])
def test_a_likelihood_that_knows_complexity_and_a_bit_more_is_that_bit(folder, measured, sign, area):
    """log2 p(x) = -L(x) + 1 for digits, whose corner is black, and -L(x) - 1 for inverted ones; or the reverse."""

    def log_prob(pictures):
        is_digit = pictures[:, 0, 0, 0] < 128
        return np.log(2) * (-compressed_bits(pictures) + sign * np.where(is_digit, 1, -1))

    line = measured(maker(log_prob), f"--other={folder}")
    assert line["input_complexity"] == {"auroc": area, "standard_error": 0}
    assert 0.2 < line["log_likelihood"]["auroc"] < 0.8


def test_a_bound_is_taken_as_log_likelihood_takes_it(folder, measured):
    made = maker(brightness, noise=(EPS,))
    flags = f"--other={folder}", "--importance_samples=4", "--seed=3", "--count=50"
    line, alone = measured(made, *flags), measured(made, *flags[1:], metrics="log_likelihood")
    assert line["bound"] == alone["bound"]
    assert line["bound"].startswith("a lower bound: 4 importance samples")
    assert line["reference"]["nats"] == alone["nats"]
    own = TEST[np.random.default_rng(3).permutation(299)[:50]]
    assert line["reference"]["nats"] == pytest.approx(brightness(own).mean(), abs=0.5), "by 4 samples"


def test_other_data_are_seen_as_the_model_s_own(measured):
    """Coloured shapes of 32 px beside digits in three channels of 8 px."""
    made = maker(brightness, dataclasses.replace(IMAGE, shape=(8, 8, 3)), channels=3)
    line = measured(made, "--other=shapes", "--count=40")
    assert (line["reference"]["count"], line["other"]["count"]) == (40, 40)
    assert "split 'test', drawn with a fixed seed at 8 px" in line["protocol"]["other"]["from"]
    assert line["log_likelihood"]["auroc"] == 0, "shapes lie on a bright ground"


def test_a_density_has_no_independent_pixels(folder, measured):
    line = measured(maker(brightness, dataclasses.replace(IMAGE, levels=0)), f"--other={folder}")
    assert line["baselines"].keys() == {"compressed_length", "mean_grey_level"}


def test_a_run_and_its_binary_pictures(folder, tmp_path, capsys):
    made = trained(tiny_config("nade"), tmp_path / "run")
    flags = f"--other={folder}", "--metrics=log_likelihood,out_of_distribution", "--count=50"
    likelihood, line = printed(capsys, f"--source={tmp_path / 'run'}", *flags)
    assert line["reference"]["nats"] == likelihood["nats"]
    assert [line["protocol"][side]["binarize"] for side in ("reference", "other")] == ["dynamic", "dynamic"]
    sections = config.source("digits", binarize="dynamic"), config.source(folder, binarize="dynamic")
    nats = []
    for section, split in zip(sections, ("test", "all"), strict=True):
        pictures = Reference(section, split, 50, 0, Extractor()).images
        with made.averages.applied():
            seen = made.model.maps["log_prob"]({"image": (pictures / 127.5 - 1).astype(np.float32)})
        nats.append(seen["log_prob"].numpy())
    assert line["log_likelihood"]["auroc"] == pytest.approx(auroc(*nats)["auroc"], abs=1e-3)
    assert line["other"]["nats"] == pytest.approx(nats[1].mean(), abs=1e-4)
    assert "Bernoulli" in line["scores"]["independent_pixels"]


# what cannot be


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("digits", "--other=digits: these are the model's own data; name data to tell them from"),
        ("ring", "--other=ring cannot be made into pictures like those of digits: it holds no pictures"),
        ("shapes", "--other=shapes cannot be made into pictures like those of digits: data.channels and data.binarize"),
        ("folder:/nowhere", "--other=folder:/nowhere cannot be made .*: .*/nowhere is missing"),
        ("nist", "--other=nist cannot be made .*: unknown data set 'nist'"),
    ],
)
def test_other_data_that_cannot_be_are_told_of_before_tensorflow_starts(measured, monkeypatch, other, said):
    monkeypatch.setattr("train.engine.backend.start", lambda *_: pytest.fail("TensorFlow was started"))
    with pytest.raises(UserError, match=said) as caught:
        measured(maker(brightness), f"--other={other}")
    assert "\n" not in str(caught.value)


def test_other_data_are_told_of_before_a_run_is_restored(tmp_path, capsys, monkeypatch):
    """By the configuration alone: nothing else of the run is here."""
    settings = tiny_config("nade")
    (tmp_path / "config.json").write_text(config.to_json(settings))
    (tmp_path / "model.json").write_text("{}")
    monkeypatch.setattr("train.engine.backend.start", lambda *_: pytest.fail("TensorFlow was started"))
    for other, said in (("digits", "these are the model's own data"), ("shapes", "data.channels and data.binarize")):
        with pytest.raises(UserError, match=f"--other={other}.*{said}"):
            printed(capsys, f"--source={tmp_path}", "--metrics=out_of_distribution", f"--other={other}")


def test_the_reference_is_no_other_data_by_whatever_path(folder, measured, tmp_path):
    place = tmp_path / "away" / ".." / "inverted"
    with pytest.raises(UserError, match="these are the reference; name data to tell them from"):
        measured(maker(brightness), f"--reference={folder}", f"--other=folder:{place}")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--metrics=out_of_distribution"], "--other is missing: name the data that out_of_distribution tells from"),
        (["--metrics=log_likelihood", "--other=digits"], "--other is for --metrics=out_of_distribution"),
        (["--other=digits"], "--other is for --metrics=out_of_distribution"),
    ],
)
def test_the_flag_and_the_metric_belong_together(capsys, flags, said):
    with pytest.raises(UserError, match=said):
        printed(capsys, "--source=/nowhere", *flags)


def test_pictures_of_another_shape_are_one_line(folder, measured):
    wide = maker(brightness, dataclasses.replace(IMAGE, shape=(4, 8, 1)))
    with pytest.raises(UserError, match="has pictures of 8 x 8 x 1, and the model reads 4 x 8 x 1: name other data"):
        measured(wide, f"--other={folder}")


def test_grey_other_data_have_no_probability_of_bits(measured, tmp_path, folder):
    """The reference is black and white without being made so; the others are grey."""
    bits = f"folder:{save(np.where(TRAIN[:80] > 127, np.uint8(255), np.uint8(0)), tmp_path / 'bits')}"
    made = maker(brightness, dataclasses.replace(IMAGE, levels=2))
    with pytest.raises(UserError, match="out_of_distribution: .* of 2 levels, and those of .*inverted have more"):
        measured(made, f"--reference={bits}", "--split=all", f"--other={folder}")


def test_a_likelihood_given_a_class_and_a_model_without_one_are_one_line():
    of_classes = maker(brightness)
    of_classes.maps["log_prob"] = MapSpec((IMAGE, LABEL), (EXACT,))
    with pytest.raises(UserError, match="needs the likelihood of pictures alone; the model's is of image, label"):
        check_possible("out_of_distribution", of_classes, None)
    gan = dataclasses.replace(of_classes, maps={"generate": GENERATE})
    with pytest.raises(UserError, match="out_of_distribution needs a likelihood .a map log_prob., which the model has"):
        check_possible("out_of_distribution", gan, None)


def test_a_schedule_has_no_other_data():
    settings = tiny_config("nade")
    settings.evaluate.metrics = "log_likelihood,out_of_distribution"
    settings.evaluate.every = 2
    with pytest.raises(UserError, match="out_of_distribution is for finished runs and the data that --other names"):
        check(settings)
