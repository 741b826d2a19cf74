"""Source files read as text, with nothing imported: their classes, what names in them mean, and their comments.

What the comment beside an option says is the one place where the option is explained.
"""

import ast
import importlib.util
import io
import os
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.shared.errors import UserError


def parsed(module: str) -> tuple[str, ast.Module]:
    """Return the text of a module, a dotted name or the path of a file that ends in .py, and its syntax tree.

    What is not there or no Python is a `UserError`.
    """
    path = path_of(module)
    if path is None:
        raise UserError(f"no module {module!r} is found: give package.module:Class, or file.py:Class")
    try:
        text = path.read_text(encoding="utf-8")
        return text, ast.parse(text, path.name)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is no Python file: {error}") from None


def path_of(module: str) -> Path | None:
    """Return the source file of a module, importing nothing, or None for what is none, or is of Keras."""
    if module.endswith(".py"):
        return file_of(module)
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


def file_of(path: str) -> Path:
    """Return the file at a path that may begin with ~."""
    return Path(os.path.expanduser(path))  # a user that is not there stays as it is, and so no file


def origin(name: ast.expr, tree: ast.Module, module: str) -> tuple[str, str] | None:
    """Return the module and the name there of what a file names, such as a base class, or None for a library's."""
    imported = dict(_imported(tree, module))
    if isinstance(name, ast.Name):
        source, _, there = imported.get(name.id, f"{module}.{name.id}").rpartition(".")
    elif isinstance(name, ast.Attribute):
        source, there = imported.get(ast.unparse(name.value), ""), name.attr
    else:
        return None
    return (source, there) if path_of(source) else None


def _imported(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """Yield everything that a file imports: its name there, and its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                is_package = (path := path_of(module)) is not None and path.name == "__init__.py"
                parents = module.split(".")[: None if is_package else -1]
                source = ".".join(filter(None, [*parents[: len(parents) - node.level + 1], source]))
            yield from ((alias.asname or alias.name, f"{source}.{alias.name}") for alias in node.names)


def assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield every name to which a module or a class assigns, with the expression."""
    for statement in body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, expression = [statement.target], statement.value
        elif isinstance(statement, ast.Assign):
            targets, expression = statement.targets, statement.value
        yield from ((target.id, expression) for target in targets if isinstance(target, ast.Name))


def comments_of(module: str, name: str) -> dict[str, str]:
    """Return the comment beside each key of the dictionary to which a module assigns a name.

    Dictionaries that it takes in, or is, are followed to the modules where they stand.
    """
    text, tree = parsed(module)
    expression = dict(assigned(tree.body)).get(name)
    if not isinstance(expression, ast.Dict):
        place = origin(expression, tree, module) if expression is not None else None
        return comments_of(*place) if place else {}
    found: dict[str, str] = {}
    for key, value in zip(expression.keys, expression.values, strict=True):
        if key is None and (place := origin(value, tree, module)):  # **OTHERS
            found |= comments_of(*place)
    return found | comments_of_keys(text, expression)


def comments_of_keys(text: str, node: ast.Dict) -> dict[str, str]:
    """Return the comment beside each key of a literal dictionary in a source, see `_beside`; other keys lack."""
    lines = {key.value: key.lineno for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return _beside(text, node, lines)


def comments_of_parameters(text: str, node: ast.FunctionDef) -> dict[str, str]:
    """Return the comment beside each parameter of a function in a source, see `_beside`; other parameters lack."""
    return _beside(text, node, {parameter.arg: parameter.lineno for parameter in node.args.args})


def _beside(text: str, node: ast.Dict | ast.FunctionDef, lines: Mapping[str, int]) -> dict[str, str]:
    """Return the comments that belong to names, each of which begins on the line that `lines` says.

    A comment belongs to the one name that begins on its line. Where there is none, the whole lines of comments
    directly above the name do.
    """
    behind, alone = _comments(text, node)
    found = {}
    for name, line in lines.items():
        above: list[str] = []
        while line - 1 - len(above) in alone:
            above.insert(0, alone[line - 1 - len(above)])
        said = behind.get(line, "") if list(lines.values()).count(line) == 1 else ""
        if said or above:
            found[name] = said or " ".join(above)
    return found


def _comments(text: str, node: ast.Dict | ast.FunctionDef) -> tuple[dict[int, str], dict[int, str]]:
    """Return the comments within a node by their lines: those behind code, and those alone on a line."""
    last = node.end_lineno or node.lineno
    part = "".join(text.splitlines(keepends=True)[node.lineno - 1 : last])
    behind: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(part).readline):
        if token.type == tokenize.COMMENT:
            is_alone = not token.line[: token.start[1]].strip()
            (alone if is_alone else behind)[node.lineno - 1 + token.start[0]] = token.string.lstrip("#").strip()
    return behind, alone
