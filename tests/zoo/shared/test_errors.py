"""Errors in one line: those of other libraries, of an unknown name, and of a missing package."""

import re

import numpy as np
import pytest
from packaging.utils import parse_wheel_filename

import zoo
from zoo.shared.errors import UserError, first_line, needs, shown, unknown


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
        ("gen", ["generate", "encode"], "unknown map 'gen'; did you mean 'generate'?"),
        ("ge", ["generate", "encode"], "unknown map 'ge'; known: encode, generate"),
        ("--xo", ["--fo", "--host"], "unknown map '--xo'; did you mean '--fo'?"),  # two dashes are no likeness
        ("--prot", ["--port", "--host"], "unknown map '--prot'; did you mean '--port'?"),
    ],
)
def test_an_unknown_name_is_told_beside_the_nearest_known_one(name, known, message):
    error = unknown("map", name, iter(known))
    assert isinstance(error, UserError)
    assert str(error) == message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("x" * 78, "'" + "x" * 78 + "'"),
        ("x" * 79, "'" + "x" * 37 + "..." + "x" * 38 + "'"),
        ("a\nb", r"'a\nb'"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
        (list(range(10**6)), "[0, 1, 2, 3, 4, 5, ...]"),
    ],
)
def test_a_value_is_shown_in_a_short_line(value, text):
    assert shown(value) == text


def test_an_integer_that_python_does_not_write_is_shown_by_its_type():
    assert shown(10**5000) == "(int)"


def test_an_error_says_what_to_do_where_no_name_is_near():
    assert str(unknown("flag", "--zzz", ["--count"], otherwise="see --help")) == "unknown flag '--zzz'; see --help"
    assert "did you mean '--count'?" in str(unknown("flag", "--coutn", ["--count"], otherwise="see --help"))


def test_what_is_to_be_installed_is_a_wheel_of_this_version_or_a_checkout():
    line = needs("the server", "orjson", "server")
    assert line.startswith("the server needs orjson: pip install ")
    wheel, checkout = re.findall(r'"([^"]*)\[server\]"', line)
    name, version, _, tags = parse_wheel_filename(wheel)
    assert (name, str(version), {str(tag) for tag in tags}) == ("genzoo", zoo.__version__, {"py3-none-any"})
    assert checkout == "."
