"""Errors in one line: those of other libraries, of an unknown name, and of a missing package."""

import re

import pytest
from packaging.utils import parse_wheel_filename

import zoo
from zoo.shared.errors import UserError, first_line, needs, unknown


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one line"), "one line"),
        (OSError("\n  the first\nthe second\n"), "the first"),
        (RuntimeError("x" * 310), "x" * 310),
        (RuntimeError("a" * 200 + "b" * 1000 + "c" * 200), "a" * 150 + " ... " + "c" * 150),
        (RuntimeError("a" * 200 + "why" * 50 + "\nmore"), "a" * 150 + " ... " + "why" * 50),
        (AssertionError(), "AssertionError"),
        (KeyboardInterrupt(" \n "), "KeyboardInterrupt"),
    ],
)
def test_the_first_line_of_an_error_is_short_and_never_empty(error, line):
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("encod", ["generate", "encode"], "unknown map 'encod'; did you mean 'encode'?"),
        ("zzz", ["generate", "encode"], "unknown map 'zzz'; known: encode, generate"),
        ("zzz", [], "unknown map 'zzz'; known: none"),
    ],
)
def test_an_unknown_name_is_told_beside_the_nearest_known_one(name, known, message):
    error = unknown("map", name, iter(known))
    assert isinstance(error, UserError)
    assert str(error) == message


def test_what_is_to_be_installed_is_a_wheel_of_this_version_or_a_checkout():
    line = needs("the server", "orjson", "server")
    assert line.startswith("the server needs orjson: pip install ")
    wheel, checkout = re.findall(r'"([^"]*)\[server\]"', line)
    name, version, _, tags = parse_wheel_filename(wheel)
    assert (name, str(version), {str(tag) for tag in tags}) == ("genzoo", zoo.__version__, {"py3-none-any"})
    assert checkout == "."
