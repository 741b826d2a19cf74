"""What another library's error becomes in a message of one line."""

import pytest

from zoo.shared.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one line"), "one line"),
        (OSError("\n  the first\nthe second\n"), "the first"),
        (RuntimeError("x" * 1000), "x" * 200),
        (AssertionError(), "AssertionError"),
        (KeyboardInterrupt(" \n "), "KeyboardInterrupt"),
    ],
)
def test_the_first_line_of_an_error_is_short_and_never_empty(error, line):
    assert first_line(error) == line
