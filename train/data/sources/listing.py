"""What a folder tells of its pictures' attributes: a CSV file, CelebA's lists, or sub-folders of classes."""

import csv
import functools
import io
import os
import posixpath
from dataclasses import dataclass
from pathlib import Path

from train.data.sources import ALL, SPLITS, files
from zoo.shared.errors import UserError, first_line

_CELEBA = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
_PARTITIONS = {"0": "train", "2": "test"}

Rows = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Listing:
    """What tells the attributes of the pictures below `root`: `where` it stands, `rows` of cells by the picture's path.

    `splits` names the split of each picture; those of other pictures follow from the hash of their path.
    """

    where: str
    names: tuple[str, ...]
    rows: Rows
    splits: dict[str, str]
    is_classes: bool = False


def listed(root: Path) -> Listing:
    """Return what tells the attributes of the pictures below `root`; see `train.data.sources.attributes`."""
    parts = [root / part for part in SPLITS if (root / part).is_dir()]
    tables = [_table_of(part) for part in parts] if len(parts) == len(SPLITS) else []
    places = parts if any(tables) else [root]
    tables = tables if any(tables) else [_table_of(root)]
    for place, table in zip(places, tables, strict=True):
        if table is None and any(tables):
            raise UserError(f"{place} has no CSV file, and the other split has one: put the one of its pictures there")
    found = [table for table in tables if table]
    if not found:
        return _of_folders(root, parts if len(parts) == len(SPLITS) else [root])
    # what was read stays as long as the file does not change
    state = tuple((str(table), table.stat().st_mtime_ns, table.stat().st_size) for table in found)
    return _of_tables(root, tuple(places), state)


def of_split(root: Path, listing: Listing, names: list[str], split: str) -> list[str]:
    """Return those of the pictures that belong to a split, sorted; a split without any is a `UserError`."""
    names = sorted(names)
    if not listing.splits:
        return files.chosen(root, names, split)
    chosen = [name for name in names if split in (ALL, listing.splits[name])]
    if not chosen:
        raise UserError(f"split {split!r} of {root} is empty: no picture of {listing.where} belongs to it")
    return chosen


def _table_of(place: Path) -> Path | None:
    """Return the file in a folder that tells the attributes, or None; several CSV files are a `UserError`."""
    if (place / _CELEBA[1]).is_file():
        return place / _CELEBA[1]
    found = sorted(path for path in place.iterdir() if path.suffix.lower() == ".csv" and not path.name.startswith("."))
    if len(found) > 1:
        raise UserError(
            f"{place} holds {len(found)} CSV files, {', '.join(path.name for path in found[:3])}: leave there the one "
            "that tells the attributes, or put each into the folder of its pictures"
        )
    return found[0] if found else None


@functools.lru_cache(maxsize=4)
def _of_tables(root: Path, places: tuple[Path, ...], state: tuple[tuple[str, int, int], ...]) -> Listing:
    names: tuple[str, ...] = ()
    rows: Rows = {}
    splits: dict[str, str] = {}
    for place, (file, _, _) in zip(places, state, strict=True):
        path = Path(file)
        part = "" if place == root else f"{place.name}/"
        own, cells = _read_celeba(path) if path.name == _CELEBA[1] else _read_csv(path)
        if names and own != names:
            raise UserError(f"{path} has other columns than that of train/: give both the same header")
        names = own
        rows |= {f"{part}{name}": row for name, row in cells.items()}
        splits |= {f"{part}{name}": place.name for name in cells} if part else _partition(path, cells)
    return Listing(_where(root, state), names, rows, splits)


def _where(root: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    return " and ".join(Path(file).relative_to(root).as_posix() for file, _, _ in state)


def _of_folders(root: Path, places: list[Path]) -> Listing:
    """Return the attributes of pictures in folders of their classes."""
    found = {
        ("" if place == root else f"{place.name}/") + name: (name.split("/")[0], place.name)
        for place in places
        for name in files.walk(place)
        if "/" in name
    }
    classes = sorted({label for label, _ in found.values()}, key=files.natural)
    if len(classes) < 2:
        raise UserError(
            f"{root} tells no attributes: put a CSV file beside the pictures (file,glasses,... and then a.png,1,...), "
            f"or {_CELEBA[0]}/ with {_CELEBA[1]}, or the pictures into sub-folders of at least two classes"
        )
    rows = {name: tuple(str(int(label == known)) for known in classes) for name, (label, _) in found.items()}
    splits = {name: part for name, (_, part) in found.items()} if len(places) > 1 else {}
    return Listing("its sub-folders", tuple(map(files.printable, classes)), rows, splits, is_classes=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # with or without the mark that some programs put first
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {first_line(error)}; save it as UTF-8") from None


def _read_csv(path: Path) -> tuple[tuple[str, ...], Rows]:
    """Return the names of the attributes, and the cells of each picture by its path."""
    text = _text(path)
    header_line = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=header_line.count)
    try:
        lines = [
            (number, [cell.strip() for cell in cells])
            for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1)
        ]
    except csv.Error as error:
        raise UserError(f"cannot read {path}: {first_line(error)}") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2 or len(lines[0][1]) < 2:
        raise UserError(
            f"{path} needs a header with a column of files and one of an attribute, and a line for each file"
        )
    (_, header), *rest = lines
    return _checked(path, header[1:], [(number, cells[0], cells[1:]) for number, cells in rest])


def _read_celeba(path: Path) -> tuple[tuple[str, ...], Rows]:
    """Return what list_attr_celeba.txt holds: a count, the names, then a file and its values in each line."""
    lines = [(number, line.split()) for number, line in enumerate(_text(path).splitlines(), 1)]
    lines = [(number, cells) for number, cells in lines if cells]
    if len(lines) < 3 or len(lines[0][1]) != 1:
        raise UserError(
            f"{path} is not as CelebA has it: a count, a line of names, then a file and its values in each line"
        )
    _, (_, header), *rest = lines
    return _checked(path, header, [(number, f"{_CELEBA[0]}/{cells[0]}", cells[1:]) for number, cells in rest])


def _checked(path: Path, header: list[str], lines: list[tuple[int, str, list[str]]]) -> tuple[tuple[str, ...], Rows]:
    """Return the names and the cells by picture; what cannot be told apart is a `UserError`."""
    for name in header:
        if not name or "," in name or ";" in name:
            raise UserError(
                f"{path}: a column is called {name!r}; give each attribute a name without comma and semicolon"
            )
        if header.count(name) > 1:
            raise UserError(f"{path}: two columns are called {name!r}")
    rows: Rows = {}
    for number, file, cells in lines:
        if len(cells) != len(header):
            raise UserError(f"{path}, line {number}: {len(cells)} values, and the header has {len(header)} attributes")
        name = posixpath.normpath(file.replace("\\", "/"))
        if not file or name.startswith(("/", "../")):
            raise UserError(f"{path}, line {number}: {file!r} is no path of a picture below {path.parent}")
        if name in rows:
            raise UserError(f"{path}, line {number}: {file} is told of twice")
        rows[name] = tuple(cells)
    return tuple(header), rows


def _partition(path: Path, rows: Rows) -> dict[str, str]:
    """Return the split of each picture by CelebA's list of them, or none where it is not there."""
    own = path.with_name(_CELEBA[2])
    if path.name != _CELEBA[1] or not own.is_file():
        return {}
    told = {f"{_CELEBA[0]}/{cells[0]}": cells[-1] for line in _text(own).splitlines() if (cells := line.split())}
    if absent := next((name for name in rows if name not in told), None):
        raise UserError(f"{own} does not tell the split of {os.path.basename(absent)}")
    return {name: _PARTITIONS.get(told[name], "validation") for name in rows}
