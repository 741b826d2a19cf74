"""curves.png: what metrics.jsonl and evaluations.jsonl hold over the training step, a panel for each meaning.

Losses share a panel, and so do a figure of real data and that of samples, or those of two domains; every other log has
its own. The evaluations follow, each with a mark at its best, and the speed is last. An axis is logarithmic where all
values are positive and span two decades. A line of many points is drawn as the means of 400 parts of it, over a band
from the lowest to the highest of each, and the axis is that of the means.
"""

import io
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from train.rundir.logs import EVALUATIONS, METRICS, SPEED, read_lines
from zoo.shared import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = "curves.png"
_PARTS = 400  # of a line, about as many as a panel has pixels
_COLUMNS = 3
_COLOURS = 10  # of matplotlib's lines
_DECADES = 2  # that an axis spans before it is logarithmic
_LONGEST = 56  # characters in a row of a legend, about what fits below a panel
_LOSSES, _SIGNED = "losses", "losses that may be negative"
_SPELLED = {"kl": "KL divergence", "l1": "L1 distance", "tv": "total variation", "frechet": "Fréchet", "auc": "AUC"}
# the two sides of a figure, as its name says them
_SIDES = (("real", "fake"), ("a", "b"))

Points = list[tuple[int, float]]


@dataclass
class Panel:
    """Lines that share a panel, by their labels; `best` is a point to be marked."""

    title: str
    lines: dict[str, Points] = field(default_factory=dict)
    best: tuple[int, float] | None = None


def write(workdir: Path, figures: Mapping[str, str], rising: Collection[str] = ()) -> None:
    """Draw the logs of the run at `workdir`, if it has any; `figures` names that of each metric in evaluations.jsonl.

    More is better in the metrics that are `rising`.
    """
    if made := panels(read_lines(workdir / METRICS), read_lines(workdir / EVALUATIONS), figures, rising):
        files.write_bytes(workdir / CURVES, draw(made))


def panels(
    metrics: list[dict[str, Any]],
    evaluations: list[dict[str, Any]],
    figures: Mapping[str, str],
    rising: Collection[str] = (),
) -> list[Panel]:
    """Return the panels in their order: losses, other logs, evaluations, the speed."""
    logged = _logged(metrics)
    losses = [panel for panel in logged if panel.title in (_LOSSES, _SIGNED)]
    speed = [panel for panel in logged if panel.title == in_words(SPEED)]
    others = [panel for panel in logged if panel not in losses and panel not in speed]
    return [*losses, *others, *_evaluated(evaluations, figures, rising), *speed]


def _logged(metrics: list[dict[str, Any]]) -> list[Panel]:
    """Return the panels of the lines of metrics.jsonl: losses, pairs of sides, and what is left, one each."""
    # a model's logs may change from one phase to the next
    names = [name for name in dict.fromkeys(name for line in metrics for name in line) if name != "step"]
    lines = {name: points for name in names if (points := _points(metrics, name))}
    places = _pairs(list(lines))
    losses = [name for name in lines if name.endswith("loss") and name not in places]
    for name in losses:
        is_signed = any(value <= 0 for _, value in lines[name])
        # beside one that is negative no axis can be logarithmic
        places[name] = (_SIGNED if is_signed else _LOSSES, in_words(name).removesuffix(" loss"))
    found: dict[str, Panel] = {}
    for name in sorted(lines, key=lambda name: places.get(name, ("", ""))[1] == _SIDES[0][1]):  # what is real is first
        title, label = places.get(name, (in_words(name), in_words(name)))
        found.setdefault(title, Panel(title)).lines[label] = lines[name]
    return list(found.values())


def _points(metrics: list[dict[str, Any]], name: str) -> Points:
    """Return the line of a log, NaN at the steps between that lack it, so that it has gaps there."""
    points = [(line["step"], line.get(name, math.nan)) for line in metrics]
    if not all(type(value) in (int, float) for _, value in points):
        return []  # an editor wrote it
    there = [place for place, (_, value) in enumerate(points) if not math.isnan(value)]
    return points[there[0] : there[-1] + 1] if there else []


def _evaluated(
    evaluations: list[dict[str, Any]], figures: Mapping[str, str], rising: Collection[str]
) -> Iterator[Panel]:
    """Yield a panel for each figure that was measured, with its best point marked."""
    for metric, figure in figures.items():
        points = [
            (line["step"], line[figure]) for line in evaluations if line.get("metric") == metric and figure in line
        ]
        if points:
            best = (max if metric in rising else min)(points, key=lambda point: point[1])
            title = in_words(figure) if metric in figure else f"{in_words(figure)} ({in_words(metric)})"
            yield Panel(title, {in_words(figure): points}, best)


def _pairs(names: list[str]) -> dict[str, tuple[str, str]]:
    """Return a title and a side for each log with a partner, such as real_x beside fake_x, or x_a beside x_b."""
    found: dict[str, tuple[str, str]] = {}
    for one, other in _SIDES:
        for name in names:
            words = name.split("_")
            partner = "_".join(other if word == one else word for word in words)
            shared = "_".join(word for word in words if word != one)
            if words.count(one) == 1 and shared and partner in names:
                title = f"{in_words(shared)}, {one} and {other}"
                found |= {name: (title, one), partner: (title, other)}
    return found


def in_words(name: str) -> str:
    """Return the name of a log in words."""
    return " ".join(_SPELLED.get(word, word) for word in name.split("_"))


def thinned(points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the steps of a line, its values, the lowest and the highest that each stands for.

    Of more than 400 points, 400 parts as equal as can be become one each: their mean step and their mean value.
    """
    steps, values = np.array(points, np.float64).T
    if len(points) <= _PARTS:
        return steps, values, values, values
    starts = np.arange(_PARTS) * len(points) // _PARTS
    counts = np.diff([*starts, len(points)])
    mean_steps, means = (np.add.reduceat(row, starts) / counts for row in (steps, values))
    return mean_steps, means, np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def draw(made: list[Panel]) -> bytes:
    """Return the PNG file of the panels, three in a row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(_COLUMNS, len(made))
    rows = math.ceil(len(made) / columns)
    canvas, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.1 * rows), squeeze=False, layout="constrained")
    for axis, panel in zip(axes.flat, made, strict=False):
        _draw_panel(axis, panel)
    for axis in axes.flat[len(made) :]:
        axis.remove()
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=110)
    plt.close(canvas)
    return buffer.getvalue()


def _draw_panel(axis: "Axes", panel: Panel) -> None:
    from matplotlib import ticker

    is_measured = panel.best is not None
    bands, seen = [], []
    for number, (label, points) in enumerate(panel.lines.items()):
        steps, values, low, high = thinned(points)
        style = ("." if is_measured or len(points) == 1 else "") + ("-" if number < _COLOURS else "--")
        (line,) = axis.plot(steps, values, style, label=label, linewidth=1, markersize=4)
        seen.append(values[np.isfinite(values)])
        if len(points) > _PARTS:
            bands.append((steps, low, high, line.get_color()))
    every = np.concatenate(seen)
    if (every > 0).all() and every.max() >= 10**_DECADES * every.min():
        axis.set_yscale("log")
    axis.set_ylim(axis.get_ylim())  # a single point far away would flatten the rest
    for steps, low, high, colour in bands:
        axis.fill_between(steps, low, high, alpha=0.2, linewidth=0, color=colour)
    if panel.best is not None:
        step, value = panel.best
        axis.plot([step], [value], "*", markersize=11, color="tab:red", label=f"best: {value:.4g} at step {step:,}")
    axis.set_title(panel.title[:1].upper() + panel.title[1:], fontsize=10, loc="left")
    axis.set_xlabel("step", fontsize=8)
    axis.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    axis.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))  # 20k
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    if len(panel.lines) > 1 or panel.best is not None:
        shown = [line for line in axis.lines if not is_measured or line.get_marker() == "*"]
        # below the panel, where it covers no line
        longest = max(len(str(line.get_label())) for line in shown)
        axis.legend(
            handles=shown, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, fontsize=8,
            ncols=max(1, min(len(shown), _LONGEST // (longest + 4))),
        )  # fmt: skip
