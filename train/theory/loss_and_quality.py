"""Loss and quality: the critic's loss falls as the samples get better, the discriminator's does not.

Arjovsky, Chintala and Bottou, "Wasserstein GAN" (2017): the critic's estimate of W1 goes down with the quality of the
samples, so that it can be read as a learning curve; the discriminator's loss cannot. Quality is measured from outside,
by the Frechet distance between samples and scans: if it falls together with the loss, their rank correlation over the
training is near 1.

Two things go with it. The claim is of a critic that keeps up with its generator: the one called "lagging" here, whose
generator learns ten times faster, need not show it, though its samples may be the better ones. And a discriminator's
loss that rises while the samples get better has a correlation near -1, so that it is no noise either: log 2 - loss / 2,
its estimate of the Jensen-Shannon divergence, then falls.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from train.data.batches import held_out
from train.theory.result import JENSEN_SHANNON, REAL, WASSERSTEIN, Result, named, new_figure, scaled, spread
from train.theory.training import Run, digits
from zoo import noise
from zoo.adversarial.gan_grid import GANGrid
from zoo.metrics.frechet import frechet

_CHUNKS, _CHUNK_STEPS, _BATCH, _N_CRITIC = 20, 20, 64, 5


class Game(NamedTuple):
    """One cell of the grid, the learning rates, the log to follow, and what the figure calls it."""

    objective: str
    penalty: str
    discriminator: float
    generator: float
    log: str
    title: str
    colour: str


GAMES = {
    "critic": Game(
        "wasserstein", "gradient", 1e-3, 1e-4, "wasserstein_estimate", "the critic's estimate of W1", WASSERSTEIN
    ),
    "lagging critic": Game(
        "wasserstein", "gradient", 1e-3, 1e-3, "wasserstein_estimate", "the estimate of a lagging critic", WASSERSTEIN
    ),
    "discriminator": Game(
        "non_saturating", "none", 1e-3, 1e-4, "discriminator_loss", "the discriminator's loss (nats)", JENSEN_SHANNON
    ),
}


class Curves(NamedTuple):
    """After each chunk of training: the steps done, the mean log of the chunk, the Frechet distance."""

    steps: np.ndarray
    loss: np.ndarray
    distance: np.ndarray


def run(seeds: Sequence[int] = (0, 1, 2), budget: float = 1.0) -> Result:
    """Train the same networks with and without a critic; follow the loss of each and its Frechet distance."""
    curves = {name: [_curves(game, seed, budget) for seed in seeds] for name, game in GAMES.items()}
    ranks = {name: [rank_correlation(one.loss, one.distance) for one in curves[name]] for name in GAMES}
    numbers = {}
    for name, game in GAMES.items():
        numbers[f"rank correlation with the Frechet distance, {game.title}"] = spread(ranks[name])
        for what, index in (("after the first chunk", 0), ("at the end", -1)):
            numbers[f"{game.title} {what}"] = spread([one.loss[index] for one in curves[name]])
            numbers[f"Frechet distance {what}, {name}"] = spread([one.distance[index] for one in curves[name]])
    holds = min(ranks["critic"]) > 0.8 and max(ranks["discriminator"]) < 0
    steps = scaled(_CHUNK_STEPS, budget)
    protocol = (
        "1,498 scans of digits, 8 x 8 pixels. The DCGAN networks, 32 channels, no normalisation in the discriminator; "
        f"{_N_CRITIC} updates of the critic or discriminator for each of the generator, on {_BATCH} scans each; Adam "
        "(betas 0 and 0.9), learning rate 0.001, of the generators 0.0001, and 0.001 against the lagging critic. "
        f"The critics have a gradient penalty of weight 10. {_CHUNKS} chunks of {steps} steps of the generator: the "
        "mean loss of each, and at its end the Frechet distance between all scans and as many samples, on the 64 raw "
        "pixels in [-1, 1], which needs no extractor. Spearman's rank correlation leaves out the first chunk, in which "
        "a new critic catches up. Shown if that of the critic is above 0.8 and that of the discriminator below 0 for "
        f"every seed. {named(seeds)}"
    )
    return Result(__doc__, holds, numbers, protocol, _figure(curves))


def rank_correlation(loss: np.ndarray, distance: np.ndarray) -> float:
    """Return Spearman's rank correlation of two curves but for their first points: 1 if they only fall together."""
    return float(spearmanr(loss[1:], distance[1:]).statistic)


def _curves(game: Game, seed: int, budget: float) -> Curves:
    source = digits("train")
    training = Run(
        lambda: GANGrid(
            columns={"image": (8, 8, 1)},
            objective=game.objective,
            penalty=game.penalty,
            n_critic=_N_CRITIC,
            latent_dim=64,
            base_channels=32,
        ),
        source,
        _BATCH * _N_CRITIC,
        seed,
        betas=(0.0, 0.9),
        discriminator=game.discriminator,
        generator=game.generator,
    )
    (table,) = source
    scans = held_out(table, names=["image"])["image"].reshape(-1, 64)
    generate = training.model.maps["generate"]
    latents = noise.fill(generate.spec, len(scans), seed)
    losses, distances = [], []
    for _ in range(_CHUNKS):
        losses.append(training.advance(scaled(_CHUNK_STEPS, budget))[game.log])
        samples = generate(latents)["image"].numpy().reshape(-1, 64)
        distances.append(frechet(scans, samples)["frechet_distance"])
    return Curves(scaled(_CHUNK_STEPS, budget) * np.arange(1, _CHUNKS + 1), np.array(losses), np.array(distances))


def _figure(curves: dict[str, list[Curves]]) -> Figure:
    figure, axes = new_figure(12, 6.5, 2, len(GAMES))
    for (above, below), (name, game) in zip(axes.T, GAMES.items(), strict=True):
        for one in curves[name]:
            above.plot(one.steps, one.loss, color=game.colour, linewidth=1.2)
            below.plot(one.steps, one.distance, color=REAL, linewidth=1.2)
        above.set_title(game.title)
        below.set(title=f"Frechet distance, {name}", xlabel="steps of the generator", yscale="log")
    axes[0, -1].axhline(2 * math.log(2), color="black", linewidth=0.8, linestyle=":")
    return figure
