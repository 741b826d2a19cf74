"""Which recipe fits what a user has: `python -m train --recipe=list`, and the table of README.md. No TensorFlow here.

A recipe's file says all of it: its docstring's first line what it makes, its line "Time: " how long that takes, and the
data that it names where it belongs.
"""

import ast
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from train.config import RECIPES, recipes, remarks

LIST = "list"  # in place of a recipe's name

FEW = "ten to a few hundred pictures in a folder"
MANY = "a thousand pictures in a folder, or more"
CLASSES = "pictures in a folder for each class"
PAIRS = "pictures that belong together in pairs"
TWO = "two folders of pictures that do not belong together"
ATTRIBUTES = "pictures with attributes, in a CSV file or as CelebA"
PHOTOGRAPHS = "photographs of any size, to enlarge or to paint"
SOUNDS = "recordings"
EPISODES = "an environment of gymnasium to act in"
NOTHING = "no data yet (those of these recipes come along)"
PUBLIC = "a public data set, which tensorflow-datasets fetches"
GPU = "a GPU, and a public data set or the folders that these recipes name"
OWN = (FEW, MANY, CLASSES, PAIRS, TWO, ATTRIBUTES, PHOTOGRAPHS, SOUNDS, EPISODES)
GROUPS = (*OWN, NOTHING, PUBLIC, GPU)

# how "Time: " begins in a recipe that no CPU can run
_OF_A_GPU = "a GPU's work"
# by the source of a recipe's data, its innermost one
_OF_SOURCES = {
    "folder": MANY,
    "pairs": PAIRS,
    "domains": TWO,
    "attributes": ATTRIBUTES,
    "patches": PHOTOGRAPHS,
    "wav": SOUNDS,
    "episodes": EPISODES,
    **dict.fromkeys(("digits", "shapes", "faces", "patterns", "ring", "grid", "tones", "pendulum"), NOTHING),
}
# those whose data do not tell
_OF_RECIPES = {"few_pictures": FEW, "classes": CLASSES, "wavenet_digits": SOUNDS}


@dataclass(frozen=True)
class Entry:
    """A recipe: its name, the one of `GROUPS` that it is in, what it makes in one line, and how long that takes."""

    name: str
    group: str
    line: str
    time: str


def entries() -> list[Entry]:
    """Return every recipe that comes along, those of a group together and by name."""
    return sorted(map(_entry, recipes()), key=lambda entry: (GROUPS.index(entry.group), entry.name))


def text() -> str:
    """Return the table for a terminal."""
    every = entries()
    name, time = (max(len(getattr(entry, key)) for entry in every) for key in ("name", "time"))
    parts = []
    for group in GROUPS:
        parts.append(f"You have {group}:")
        for entry in every:
            if entry.group == group:
                parts.append(f"  {entry.name:<{name}}  {entry.time:<{time}}  {entry.line}")
    return "\n".join([*parts, "", f"The command of each, and what it measured, stand in {RECIPES}/NAME.py."])


def markdown(groups: Iterable[str] = GROUPS) -> str:
    """Return the table for a page, of some groups alone."""
    every = entries()
    rows = ["| You have | take | it makes | in |", "| --- | --- | --- | --- |"]
    for group in groups:
        told = group
        for entry in every:
            if entry.group == group:
                rows.append(f"| {told} | `{entry.name}` | {entry.line} | {entry.time} |")
                told = ""
    return "\n".join(rows)


@functools.cache
def _entry(name: str) -> Entry:
    tree = ast.parse((RECIPES / f"{name}.py").read_bytes())
    told = remarks(name)["Time"]
    line = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
    return Entry(name, _group(name, told, tree), line, _short(told))


def _group(name: str, told: str, tree: ast.Module) -> str:
    if told.startswith(_OF_A_GPU):
        return GPU
    if name in _OF_RECIPES:
        return _OF_RECIPES[name]
    sources = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "source"
        if node.args and isinstance(node.args[0], ast.Constant)
    ]
    if not sources:
        return NOTHING
    return next((_OF_SOURCES[part] for part in str(sources[0]).split(":") if part in _OF_SOURCES), PUBLIC)


def _short(told: str) -> str:
    """Return how long a recipe takes, without how it was measured, which its docstring goes on to say."""
    return re.split(r"[;:(]|, |\.(?:\s|$)| that | beside | with ", told)[0].strip()
