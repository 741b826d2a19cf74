"""Errors in one line: those of other libraries, and those of an unknown name."""

import pytest

from zoo.shared.errors import UserError, first_line, unknown


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
