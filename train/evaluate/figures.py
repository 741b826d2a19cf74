"""What the figures of metrics mean, in words: those that a page and a summary show, and what stands beside each."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from train.evaluate.report import REAL, Report

_SHUFFLED, _TRAIN = "shuffled pixels", "training rows"


class Figure(NamedTuple):
    """A figure of a metric's line, by its key or by keys with dots between; `better` is "less", "more" or "".

    `real` is the key of the same line that holds the figure of real rows, where the metric measures that itself.
    """

    metric: str
    key: str
    title: str
    better: str = ""
    meaning: str = ""
    real: str = ""


class Row(NamedTuple):
    """A figure as it is shown: the model's, that of real rows, and those of rows that do nothing, by title."""

    figure: Figure
    value: float | None
    real: float | None
    beside: dict[str, float]


FIGURES = (
    Figure("bits_per_sample", "bits_per_sample", "bits a sample", "less", "what held-out sound costs to be told"),
    Figure("nats_per_frame", "nats_per_frame", "nats a frame", "less", "what held-out frames cost to be told"),
    Figure("log_likelihood", "nats", "log-likelihood, nats", "more", "how probable held-out data are to the model"),
    Figure("log_likelihood", "bits_per_dimension", "bits a dimension", "less", "the same, for each number of the data"),
    Figure("pairs", "psnr_db", "PSNR, dB", "more", "how near outputs are to the right answer"),
    Figure("pairs", "ssim", "SSIM", "more", "how alike their structure is: 1 for equal pictures"),
    Figure("pairs", "l1", "L1", "less", "the mean difference of pixels"),
    Figure("mixture", "modes", "modes found", "more"),
    Figure("mixture", "high_quality", "share of high quality", "more", "points near a centre"),
    Figure("mixture", "reverse_kl", "reverse KL, nats", "less", "how unevenly modes are found"),
    Figure("stacked_modes", "modes", "modes found, of 1,000", "more", real="reference_modes"),
    Figure("stacked_modes", "reverse_kl", "reverse KL, nats", "less", "how unevenly", real="reference_reverse_kl"),
    Figure("frechet", "frechet_distance", "Frechet distance", "less", "how far apart both sets lie in features"),
    Figure("precision_recall", "precision", "precision", "more", "share of samples that lie among real pictures"),
    Figure("precision_recall", "recall", "recall", "more", "share of real pictures that lie among samples"),
    Figure("density_coverage", "density", "density", "more", "how densely real pictures lie about samples"),
    Figure("density_coverage", "coverage", "coverage", "more", "share of real pictures with a sample nearby"),
    Figure(
        *("nearest_neighbours", "close_share", "near copies of training pictures", "less"),
        "share of samples as near to a training picture as the nearest hundredth of held-out pictures",
        "close_share_held_out",
    ),
    Figure("sound", "spectral_distance_db", "distance of spectra, dB", "less", real="reference_halves_distance_db"),
    Figure("sound", "accuracy", "class heard as asked for", "more", real="reference_accuracy"),
    Figure("representation", "latents.linear_probe", "class told from latents", "more", "by a linear probe"),
)


def rows(report: Report) -> Iterator[Row]:
    """Yield the rows of what was measured, in the order of `FIGURES`."""
    for figure in FIGURES:
        line = report.lines.get(figure.metric)
        if line is None or _of(line, figure.key, absent=True) is _ABSENT:
            continue
        beside = report.beside[figure.metric]
        real = _of(line, figure.real) if figure.real else _of(beside.get(REAL, {}), figure.key)
        yield Row(figure, _of(line, figure.key), real, dict(_others(figure, line, beside)))


def _others(figure: Figure, line: Mapping[str, Any], beside: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what does nothing, or little, by title."""
    named = {"shuffled": _SHUFFLED, "train": _TRAIN}
    found = {named[key]: _of(other, figure.key) for key, other in beside.items() if key in named}
    found |= {key: _of(figures, figure.key) for key, figures in line.get("baselines", {}).items()}
    if figure.key == "nats":
        found["independent pixels"] = line.get("baseline_nats")
    if figure.metric == "representation":
        found |= {key: _of(line, f"{key}.linear_probe") for key in ("pixels", "principal_components")}
    yield from ((title.replace("_", " "), value) for title, value in found.items() if value is not None)


_ABSENT: Any = object()


def _of(line: Mapping[str, Any], key: str, absent: bool = False) -> Any:
    """Return a figure by its keys with dots between; where there is none, None or `_ABSENT`."""
    value: Any = line
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT if absent else None
        value = value[part]
    return value


def shown(value: float | None) -> str:
    """Return a figure with four digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def heading(figure: Figure) -> str:
    """Return the title of a figure, and which is better."""
    return f"{figure.title} ({figure.better} is better)" if figure.better else figure.title


def summary(report: Report) -> str:
    """Return the figures as lines of text."""
    lines = []
    for row in rows(report):
        beside = {"real": row.real, **row.beside} if row.real is not None else row.beside
        told = ", ".join(f"{title} {shown(value)}" for title, value in beside.items())
        lines.append(f"{heading(row.figure)}: {shown(row.value)}{f'; beside: {told}' if told else ''}")
    return "\n".join(lines)
