"""Declarations of models, read from their source text: a configuration is checked before TensorFlow is imported.

A model class declares literals: `options`, `fixed`, `phase_options`, `reads`, `reads_if`, `players`, `players_if`,
`targets`. They are merged along its base classes, as Python would inherit them, each base read in the same way from its
own file.
"""

import ast
import functools
import importlib.util
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.shared.errors import UserError, unknown
from zoo.spec import KINDS

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
        others = [node.name for node in _tree(module).body if isinstance(node, ast.ClassDef)]
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
    return merge([{name: base[name] for name in LITERALS if name in base} for base in bases])


def _outline(module: str, class_name: str, made: dict[tuple[str, str], type | None]) -> type | None:
    """Return a class with the literals of the one in the source, and with bases made alike, or None if there is none.

    Python itself then brings the bases into their order. `made` holds those made so far.
    """
    place = module, class_name
    if place not in made:
        made[place] = None  # a name that leads back to itself is no class
        tree = _tree(module)
        node = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name), None)
        if node is None:  # imported to be imported from here
            origin = _place(ast.Name(class_name), tree, module)
            made[place] = _outline(*origin, made) if origin else None
        else:
            origins = filter(None, (_place(base, tree, module) for base in node.bases))
            bases = filter(None, [_outline(*origin, made) for origin in origins])
            made[place] = type(class_name, tuple(bases), dict(_literals(node, module)))
    return made[place]


def _literals(node: ast.ClassDef, module: str) -> Iterator[tuple[str, Any]]:
    for statement in node.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, expression = [statement.target], statement.value
        elif isinstance(statement, ast.Assign):
            targets, expression = statement.targets, statement.value
        for target in targets:
            if isinstance(target, ast.Name) and target.id in LITERALS:
                yield target.id, _literal(f"{module}: {node.name}.{target.id}", target.id, expression)


def _literal(where: str, name: str, expression: ast.expr) -> Any:
    wanted = tuple if name == "players" else dict
    try:
        value = ast.literal_eval(expression)
    except (ValueError, TypeError):
        value = None
    if not isinstance(value, wanted):
        raise UserError(f"{where} must be a {wanted.__name__} of literals, so that it can be read without TensorFlow")
    return value


def _place(base: ast.expr, tree: ast.Module, module: str) -> tuple[str, str] | None:
    """Return the module and the name of a class that a file names, or None for one of a library."""
    imported = dict(_imported(tree, module))
    if isinstance(base, ast.Name):
        source, _, name = imported.get(base.id, f"{module}.{base.id}").rpartition(".")
    elif isinstance(base, ast.Attribute):
        source, name = imported.get(ast.unparse(base.value), ""), base.attr
    else:
        return None
    return (source, name) if _path(source) else None


def _imported(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """Yield everything that a file imports: its name there, and its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                is_package = (path := _path(module)) is not None and path.name == "__init__.py"
                parents = module.split(".")[: None if is_package else -1]
                source = ".".join(filter(None, [*parents[: len(parents) - node.level + 1], source]))
            yield from ((alias.asname or alias.name, f"{source}.{alias.name}") for alias in node.names)


def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise UserError(f"no module {module!r} is found: give package.module:Class, or file.py:Class")
    try:
        return ast.parse(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is no Python file: {error}") from None


def _path(module: str) -> Path | None:
    """Return the source file of a module, importing nothing, or None for what is none, or is of Keras."""
    if module.endswith(".py"):
        return _file(module)
    package, *rest = module.split(".")
    if package in ("keras", "tensorflow", "tf_keras"):
        return None
    try:
        # of a name with dots, Python would import the packages
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    if not rest and not folders:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    paths = [Path(folder, *rest) for folder in folders or ()]
    files = [file for path in paths for file in (path / "__init__.py", path.with_suffix(".py"))]
    return next((file for file in files if file.is_file()), None)


def _file(module: str) -> Path:
    return Path(os.path.expanduser(module))  # a user that is not there stays as it is, and so no file


def locate(name: str, registered: Callable[[], dict[str, str]]) -> tuple[str, str]:
    """Return (module, class) of a registered model, of "package.module:Class" or of "file.py:Class"."""
    models = registered()
    if name in models:
        name = models[name]
    elif ":" not in name:
        raise unknown("model", name, models)
    module, _, class_name = name.rpartition(":")
    if module.endswith(".py") and not _file(module).is_file():
        raise UserError(f"no file {module}: a model of your own is file.py:Class or package.module:Class")
    return module, class_name
