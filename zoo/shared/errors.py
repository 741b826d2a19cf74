"""The one error a user is meant to read, and what to put into it: a value, the nearest name, the missing extra."""

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from zoo.shared.version import VERSION


class UserError(Exception):
    """Bad input: one line that says what was wrong and what would be right.

    Command-line programs print it and leave with status 2; no traceback is shown.
    """


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def shown(value: Any) -> str:
    """Return a value that a user gave, as an error quotes it: in one line, its middle left out where it is long."""
    try:
        return " ".join(_SHORT.repr(value).split())
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"({type(value).__name__})"


def unknown(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> UserError:
    """Return the error for a `name` that is not among the `known` ones, naming the nearest of them.

    Where none is near it lists them all, or says what to do `otherwise`. Dashes before a flag's name do not count.
    """
    plain = {one.lstrip("-"): one for one in sorted(known)}
    wanted = name.lstrip("-")
    # where there is another way out, a wild guess is worse than none
    near = get_close_matches(wanted, plain, n=1, cutoff=0.6 if otherwise else 0.5)
    # of what is cut short, the ratio is low
    near += [one for one in plain if len(wanted) > 2 and one.startswith(wanted)]
    hint = otherwise or f"known: {', '.join(plain.values()) or 'none'}"
    if near:
        hint = f"did you mean {plain[near[0]]!r}?"
    return UserError(f"unknown {kind} {shown(name)}; {hint}")


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
