"""The search of a study: what is tried for each row before its runs, and which of it is taken. No TensorFlow here.

Each try trains the row with some settings for a short budget, with a seed that is none of the table's, and is judged
beside the train split, so that the test split has no say in the choice. The stored result holds them:

    search            at the top: metric, figure, more_is_better, steps, count, split, seed, tries, space, own
    rows, each        search: the tries, in order: overrides, figure (None: not yet, or failed), failed (why), taken
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.studies import Search, Study
from zoo.shared.errors import UserError, unknown

SPLIT = "train"
_DIVERGED = re.compile(r"became (nan|-?inf|NaN)")
Tries = list[dict[str, Any]]


def described(study: Study) -> dict[str, Any]:
    """Return the search of a study as its result holds it; one that cannot be is a `UserError`."""
    from train.evaluate.metrics import METRICS

    search = study.search
    assert search is not None, "asked of studies that search"
    ranking = [name for name, metric in METRICS.items() if metric.figure and not metric.has_other]
    if search.metric not in ranking:
        raise unknown("metric to search by", search.metric, ranking)
    if search.seed in study.seeds:
        raise UserError(
            f"the search's seed {search.seed} is one of the study's: use another, so that no run chose itself"
        )
    if search.steps < 1 or search.tries < 0 or search.count < 2:
        raise UserError("the search needs steps of 1 or more, tries of 0 (all) or more, and a count of 2 or more")
    for title in search.own:
        if title not in study.rows:
            raise unknown("row of the search", title, study.rows)
    for space in (search.space, *search.own.values()):
        for key, values in space.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise UserError(f"the search's {key} is {values!r}: give a tuple of values to try")
    return {
        "metric": search.metric,
        "figure": METRICS[search.metric].figure,
        "more_is_better": METRICS[search.metric].more_is_better,
        "steps": search.steps,
        "count": search.count,
        "split": SPLIT,
        "seed": search.seed,
        "tries": search.tries,
        "space": {key: list(values) for key, values in search.space.items()},
        "own": {title: {key: list(values) for key, values in space.items()} for title, space in search.own.items()},
    }


def tries_of(search: Search, title: str) -> list[dict[str, Any]]:
    """Return the settings to try for a row: all combinations of its space, or so many of them by the search's seed.

    A row whose space is empty has nothing to try.
    """
    space = search.own.get(title, search.space)
    if not space:
        return []
    every = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    if not search.tries or search.tries >= len(every):
        return every
    chosen = np.random.default_rng(search.seed).permutation(len(every))[: search.tries]
    return [every[number] for number in sorted(chosen)]


def is_done(one: Mapping[str, Any]) -> bool:
    """Return whether a try was measured, or failed."""
    return one["figure"] is not None or bool(one["failed"])


def failed_by_itself(error: UserError) -> bool:
    """Return whether a training diverged: that says something of its settings, unlike a full disk."""
    return bool(_DIVERGED.search(str(error)))


def take_best(title: str, tries: Tries, more_is_better: bool) -> dict[str, Any]:
    """Mark the best of finished tries, the first of equals, and return its overrides; {} where nothing was to be tried.

    A row of which every try failed is a `UserError`.
    """
    if not tries:
        return {}
    measured = [one for one in tries if one["figure"] is not None]
    if not measured:
        raise UserError(
            f"row {title!r}: all {len(tries)} settings of the search failed, the first: {tries[0]['failed']}"
        )
    best = (max if more_is_better else min)(measured, key=lambda one: one["figure"])
    for one in tries:
        one["taken"] = one is best
    return dict(best["overrides"])


def table(result: Mapping[str, Any]) -> str:
    """Return what was tried as a Markdown table, or "" for a study that searched nothing."""
    search = result.get("search")
    if not search:
        return ""
    lines = [
        "| row | settings tried | " + f"{search['figure'].replace('_', ' ')} | taken |",
        "| --- | --- | --- | --- |",
    ]
    for title, row in result["rows"].items():
        for one in row["search"]:
            told = ", ".join(f"{key} {value}" for key, value in one["overrides"].items())
            figure = "failed" if one["failed"] else "not yet" if one["figure"] is None else f"{one['figure']:.4g}"
            lines.append(f"| {title} | {told} | {figure} | {'yes' if one['taken'] else ''} |")
    return "\n".join(lines)


def caption(result: Mapping[str, Any]) -> str:
    """Return how the settings were chosen, or ""."""
    search = result.get("search")
    if not search:
        return ""
    most = max(len(row["search"]) for row in result["rows"].values())
    best, figure = "most" if search["more_is_better"] else "least", search["figure"].replace("_", " ")
    return (
        f"Settings: of up to {most} tried for each row, each trained once for {search['steps']:,} steps with the seed "
        f"{search['seed']}, the one with the {best} {figure} on {search['count']:,} samples and the "
        f"{search['split']} split; the table below has them all."
    )
