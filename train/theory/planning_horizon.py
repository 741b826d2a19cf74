"""Planning in a learned model is worth nearly what planning in the true dynamics is, if it looks far enough ahead.

Chua, Calandra, McAllister and Levine, "Deep reinforcement learning in a handful of trials using probabilistic dynamics
models" (2018), plan by the cross-entropy method in a model that was learned, as agents may train in the dreams of Ha
and Schmidhuber's "World models" (2018). Two things limit that: a plan that is too short does not see why to swing back
before swinging up, and one that is too long goes by forecasts that have drifted away. The true dynamics are subject to
the first alone, so that they are the bound.

The claim would be false if the model, at the horizon that is best for it, kept less than nine tenths of what planning
in the true dynamics gains over chance; or if the shortest plans were as good as longer ones.

Result: shown, but plans up to the trained length are never too long. Seeds 0, 1, 2, one episode each, from first states
that are easier than most: random actions -1,064 +- 96. Looking 3, 6, 10, 15 and 24 steps ahead, the model has
-1,225 +- 183, -682 +- 588, -98 +- 84, -94 +- 81 and -82 +- 70, the true dynamics -869 +- 753, -623 +- 540, -86 +- 74,
-83 +- 71 and -81 +- 69.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from train import agents
from train.theory.dreams import TOLD, trained
from train.theory.result import GENERATED, REAL, Result, named, new_figure, scaled, spread
from zoo import environments
from zoo.environments import PENDULUM

_STEPS, _ROWS = 4000, 800
HORIZONS = (3, 6, 10, 15, 24)
_PLANS, _ELITES, _ITERATIONS = 200, 20, 4
_SHARE = 0.9

Found = dict[str, np.ndarray]  # (seeds, horizons)


def run(seeds: Sequence[int] = (0, 1, 2), budget: float = 1.0) -> Result:
    """Train a model for each seed; plan one episode at each horizon in it, and one in the true dynamics."""
    steps, length = scaled(_STEPS, budget), scaled(PENDULUM.steps, min(1.0, budget))
    found: dict[str, list[list[float]]] = {name: [] for name in (agents.RANDOM, agents.MODEL, agents.TRUE)}
    for seed in seeds:
        judges = {
            agents.MODEL: agents.judge_of(trained(seed, steps, _ROWS), PENDULUM),
            agents.TRUE: lambda states, actions: environments.returns(PENDULUM, states, actions),
        }
        lines = [
            line
            for horizon in HORIZONS
            for line in agents.measured(
                PENDULUM, judges, "cem", (_ITERATIONS, _PLANS, horizon), _ELITES, [seed], length
            )
        ]
        for name, values in found.items():
            values.append([line[name] for line in lines])
    by_name = {name: np.array(values) for name, values in found.items()}
    chance = float(by_name[agents.RANDOM].mean())
    means = {name: by_name[name].mean(axis=0) for name in (agents.MODEL, agents.TRUE)}
    best = int(means[agents.MODEL].argmax())
    share = float((means[agents.MODEL][best] - chance) / (means[agents.TRUE].max() - chance))
    numbers = {
        "share of what the true dynamics gain over chance": share,
        "horizon that is best in the model": HORIZONS[best],
        "return of random actions": spread(by_name[agents.RANDOM][:, 0]),
        **{
            f"return, {told}, {horizon} steps ahead": spread(by_name[name][:, number])
            for name, told in ((agents.MODEL, "model"), (agents.TRUE, "true dynamics"))
            for number, horizon in enumerate(HORIZONS)
        },
    }
    protocol = (
        f"{TOLD}, {steps:,} steps on {_ROWS:,} rows of uniform pushes of Pendulum-v1. Cross-entropy method: "
        f"{_ITERATIONS} times {_PLANS} plans, {_ELITES} elites; each plan begins with the one before. Returns are "
        f"those of the true environment over {length} steps, one episode for each seed and horizon, with the same "
        f"first states. Shown if the model's best mean keeps {_SHARE:g} of the gain over chance, and the shortest "
        f"plans are worse than those. {named(seeds)}"
    )
    holds = bool(share >= _SHARE and best > 0)
    return Result(__doc__, holds, numbers, protocol, _figure(by_name))


def _figure(found: Found) -> Figure:
    figure, axes = new_figure(8, 3.8)
    for name, told, colour in ((agents.MODEL, "learned model", GENERATED), (agents.TRUE, "true dynamics", REAL)):
        for number, one in enumerate(found[name]):
            label = None if number else told
            axes[0, 0].plot(HORIZONS, one, color=colour, linewidth=1.2, marker="o", label=label)
    chance = float(found[agents.RANDOM].mean())
    axes[0, 0].axhline(chance, color=REAL, linestyle=":", label="random actions")
    axes[0, 0].set(title="return of an episode", xlabel="steps that plans look ahead")
    axes[0, 0].legend()
    return figure
