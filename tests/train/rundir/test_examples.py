"""The rows of held-out data that a run keeps for its conditions and targets."""

from types import SimpleNamespace

import numpy as np
import pytest

from train.rundir import examples
from zoo.noise import given_by
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (2,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2)
INPUT = TensorSpec("input", (4, 4, 1), "condition", "image")
IMAGE = TensorSpec("image", (4, 4, 1), "output", "image")
COLOURED = TensorSpec("coloured", (4, 4, 3), "output", "image")


def model(**specs):
    maps = {name: SimpleNamespace(spec=spec) for name, spec in specs.items()}
    return SimpleNamespace(
        maps=maps,
        declared=SimpleNamespace(targets={"coloured": "image"}),
        conditions=lambda name, rows: given_by(maps[name].spec, rows),
    )


def rows(count=20):
    rng = np.random.default_rng(0)
    shapes = {"input": (4, 4, 1), "image": (4, 4, 3)}
    drawn = {name: rng.uniform(-1, 1, (count, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return {**drawn, "label": np.arange(count, dtype=np.int32) % 3}


def test_conditions_come_from_the_first_rows_with_their_targets_and_classes_alone_come_in_turn():
    data = rows()
    made = examples.of(
        model(colour=MapSpec((INPUT, Z, LABEL), (COLOURED,)), generate=MapSpec((Z, LABEL), (IMAGE,))), data
    )
    assert made.keys() == {"colour", "generate"}
    assert made["generate"] == {}
    assert made["colour"].keys() == {"input", "label", "coloured"}
    for tensor, column in (("input", "input"), ("label", "label"), ("coloured", "image")):
        np.testing.assert_array_equal(made["colour"][tensor], data[column][: examples.ROWS])


def test_a_row_of_another_table_is_no_target():
    data = rows()
    apart = [SimpleNamespace(specs={name: None}) for name in ("input", "image")]
    together = [SimpleNamespace(specs={"input": None, "image": None})]
    made = model(colour=MapSpec((INPUT, Z, LABEL), (COLOURED,)))
    assert "coloured" not in examples.of(made, data, apart)["colour"]
    assert "coloured" in examples.of(made, data, together)["colour"]


def test_what_is_written_comes_back_for_every_map(tmp_path):
    made = {"colour": {"input": rows(3)["input"], "label": rows(3)["label"]}, "generate": {}}
    examples.write(tmp_path, made)
    read = examples.read(tmp_path, {"colour": None, "generate": None})
    assert read.keys() == made.keys() and read["generate"] == {}
    for tensor, values in made["colour"].items():
        np.testing.assert_array_equal(read["colour"][tensor], values)
        assert read["colour"][tensor].dtype == values.dtype


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"text"])
def test_a_damaged_or_missing_file_is_one_line(tmp_path, damage):
    made = {"colour": {"input": rows(3)["input"]}}
    with pytest.raises(UserError, match=r"cannot read .*examples.npz"):
        examples.read(tmp_path, made)
    (tmp_path / "examples.npz").write_bytes(damage(examples.encode(made)))
    with pytest.raises(UserError, match=r"cannot read .*examples.npz: .*; remove it and give") as caught:
        examples.read(tmp_path, made)
    assert "\n" not in str(caught.value)


def test_examples_of_a_map_that_there_is_not_are_no_examples_of_the_run(tmp_path):
    examples.write(tmp_path, {"colour": {"input": rows(3)["input"]}})
    with pytest.raises(UserError, match="cannot read"):
        examples.read(tmp_path, {"generate": None})
