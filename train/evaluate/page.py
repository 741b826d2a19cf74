"""The page about how good a model is: samples, nearest training pictures, figures, curves, protocol, configuration."""

import html
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from train import config, page
from train.evaluate import figures
from train.evaluate.metrics import METRICS
from train.evaluate.panels import Panel, nearest_panels, sample_panels
from train.evaluate.report import Report
from train.rundir.curves import CURVES

_STYLE = """
figure img { image-rendering: pixelated; }
.two { display: flex; flex-wrap: wrap; gap: 1rem; } .two figure { flex: 1 1 18rem; margin: 0; }
.wide img { min-width: 50rem; } figcaption { color: var(--quiet); font-size: 0.9rem; }
"""


def render(report: Report, source: str, run: Path | None, command: str) -> str:
    """Return the page; `run` is the directory of the run that is judged, None of anything else."""
    comparison = report.comparison
    model, data = comparison.source.get("model", comparison.source["kind"]), comparison.reference.section.name
    parts = [
        f"<h1>How good is it? {html.escape(f'{model} on {data}')}</h1>",
        page.paragraphs([_about(report, source)], "quiet"),
        "<h2>Figures</h2>",
        page.table(
            ("", "this model", "real pictures" if _has_pictures(report) else "real rows", "does nothing"), _rows(report)
        ),
        page.paragraphs(_reading(report), "quiet"),
        "<h2>Samples</h2>",
        _figures(sample_panels(comparison)),
    ]
    if "nearest_neighbours" in report.lines:
        parts += ["<h2>Nearest training pictures</h2>", _figures(nearest_panels(comparison))]
    parts += ["<h2>Curves</h2>", _curves(run), "<h2>Protocol</h2>", page.paragraphs(_protocol(report))]
    parts += [page.paragraphs([f"Made by: {command}"], "quiet"), _details("What was printed", _printed(report))]
    recipe = comparison.maker.recipe
    told = json.dumps(dict(config.flatten(recipe.to_dict())), indent=1) if recipe else "A folder has none."
    parts.append(_details("Configuration", told))
    return page.document(f"How good is {model} on {data}?", "\n".join(parts), _STYLE)


def _about(report: Report, source: str) -> str:
    told = report.comparison.source
    step = f", {told['checkpoint']} checkpoint, step {told['step']:,}" if "step" in told else ""
    return f"{told['kind']} {Path(source).name}{step}."


def _has_pictures(report: Report) -> bool:
    return any(METRICS[name].needs == "samples" and "image" in METRICS[name].kinds for name in report.lines)


def _rows(report: Report) -> Iterator[list[str]]:
    for row in figures.rows(report):
        title = figures.heading(row.figure) + (f"\n{row.figure.meaning}" if row.figure.meaning else "")
        beside = "\n".join(f"{name} {figures.shown(value)}" for name, value in row.beside.items())
        yield [title, figures.shown(row.value), figures.shown(row.real), beside or "-"]


def _reading(report: Report) -> Iterator[str]:
    """Yield how the table is to be read, and what is missing in it."""
    kinds = {title for lines in report.beside.values() for title in lines}
    if "real" in kinds:
        yield (
            "Real pictures beside real pictures are the best that can be asked for with so many; a figure of the model "
            "that equals theirs cannot be told from the data by this measure."
        )
    if "shuffled" in kinds:
        yield "Shuffled pixels: each number of a picture comes from another training picture, so that no shape is left."
    if "train" in kinds:
        yield "Training rows that are much more probable than held-out ones would mean that they were learned by heart."
    for name, why in report.left_out.items():
        yield f"{name} was left out: {why}"


def _figures(panels: Iterable[Panel]) -> str:
    return f'<div class="two">{"".join(map(_figure, panels))}</div>'


def _figure(panel: Panel) -> str:
    shown = page.sound(panel.data) if panel.kind == "audio/wav" else page.picture(panel.data, panel.alt, panel.kind)
    return f"<figure>{shown}<figcaption>{html.escape(panel.caption)}</figcaption></figure>"


def _curves(run: Path | None) -> str:
    if run is None:
        return page.paragraphs(["Only a run has curves; this was made from its export, or from pictures."])
    if not (run / CURVES).is_file():
        return page.paragraphs([f"The run has no {CURVES} yet."])
    return f'<div class="wide">{page.picture((run / CURVES).read_bytes(), "what training logged, by step")}</div>'


def _protocol(report: Report) -> Iterator[str]:
    """Yield in plain words what was measured on what."""
    comparison, reference = report.comparison, report.comparison.reference
    told = reference.protocol
    yield (
        f"{len(reference.chosen):,} rows of {told['name']}, {told['split']} split, chosen by seed {comparison.seed}, "
        f"and as many of the model's ({reference.description})."
    )
    other = "the train split" if reference.split == "test" else "the rest of the same data"
    yield f"Other real rows are as many of {'the test split' if reference.split == 'train' else other}."
    if any(METRICS[name].sees_features for name in report.lines):
        extractor = reference.extractor.protocol
        yield (
            f"Features come from the network {extractor['file']} (SHA-256 {extractor['sha256']:.8}). Figures made by "
            "another network, or with another number of pictures, cannot be compared with these."
        )
    if comparison.source.get("ema"):
        yield f"The weights are averages of those in training, with a decay of {comparison.source['ema']}."
    names = ", ".join(report.lines)
    yield f"Metrics: {names}. What each means: python -m train.evaluate --help."


def _printed(report: Report) -> str:
    lines = [line for name, line in report.lines.items() for line in (line, *report.beside[name].values())]
    return "\n".join(json.dumps(line, indent=1) for line in lines)


def _details(title: str, text: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"
