"""Equilibrium: where samples are like the data, the best discriminator says 1/2 everywhere.

Goodfellow et al., "Generative adversarial nets" (2014): the game has its optimum where the generator makes
the law of the data; D* is 1/2 there and the value -2 log 2. The claim for training: on data that the generator can
make, the discriminator's answers to data and samples meet at 1/2.

An answer of 1/2 alone would prove little, since a discriminator that has learned nothing gives it too. So a judge, a
new discriminator, is trained from scratch against the generator as it was at the start, and against the generator as it
is at the end: it should tell the first from the data and not the second.
"""

from collections.abc import Sequence

import keras
import numpy as np
from matplotlib.figure import Figure

from train.theory import two_bumps
from train.theory.result import GENERATED, JENSEN_SHANNON, REAL, Result, marks, named, new_figure, scaled, spread
from train.theory.training import FrozenGenerator, Run
from zoo.adversarial.gan_grid import GANGrid
from zoo.divergences import js

_STEPS, _JUDGE_STEPS, _BATCH, _MEASURED = 2000, 500, 256, 50_000
_NETWORKS = {"columns": {"image": (1,)}, "network": "mlp", "base_channels": 64, "latent_dim": 2}
_EDGES = np.linspace(-5, 5, 51)


def run(seeds: Sequence[int] = (0, 1, 2), budget: float = 1.0) -> Result:
    """Train a GAN on points of the line to its equilibrium, with a judge before and after."""
    steps, judge_steps = scaled(_STEPS, budget), scaled(_JUDGE_STEPS, budget)
    played = [_play(seed, steps, judge_steps) for seed in seeds]
    ends = {name: spread([one[name][-1] for one in played]) for name in ("data", "samples")}
    numbers = {
        **{f"mean answer to {name} at the end": values for name, values in ends.items()},
        "mean |D - 1/2| on data and samples at the end": spread([one["distance"] for one in played]),
        "accuracy of a judge of the generator at the start": spread([one["judged before"] for one in played]),
        "accuracy of a judge of the generator at the end": spread([one["judged after"] for one in played]),
        "JS of data and samples at the start (nats)": spread([one["js before"] for one in played]),
        "JS of data and samples at the end (nats)": spread([one["js after"] for one in played]),
    }
    holds = (
        max(one["distance"] for one in played) < 0.05
        and min(one["judged before"] for one in played) > 0.75
        and max(one["judged after"] for one in played) < 0.6
    )
    protocol = (
        "Data: 100,000 points of N(-1, 0.5^2) and N(1.5, 0.4^2) in equal parts. Non-saturating objective with R1 of "
        "weight 1 (Mescheder et al. 2018: without a penalty the game need not settle), networks of 3 layers of 64 "
        f"units, noise of 2 numbers, {steps:,} steps of Adam (D 0.0005, G 0.0002, betas 0 and 0.99) on {_BATCH} points "
        f"of each kind. A judge has the same network without a penalty, {judge_steps} steps of Adam (0.001). Answers, "
        f"accuracies (1/2 is a guess) and JS are over {_MEASURED:,} points of each kind, JS between their counts in "
        f"{len(_EDGES) - 1} cells from -5 to 5. Shown if for each seed the mean |D - 1/2| is below 0.05, and a judge "
        f"is right in more than 0.75 at the start and in less than 0.6 at the end. {named(seeds)} The right figure is "
        "of the first."
    )
    return Result(__doc__, holds, numbers, protocol, _figure(played))


def accuracy(discriminator: keras.Model, data: np.ndarray, samples: np.ndarray) -> float:
    """Return the share of data and samples (N, 1) that a discriminator calls by their name."""
    right = [np.mean(discriminator(data) > 0), np.mean(discriminator(samples) <= 0)]
    return float(np.mean(right))


def _play(seed: int, steps: int, judge_steps: int) -> dict:
    """Return what happens in one game: curves by step, final figures, densities and answers over the axis."""
    source = two_bumps.source(seed)
    data = source[0].columns["image"][:_MEASURED]
    latents = np.random.default_rng(seed).normal(size=(_MEASURED, _NETWORKS["latent_dim"])).astype(np.float32)
    game = Run(
        lambda: GANGrid(penalty="r1", penalty_weight=1.0, **_NETWORKS),
        source,
        _BATCH,
        seed,
        betas=(0.0, 0.99),
        discriminator=5e-4,
        generator=2e-4,
    )
    generator, discriminator = game.model.generator, game.model.discriminator

    def judge() -> tuple[float, float]:
        samples = generator({"z": latents})["point"].numpy()
        options = {name: value for name, value in _NETWORKS.items() if name != "latent_dim"}
        contest = Run(lambda: FrozenGenerator(generator, **options), source, _BATCH, seed, discriminator=1e-3)
        contest.advance(judge_steps)
        return accuracy(contest.model.discriminator, data, samples), js(_shares(data), _shares(samples))

    before = judge()
    curves = {"step": marks(steps, 24), "data": [], "samples": []}
    for step in curves["step"]:
        game.advance_to(step)
        samples = generator({"z": latents})["point"].numpy()
        for name, points in (("data", data), ("samples", samples)):
            curves[name].append(float(_answers(discriminator, points).mean()))
    both = np.concatenate([data, samples])
    after = judge()
    return {
        **curves,
        "distance": float(np.abs(_answers(discriminator, both) - 0.5).mean()),
        "judged before": before[0],
        "judged after": after[0],
        "js before": before[1],
        "js after": after[1],
        "histogram": _shares(samples),
        "answers": two_bumps.over_axis(discriminator),
    }


def _answers(discriminator: keras.Model, points: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-discriminator(points).numpy().astype(np.float64)))


def _shares(points: np.ndarray) -> np.ndarray:
    """Return the share of the points in each cell of the line, the outermost ones taking what lies beyond them."""
    counts, _ = np.histogram(np.clip(points, _EDGES[0], _EDGES[-1]), _EDGES)
    return counts / len(points)


def _figure(played: list[dict]) -> Figure:
    figure, axes = new_figure(10, 3.8, columns=2)
    left, right = axes[0]
    for index, one in enumerate(played):
        for name, colour in (("data", REAL), ("samples", GENERATED)):
            label = f"on {name}" if index == 0 else None
            left.plot(np.maximum(one["step"], 0.5), one[name], color=colour, linewidth=1.3, label=label)
    left.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    left.set(xscale="log", xlabel="training steps (leftmost: none)", ylim=(0, 1))
    left.set_title("mean answer of the discriminator, each seed")
    left.legend()

    cell = _EDGES[1] - _EDGES[0]
    density = two_bumps.probabilities(*two_bumps.BUMPS) / (two_bumps.AXIS[1] - two_bumps.AXIS[0])
    right.fill_between(two_bumps.AXIS, density, color=REAL, alpha=0.2, linewidth=0, label="density of the data")
    right.stairs(played[0]["histogram"] / cell, _EDGES, color=GENERATED, linewidth=1.5, label="density of the samples")
    right.plot(two_bumps.AXIS, played[0]["answers"], color=JENSEN_SHANNON, linewidth=1.5, label="discriminator")
    right.set(ylim=(0, 1), xlim=(-4, 4), xlabel="x")
    right.set_title("at the end")
    right.legend(fontsize=8)
    return figure
