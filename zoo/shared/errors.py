"""The one error a user is meant to read, and what to put into it: the nearest name, the missing extra, a line."""

from collections.abc import Iterable
from difflib import get_close_matches

from zoo.shared.version import VERSION


class UserError(Exception):
    """Bad input: one line that says what was wrong and what would be right.

    Command-line programs print it and leave with status 2; no traceback is shown.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a `name` that is not among the `known` ones, naming the nearest of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return UserError(f"unknown {kind} {name!r}; {hint}")


def needs(what: str, package: str, extra: str) -> str:
    """Return the line that says which package `what` needs, and how the extra that holds it is installed.

    No package index holds genzoo: a user has its wheel, or a checkout.
    """
    wheel = f"genzoo-{VERSION}-py3-none-any.whl[{extra}]"
    return f'{what} needs {package}: pip install "{wheel}" from where the wheel lies, or ".[{extra}]" in a checkout'


def first_line(error: BaseException) -> str:
    """Return the first line of what another library's `error` says, or else its type's name.

    A long line keeps its first and last 150 characters: some libraries say the reason first, some last.
    """
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= 310 else f"{line[:150]} ... {line[-150:]}"
