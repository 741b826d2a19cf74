"""Progressive growing: a GAN that grows reaches a given distance sooner than one at full size from the start.

Karras, Aila, Laine and Lehtinen, "Progressive growing of GANs for improved quality, stability, and variation" (2018),
section 2: most of the training of a network that grows is done at small sides, where a step is cheap, and large scale
structure is learned before detail. So comparable quality comes sooner.

The same networks are trained twice on as many pictures with the same losses: once from 4 pixels up in phases, once at
full size alone. Both are judged by the sliced Wasserstein distance between real pictures and samples, which come at
full size in every phase. The distance that both reach is the larger of their smallest ones. How long did each train
until it first came as near?

The claim would be false if training at full size came there in as little time. Time is compared, and not steps: one at
4 pixels takes a small part of one at 32. Far less can be gained here than at 1024 pixels, where nearly all of the time
goes into the last phases.

Result: false here. With --budget=0.3 (720 steps, seeds 0, 1, 2) growing took 1.81 +- 0.36 of the time that full size
took to the distance that both reached, and ended at 81 +- 5 (x 1,000), full size at 44 +- 2; other real pictures are at
16. At full length it was not run.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from train import config, data
from train.data import Source
from train.data.batches import held_out
from train.theory.result import GENERATED, REAL, WASSERSTEIN, Result, named, new_figure, scaled, spread
from train.theory.training import Run
from zoo import images, noise
from zoo.adversarial.progressive import SIDES, Progressive
from zoo.metrics.sliced_wasserstein import sliced_wasserstein
from zoo.model import as_run

_SIDE, _WIDTHS, _LATENT = 32, (16, 64), 64
_CHUNK_STEPS, _BATCH, _MEASURED, _SHOWN = 150, 16, 500, 10
_CHUNKS, _LAST_CHUNKS = 2, 4  # of each phase and of the last one
VARIANTS = {"growing": GENERATED, "full size": WASSERSTEIN}

Stage = tuple[dict[str, Any], int, int]


class Curve(NamedTuple):
    """One training: the distance after each chunk, the phase of each chunk, and its seconds a step; samples."""

    distances: list[float]
    stages: list[int]
    seconds: list[float]
    samples: np.ndarray


def run(seeds: Sequence[int] = (0, 1, 2), budget: float = 1.0) -> Result:
    """Train both variants for each seed; follow the distance of their samples over the time."""
    source = data.load(config.source("faces", image_size=_SIDE), "train")
    pictures = images.to_uint8(held_out(source[0], names=["image"], count=2 * _MEASURED)["image"])
    chunk = max(2, scaled(_CHUNK_STEPS, budget))
    curves = {name: [_train(name, seed, source, pictures[:_MEASURED], chunk) for seed in seeds] for name in VARIANTS}
    # the fastest chunk of each phase, since what else a machine does makes others slower
    cost = {name: _cheapest(runs) for name, runs in curves.items()}
    times = {name: np.cumsum([chunk * cost[name][stage] for stage in runs[0].stages]) for name, runs in curves.items()}
    pairs = zip(curves["growing"], curves["full size"], strict=True)
    ends = [reached(growing.distances, full.distances) for growing, full in pairs]
    when = {name: [times[name][end[1 + number]] for end in ends] for number, name in enumerate(VARIANTS)}
    shares = [growing / full for growing, full in zip(when["growing"], when["full size"], strict=True)]
    numbers = {
        "share of the time that growing takes to the distance that both reach": spread(shares),
        "sliced Wasserstein distance that both reach (x 1,000)": spread([end[0] for end in ends]),
        **{f"seconds until then, {name}": spread(values) for name, values in when.items()},
        **{f"seconds in all, {name}": float(values[-1]) for name, values in times.items()},
        **{
            f"smallest sliced Wasserstein distance (x 1,000), {name}": spread([min(one.distances) for one in runs])
            for name, runs in curves.items()
        },
        "sliced Wasserstein distance of as many other real pictures (x 1,000)": _distance(
            pictures[:_MEASURED], pictures[_MEASURED:]
        ),
        **{
            f"milliseconds a step, {_told(phase)}": 1000 * cost["growing"][number]
            for number, (phase, *_) in enumerate(schedule("growing", _SIDE, chunk))
        },
        "milliseconds a step, full size from the start": 1000 * cost["full size"][0],
    }
    protocol = (
        f"2,000 drawn faces, {_SIDE} x {_SIDE} pixels. Networks of {_WIDTHS[0]} channels next to the picture and at "
        f"most {_WIDTHS[1]}, noise of {_LATENT} numbers, WGAN-GP with the paper's constants, statistics over 4 "
        f"examples; Adam 0.001 (betas 0 and 0.99) on {_BATCH} pictures a step; phases of {_CHUNKS * chunk} steps, the "
        f"last of {_LAST_CHUNKS * chunk}, {schedule('full size', _SIDE, chunk)[0][2]:,} steps in all either way. "
        f"Measured after every {chunk} steps with the averaged generator (decay 0.99): sliced Wasserstein distance of "
        f"{_MEASURED} samples and as many training pictures, mean over the levels of the pyramid, 32 patches a picture "
        "and level, 128 directions. Seconds are those of training alone, without compiling: of each phase the fastest "
        f"chunk's. Shown if growing took less time than full size for every seed. {named(seeds)}"
    )
    return Result(__doc__, bool(max(shares) < 1), numbers, protocol, _figure(curves, times, pictures[:_SHOWN]))


def schedule(variant: str, side: int, chunk: int) -> list[Stage]:
    """Return the phases of a variant up to a `side`, each with its first step and that of the next."""
    sides = [one for one in SIDES if one <= side]
    phases = [{"side": sides[0]}]
    for one in sides[1:]:
        phases += [{"side": one, "fade": True}, {"side": one}]
    lengths = [chunk * (_LAST_CHUNKS if phase == phases[-1] else _CHUNKS) for phase in phases]
    ends = np.cumsum(lengths).tolist()
    if variant == "full size":
        return [({}, 0, ends[-1])]
    return list(zip(phases, [0, *ends], ends, strict=False))


def reached(first: Sequence[float], second: Sequence[float]) -> tuple[float, int, int]:
    """Return the smallest distance that both curves reach, and the place in each where it first does."""
    distance = max(min(first), min(second))
    places = [next(place for place, value in enumerate(curve) if value <= distance) for curve in (first, second)]
    return distance, *places


def _train(variant: str, seed: int, source: Source, pictures: np.ndarray, chunk: int) -> Curve:
    training = Run(
        lambda: Progressive(
            columns={"image": pictures.shape[1:]},
            latent_dim=_LATENT,
            base_channels=_WIDTHS[0],
            max_channels=_WIDTHS[1],
        ),
        source,
        _BATCH,
        seed,
        betas=(0.0, 0.99),
        ema=0.99,
        discriminator=1e-3,
        generator=1e-3,
    )
    generate = training.model.maps["generate"]
    latents = noise.fill(generate.spec, len(pictures), seed)
    distances, stages, seconds = [], [], []
    for number, (phase, start, end) in enumerate(schedule(variant, _SIDE, chunk)):
        training.enter(phase, start, end)
        run_map = as_run(generate)
        for step in range(start + chunk, end + 1, chunk):
            training.advance_to(max(int(training.model.step), start + 1))  # the first step compiles
            todo, began = step - int(training.model.step), time.perf_counter()
            training.advance_to(step)
            seconds.append((time.perf_counter() - began) / todo)
            with training.averages.applied():
                samples = images.to_uint8(run_map(latents)["image"])
            distances.append(_distance(pictures, samples))
            stages.append(number)
    return Curve(distances, stages, seconds, samples[:_SHOWN])


def _cheapest(runs: Sequence[Curve]) -> dict[int, float]:
    """Return the seconds a step of each phase, as its fastest chunk of any run shows them."""
    chunks = [pair for one in runs for pair in zip(one.stages, one.seconds, strict=True)]
    return {stage: min(seconds for own, seconds in chunks if own == stage) for stage, _ in chunks}


def _distance(real: np.ndarray, fake: np.ndarray) -> float:
    return float(sliced_wasserstein(real, fake, patches=32, directions=128)["average"])


def _told(phase: dict[str, Any]) -> str:
    return f"{phase['side']} px{', fading in' if phase.get('fade') else ''}"


def _figure(curves: dict[str, list[Curve]], times: dict[str, np.ndarray], real: np.ndarray) -> Figure:
    figure, axes = new_figure(12, 3.8, columns=2)
    for name, colour in VARIANTS.items():
        for number, one in enumerate(curves[name]):
            label = None if number else name
            axes[0, 0].plot(times[name], one.distances, color=colour, linewidth=1.2, label=label)
    axes[0, 0].set(title="sliced Wasserstein distance (x 1,000)", xlabel="seconds of training", yscale="log")
    axes[0, 0].legend()
    rows = {"real": real, **{name: curves[name][0].samples for name in VARIANTS}}
    axes[0, 1].imshow(np.concatenate([np.concatenate(list(row), axis=1) for row in rows.values()]))
    side = real.shape[1]
    axes[0, 1].set_yticks(side * np.arange(len(rows)) + side / 2, rows, color=REAL)
    axes[0, 1].set(title="the first samples at the end", xticks=[])
    axes[0, 1].grid(False)
    return figure
