"""How good is it? The metrics that fit, each beside rows of real pictures and rows that do nothing, and one page of it.

Three rows stand behind each figure of pictures, all made alike: as many samples, the same reference, the same metric.

- the model's samples;
- "real": as many other real pictures (of the train split, where the reference is the test split). No generator can ask
  for more, since a figure depends on the count of pictures;
- "shuffled": each number of a picture from another training picture. It has the right mean and spread of each pixel,
  and no shape.

Likelihoods stand beside those of as many training rows: a model that knows these better has learned them by heart. What
other metrics have beside, they tell in their own lines.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from train.evaluate.comparison import Comparison
from train.evaluate.makers import Maker
from train.evaluate.metrics import METRICS, line_of, measure
from train.evaluate.reference import Reference
from zoo.shared.errors import UserError

REAL, SHUFFLED = "real", "shuffled"
_TELL_SPLITS = ("mixture",)  # metrics with `splits` beside which real rows still say something


@dataclass
class Report:
    """What was measured: the lines of the model and those beside, by metric; and why metrics were left out."""

    comparison: Comparison
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    beside: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def report(comparison: Comparison, names: list[str], may_leave_out: bool) -> Report:
    """Return the report of a comparison, and print each line as it is measured.

    The reference and the samples are as many as there are other real rows. A metric that cannot be measured here is
    left out, with a warning, where it `may_leave_out` those; where none is left, that is a `UserError`.
    """
    reference, others = comparison.reference.with_others()
    count = len(reference.chosen)
    if count < 2:
        raise UserError(f"the data {reference.section.name} have too few rows to measure by: {count} in each part")
    comparison = comparison.of(reference, count)
    made = Report(comparison)
    for name in names:
        try:
            made.lines[name] = _printed(measure(comparison, name))
        except UserError as error:
            if not may_leave_out:
                raise
            made.left_out[name] = str(error)
            print(f"warning: {name} is left out: {error}", file=sys.stderr)
            continue
        made.beside[name] = {title: _printed(line) for title, line in _beside(comparison, name, others)}
    if not made.lines:
        raise UserError("; ".join(f"{name}: {why}" for name, why in made.left_out.items()))
    return made


def _printed(line: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(line, allow_nan=False), flush=True)
    return line


def _beside(comparison: Comparison, name: str, others: Reference) -> Iterator[tuple[str, dict[str, Any]]]:
    metric = METRICS[name]
    source = {"kind": REAL, **{key: others.protocol[key] for key in ("name", "split", "count")}}
    if metric.needs == "log_prob" and others.split == "train":
        yield "train", {**measure(comparison.of(others, len(others.chosen)), name)}
    if metric.needs != "samples" or (metric.splits and name not in _TELL_SPLITS) or "audio" in metric.kinds:
        return
    if name in _TELL_SPLITS:
        yield REAL, line_of(_judged(comparison, others.rows[others.column], source), name)
        return
    yield REAL, line_of(_judged(comparison, others.images, source), name)
    shuffled = np.random.default_rng(comparison.seed).permuted(others.images, axis=0)
    yield SHUFFLED, line_of(_judged(comparison, shuffled, {**source, "kind": SHUFFLED}), name)


def _judged(comparison: Comparison, rows: np.ndarray, source: dict[str, Any]) -> Comparison:
    """Return the comparison in which such rows stand in the place of the samples."""
    maker = Maker({}, {}, None, None, source, lambda count, seed: rows[:count])
    return Comparison(maker, comparison.reference, comparison.count, comparison.seed, source)
