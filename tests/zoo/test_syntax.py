"""Comments beside the keys of dictionaries are read from source text, through the modules that they come from."""

import ast
import importlib
import textwrap

import pytest

from zoo import syntax
from zoo.shared.errors import UserError

FIRST = """
    BASE = {
        "side": 0,  # pixels of a side
        # two lines
        # above
        "long": (
            1,
        ),
        "bare": 1,
        "one": 1, "two": 2,  # of neither
        "hash": "# no comment",  # of text
    }
"""
SECOND = """
    from first import BASE
    import first as other

    ALSO = BASE
    MORE = {
        **other.BASE,
        "side": 8,  # pixels of a tile
        "own": "#",
    }
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Two modules, of which the second takes in what the first has."""
    for name, text in (("first", FIRST), ("second", SECOND)):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


def test_a_comment_belongs_to_the_key_on_its_line_or_below_it(modules):
    said = {"side": "pixels of a side", "long": "two lines above", "hash": "of text"}
    assert syntax.comments_of("first", "BASE") == said


def test_dictionaries_that_are_taken_in_are_followed_and_the_nearest_comment_wins(modules):
    said = syntax.comments_of("first", "BASE")
    assert syntax.comments_of("second", "ALSO") == said
    assert syntax.comments_of("second", "MORE") == {**said, "side": "pixels of a tile"}
    assert syntax.comments_of("second", "NONE") == {}
    with pytest.raises(UserError, match="no module 'nowhere_at_all' is found"):
        syntax.comments_of("nowhere_at_all", "BASE")


def test_parameters_have_comments_too():
    text = "x = 1\n\n\ndef f(\n    a,\n    b=1,  # the second\n    # the third\n    c=2,\n):\n    d = 3  # of none\n"
    assert syntax.comments_of_parameters(text, ast.parse(text).body[1]) == {"b": "the second", "c": "the third"}
