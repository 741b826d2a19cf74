"""The result of a study: stored as JSON, told as a Markdown table. No TensorFlow here.

`NAME.json` holds all that the table and its caption say, the lines of `train.evaluate` as they were printed, and no
path of the machine that made it:

    title, about, command       the study's docstring, and what to type
    protocol, versions, seeds   what all runs share
    columns, published, source  what the table shows
    search                      if settings are searched: how
    curves                      the picture of what was evaluated while training, if anything was
    rows                        by title: recipe, overrides, settings (all but the seed), picture, seeds if its own
      search                    what was tried first, and which was taken: see `train.study.search`
      runs                      by seed: step, seconds (inside training calls), lines by checkpoint, and the figure that
                                ranks checkpoints at each step where it was evaluated, if it was
"""

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from train.config import renamed
from train.rundir.layout import BEST, LAST, ranking
from train.study import search
from train.study.search import is_done
from zoo.shared.errors import UserError, unknown

Result = dict[str, Any]


def read(path: Path) -> Result:
    """Return the result stored at `path`; none there, or one that is torn, is a `UserError`."""
    try:
        result: Result = json.loads(path.read_text())
        if missing := {"title", "protocol", "versions", "seeds", "columns", "published", "rows"} - result.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except FileNotFoundError:
        raise UserError(f"no result {path} yet: run the study first, without --table") from None
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is corrupt: {error}; remove it and run the study again") from None
    return result


def check_same(old: Result, new: Result) -> None:
    """Refuse to add runs to another result than the one that is stored: a `UserError` names what differs.

    Seeds and rows may be added; what the table shows may change, and so may rows without a run.
    """
    finished = {title: row for title, row in old["rows"].items() if row["runs"] or any(map(is_done, _tries(row)))}
    pairs = {"": (_shared(old), _shared(new))} if finished else {}
    for title, row in finished.items():
        if title not in new["rows"]:
            raise UserError(f"the stored result has the row {title!r}, the study has not: {_REMEDY}")
        pairs[f"{title}: "] = renamed(row["settings"]), new["rows"][title]["settings"]
        pairs[f"{title}, search: "] = _tried(row), _tried(new["rows"][title])
    changes = [
        f"{prefix}{key} ({was.get(key, 'none')} -> {now.get(key, 'none')})"
        for prefix, (was, now) in pairs.items()
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    ]
    if changes:
        raise UserError(f"the stored result was made otherwise: {', '.join(changes)}; {_REMEDY}")


_REMEDY = "put the study back, or take another --output and --workdir"


def _shared(result: Result) -> dict[str, Any]:
    # not the rows' own spaces: the tries of each row are compared, so that a row with a space of its own may be added
    searched = {f"search {key}": value for key, value in (result.get("search") or {}).items() if key != "own"}
    return {**result["protocol"], **result["versions"], **searched}


def _tries(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return row.get("search") or []


def _tried(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(number): one["overrides"] for number, one in enumerate(_tries(row))}


def table(result: Result) -> str:
    """Return the result as a Markdown table: mean and sample standard deviation over the seeds, then other rows.

    Other rows are those that do nothing, where a metric measures such, and published ones. A cell that not every seed
    stands behind says so. A column whose figure the lines lack is a `UserError`.
    """
    checkpoints = result["protocol"]["checkpoints"]
    columns = [
        (title if len(checkpoints) == 1 else f"{title}, {checkpoint}", checkpoint, column)
        for checkpoint in checkpoints
        for title, column in result["columns"].items()
    ]
    seeds = _seeds_of(result)
    lines = [["", *(heading for heading, _, _ in columns)], ["---"] * (len(columns) + 1)]
    for title, row in result["rows"].items():
        runs = runs_of(result, row)
        cells = (
            _cell([_figure(run["lines"][checkpoint], **column) for run in runs], len(seeds), **column)
            for _, checkpoint, column in columns
        )
        lines.append([title, *cells])
    for title, texts in _baselines(result, [(checkpoint, column) for _, checkpoint, column in columns]):
        lines.append([title, *texts])
    for title, texts in result["published"].items():
        lines.append([f"{title}, published", *texts])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def seeds_of(result: Result, row: Mapping[str, Any]) -> list[int]:
    """Return the seeds that a row is to have: its own, or else the study's."""
    found: list[int] = row.get("seeds") or result["seeds"]
    return found


def runs_of(result: Result, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the finished runs of a row in the order of its seeds; those with other seeds do not count."""
    return [row["runs"][str(seed)] for seed in seeds_of(result, row) if str(seed) in row["runs"]]


def _seeds_of(result: Result) -> list[int]:
    """Return the seeds of which any row has a run."""
    rows = result["rows"].values()
    return [seed for seed in result["seeds"] if any(str(seed) in row["runs"] for row in rows)]


def _baselines(result: Result, columns: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the title and the cells of each row that does nothing; they are the same for every run."""
    run = next((run for row in result["rows"].values() for run in runs_of(result, row)), None)
    if run is None:
        return
    found: dict[str, list[str]] = {}
    for place, (checkpoint, column) in enumerate(columns):
        (line,) = (line for line in run["lines"][checkpoint] if line["metric"] == column["metric"])
        for title, figures in line.get("baselines", {}).items():
            cells = found.setdefault(title, [""] * len(columns))
            if column["figure"] in figures:
                cells[place] = f"{column['scale'] * figures[column['figure']]:.{column['digits']}f}"
    for title, cells in found.items():
        yield f"*{title.replace('_', ' ')}*", cells


def _figure(lines: Iterable[dict[str, Any]], metric: str, figure: str, **_: float) -> float | None:
    (line,) = (line for line in lines if line["metric"] == metric)
    if figure not in line:
        raise unknown(f"figure of the metric {metric}", figure, line)
    value: float | None = line[figure]
    return value


def _cell(values: list[float | None], seeds: int, digits: int, scale: float, **_: str) -> str:
    known = [scale * value for value in values if value is not None]
    if not known:
        return "not run" if not values else "none"
    text = f"{statistics.mean(known):.{digits}f}"
    if len(known) > 1:
        text += f" ± {statistics.stdev(known):.{digits}f}"
    return text if len(known) == seeds else f"{text} (n = {len(known)})"


def caption(result: Result) -> str:
    """Return what the table does not show: seeds, samples, reference, extractor, training, time, versions."""
    runs = [run for row in result["rows"].values() for run in runs_of(result, row)]
    if not runs:
        return "No run is finished yet."
    settings = [row["settings"] for row in result["rows"].values() if runs_of(result, row)]
    seeds, protocol, versions = _seeds_of(result), result["protocol"], result["versions"]
    steps, batches = _either(f"{run['step']:,}" for run in runs), _either(row["batch_size"] for row in settings)
    named = ", ".join(map(str, seeds))
    said = [
        f"Mean ± standard deviation (by n - 1) over n = {len(seeds)} trainings, with the seeds {named}."
        if len(seeds) > 1
        else f"One training, with the seed {named}: no spread is known.",
        *_measured([line for run in runs for lines in run["lines"].values() for line in lines]),
        f"Trained for {steps} steps in batches of {batches}; decay of the generator's average (EMA): "
        f"{_either(row['ema'] or 'none' for row in settings)}.",
        *filter(None, [search.caption(result)]),
        *(_CHECKPOINTS[checkpoint].format(_chosen(settings)) for checkpoint in protocol["checkpoints"]),
        f"A run trained for {_minutes([run['seconds'] for run in runs])} minutes on {protocol['threads']} of "
        f"{protocol['cores']} cores.",
        f"genzoo {versions['genzoo']}, TensorFlow {versions['tensorflow']}, Keras {versions['keras']}.",
    ]
    if result["published"]:
        said.append(f"Published: {result['source']}")
    return " ".join(said)


def _measured(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what the lines of `train.evaluate` say of samples, reference and extractor."""
    protocols = [line["protocol"] for line in lines]
    counts = (protocol.get("samples", line.get("count")) for line, protocol in zip(lines, protocols, strict=True))
    yield f"Measured on {_either(f'{count:,}' for count in counts)} samples."
    if references := [protocol["reference"] for protocol in protocols if "reference" in protocol]:
        named = _either(map(_reference, references))
        yield f"Reference: {named}."
    if extractors := [protocol["extractor"] for protocol in protocols if "extractor" in protocol]:
        yield f"Features: {_either('{file} (SHA-256 {sha256:.8})'.format(**extractor) for extractor in extractors)}."


def _reference(told: dict[str, Any]) -> str:
    if "splits" in told:
        return f"{told['name']} ({told['splits']})"
    return f"{told['count']:,} images of {told['name']}, {told['split']} split"


_CHECKPOINTS = {LAST: "The last checkpoint is that of the last step.", BEST: "The best one was chosen {}."}


def _chosen(settings: list[dict[str, Any]]) -> str:
    said = []
    for row in settings:
        metric, every = ranking(row["evaluate.metrics"], row["evaluate.every"])
        said.append(f"by {metric} on {row['evaluate.count']:,} samples and the train split, every {every:,} steps")
    return _either(said)


def _minutes(seconds: list[float]) -> str:
    return " to ".join(dict.fromkeys(f"{limit / 60:.1f}" for limit in (min(seconds), max(seconds))))


def _either(values: Iterable[object]) -> str:
    return " or ".join(dict.fromkeys(map(str, values)))
