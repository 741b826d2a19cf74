"""examples.npz: a few rows of held-out data for the conditions of each map, and the right values of its outputs.

The trainer writes it at step 0. Sheets, parity and bundles use it, so that export needs no data set.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from train.data import Source
from train.rundir import recorded
from zoo.bundle import EXAMPLES
from zoo.model import GenerativeModel
from zoo.shared import files
from zoo.shared.errors import UserError, first_line

ROWS = 16
Examples = dict[str, dict[str, np.ndarray]]


def of(model: GenerativeModel, rows: Mapping[str, np.ndarray], source: Source = ()) -> Examples:
    """Return the examples of each map, by tensor: what fills its conditions from `rows`, and the targets there are.

    Rows of two tables of the `source` do not belong together: one of them shows no target of the other.
    """
    table_of = {name: number for number, table in enumerate(source) for name in table.specs}
    made: Examples = {}
    for name, map_ in model.maps.items():
        given = model.conditions(name, rows)
        # a reconstruction stands beside its condition, which is its target already
        columns = {tensor.name: model.declared.targets.get(tensor.name) for tensor in map_.spec.outputs}
        tables = {table_of[name] for name in given if name in table_of}
        shown = [name for name, column in columns.items() if column in rows and tables <= {table_of.get(column)}]
        targets = {name: rows[columns[name]] for name in shown if columns[name] not in given}
        made[name] = {key: np.asarray(values)[:ROWS] for key, values in {**given, **(targets if given else {})}.items()}
    return made


def encode(examples: Examples) -> bytes:
    """Return the file: an array MAP/TENSOR for each."""
    buffer = io.BytesIO()
    arrays = {f"{name}/{tensor}": values for name, tensors in examples.items() for tensor, values in tensors.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write(directory: Path, examples: Examples) -> None:
    """Write the file into a run or a bundle."""
    files.write_bytes(directory / EXAMPLES, encode(examples))


def read(directory: Path, maps: Mapping[str, object]) -> Examples:
    """Return the examples in a run or a bundle, by map and tensor; a missing or damaged file is a `UserError`."""
    path = directory / EXAMPLES
    recorded.check_file(directory, EXAMPLES)
    found: Examples = {name: {} for name in maps}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                name, _, tensor = key.partition("/")
                found[name][tensor] = arrays[key]
    except Exception as error:  # a damaged archive may make numpy and zipfile raise anything
        remedy = "remove it and give the command that trained the run again"
        raise UserError(f"cannot read {path}: {first_line(error)}; {remedy}") from None
    return found
