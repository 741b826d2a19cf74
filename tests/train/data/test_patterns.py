import numpy as np
import pytest

from train import data
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


def section(**changes):
    return Section(**{"name": "patterns", **data.defaults("patterns"), **changes})


def test_shapes_and_patterns_are_two_tables():
    shapes, patterns = data.load(section(), "test")
    assert {name: spec.kind for table in (shapes, patterns) for name, spec in table.specs.items()} == data.kinds(
        section()
    )
    assert shapes.columns["a"].shape == patterns.columns["b"].shape == (200, 32, 32, 3)
    spread = patterns.columns["b"].reshape(200, -1, 3).std(1).max(-1)
    assert (spread > 5).mean() > 0.95, "nearly all have a pattern"
    assert len({row.tobytes() for row in patterns.columns["b"]}) == 200


def test_sizes_and_margins_are_those_asked_for():
    for table in data.load(section(image_size=16, crop=4), "test"):
        (column,), (spec,) = table.columns.values(), table.specs.values()
        assert column.shape[1:] == (20, 20, 3) and spec.shape == (16, 16, 3)


def test_the_splits_share_no_pattern_and_are_always_the_same():
    first, again = (data.load(section(), "test")[1] for _ in range(2))
    np.testing.assert_array_equal(first.columns["b"], again.columns["b"])
    held_out = {row.tobytes() for row in first.columns["b"]}
    assert not held_out & {row.tobytes() for row in data.load(section(), "train")[1].columns["b"]}


@pytest.mark.parametrize("changes", [{"channels": 1}, {"binarize": "dynamic"}])
def test_patterns_have_colour(changes):
    with pytest.raises(UserError, match="not for patterns"):
        data.check(section(**changes))
