"""Studies: several variants of a recipe, trained with several seeds and measured under one protocol.

A study is a file in this directory, or a path to your own: its docstring says what is asked (the first line) and how it
is measured, its function `get_study` returns a `Study`. `python -m train.study` runs it. No TensorFlow here.
"""

import re
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from train.rundir.layout import LAST
from zoo.shared.errors import UserError, first_line, unknown

STUDIES = Path(__file__).parent


class Column(NamedTuple):
    """A `figure` in the lines of a `metric`, shown times `scale` (100 for percent) with so many decimal `digits`."""

    metric: str
    figure: str
    digits: int = 2
    scale: float = 1.0


@dataclass(frozen=True)
class Search:
    """Settings to try for each row before its runs, of which the best is taken: see `train.study.search`.

    `space`: for each configuration key the values to try; `own`: by title, rows with another space, {} for none. Tried
    are all combinations, or so many `tries` of them, drawn by the `seed`. Each try trains for `steps` with this seed,
    which is none of the study's, and is judged by the figure that ranks checkpoints of the `metric`, on `count` samples
    beside the train split.
    """

    space: Mapping[str, Sequence[Any]]
    steps: int
    seed: int
    metric: str = "frechet"
    count: int = 2000
    tries: int = 0
    own: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """Runs to train, their seeds, and the figures to measure.

    `rows`: the configuration keys that each row, by its title, sets in the `recipe`; the key "recipe" names another,
    and "seeds" those of the row's own, fewer than the study's.
    `metrics`, `checkpoints`, `count`, `split`, `map` and `reference` are those of `train.evaluate`. `columns`: what the
    table shows, by title; say there whether less or more is better.

    `published`: rows of others, by title: the texts below all the headings of the table, which has the columns once for
    each checkpoint. `source` says whose they are and how they were measured.

    `search`: what is tried for each row before its runs; the best of it joins what the row sets.
    """

    recipe: str
    rows: Mapping[str, Mapping[str, Any]]
    metrics: tuple[str, ...]
    columns: Mapping[str, Column]
    seeds: tuple[int, ...] = (0, 1, 2)
    checkpoints: tuple[str, ...] = (LAST,)
    count: int = 10_000
    split: str = "test"
    map: str = ""
    reference: str = ""
    published: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source: str = ""
    search: Search | None = None


def available() -> tuple[str, ...]:
    """Return the names of the studies that come with genzoo."""
    return tuple(sorted(path.stem for path in STUDIES.glob("[a-z]*.py")))


def load(name: str) -> tuple[Study, str]:
    """Return the study of that name, or in that file x.py, and its docstring; `UserError` if there is none."""
    if not name.endswith(".py"):
        if name not in available():
            raise unknown("study", name, available())
        name = str(STUDIES / f"{name}.py")
    if not Path(name).is_file():
        raise UserError(f"no study file {name}; the studies that come along: {', '.join(available())}")
    try:
        module = runpy.run_path(name)
        if "get_study" not in module or not module["__doc__"]:
            example = STUDIES / "ring.py"
            raise UserError(f"{name} is no study: it needs a docstring and a function get_study; see {example}")
        study = module["get_study"]()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a file of the user's own may raise anything
        raise UserError(f"{name} fails: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(study, Study):
        raise UserError(f"get_study of {name} returns {type(study).__name__}, not a train.studies.Study")
    return study, module["__doc__"].strip()


def slug(title: str) -> str:
    """Return the title of a row as the name of its directory: "WGAN-GP" is wgan-gp."""
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
