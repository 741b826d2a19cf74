"""Declarations of models, read from their source text: a configuration is checked before TensorFlow is imported.

A model class declares literals: `options`, `fixed`, `phase_options`, `reads`, `reads_if`, `players`, `players_if`,
`targets`. They are merged along its base classes, as Python would inherit them, each base read in the same way from its
own file.
"""

import ast
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from zoo import syntax
from zoo.shared.errors import UserError, unknown
from zoo.spec import KINDS

# how an outline calls the comments beside its options: no class of a source can have that name by accident
_COMMENTS = "__comments__"
LITERALS = ("options", "fixed", "phase_options", "reads", "reads_if", "players", "players_if", "targets", "smallest")


@dataclass(frozen=True)
class Declaration:
    """The literals of one model, merged: see `zoo.model.GenerativeModel`."""

    options: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    phase_options: dict[str, Any] = field(default_factory=dict)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reads_if: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    players: tuple[str, ...] = ()
    players_if: dict[str, tuple[str, ...]] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    smallest: dict[str, Any] = field(default_factory=dict)
    # what the source says beside each option, of a phase too: known where the declaration is read from the source
    comments: dict[str, str] = field(default_factory=dict, compare=False)

    def columns_read(self, options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """Return the columns that a model with these options reads, each with the kinds it accepts."""
        chosen = {**self.options, **self.fixed, **options}
        more = (columns for option, columns in self.reads_if.items() if chosen.get(option))
        return functools.reduce(lambda all_, columns: {**all_, **columns}, more, dict(self.reads))

    def players_of(self, options: dict[str, Any]) -> tuple[str, ...]:
        """Return the names of the optimisers of a model with these options, in the order of their updates."""
        chosen = {**self.options, **self.fixed, **options}
        more = (names for option, names in self.players_if.items() if chosen.get(option))
        return (*self.players, *(name for names in more for name in names))


def merge(literals: list[dict[str, Any]]) -> Declaration:
    """Return the declaration of a class from the literals of its bases and its own, the most general class first.

    Dictionaries are merged, the later class winning; `players` replaces that of a base. A `fixed` option is one that a
    paper leaves no choice of: it is an option no longer.
    """
    merged: dict[str, Any] = {}
    for own in literals:
        for name, value in own.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
        for option in own.get("fixed", {}):
            merged.get("options", {}).pop(option, None)
    return Declaration(**merged)


def declaration(module: str, class_name: str) -> Declaration:
    """Return what the class declares; `module` is a module's dotted name, or the path of a file that ends in .py.

    A file or a class that is not there, or a literal that is none, is a `UserError`.
    """
    model = _outline(module, class_name, {})
    if model is None:
        others = [node.name for node in syntax.parsed(module)[1].body if isinstance(node, ast.ClassDef)]
        raise unknown(f"class in {module}", class_name, others)
    found = declaration_of(model)
    if not found.players or not found.reads:
        missing = "players" if not found.players else "reads"
        raise UserError(f"model {class_name} in {module} declares no {missing}: see docs/adding_a_model.md")
    if fault := next(_faults(found), ""):
        raise UserError(f"model {class_name} in {module}: {fault}; see docs/adding_a_model.md")
    return found


def _faults(found: Declaration) -> Iterator[str]:
    """Yield what in a declaration could be no part of a configuration, in words."""
    for where, options in (("options", found.options), ("phase_options", found.phase_options)):
        for option, default in options.items():
            if not isinstance(option, str) or not option.isidentifier() or option == "name":
                yield f"{where} has the key {option!r}; use words, as of attributes, and not 'name'"
            elif not _is_plain(default):
                yield (
                    f"{where} has {option}={default!r}; use a finite number, text, true or false, None, or a list of "
                    "them"
                )
    conditional = {f"reads_if[{option!r}]": columns for option, columns in found.reads_if.items()}
    for where, columns in {"reads": found.reads, **conditional}.items():
        if not isinstance(columns, dict) or not all(_are_kinds(name, kinds) for name, kinds in columns.items()):
            yield f"{where} is {columns!r}; use the name of each column with a tuple of kinds, of {', '.join(KINDS)}"
    names: list[Any] = []
    for where, players in {"players": found.players, **found.players_if}.items():
        if not isinstance(players, tuple) or not all(isinstance(name, str) and name.isidentifier() for name in players):
            yield f"{where if where == 'players' else f'players_if[{where!r}]'} is {players!r}; use a tuple of words"
        else:
            names += players
    if len(set(names)) < len(names):
        yield f"the players are {', '.join(names)}; use different names"
    for where, chosen in (("reads_if", found.reads_if), ("players_if", found.players_if)):
        for option in chosen.keys() - found.options.keys() - found.fixed.keys():
            yield f"{where} has the key {option!r}, which is no option"
    if not all(isinstance(word, str) for target in found.targets.items() for word in target):
        yield f"targets is {found.targets!r}; use the name of each output with that of a column"


def _is_plain(value: Any) -> bool:
    """Return whether a configuration file can hold a value."""
    if isinstance(value, tuple | list):
        return all(_is_plain(part) for part in value)
    return isinstance(value, bool | int | str | None) or (isinstance(value, float) and math.isfinite(value))


def _are_kinds(name: Any, kinds: Any) -> bool:
    return isinstance(name, str) and isinstance(kinds, tuple) and bool(kinds) and set(kinds) <= set(KINDS)


def declaration_of(model: type) -> Declaration:
    """Return what a class declares, merged along its base classes."""
    bases = [vars(base) for base in reversed(model.__mro__)]
    merged = merge([{name: base[name] for name in LITERALS if name in base} for base in bases])
    return replace(merged, comments={key: said for base in bases for key, said in base.get(_COMMENTS, {}).items()})


def _outline(module: str, class_name: str, made: dict[tuple[str, str], type | None]) -> type | None:
    """Return a class with the literals of the one in the source, and with bases made alike, or None if there is none.

    Python itself then brings the bases into their order. `made` holds those made so far.
    """
    place = module, class_name
    if place not in made:
        made[place] = None  # a name that leads back to itself is no class
        text, tree = syntax.parsed(module)
        node = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name), None)
        if node is None:  # imported to be imported from here
            origin = syntax.origin(ast.Name(class_name), tree, module)
            made[place] = _outline(*origin, made) if origin else None
        else:
            origins = filter(None, (syntax.origin(base, tree, module) for base in node.bases))
            bases = filter(None, [_outline(*origin, made) for origin in origins])
            body = {**dict(_literals(node, module)), _COMMENTS: _comments(text, node)}
            made[place] = type(class_name, tuple(bases), body)
    return made[place]


def _literals(node: ast.ClassDef, module: str) -> Iterator[tuple[str, Any]]:
    for name, expression in syntax.assigned(node.body):
        if name in LITERALS:
            yield name, _literal(f"{module}: {node.name}.{name}", name, expression)


def _comments(text: str, node: ast.ClassDef) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, expression in syntax.assigned(node.body):
        if name in ("options", "phase_options") and isinstance(expression, ast.Dict):
            said |= syntax.comments_of_keys(text, expression)
    return said


def _literal(where: str, name: str, expression: ast.expr) -> Any:
    wanted = tuple if name == "players" else dict
    try:
        value = ast.literal_eval(expression)
    except (ValueError, TypeError):
        value = None
    if not isinstance(value, wanted):
        raise UserError(f"{where} must be a {wanted.__name__} of literals, so that it can be read without TensorFlow")
    return value


def locate(name: str, registered: Callable[[], dict[str, str]]) -> tuple[str, str]:
    """Return (module, class) of a registered model, of "package.module:Class" or of "file.py:Class"."""
    models = registered()
    if name in models:
        name = models[name]
    elif ":" not in name:
        raise unknown("model", name, models)
    module, _, class_name = name.rpartition(":")
    if module.endswith(".py") and not syntax.file_of(module).is_file():
        raise UserError(f"no file {module}: a model of your own is file.py:Class or package.module:Class")
    return module, class_name
