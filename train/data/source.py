"""Tables of columns, which every source of data hands over: rows that belong together."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zoo.spec import TensorSpec


@dataclass(frozen=True)
class Derived:
    """A column made of another one's stored rows, (rows, ...) to (rows, ...), when they are read."""

    of: str
    make: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Table:
    """One split of a data set, or of one domain of it: columns whose rows belong together.

    `columns` holds each column as it is stored: uint8 for pictures, int16 for sound, others in the data's own units, an
    array or a read-only memory map of (rows, ...), or a `Derived` one. `specs` tells each column as models see it.
    Stored pictures may be larger than their spec by a margin, of which training takes a random window. `description` is
    one sentence: what, which split, how many, how resized, from where. `digests` holds what determines every byte of a
    column, where that is known: the SHA-256 that the cache has compared.

    "image" is the column to be made, "input" the picture that it is made from, "label" its class.
    """

    columns: Mapping[str, np.ndarray | Derived]
    specs: dict[str, TensorSpec]
    description: str
    digests: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(column for column in self.columns.values() if not isinstance(column, Derived)))

    def stored(self, names: Iterable[str], chosen: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Return the `chosen` rows of the stored columns that the columns `names` are made of."""
        needed = {column.of if isinstance(column := self.columns[name], Derived) else name for name in names}
        return {
            name: column[chosen]
            for name, column in self.columns.items()
            if name in needed and not isinstance(column, Derived)
        }

    def derive(self, rows: dict[str, np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the columns `names` from stored rows of those that they are made of."""
        made = {}
        for name in names:
            column = self.columns[name]
            made[name] = column.make(rows[column.of]) if isinstance(column, Derived) else rows[name]
        return made

    def fingerprint(self, in_full: bool = False) -> str:
        """Return the SHA-256 of all columns and their specs: a run goes on only with the data it began with.

        Of a column with a digest only that is read; `in_full` all are, as they were before there were digests.
        """
        digest = hashlib.sha256()
        for name, spec in sorted(self.specs.items()):
            digest.update(repr((name, sorted(spec.to_json().items()))).encode())
            column = self.columns[name]
            if isinstance(column, Derived):
                continue
            digest.update(repr((column.dtype.str, column.shape)).encode())
            if name in self.digests and not in_full:
                digest.update(self.digests[name].encode())
                continue
            for start in range(0, len(column), 4096):
                digest.update(np.ascontiguousarray(column[start : start + 4096]).data)
        return digest.hexdigest()


# one table, or two for unpaired domains; the names of columns differ over all of them
Source = tuple[Table, ...]


def fingerprint(source: Source, in_full: bool = False) -> str:
    """Return what tells whether data are those that a run began with: see `Table.fingerprint`."""
    return "+".join(table.fingerprint(in_full) for table in source)


def renamed(table: Table, names: Mapping[str, str]) -> Table:
    """Return the table with other names for some of its columns, by their old ones."""

    def made(column: np.ndarray | Derived) -> np.ndarray | Derived:
        return replace(column, of=names.get(column.of, column.of)) if isinstance(column, Derived) else column

    return replace(
        table,
        columns={names.get(name, name): made(column) for name, column in table.columns.items()},
        specs={names.get(name, name): replace(s, name=names.get(name, name)) for name, s in table.specs.items()},
        digests={names.get(name, name): digest for name, digest in table.digests.items()},
    )


def image_spec(name: str, stored: Any, margin: int = 0) -> TensorSpec:
    """Return the spec of a column of stored pictures (rows, height, width, channels), as models see them."""
    height, width, channels = stored.shape[1:]
    return TensorSpec(name, (height - margin, width - margin, channels), "condition", "image")


def label_spec(names: tuple[str, ...]) -> TensorSpec:
    """Return the spec of a column of classes with these names."""
    return TensorSpec("label", (), "condition", "class", low=0, high=len(names) - 1, names=names)
