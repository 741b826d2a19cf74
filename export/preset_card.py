"""The beginning of a preset's card: what it was trained on, how, for how long, and how good it is. No TensorFlow."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from zoo import bundle, presets

REAL = "real.png"  # a sheet of the pictures that it was trained on
_ERROR = "standard_error"  # of a figure; its key is this alone, or ends so
# figures of others in the same line, by the beginning of their keys
_OTHERS = {"random": "random actions", "true_dynamics": "the true dynamics"}
# what a figure was measured on, its error, and what `baselines` has
_ASIDE = re.compile(
    f"^(step|count.*|rows|horizon|plans|samples|levels|dimension|k|.*_window|(.*_)?{_ERROR}|baseline_nats"
    f"|({'|'.join(_OTHERS)})_.*)$"
)
# what is said of the figures of a likelihood of which only a lower bound is known
_BOUNDS = {"nats": "at least ", "bits_per_dimension": "at most "}
_UNITS = ("hours", 3600), ("minutes", 60), ("seconds", 1)


def text(name: str, told: Mapping[str, Any], manifest: bundle.Manifest, has_samples: bool, has_real: bool) -> str:
    """Return the card's title and its sections from what preset.json holds.

    `has_samples` and `has_real` say whether there are sheets of the default map and of real pictures.
    """
    parts = [
        f"# {name}",
        told["about"] + ".",
        f"    genzoo-sample --preset={name} {_wanted(manifest)}",
        "## Beside real pictures\n\n" + _beside(manifest, has_samples, has_real),
        "## Figures\n\n" + _figures(told["figures"]),
        "## Training data\n\n" + _data(told["data"]),
        "## Training\n\n" + _training(told, manifest),
    ]
    if told["intended_use"]:
        parts.append(f"## Intended use\n\n{told['intended_use']}")
    return "\n\n".join([*parts, "## Maps"])


def _wanted(manifest: bundle.Manifest) -> str:
    from export.card import command

    return command(manifest, manifest.default).partition("--bundle=. ")[2]


def _beside(manifest: bundle.Manifest, has_samples: bool, has_real: bool) -> str:
    if not (has_samples or has_real):
        return f"The map {manifest.default} makes nothing that can be shown as a picture."
    cells = {f"the map {manifest.default}": bundle.SAMPLES} if has_samples else {}
    cells |= {"training data": REAL} if has_real else {}
    rows = (cells, ["---"] * len(cells), (f"![{title}]({file})" for title, file in cells.items()))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    is_given = any(not tensor.is_class for tensor in manifest.maps[manifest.default].conditions)
    made = "The map shows held-out data and what it makes of them" if is_given else "The samples are those of seed 0"
    return f"{table}\n\n{made}; the training data are drawn at random. Nothing was selected."


def _figures(lines: list[dict[str, Any]]) -> str:
    if not lines:
        return "None was measured of this checkpoint."
    rows = ["| metric | figures | protocol |", "|---|---|---|"]
    for line in lines:
        figures = ", ".join(numbers(line)) or f"in `{presets.ABOUT}`"
        rows.append(f"| {line['metric']} | {figures} | {'; '.join(protocol(line))} |")
        rows += [f"| {title} | {', '.join(figures)} | as above |" for title, figures in baselines(line).items()]
    return "\n".join(rows) + f"\n\n± is the standard error. Whole protocols are in `{presets.ABOUT}`."


def numbers(line: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures of a line of `train.evaluate` in words, each with its standard error where it has one.

    What it has in sections, such as the figures of each class, stands in preset.json alone; for those of `baselines`
    see there.
    """
    numbers = {key: value for key, value in line.items() if type(value) in (int, float) and not _ASIDE.search(key)}
    for place, (key, value) in enumerate(numbers.items()):
        # an error that names no figure is that of the first
        spread = line.get(f"{key}_{_ERROR}", None if place else line.get(_ERROR))
        bound = _BOUNDS.get(key, "") if "lower bound" in line.get("bound", "") else ""
        yield f"{key.replace('_', ' ')} {bound}{value:,.4g}" + (f" ± {spread:.2g}" if spread is not None else "")


def baselines(line: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what does nothing, or little, or is the best there can be, by title, with its figures in words."""
    found = {key.replace("_", " "): figures for key, figures in line.get("baselines", {}).items()}
    if "baseline_nats" in line:
        found[line["baseline"]] = {"nats": line["baseline_nats"]}
    for beginning, title in _OTHERS.items():
        own = {
            key.removeprefix(f"{beginning}_"): value for key, value in line.items() if key.startswith(f"{beginning}_")
        }
        found |= {title: own} if own else {}
    return {title: list(numbers(figures)) for title, figures in found.items()}


def protocol(line: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a line says of the samples, of what they stood beside, of the extractor and of the seed.

    A likelihood is of the rows themselves.
    """
    told, reference = line["protocol"], line["protocol"].get("reference")
    is_likelihood = told.get("map") == "log_prob"
    if "lower bound" in line.get("bound", ""):
        yield line["bound"]
    count = told.get("samples") or line.get("count") or line.get("rows")
    if count and not (is_likelihood and reference):
        yield f"{count:,} samples or rows"
    if "env" in line:
        episodes = f"{len(told['seeds'])} episodes of {line['env']}"
        yield f"{episodes}, planned {line['horizon']} steps ahead by {line['planner']}"
    if reference:
        rows = f"{reference.get('count', count):,} rows of " if "count" in reference or is_likelihood else ""
        beside = "of " if is_likelihood else "beside "
        yield f"{beside}{rows}{reference['name']}, {reference.get('split') or reference['splits']} split"
    elif "data" in told:
        yield f"{told['pictures']:,} rows of {told['data']}, {told['split']} split"
    if "extractor" in told:
        yield "features of {file} (SHA-256 {sha256:.8})".format(**told["extractor"])
    if "seed" in told:
        yield f"seed {told['seed']}"


def _data(told: Mapping[str, Any]) -> str:
    lines = [f"{told['rows']} of `{told['name']}`, train split.", ""]
    lines += [f"- {one['title']}. Licence: {one['licence']}. By {one['attribution']}." for one in told["licences"]]
    return "\n".join(lines)


def _training(told: Mapping[str, Any], manifest: bundle.Manifest) -> str:
    command = told["command"] or "No recipe of this genzoo gives the configuration below."
    start = manifest.recipe.get("init_from")
    begun = f"The run began with the weights of another, `{start}`, which does not come along."
    lines = [
        f"    {command}",
        "",
        *([begun, ""] if start and "--init_from=" not in command else []),
        f"- Seed: {told['seed']}",
        f"- Step: {manifest.step:,}, the {manifest.checkpoint} checkpoint",
        f"- Hardware: {told['hardware'] or 'not recorded'}",
        f"- Time: {_time(told['seconds'])}",
    ]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    """Return so many seconds in words; 0 is that nothing was recorded."""
    if not seconds:
        return "not recorded"
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size or size == 1)
    return f"{seconds / size:.3g} {unit} of training steps, without evaluations and sheets"
