"""The experiments behind the theory page: known answers for their parts, and small budgets of the whole."""

import base64
import importlib
import json
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared import python

from train.theory import (
    EXPERIMENTS,
    cycle_consistency,
    equilibrium,
    level_sets,
    loss_and_quality,
    optimal_discriminator,
    page,
    parallel_lines,
    progressive_growing,
    two_bumps,
    vanishing_gradient,
)
from train.theory.result import Result, marks, named, new_figure, spread
from train.theory.training import FrozenGenerator, Run, affine_generator, point_source
from zoo.translation.cyclegan import DIRECTIONS


def linear(*weights):
    """Return the network x @ weights, (N, D) to (N, 1)."""
    x = keras.Input((len(weights),))
    layer = keras.layers.Dense(1, use_bias=False)
    network = keras.Model(x, layer(x))
    layer.set_weights([np.array(weights, np.float32)[:, None]])
    return network


def mean(result, name):
    return result.numbers[name]["mean"]


def test_spread_and_marks():
    assert spread([1.0, 3.0]) == {"mean": 2.0, "deviation": pytest.approx(math.sqrt(2)), "values": [1.0, 3.0]}
    assert spread([1.0])["deviation"] is None
    assert marks(100, 3) == [0, 1, 10, 100]
    assert marks(1) == [0, 1]
    assert (named([4]), named([0, 2])) == ("Seed 4.", "Seeds 0, 2.")


def test_an_affine_generator_maps_as_told():
    generator = affine_generator([[2.0, 0.0], [0.0, 3.0]], [1.0, -1.0])
    np.testing.assert_allclose(generator({"z": np.array([[1.0, 1.0], [0.0, 2.0]])})["point"], [[3, 2], [1, 5]])


def test_against_a_frozen_generator_only_the_discriminator_learns_and_a_seed_names_the_run():
    generator = affine_generator([[1.0]], [0.0])
    source = point_source(np.random.default_rng(0).normal(size=(64, 1)), "points")

    def trained(seed):
        contest = Run(
            lambda: FrozenGenerator(generator, columns={"image": (1,)}, network="mlp", base_channels=4),
            source,
            batch_size=8,
            seed=seed,
            discriminator=0.01,
        )
        contest.advance(3)
        contest.advance_to(5)
        contest.advance_to(5)
        assert int(contest.model.step) == 5
        return [weight.numpy() for weight in contest.model.discriminator.trainable_variables]

    first, again, other = trained(0), trained(0), trained(1)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(first, other, strict=True) if pair[0].any())
    np.testing.assert_array_equal(generator({"z": np.ones((1, 1))})["point"], [[1.0]])


@pytest.mark.parametrize("theta", [-1.0, 0.01, 0.5])
def test_distances_of_parallel_lines(theta):
    exact = parallel_lines.distances_of_lines(theta)
    assert exact == {
        "kl": math.inf,
        "js": pytest.approx(math.log(2), abs=1e-12),
        "tv": 1,
        "w1": pytest.approx(abs(theta), abs=1e-9),
    }
    sampled = parallel_lines.distances_of_samples(theta, np.random.default_rng(0))
    assert sampled["js"] == pytest.approx(math.log(2), abs=1e-12)
    assert abs(theta) <= sampled["w1"] <= abs(theta) + 0.05


def test_the_line_itself_is_no_distance_away():
    assert parallel_lines.distances_of_lines(0) == {"kl": 0, "js": 0, "tv": 0, "w1": pytest.approx(0, abs=1e-12)}


def test_on_parallel_lines_the_discriminator_sees_log_2_and_the_critic_theta():
    result = parallel_lines.run(seeds=[0], budget=0.4)
    assert result.holds
    for theta in parallel_lines.LEARNED_THETAS:
        assert mean(result, f"JS by a discriminator, theta = {theta} (nats)") == pytest.approx(math.log(2), abs=2e-3)
        expected = theta + theta**2 / 20
        assert mean(result, f"W1 by a critic, theta = {theta}") == pytest.approx(expected, rel=0.02)


def test_the_bumps_have_their_moments():
    p = two_bumps.probabilities(*two_bumps.BUMPS)
    first, second = p @ two_bumps.AXIS, p @ two_bumps.AXIS**2
    assert (first, second) == (pytest.approx(0.25, abs=1e-6), pytest.approx(1.83, abs=1e-6))
    points = two_bumps.source(0)[0].columns["image"][:, 0]
    assert (points.mean(), (points**2).mean()) == (pytest.approx(0.25, abs=0.02), pytest.approx(1.83, abs=0.02))


def test_a_trained_discriminator_comes_near_the_optimal_one():
    result = optimal_discriminator.run(seeds=[0], budget=0.25)
    assert result.numbers["L(D*, g) - (2 JS - 2 log 2), random distributions: largest size (nats)"] < 1e-12
    assert result.numbers["L(D*, g) - L(D, g), random distributions and D: smallest (nats)"] > 0
    assert mean(result, "L(D*, g) - L(D, g) of D untrained (nats)") > 0.1
    assert 0 < mean(result, "L(D*, g) - L(D, g) of D trained (nats)") < 0.02
    assert mean(result, "mean |D - D*| of D trained") < 0.06


def test_gradients_of_a_generator_that_shifts_its_noise():
    """With G(z) = z + b and D = sigmoid(2 x), dL/db is -2 E D for log(1 - D), -2 E (1 - D) for -log D, -2 for f."""
    z = keras.Input((1,), name="z")
    shift = keras.layers.Dense(1, kernel_initializer="ones")
    generator = keras.Model({"z": z}, {"point": shift(z)})
    shift.kernel.trainable = False
    latents = np.random.default_rng(0).normal(size=(3, 5, 1)).astype(np.float32)
    measure = vanishing_gradient.gradients(generator, linear(2.0), ["minimax", "non_saturating", "wasserstein"])
    d = 1 / (1 + np.exp(-2 * latents[..., 0]))
    for measured, expected in zip(measure(tf.constant(latents)), (-2 * d, -2 * (1 - d), -2 + 0 * d), strict=True):
        np.testing.assert_allclose(measured, expected.mean(axis=1, keepdims=True), atol=1e-6)


def test_norm_and_variance_over_minibatches():
    assert vanishing_gradient.norm_and_variance(np.array([[3.0, 4.0], [0.0, 0.0]])) == (2.5, 12.5)


def test_a_sure_discriminator_silences_the_minimax_generator_only():
    result = vanishing_gradient.run(seeds=[0], budget=0.2)
    assert mean(result, "accuracy of the discriminator, held-out scans and samples") > 0.95
    minimax, non_saturating, critic = (
        mean(result, f"norm of the gradient of {player}, end over largest")
        for player in ("log(1 - D)", "-log D", "critic")
    )
    assert minimax < 0.2
    assert min(non_saturating, critic) > 0.3
    (growth,) = (value for name, value in result.numbers.items() if name.startswith("variance of the gradient"))
    assert growth["mean"] > 2
    assert mean(result, "norm of the gradient of log(1 - D), at the end") < 0.05 * mean(
        result, "norm of the gradient of -log D, at the end"
    )


def test_a_critic_earns_its_gain_over_its_slope():
    points = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    assert level_sets.earned(linear(3.0, 4.0), points + np.array([1, 0]), points) == pytest.approx(3 / 5, abs=1e-6)


def test_a_penalised_critic_earns_more_than_a_clipped_one_and_none_more_than_the_distance():
    result = level_sets.run(seeds=[0], budget=0.25)
    for name in ("ring", "grid"):
        clipped, penalised = (
            mean(result, f"share of W1 on the {name}, {critic}") for critic in level_sets.CRITICS.values()
        )
        assert 0 < 1.5 * clipped < penalised < 1


def test_the_mixtures_are_standardised():
    points = level_sets.standardised("grid")[0].columns["image"]
    np.testing.assert_allclose(np.cov(points, rowvar=False), np.eye(2), atol=0.02)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.02)


def test_rank_correlation_leaves_out_the_first_point():
    loss = np.array([0.0, 9.0, 5.0, 1.0])
    assert loss_and_quality.rank_correlation(loss, np.array([99.0, 4.0, 3.0, 2.0])) == pytest.approx(1)
    assert loss_and_quality.rank_correlation(loss, np.array([0.0, 2.0, 3.0, 4.0])) == pytest.approx(-1)


def test_losses_start_where_nothing_is_learned_yet(monkeypatch):
    monkeypatch.setattr(loss_and_quality, "_CHUNKS", 4)
    monkeypatch.setattr(loss_and_quality, "_N_CRITIC", 1)
    result = loss_and_quality.run(seeds=[0], budget=0.01)
    assert not result.holds
    start = "after the first chunk"
    assert mean(result, f"the discriminator's loss (nats) {start}") == pytest.approx(2 * math.log(2), abs=0.05)
    assert mean(result, f"the critic's estimate of W1 {start}") == pytest.approx(0, abs=0.05)
    assert mean(result, f"Frechet distance {start}, critic") > 20
    assert "4 chunks of 1 steps" in result.protocol


def test_the_critic_s_estimate_falls_with_the_frechet_distance_and_the_discriminator_s_loss_does_not(monkeypatch):
    """At the full budget: before, the critic has not caught up with its first generator, and its estimate rises."""
    monkeypatch.delitem(loss_and_quality.GAMES, "lagging critic")
    result = loss_and_quality.run(seeds=[0])
    assert mean(result, "rank correlation with the Frechet distance, the critic's estimate of W1") > 0.8
    assert mean(result, "rank correlation with the Frechet distance, the discriminator's loss (nats)") < 0
    assert mean(result, "Frechet distance at the end, critic") < 0.5 * mean(
        result, "Frechet distance after the first chunk, critic"
    )


def test_accuracy_counts_both_kinds():
    data, samples = np.array([[1.0], [1.0], [-1.0], [1.0]]), np.array([[-2.0], [3.0], [-1.0]])
    assert equilibrium.accuracy(linear(1.0), data, samples) == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_at_equilibrium_nobody_can_tell_samples_from_data():
    result = equilibrium.run(seeds=[0], budget=0.2)
    assert mean(result, "mean answer to data at the end") == pytest.approx(0.5, abs=0.03)
    assert mean(result, "mean answer to samples at the end") == pytest.approx(0.5, abs=0.03)
    assert mean(result, "mean |D - 1/2| on data and samples at the end") < 0.05
    assert mean(result, "accuracy of a judge of the generator at the start") > 0.8
    assert 0.48 < mean(result, "accuracy of a judge of the generator at the end") < 0.6


def test_collapse_of_maps_that_are_known():
    random = np.random.default_rng(0)
    points, others = random.normal(size=(40, 3)), random.normal(size=(40, 3))
    same = cycle_consistency.collapse(points, -points, -points)
    assert (same.reached, same.spread) == (1.0, pytest.approx(1.0))
    assert same.lost == cycle_consistency.collapse(points, points, points).lost < 0.5
    one = cycle_consistency.collapse(points, 1e-9 * points + others[7], others)
    assert (one.reached, one.spread) == (1 / 40, pytest.approx(0.0, abs=1e-8))
    blind = cycle_consistency.collapse(points, others, others)
    assert (blind.reached, blind.lost) == (1.0, pytest.approx(1.0, abs=0.15))


def test_the_way_back_keeps_a_map_from_sending_many_scans_to_few():
    result = cycle_consistency.run(seeds=[0], budget=0.4)
    alone, tied = (
        [mean(result, f"share of real pictures that outputs lie next to, {variant}, {name}") for name, *_ in DIRECTIONS]
        for variant in cycle_consistency.VARIANTS
    )
    assert max(alone) < min(tied) < result.numbers["share of real pictures that as many other real ones lie next to"]


def test_the_distance_that_both_reach_and_when():
    """The second never comes below 3: both are asked when they first came to 3 or less."""
    growing, full = [9.0, 4.0, 2.0, 5.0, 1.0], [8.0, 6.0, 5.0, 3.0, 4.0]
    assert progressive_growing.reached(growing, full) == (3.0, 2, 3)
    assert progressive_growing.reached(full, growing) == (3.0, 3, 2)


def test_growing_has_as_many_steps_as_training_at_full_size():
    assert progressive_growing.schedule("full size", 16, 10) == [({}, 0, 120)]
    assert progressive_growing.schedule("growing", 16, 10) == [
        ({"side": 4}, 0, 20),
        ({"side": 8, "fade": True}, 20, 40),
        ({"side": 8}, 40, 60),
        ({"side": 16, "fade": True}, 60, 80),
        ({"side": 16}, 80, 120),
    ]


def test_growing_and_full_size_are_measured_alike(monkeypatch):
    """At the tiniest size nothing is shown; every number is there."""
    for name, value in {"_SIDE": 8, "_WIDTHS": (3, 4), "_CHUNK_STEPS": 2, "_MEASURED": 16}.items():
        monkeypatch.setattr(progressive_growing, name, value)
    seen, figure = {}, progressive_growing._figure
    monkeypatch.setattr(
        progressive_growing, "_figure", lambda curves, *rest: seen.update(curves) or figure(curves, *rest)
    )
    result = progressive_growing.run(seeds=[0], budget=1.0)
    for (curve,) in seen.values():
        assert len(set(curve.distances)) == len(curve.distances) == 8, "it learns in every phase"
    assert mean(result, "share of the time that growing takes to the distance that both reach") > 0
    assert result.numbers["sliced Wasserstein distance of as many other real pictures (x 1,000)"] > 0
    assert "phases of 4 steps" in result.protocol and "16 steps in all" in result.protocol
    assert json.dumps([result.holds, result.numbers])


# what growing gains at 1024 pixels did not show at 32, nor what warm dreams do to policies in plans: see there
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - {"progressive_growing", "dream_temperature"}))
def test_every_other_claim_is_shown_at_the_full_budget(name):
    result = importlib.import_module(f"train.theory.{name}").run(seeds=[0])
    assert result.holds, result.numbers


def test_the_page_is_self_contained_and_holds_all_figures_and_numbers():
    def result(title, holds, value):
        figure, axes = new_figure(2, 2)
        axes[0, 0].plot([0, value])
        numbers = {"a < b": value, "spread": spread([value, value + 2]), "so": True, "one": spread([0.125])}
        return Result(f"{title}\n\nFirst & last.\n\nMore.", holds, numbers, f"Protocol of {title}", figure)

    text = page.render({"one": result("Title.", True, 1.5), "two": result("Other.", False, 7.0)}, "About <this>")
    figures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(set(figures)) == 2
    assert all(base64.b64decode(figure).startswith(b"\x89PNG") for figure in figures)
    assert all(target.startswith(("data:", "#")) for target in re.findall(r'(?:src|href)="([^"]*)"', text))
    assert "http" not in re.sub(r"base64,[^\"]+", "", text) and "url(" not in text and "@import" not in text
    assert "About &lt;this&gt;" in text and "<p>First &amp; last.</p><p>More.</p>" in text
    assert "<td>a &lt; b</td><td>1.5</td><td></td>" in text
    assert "<td>spread</td><td>2.5</td><td>1.4</td>" in text
    assert "<td>so</td><td>yes</td><td></td>" in text and "<td>one</td><td>0.125</td><td></td>" in text
    assert text.count("not shown at this budget") == 2 and "Protocol of Other." in text


def test_what_is_measured_stays_when_a_later_experiment_fails(tmp_path):
    """In a process of its own: flags of two programs do not go together."""
    code = """
import pathlib, sys
from train.theory import __main__ as program, equilibrium, parallel_lines
from train.theory.result import Result, new_figure

shown = Result("First.\\n\\nText.", True, {"x": 1.0}, "Protocol.", new_figure(2, 2)[0])
parallel_lines.run, equilibrium.run = lambda *_: shown, lambda *_: 1 / 0
program.measure(pathlib.Path(sys.argv[1]), ["parallel_lines", "equilibrium"], [0], 1.0)
"""
    output, _ = python("-c", code, str(tmp_path / "theory")).communicate()
    assert "ZeroDivisionError" in output
    page = (tmp_path / "theory" / "index.html").read_text()
    assert "First" in page and "1 of 2 experiments" in page
    (line,) = json.loads((tmp_path / "theory" / "numbers.json").read_text())["experiments"]
    assert line["numbers"] == {"x": 1.0}


def test_every_experiment_states_its_claim_and_its_source():
    for name in EXPERIMENTS:
        module = importlib.import_module(f"train.theory.{name}")
        title, *paragraphs = module.__doc__.strip().split("\n\n")
        assert title.endswith(".") and "\n" not in title
        assert re.search(r"\((20\d\d)\)|, 20\d\d\)", paragraphs[0])


def test_the_program_prints_and_writes_what_it_measured(tmp_path):
    output = tmp_path / "theory"
    arguments = ["--experiments=optimal_discriminator", "--seeds=3", "--budget=0.01", f"--output={output}"]
    process = python("-m", "train.theory", *arguments, stderr=None)
    printed, _ = process.communicate()
    assert process.returncode == 0
    (line,) = map(json.loads, printed.splitlines())
    assert (line["experiment"], line["holds"]) == ("optimal_discriminator", False)
    assert json.loads((output / "numbers.json").read_text()) == {"seeds": [3], "budget": 0.01, "experiments": [line]}
    assert "The optimal discriminator" in (output / "index.html").read_text()
    assert {path.name for path in output.iterdir()} == {"numbers.json", "index.html"}


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--experiments=level_set", "unknown experiment 'level_set'; did you mean 'level_sets'?"),
        ("--experiments=", "name at least one of each"),
        ("--seeds=-1", "--seeds=-1: use whole numbers"),
        ("--seeds=0,1,00", "--seeds=0,1,0: one stands there twice"),
        ("--experiments=level_sets,level_sets", "--experiments=level_sets,level_sets: one stands there twice"),
        ("--budget=0", "--budget=0.0: use a positive number"),
    ],
)
def test_mistakes_are_one_line(flag, message):
    process = python("-m", "train.theory", flag)
    output, _ = process.communicate()
    assert (process.returncode, output.count("\n")) == (2, 1)
    assert message in output
