"""The vanishing gradient: a good discriminator silences the minimax generator, a good critic does not.

Arjovsky and Bottou, "Towards principled methods for training generative adversarial networks" (2017): where data and
samples can be told apart almost perfectly, the gradient of log(1 - D(G(z))) in the generator's weights vanishes as the
discriminator improves (theorem 2.4). The gradient of -log D(G(z)), the non-saturating objective, stays, but its
variance grows. That of a critic stays too (Arjovsky, Chintala and Bottou, "Wasserstein GAN", 2017).

The experiment is theirs, on small pictures: train a DCGAN a little, keep its generator as it is, and train a new
discriminator, and a new critic, against it from scratch. Which gradient would the generator get?
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

import zoo
from train.data.batches import held_out
from train.theory.result import JENSEN_SHANNON, WASSERSTEIN, Result, marks, named, new_figure, scaled, spread
from train.theory.training import FrozenGenerator, Run, digits
from zoo.adversarial.objectives import OBJECTIVES

_GENERATOR_STEPS, _STEPS, _BATCH, _MINIBATCHES = 200, 1200, 64, 16
# what the generator would descend, by the player that it faces
GAMES = {"non_saturating": ("minimax", "non_saturating"), "wasserstein": ("wasserstein",)}
_LABELS = {"minimax": "log(1 - D)", "non_saturating": "-log D", "wasserstein": "critic"}


def run(seeds: Sequence[int] = (0, 1, 2), budget: float = 1.0) -> Result:
    """Measure the three gradients while a discriminator and a critic learn against a generator that does not."""
    generator_steps, steps = scaled(_GENERATOR_STEPS, budget), marks(scaled(_STEPS, budget))
    curves = [_curves(seed, generator_steps, steps) for seed in seeds]  # {name: (len(steps),)} by seed
    ends = {name: [curve[name][-1] for curve in curves] for name in curves[0]}
    tops = {name: [curve[name].max() for curve in curves] for name in curves[0]}
    kept = {
        game: [end / top for end, top in zip(ends[f"norm, {game}"], tops[f"norm, {game}"], strict=True)]
        for game in _LABELS
    }
    growth = []
    for curve in curves:
        variance = curve["variance, non_saturating"]
        growth.append(variance[-1] / variance[curve["norm, minimax"].argmax()])

    numbers = {
        "accuracy of the discriminator, training scans and samples": spread(ends["accuracy"]),
        "accuracy of the discriminator, held-out scans and samples": spread(ends["held-out accuracy"]),
        **{
            f"norm of the gradient of {label}, {what}": spread(values[f"norm, {game}"])
            for game, label in _LABELS.items()
            for what, values in (("largest", tops), ("at the end", ends))
        },
        **{f"norm of the gradient of {label}, end over largest": spread(kept[game]) for game, label in _LABELS.items()},
        "variance of the gradient of -log D, end over where log(1 - D) has its largest norm": spread(growth),
    }
    holds = bool(
        max(kept["minimax"]) < 0.1 < min(*kept["non_saturating"], *kept["wasserstein"])
        and min(growth) > 1
        and min(ends["accuracy"]) > 0.99
    )
    protocol = (
        f"1,498 scans of digits, 8 x 8 pixels. DCGAN of 32 channels, {generator_steps} steps of Adam (0.0002, betas "
        "0.5 and 0.999). Then its generator stays, and new networks of the same kind without normalisation learn: a "
        "discriminator, and a critic with a gradient penalty of weight 10, each for "
        f"{steps[-1]:,} steps of Adam (0.001, betas 0.5 and 0.999) on {_BATCH} scans and as many fresh samples. "
        f"Gradients are in all weights of the generator, on {_MINIBATCHES} minibatches of {_BATCH}, always the same: "
        "mean norm, and the sum of the weights' variances over minibatches. Accuracy: all scans, and the "
        f"{_MINIBATCHES * _BATCH:,} samples of these minibatches. Shown if at an accuracy above 0.99 the norm fell to "
        "less than a tenth of its largest for log(1 - D) and to no less for the other two, while the variance of -log "
        f"D grew from there. {named(seeds)}"
    )
    return Result(__doc__, holds, numbers, protocol, _figure(steps, curves))


def gradients(
    generator: keras.Model, discriminator: keras.Model, objectives: Sequence[str]
) -> Callable[[tf.Tensor], list[np.ndarray]]:
    """Return the function of latents (minibatches, batch, latent_dim) that gives each objective's gradients.

    They are in all weights of the generator, one for each minibatch: (minibatches, weights).
    """

    @tf.function
    def of_minibatch(z: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            (samples,) = generator({"z": z}, training=True).values()
            logits = discriminator(samples, training=True)
            losses = [OBJECTIVES[name].generator(logits, None) for name in objectives]
        weights = [weight.value for weight in generator.trainable_variables]
        return [tf.concat([tf.reshape(one, [-1]) for one in tape.gradient(loss, weights)], axis=0) for loss in losses]

    def of_minibatches(latents: tf.Tensor) -> list[np.ndarray]:
        rows = [of_minibatch(z) for z in latents]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    return of_minibatches


def norm_and_variance(gradient: np.ndarray) -> tuple[float, float]:
    """Return E ||g|| and E ||g - E g||^2 over minibatches (minibatches, weights), the latter by count - 1."""
    return float(np.linalg.norm(gradient, axis=1).mean()), float(gradient.var(axis=0, ddof=1).sum())


def _curves(seed: int, generator_steps: int, steps: list[int]) -> dict[str, np.ndarray]:
    """Return each measurement after each number of `steps` of the discriminator and of the critic."""
    source = digits("train")
    dcgan = Run(
        lambda: zoo.create("dcgan", columns={"image": (8, 8, 1)}, latent_dim=64, latent="normal", base_channels=32),
        source,
        batch_size=_BATCH,
        seed=seed,
        discriminator=2e-4,
        generator=2e-4,
    )
    dcgan.advance(generator_steps)
    generator = dcgan.model.generator
    latents = tf.random.stateless_normal((_MINIBATCHES, _BATCH, 64), (seed, 1), alg="philox")
    splits = {"accuracy": source, "held-out accuracy": digits("test")}
    scans = {name: held_out(table, names=["image"])["image"] for name, (table,) in splits.items()}
    curves: dict[str, list[float]] = {}
    for game, objectives in GAMES.items():
        contest = Run(
            lambda game=game: FrozenGenerator(
                generator,
                columns={"image": (8, 8, 1)},
                objective=game,
                penalty="gradient" if game == "wasserstein" else "none",
                network="dcgan",
                base_channels=32,
            ),
            source,
            batch_size=_BATCH,
            seed=seed + 1000,  # other weights and noise than the DCGAN had
            discriminator=1e-3,
        )
        player = contest.model.discriminator
        measure = gradients(generator, player, objectives)
        for step in steps:
            contest.advance_to(step)
            for name, gradient in zip(objectives, measure(latents), strict=True):
                norm, variance = norm_and_variance(gradient)
                curves.setdefault(f"norm, {name}", []).append(norm)
                curves.setdefault(f"variance, {name}", []).append(variance)
            if game == "non_saturating":
                samples = tf.concat([generator({"z": z}, training=True)["image"] for z in latents], axis=0)
                fooled = float(np.mean(player(samples) > 0))
                for name, real in scans.items():
                    right = float(np.mean(player(real) > 0))
                    curves.setdefault(name, []).append((right + 1 - fooled) / 2)
    return {name: np.array(values) for name, values in curves.items()}


def _figure(steps: list[int], curves: list[dict[str, np.ndarray]]) -> Figure:
    figure, axes = new_figure(12, 3.8, columns=3)
    at = np.maximum(steps, 0.5)
    for index, curve in enumerate(curves):
        for name, style, scans in (("accuracy", "-", "training scans"), ("held-out accuracy", "--", "held-out scans")):
            label = None if index else f"{scans}, samples"
            axes[0, 0].plot(at, curve[name], style, color=JENSEN_SHANNON, linewidth=1, label=label)
        for game, colour, style in (
            ("minimax", JENSEN_SHANNON, "-"),
            ("non_saturating", JENSEN_SHANNON, "--"),
            ("wasserstein", WASSERSTEIN, "-"),
        ):
            label = None if index else _LABELS[game]
            for axis, what in ((axes[0, 1], "norm"), (axes[0, 2], "variance")):
                axis.plot(at, curve[f"{what}, {game}"], style, color=colour, linewidth=1.2, label=label)
    for axis, title in zip(
        axes.flat,
        ("accuracy of the discriminator", "norm of the generator's gradient", "its variance over minibatches"),
        strict=True,
    ):
        axis.set(xscale="log", title=title, xlabel="steps (leftmost: none)")
        axis.legend(fontsize=8)
    for axis in axes.flat[1:]:
        axis.set_yscale("log")
    return figure
