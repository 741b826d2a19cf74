"""A study before it runs: its result, with all settings checked, and what a stored one adds to it. No TensorFlow."""

import contextlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

import zoo
from train import config, data, studies
from train.check import check
from train.data import SPLITS
from train.rundir import layout
from train.study import results, search
from zoo.shared.errors import UserError, unknown

SEED = 0  # of the evaluations
OPTIONAL = "map", "reference"  # flags of `train.evaluate` that a study need not give


def restore(old: results.Result, new: results.Result) -> None:
    """Put what the stored result holds into the new one; where that was made otherwise, it is a `UserError`."""
    for title, row in old["rows"].items():
        if title in new["rows"] and len(row.get("search", [])) == len(new["rows"][title].get("search", [])):
            for one, found in zip(new["rows"][title].get("search", []), row.get("search", []), strict=True):
                if one["overrides"] == found["overrides"]:
                    one.update(figure=found["figure"], failed=found["failed"])
            with contextlib.suppress(UserError):  # of a row all of whose tries failed the runner tells
                settle(new, title)
    results.check_same(old, new)
    if "curves" in old:
        new["curves"] = old["curves"]
    for title, row in old["rows"].items():
        if row["runs"]:
            new["rows"][title].update(runs=row["runs"], picture=row["picture"])


def settle(result: results.Result, title: str) -> bool:
    """Let a row take the best of what was tried for it, and return whether it has: not before all tries are done."""
    row = result["rows"][title]
    tries = row.get("search", [])
    if not all(map(search.is_done, tries)):
        return False
    if tries:
        best = search.take_best(title, tries, result["search"]["more_is_better"])
        row["overrides"] |= best
        row["settings"] = _told(row["recipe"], row["overrides"])
    return True


def prepare(name: str, jobs: int) -> results.Result:
    """Return the result of a study before any run.

    A run or a column that could not be is a `UserError`, as far as it can be told without TensorFlow.
    """
    study, text = studies.load(name)
    _check(study)
    searched = {"search": search.described(study)} if study.search else {}
    rows = {title: _row(study, title) for title in study.rows}
    title, _, about = text.partition("\n\n")
    cores = len(os.sched_getaffinity(0))
    libraries = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "onnxruntime", "numpy")}
    return {
        "title": " ".join(title.split()),
        "about": about,
        "command": f"python -m train.study --study={Path(name).name} --workdir=runs/{Path(name).stem} --jobs={jobs}",
        "protocol": {
            "metrics": list(study.metrics),
            "checkpoints": list(study.checkpoints),
            "count": study.count,
            "split": study.split,
            "seed": SEED,
            "cores": cores,
            "threads": max(1, cores // jobs),
            **{flag: getattr(study, flag) for flag in OPTIONAL if getattr(study, flag)},
        },
        "versions": {"genzoo": zoo.__version__, **libraries, "python": platform.python_version()},
        "seeds": list(study.seeds),
        "columns": {column: shown._asdict() for column, shown in study.columns.items()},
        "published": {row: list(texts) for row, texts in study.published.items()},
        "source": study.source,
        **searched,
        "rows": rows,
    }


def _check(study: studies.Study) -> None:
    from train.evaluate.metrics import METRICS

    if not all(isinstance(column, studies.Column) for column in study.columns.values()):
        raise UserError("the study's columns are no train.studies.Column")
    for kind, names, known in (
        ("metric", study.metrics, [name for name, metric in METRICS.items() if not metric.has_other]),
        ("metric of a column", [column.metric for column in study.columns.values()], study.metrics),
        ("checkpoint", study.checkpoints, layout.CHECKPOINTS),
        ("split", [study.split], SPLITS),
    ):
        for name in names:
            if name not in known:
                raise unknown(kind, name, known)
    slugs = {studies.slug(title) for title in study.rows}
    for what, values, distinct in (("rows", study.rows, slugs), ("seeds", study.seeds, set(study.seeds))):
        if not values or len(distinct) < len(values) or "" in distinct:
            raise UserError(f"the study's {what} are {', '.join(map(str, values)) or 'none'}: it needs different ones")
    for what in ("metrics", "columns", "checkpoints"):
        named = getattr(study, what)
        if not named or len(set(named)) < len(named):
            raise UserError(f"the study's {what} are {', '.join(named) or 'none'}: it needs different ones")
    if bars := [title for title in (*study.rows, *study.columns, *study.published) if "|" in title]:
        raise UserError(f"the title {bars[0]!r} would break the table: use no |")
    if study.reference:
        data.check(config.source(study.reference))
    if not isinstance(study.count, int) or study.count < 2:
        raise UserError(f"the study's count is {study.count}: use a whole number of samples, 2 or more")
    cells = len(study.columns) * len(study.checkpoints)
    if any(len(texts) != cells for texts in study.published.values()):
        raise UserError(f"the study has published rows of other than {cells} texts, one for each column and checkpoint")
    if study.published and not study.source:
        raise UserError("the study has published rows and no source: say whose they are and how they were measured")


def asked(protocol: Mapping[str, Any]) -> list[str]:
    """Return the flags of `train.evaluate` that ask for what the protocol says, at any checkpoint."""
    told = {flag: protocol[flag] for flag in ("count", "split", "seed", *OPTIONAL) if flag in protocol}
    return [*(f"--{flag}={value}" for flag, value in told.items()), f"--metrics={','.join(protocol['metrics'])}"]


def _row(study: studies.Study, title: str) -> dict[str, Any]:
    overrides = dict(study.rows[title])
    recipe, seeds = overrides.pop("recipe", study.recipe), overrides.pop("seeds", study.seeds)
    tries = search.tries_of(study.search, title) if study.search else []
    try:
        if not isinstance(seeds, tuple) or not seeds or [*seeds] != [seed for seed in study.seeds if seed in seeds]:
            raise UserError(f"its seeds are {seeds!r}: it needs a tuple of some of {study.seeds}, in this order")
        if not isinstance(recipe, str):
            raise UserError(f"its recipe is {recipe!r}, not a name or a file")
        for tried in tries or [{}]:
            own = {**overrides, **tried}
            if "seed" in own:
                raise UserError("it sets the seed, which is the study's")
            _check_row(study, recipe, own, is_tried=bool(tries))
        told = _told(recipe, overrides)
    except (UserError, TypeError) as error:
        raise UserError(f"row {title!r}: {error}") from None
    row: dict[str, Any] = {"recipe": recipe, "overrides": overrides, "settings": told, "picture": None, "runs": {}}
    if seeds != study.seeds:
        row["seeds"] = seeds
    if study.search:
        row["search"] = [{"overrides": tried, "figure": None, "failed": "", "taken": False} for tried in tries]
    return json.loads(json.dumps(row))  # as it is read back: lists for tuples


def _check_row(study: studies.Study, recipe: str, overrides: Mapping[str, Any], is_tried: bool) -> None:
    """Raise a `UserError` for a run of the row that cannot be, and for a try of these settings that cannot be."""
    settings = _settings(recipe, overrides)
    for seed in study.seeds:
        settings.seed = seed
        check(settings)
    for checkpoint in study.checkpoints:
        layout.check_kept(settings, checkpoint)
    if is_tried and study.search:
        settings.update(seed=study.search.seed, train_steps=study.search.steps)
        check(settings)


def _settings(recipe: str, overrides: Mapping[str, Any]) -> ConfigDict:
    settings = config.load(recipe, flags_of(overrides))
    settings.update_from_flattened_dict(dict(overrides))
    return settings


def _told(recipe: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a row but the seed, as a result holds them."""
    told = dict(config.flatten(_settings(recipe, overrides).to_dict()))
    return {key: value for key, value in told.items() if key != "seed" and config.LATER.get(key) != value}


def flags_of(overrides: Mapping[str, Any]) -> list[str]:
    """Return the flags of `python -m train` that set these configuration keys."""
    return [f"--config.{key}={value}" for key, value in overrides.items()]
