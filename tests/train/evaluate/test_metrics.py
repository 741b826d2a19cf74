"""What each metric needs of a model, and the figures of those that look at more than samples: known answers."""

import dataclasses
import json

import numpy as np
import pytest
from judged import save
from scipy.stats import norm
from shared import python, tiny_config, trained

from train import config, data
from train.data import SPLITS
from train.evaluate import latents, likelihoods
from train.evaluate.comparison import Comparison, map_for
from train.evaluate.fitting import COUNTS, affordable, fitting
from train.evaluate.makers import Maker
from train.evaluate.metrics import METRICS, check_possible, measure
from train.evaluate.reference import Reference
from zoo import images
from zoo.metrics.extractor import Extractor
from zoo.metrics.pairs import PSNR_CAP_DB
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (2,), "normal")
EPS = TensorSpec("eps", (1,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
IMAGE = TensorSpec("image", (8, 8, 1), "condition", "image")
GENERATED = TensorSpec("image", (8, 8, 1), "output", "image")
INPUT = TensorSpec("input", (8, 8, 1), "condition", "image")
COLOURED = TensorSpec("coloured", (8, 8, 3), "output", "image")
POINT = TensorSpec("point", (2,), "output", "point")
LATENT = TensorSpec("mean", (64,), "output")
EXACT = TensorSpec("log_prob", (), "output", "nats")
WEIGHT = TensorSpec("log_weight", (), "output", "nats")

SPECS = {
    "generate": MapSpec((Z,), (GENERATED,)),
    "by_class": MapSpec((Z, LABEL), (GENERATED,)),
    "points": MapSpec((Z,), (POINT,)),
    "encode": MapSpec((IMAGE,), (LATENT,)),
    "colour": MapSpec((INPUT, Z), (COLOURED,)),
    "log_prob": MapSpec((IMAGE,), (EXACT,)),
}


def maker(*names, run=None, targets=None, section="digits", **specs):
    maps = {**{name: SPECS[name] for name in names}, **specs}
    return Maker(maps, targets or {}, run, config.source(section), {"kind": "run"})


def compared(made, count=None, split="test", seed=0, samples=1, map_name=None):
    reference = Reference(made.data, split, count, seed, Extractor())
    return Comparison(made, reference, count or 299, seed, made.protocol, map_name, samples)


def measured(made, name, **options):
    return json.loads(json.dumps(measure(compared(made, **options), name), allow_nan=False))


# what a metric needs


@pytest.mark.parametrize(
    ("metric", "names", "found"),
    [
        ("frechet", ["generate", "encode"], "generate"),
        ("mixture", ["points"], "points"),
        ("log_likelihood", ["generate", "log_prob"], "log_prob"),
        ("pairs", ["generate", "colour"], "colour"),
        ("representation", ["generate", "encode"], "encode"),
    ],
)
def test_a_metric_finds_the_map_that_has_what_it_needs(metric, names, found):
    made = maker(*names, targets={"coloured": "image"})
    assert map_for(METRICS[metric].needs, made, None) == found
    assert map_for(METRICS[metric].needs, made, found) == found
    assert map_for(METRICS[metric].needs, made, "none of these") == found
    check_possible(metric, made, None)


@pytest.mark.parametrize(
    ("metric", "names", "said"),
    [
        (
            "log_likelihood",
            ["generate"],
            r"needs a likelihood \(a map log_prob\), which the model has not; its maps are",
        ),
        ("pairs", ["generate"], "pairs needs an output that data show the right value of, .* its maps are generate"),
        ("representation", ["generate", "log_prob"], "needs a map from data to latents, .* are generate, log_prob"),
        ("frechet", ["points"], "frechet is for outputs of kind image; points makes point"),
        ("mixture", ["generate"], "mixture is for outputs of kind point; generate makes image"),
    ],
)
def test_what_a_model_has_not_is_one_line(metric, names, said):
    with pytest.raises(UserError, match=said) as caught:
        check_possible(metric, maker(*names), None)
    assert "\n" not in str(caught.value)


def test_a_folder_has_samples_alone():
    folder = Maker({}, {}, None, None, {}, lambda count, seed: np.zeros((count, 8, 8, 1), np.uint8))
    for name, metric in METRICS.items():
        if metric.needs == "samples" and "image" in metric.kinds:
            check_possible(name, folder, None)
        else:
            with pytest.raises(UserError, match=f"{name} is not for a folder of pictures: it needs a run, a bundle"):
                check_possible(name, folder, None)
    assert fitting(folder) == ["frechet", "precision_recall", "density_coverage", "nearest_neighbours"]


OF_PICTURES = ["frechet", "precision_recall", "density_coverage"]
MASKED = MapSpec(
    (INPUT, TensorSpec("known", (8, 8, 1), "condition", "mask", keeps="input"), Z),
    (TensorSpec("completed", (8, 8, 1), "output", "image"),),
)


@pytest.mark.parametrize(
    ("made", "section", "names"),
    [
        (maker("by_class"), "digits", [*OF_PICTURES, "nearest_neighbours"]),
        (
            maker("generate", "encode", "log_prob"),
            "digits",
            ["log_likelihood", *OF_PICTURES, "nearest_neighbours", "representation"],
        ),
        (maker("generate", "encode"), "faces", [*OF_PICTURES, "nearest_neighbours"]),  # which have no labels
        (maker("colour", targets={"coloured": "image"}), "grey:digits", ["pairs", *OF_PICTURES]),
        (maker("colour", targets={"coloured": "b"}), "unpaired:shapes", OF_PICTURES),
        (maker(complete=MASKED, targets={"completed": "image"}), "grey:digits", OF_PICTURES),
        (maker("points"), "ring", ["mixture"]),
        (maker("generate"), "stacked:mnist", ["stacked_modes", "nearest_neighbours"]),
    ],
)
def test_the_metrics_that_fit_follow_from_the_model_and_the_data(made, section, names):
    assert fitting(made, config.source(section)) == names


@pytest.mark.parametrize("section", ["pendulum", "unpaired:shapes"])
def test_pictures_stand_beside_no_data_without_such(section):
    """As a world model that decodes what an agent saw, and a model of styles, whose data are contents and styles."""
    with pytest.raises(UserError, match="no metric fits this model and its data by itself"):
        fitting(maker("generate"), config.source(section))


def test_where_no_metric_fits_the_line_tells_what_the_model_makes():
    with pytest.raises(UserError, match=r"no metric fits .* \(points makes point\): name one with --metrics or --map"):
        fitting(maker("points"), config.source("digits"))


@pytest.mark.parametrize(("seconds", "count"), [(0.001, 2000), (1.5, 2000), (2.5, 1000), (10, 250), (1000, 100)])
def test_as_many_rows_are_measured_as_a_minute_allows(monkeypatch, seconds, count):
    """64 rows take so many seconds, the first time ten times as many."""
    clock = {"now": 0.0, "runs": 0}

    def run(name, inputs):
        clock["now"] += seconds if clock["runs"] else 10 * seconds
        clock["runs"] += 1
        return {"image": np.zeros((64, 8, 8, 1), np.float32)}

    monkeypatch.setattr("train.evaluate.fitting.time.perf_counter", lambda: clock["now"])
    assert affordable(maker("generate", run=run), ["frechet", "precision_recall"], None, {}, 50) == count
    assert clock["runs"] == 2, "one map, twice, however many metrics look at it"


def test_a_bounded_likelihood_takes_all_its_samples_for_each_row_of_both_splits(monkeypatch):
    """A run of 64 rows takes .03 s: 3 s for 50 samples of both splits, so that 1,000 rows take 47 s."""
    clock = {"now": 0.0}

    def run(name, inputs):
        clock["now"] += 0.03
        return {"log_weight": np.zeros(64, np.float32)}

    monkeypatch.setattr("train.evaluate.fitting.time.perf_counter", lambda: clock["now"])
    made = maker(run=run, log_prob=MapSpec((IMAGE, EPS), (WEIGHT,)))
    rows = {"image": np.zeros((10, 8, 8, 1), np.float32)}
    assert affordable(made, ["log_likelihood"], None, rows, 50) == 1000
    assert affordable(made, ["log_likelihood"], None, rows, 1) == COUNTS[0]


# samples


def test_conditions_of_samples_are_classes_in_turn_or_the_rows_of_the_reference():
    def run(name, inputs):
        seen.append(inputs)
        return {"image": np.zeros((64, 8, 8, 1), np.float32), "coloured": np.repeat(inputs.get("input", 0), 3, -1)}

    seen = []
    comparison = compared(maker("by_class", run=run), count=100)
    assert len(comparison.samples) == 100
    np.testing.assert_array_equal(np.concatenate([inputs["label"] for inputs in seen])[:100], np.arange(100) % 10)
    assert METRICS["frechet"].protocol(comparison)["classes"] == "in turn"

    comparison = compared(maker("colour", run=run, section="grey:digits"), count=100)
    np.testing.assert_array_equal(comparison.samples, images.to_uint8(comparison.reference.rows["input"]).repeat(3, -1))
    assert METRICS["frechet"].protocol(comparison)["conditions"] == "of the reference's rows"
    with pytest.raises(UserError, match="the map colour needs input, which the data do not have"):
        _ = compared(maker("colour", run=run), count=100).samples


# log-likelihood


def test_an_exact_likelihood_is_the_mean_over_rows_with_their_own_labels():
    """Here log p is minus the label: what it says is known."""

    def run(name, inputs):
        return {"log_prob": -inputs["label"].astype(np.float32)}

    given = maker(run=run, log_prob=MapSpec((of_levels(256), LABEL), (EXACT,)))
    line = measured(given, "log_likelihood")
    labels = data.load(given.data, "test")[0].columns["label"]
    assert line["nats"] == pytest.approx(-labels.mean())
    assert line["bits_per_dimension"] == pytest.approx(labels.mean() / (64 * np.log(2)))
    assert (line["count"], line["bound"]) == (299, "exact")
    assert "256 levels" in line["baseline"]
    assert "elbo" not in line
    with pytest.raises(UserError, match="log_prob needs other, which the data do not have"):
        measured(maker(run=run, log_prob=MapSpec((IMAGE, OTHER), (EXACT,))), "log_likelihood")


OTHER = TensorSpec("other", (3,), "condition", "latent")


def of_levels(levels):
    return dataclasses.replace(IMAGE, levels=levels)


def weigh(deviation):
    """Return log weights whose mean weight is known: eps is standard normal, so that E exp(a eps - a^2 / 2) = 1.

    The log-likelihood of an image is its mean pixel, and the ELBO is less by a^2 / 2.
    """

    def run(name, inputs):
        means = inputs["image"].mean(axis=(1, 2, 3))
        return {"log_weight": means + deviation * inputs["eps"][:, 0] - np.float32(deviation**2 / 2)}

    return maker(run=run, log_prob=MapSpec((IMAGE, EPS), (WEIGHT,)))


def test_a_bounded_likelihood_rises_from_the_elbo_to_the_likelihood():
    given, deviation = weigh(1.0), 1.0
    truth = float((data.load(given.data, "test")[0].columns["image"] / 127.5 - 1).mean())
    line = measured(given, "log_likelihood", samples=100)
    assert line["elbo"] == pytest.approx(truth - deviation**2 / 2, abs=4 / np.sqrt(299 * 100))
    assert line["nats"] == line["bounds"]["importance_weighted_100"]
    bounds = [line["bounds"][f"importance_weighted_{k}"] for k in (1, 5, 50, 100)]
    assert bounds == sorted(bounds)
    assert bounds[0] == line["elbo"]
    assert bounds[-1] == pytest.approx(truth, abs=0.02), "the bias of k samples is near -(e - 1) / 2 k = -0.0086"
    assert line["bound"] == "a lower bound: 100 importance samples an example (Burda et al. 2016, eq. 8)"


def test_one_importance_sample_is_the_elbo():
    line = measured(weigh(1.0), "log_likelihood")
    assert line["nats"] == line["elbo"] == line["bounds"]["importance_weighted_1"]
    assert len(line["bounds"]) == 1


def test_the_noise_of_a_bound_follows_from_the_seed_the_example_and_the_sample(monkeypatch):
    given = weigh(1.0)
    whole = measured(given, "log_likelihood", samples=3)
    monkeypatch.setattr(likelihoods, "_ROWS_A_CALL", 70)
    assert measured(given, "log_likelihood", samples=3) == whole, "not from how many rows are run at once"
    assert measured(given, "log_likelihood", samples=3, seed=1)["nats"] != whole["nats"]

    seen = []
    run = given.run
    object.__setattr__(given, "run", lambda name, inputs: seen.append(inputs["eps"]) or run(name, inputs))
    measured(given, "log_likelihood", samples=3)
    drawn = np.concatenate(seen)
    assert len(drawn) == len(np.unique(drawn)) == 3 * 299
    assert norm.cdf(drawn).mean() == pytest.approx(0.5, abs=0.05)


def of_bits(levels, binarize):
    """Return a model whose likelihood is of so many levels, on digits."""
    maps = {"log_prob": MapSpec((of_levels(levels),), (EXACT,))}
    section = config.source("digits", binarize=binarize)
    return Maker(maps, {}, lambda name, inputs: {"log_prob": np.zeros(64)}, section, {})


@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_a_density_has_no_baseline_and_grey_levels_have_that_of_grey_levels(binarize):
    """Pixels of 256 levels, drawn on their own, on whatever data."""
    assert not {"baseline", "baseline_nats"} & measured(of_bits(0, binarize), "log_likelihood").keys()
    given = of_bits(256, binarize)
    line = measured(given, "log_likelihood")
    train, test = (Reference(given.data, split, None, 0, Extractor()).images.reshape(-1, 64) for split in SPLITS)
    p = [(np.bincount(train[:, pixel], minlength=256) + 1) / (len(train) + 256) for pixel in range(64)]
    expected = sum(np.log(p[pixel][test[:, pixel]]).mean() for pixel in range(64))
    assert line["baseline_nats"] == pytest.approx(expected)
    assert "256 levels" in line["baseline"]


def test_a_likelihood_of_bits_is_not_told_of_grey_pictures():
    with pytest.raises(UserError, match="a probability of pictures of 2 levels, and those of digits have more: judge"):
        measured(of_bits(2, "none"), "log_likelihood")


def test_the_baseline_of_a_likelihood_is_that_of_independent_pixels():
    """Binary pixels, drawn on their own: the entropy of each, estimated on the train split."""
    line = measured(of_bits(2, "dynamic"), "log_likelihood")
    train, test = (Reference(of_bits(2, "dynamic").data, split, None, 0, Extractor()).images > 0 for split in SPLITS)
    p = (train.sum(axis=0) + 1) / (len(train) + 2)
    expected = np.where(test, np.log(p), np.log(1 - p)).sum(axis=(1, 2, 3)).mean()
    assert line["baseline_nats"] == pytest.approx(expected)
    assert "Bernoulli" in line["baseline"]


# pairs


def test_pairs_stand_beside_those_that_do_nothing():
    """The right answer itself, then one that is wrong by ten grey levels everywhere."""
    section = "grey:digits"
    (table,) = data.load(config.source(section), "test")

    def wrong_by(levels):
        def run(name, inputs):
            assert set(inputs) == {"input", "z"}
            return {"coloured": np.repeat(inputs["input"], 3, axis=-1) + np.float32(levels / 127.5)}

        return maker("generate", "colour", run=run, targets={"coloured": "image"}, section=section)

    line = measured(wrong_by(0), "pairs")
    assert (line["count"], line["identical"], line["l1"]) == (299, 299, 0)
    assert line["psnr_db"] == PSNR_CAP_DB
    assert line["ssim"] == pytest.approx(1)
    assert line["protocol"]["map"] == "colour"
    assert line["protocol"]["reference"]["split"] == "test"
    assert line["baselines"].keys() == {"mean_image", "mean_colour", "nearest_input", "do_nothing", "grey"}
    assert line["baselines"]["do_nothing"]["l1"] == 0, "these scans are grey in three channels"

    train, targets = (data.load(config.source(section), split)[0].columns["image"] for split in ("train", "test"))
    mean = np.rint(train.mean(axis=0))
    assert line["baselines"]["mean_image"]["l1"] == pytest.approx(np.abs(targets - mean).mean() / 127.5, rel=0.01)
    assert line["baselines"]["mean_colour"]["psnr_db"] < line["baselines"]["mean_image"]["psnr_db"]
    near = np.array([train[((train.astype(int) - one) ** 2).sum(axis=(1, 2, 3)).argmin()] for one in targets])
    copied = np.abs(targets.astype(int) - near).mean() / 127.5
    assert line["baselines"]["nearest_input"]["l1"] == pytest.approx(copied, rel=1e-3)

    off = measured(wrong_by(-10), "pairs", count=50)
    assert off["count"] == 50
    bright = (table.columns["image"] >= 10).mean()
    assert off["l1"] * 127.5 == pytest.approx(10 * bright, rel=0.1), "darker by ten where there is something to darken"
    assert off["psnr_db"] > 20 * np.log10(255 / 10)


def test_pairs_of_small_pictures_are_enlarged_where_nothing_is_done():
    small = TensorSpec("input", (2, 2, 1), "condition", "image")
    large = TensorSpec("upscaled", (8, 8, 1), "output", "image")

    def run(name, inputs):
        return {"upscaled": np.zeros((64, 8, 8, 1), np.float32)}

    made = maker(run=run, targets={"upscaled": "image"}, section="lowres:digits", upscale=MapSpec((small,), (large,)))
    line = measured(made, "pairs")
    assert line["baselines"].keys() == {"mean_image", "mean_colour", "nearest_input", "do_nothing"}
    assert line["baselines"]["do_nothing"]["psnr_db"] > line["psnr_db"]


def test_pairs_of_data_without_the_condition_are_one_line():
    made = maker("colour", run=lambda *_: {}, targets={"coloured": "image"})
    with pytest.raises(UserError, match="the map colour needs input, which the data do not have"):
        measured(made, "pairs")


# representation


def test_latents_that_are_the_pixels_know_as_much_as_pixels():
    made = maker("generate", "encode", run=lambda name, inputs: {"mean": inputs["image"].reshape(-1, 64)})
    line = measured(made, "representation")
    assert line["latents"] == line["pixels"]
    assert line["latents"]["linear_probe"] == line["pixels"]["linear_probe"] > 0.9
    assert line["principal_components"]["nearest_neighbour"] == line["pixels"]["nearest_neighbour"], "a rotation"
    assert (line["latent_dimensions"], line["count_train"], line["count"]) == (64, 299, 299)
    assert line["protocol"]["map"] == "encode"
    assert line["protocol"]["reference"]["splits"].startswith("train: the probe is fitted; test: measured")


def test_latents_of_noise_know_nothing():
    def run(name, inputs):
        rng = np.random.default_rng(int(inputs["image"].sum() * 1000) % 2**32)
        return {"mean": rng.normal(size=(64, 64)).astype(np.float32)}

    line = measured(maker("encode", run=run), "representation")
    assert line["latents"]["linear_probe"] < 0.3 < line["pixels"]["linear_probe"]


def test_a_representation_needs_labels(tmp_path, cache):
    folder = save(np.zeros((20, 8, 8, 1), np.uint8), tmp_path / "black")
    made = maker("encode", run=lambda *_: {}, section=f"folder:{folder}")
    with pytest.raises(UserError, match="representation needs labels, and folder:.* has none"):
        latents.features_of(compared(made))


def test_a_run_of_several_maps_is_measured_by_the_program(tmp_path):
    trained(tiny_config("vae"), tmp_path / "run")
    flags = "--importance_samples=6", "--count=100", f"--picture={tmp_path / 'latents.png'}"
    process = python(
        "-m", "train.evaluate", f"--source={tmp_path / 'run'}", "--metrics=log_likelihood,representation,pairs", *flags,
        stderr=None,
    )  # fmt: skip
    output, _ = process.communicate()
    assert process.returncode == 0
    likelihood, representation, pairs = map(json.loads, output.splitlines())
    assert likelihood["bounds"].keys() == {f"importance_weighted_{k}" for k in (1, 5, 6)}
    assert likelihood["elbo"] <= likelihood["nats"]
    assert [line["protocol"]["map"] for line in (likelihood, representation, pairs)] == [
        "log_prob",
        "encode",
        "reconstruct",
    ]
    assert [line["count"] for line in (likelihood, representation, pairs)] == [100, 100, 100]
    assert representation["latent_dimensions"] == 3
    assert (tmp_path / "latents.png").read_bytes().startswith(b"\x89PNG")
