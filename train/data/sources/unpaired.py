"""Pairs torn apart: 'unpaired:NAME' over any source NAME of pairs, two tables with the columns "a" and "b".

The rows of NAME with even numbers give their "input" to a, those with odd numbers their "image" to b. So no picture of
a belongs to any of b. The pairs of NAME stay hidden, and judge what was learned: python -m train.evaluate
--metrics=pairs --reference=NAME.
"""

from typing import Any

from train.data import sources
from train.data.source import Source, Table, image_spec
from train.data.sources import pictures
from train.data.sources.domains import check_domains
from zoo.shared.errors import UserError

PREFIX = "unpaired:"
OPTIONS: dict[str, Any] = {}


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a source of pairs."""
    inner = pictures.over(section, PREFIX)
    module = sources.module_of(inner.name)
    module.check(inner)
    if not {"input", "image"} <= module.kinds(inner).keys():
        raise UserError(f"data.name is {section.name!r}; {inner.name!r} has no pairs of an input and an image")
    check_domains(section)


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the pictures of each domain."""
    return {"a": "image", "b": "image"}


def load(section: Any, split: str) -> Source:
    """Return the `split` of NAME as two domains."""
    inner = pictures.over(section, PREFIX)
    (table,) = sources.module_of(inner.name).load(inner, split)
    tables = []
    for column, old, first, told in (
        ("a", "input", 0, "the inputs of the even"),
        ("b", "image", 1, "the images of the odd"),
    ):
        rows = table.derive(table.stored([old], slice(first, None, 2)), [old])[old]
        if not len(rows):
            raise UserError(f"split {split!r} of {inner.name} has {len(table)} rows: both domains need one")
        spec = image_spec(column, rows, section.crop)
        digests = {column: f"{table.digests[old]}[{first}::2]"} if old in table.digests else {}
        tables.append(Table({column: rows}, {column: spec}, f"{column}: {told} rows of {table.description}", digests))
    return tuple(tables)
