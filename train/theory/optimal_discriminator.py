"""The optimal discriminator: its value is the Jensen-Shannon divergence, and training finds it.

Goodfellow et al., "Generative adversarial nets" (2014). Against a fixed generator g the best discriminator
is D* = p_data / (p_data + p_g), and with it the game has the value L(D*, g) = 2 JS(p_data, p_g) - 2 log 2. So a
generator that plays against the best discriminator descends the Jensen-Shannon divergence. The claim for training: a
discriminator with enough units, trained against a fixed generator, comes near D* and near this value.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from train.theory import two_bumps
from train.theory.result import GENERATED, JENSEN_SHANNON, REAL, Result, marks, named, new_figure, scaled, spread
from train.theory.training import FrozenGenerator, Run, affine_generator
from zoo.divergences import discriminator_value, js, optimal_discriminator

_STEPS, _BATCH = 2000, 512
GENERATED_NORMAL = (0.0, 1.0)  # mean and standard deviation


def run(seeds: Sequence[int] = (0, 1, 2), budget: float = 1.0) -> Result:
    """Check the identity on random distributions, then train discriminators of a known pair of densities."""
    identity, shortfall = check_identity(np.random.default_rng(seeds[0]))
    p, q = two_bumps.probabilities(*two_bumps.BUMPS), two_bumps.probabilities(GENERATED_NORMAL)
    best = optimal_discriminator(p, q)
    value = discriminator_value(p, q, best)
    steps = marks(scaled(_STEPS, budget))
    learned = [_learned(seed, steps) for seed in seeds]
    gaps = np.array([[value - discriminator_value(p, q, d) for d in ds] for ds in learned])
    errors = [float(((p + q) / 2 * abs(ds[-1] - best)).sum()) for ds in learned]

    numbers = {
        "L(D*, g) - (2 JS - 2 log 2), random distributions: largest size (nats)": identity,
        "L(D*, g) - L(D, g), random distributions and D: smallest (nats)": shortfall,
        "JS of the two densities (nats)": js(p, q),
        "L(D*, g) of the two densities (nats)": value,
        "L(D*, g) - L(D, g) of D untrained (nats)": spread(gaps[:, 0]),
        "L(D*, g) - L(D, g) of D trained (nats)": spread(gaps[:, -1]),
        "mean |D - D*| of D trained": spread(errors),
    }
    holds = identity < 1e-12 and shortfall >= 0 and bool((gaps[:, -1] < 0.01).all()) and max(errors) < 0.05
    protocol = (
        "Identity: 1,000 pairs of distributions over 8 points, and a random D for each. Densities: data N(-1, 0.5^2) "
        "and N(1.5, 0.4^2) in equal parts, samples N(0, 1); L, JS and the mean over (data + samples) / 2 are sums over "
        f"{len(two_bumps.AXIS):,} points from -5 to 5. D has 3 layers of 64 units, {steps[-1]:,} steps of Adam "
        f"(0.0005) on {_BATCH} of 100,000 data points and as many fresh samples. Shown if each seed comes within 0.01 "
        f"nats of L(D*, g) and within 0.05 of D*. {named(seeds)}"
    )
    return Result(__doc__, holds, numbers, protocol, _figure(p, q, best, learned, steps, gaps))


def check_identity(rng: np.random.Generator) -> tuple[float, float]:
    """Return the largest error of L(D*, g) = 2 JS - 2 log 2 and the least by which a random D falls short of D*."""
    errors, shortfalls = [], []
    for p, q, d in zip(*rng.dirichlet(np.ones(8), (2, 1000)), rng.uniform(size=(1000, 8)), strict=True):
        value = discriminator_value(p, q, optimal_discriminator(p, q))
        errors.append(abs(value - (2 * js(p, q) - 2 * math.log(2))))
        shortfalls.append(value - discriminator_value(p, q, d))
    return max(errors), min(shortfalls)


def _learned(seed: int, steps: list[int]) -> list[np.ndarray]:
    """Return the discriminator's probabilities over the axis after each number of `steps`."""
    mean, deviation = GENERATED_NORMAL
    contest = Run(
        lambda: FrozenGenerator(
            affine_generator([[deviation]], [mean]), columns={"image": (1,)}, network="mlp", base_channels=64
        ),
        two_bumps.source(seed),
        batch_size=_BATCH,
        seed=seed,
        discriminator=5e-4,
    )
    learned = []
    for step in steps:
        contest.advance_to(step)
        learned.append(two_bumps.over_axis(contest.model.discriminator))
    return learned


def _figure(
    p: np.ndarray, q: np.ndarray, best: np.ndarray, learned: list[list[np.ndarray]], steps: list[int], gaps: np.ndarray
) -> Figure:
    figure, axes = new_figure(10, 3.8, columns=2)
    left, right = axes[0]
    for density, colour, label in ((p, REAL, "data"), (q, GENERATED, "samples")):
        left.fill_between(
            two_bumps.AXIS, density / max(p.max(), q.max()), color=colour, alpha=0.2, linewidth=0, label=label
        )
    left.plot(two_bumps.AXIS, best, color="black", linewidth=2.5, label="D*")
    for index, probabilities in enumerate(learned):
        label = "D trained, each seed" if index == 0 else None
        left.plot(two_bumps.AXIS, probabilities[-1], "--", color=JENSEN_SHANNON, linewidth=1.2, label=label)
    left.set_title("discriminator (densities in the background)")
    left.set_xlabel("x")
    left.legend(loc="upper left", fontsize=8)
    for gap in gaps:
        right.plot(np.maximum(steps, 0.5), gap, "o-", color=JENSEN_SHANNON, markersize=3, linewidth=1)
    right.set(xscale="log", yscale="log", xlabel="steps of D (leftmost: none)")
    right.set_title("L(D*, g) - L(D, g) (nats)")
    return figure
