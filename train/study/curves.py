"""The curves of a study: the figure that ranks checkpoints over the training step, a line for each row."""

import io
import statistics
from pathlib import Path
from typing import Any

from train import config
from train.rundir import logs
from train.rundir.curves import in_words
from train.rundir.layout import ranking
from train.study.results import Result, runs_of

CURVES = "curves.png"

Points = list[tuple[int, float]]


def evaluated(workdir: Path) -> dict[str, Any]:
    """Return what ranked the checkpoints of a finished run: `{"evaluations": [[step, figure], ...]}`, or {}.

    The figure at step 0, before any training, is left out.
    """
    settings = config.read(workdir)
    metric, figure = _ranked(settings.evaluate.metrics)
    lines = [line for line in logs.read_lines(workdir / logs.EVALUATIONS) if line.get("metric") == metric]
    found = [[line["step"], line[figure]] for line in lines if line["step"] and line[figure] is not None]
    return {"evaluations": found} if found else {}


def mean(runs: list[Points]) -> tuple[list[int], list[float], list[float], list[float]]:
    """Return the steps at which all runs of a row have a figure, and there its mean, the least and the greatest."""
    figures = [dict(points) for points in runs]
    steps = sorted(set.intersection(*map(set, figures)))
    there = [[known[step] for known in figures] for step in steps]
    return steps, [statistics.fmean(values) for values in there], [*map(min, there)], [*map(max, there)]


def draw(result: Result) -> bytes:
    """Return the PNG file of all rows that are ranked as the first one is, b"" if no run was evaluated.

    A line is the mean over the seeds of a row, its band goes from the least to the greatest.
    """
    runs = {
        title: [run["evaluations"] for run in runs_of(result, row) if "evaluations" in run]
        for title, row in result["rows"].items()
    }
    settings = {title: result["rows"][title]["settings"] for title in runs if runs[title]}
    if not settings:
        return b""
    first = next(iter(settings.values()))
    metric, figure = _ranked(first["evaluate.metrics"])
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib import ticker

    canvas, axis = plt.subplots(figsize=(9, 4.8), layout="constrained")
    for number, (title, told) in enumerate(settings.items()):
        if _ranked(told["evaluate.metrics"])[0] == metric:
            steps, means, least, most = mean(runs[title])
            (line,) = axis.plot(steps, means, "-" if number < 10 else "--", marker=".", label=title)
            axis.fill_between(steps, least, most, alpha=0.15, linewidth=0, color=line.get_color())
    if axis.dataLim.ymin > 0:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axis.yaxis.set_minor_formatter(ticker.NullFormatter())
    axis.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))  # 20k
    axis.set_xlabel("step")
    measured = f"{first['evaluate.count']:,} samples beside the train split"
    axis.set_title(f"{in_words(figure)}, {measured}", fontsize=10, loc="left")
    axis.grid(alpha=0.3, which="both")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=100)
    plt.close(canvas)
    return buffer.getvalue()


def _ranked(metrics: str) -> tuple[str, str]:
    """Return the metric that ranks checkpoints and its figure, "" and "" if nothing is evaluated while training."""
    from train.evaluate.metrics import METRICS

    metric, _ = ranking(metrics, 0)
    return metric, METRICS[metric].figure if metric else ""
