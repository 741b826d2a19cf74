"""The table of the other runtimes: that it has every model, and that what writes it can tell right from wrong."""

import re

import numpy as np
import pytest
import runtimes
from elsewhere import RUNTIMES, Failed
from runtimes import cell, difference, table, written

import zoo
from zoo.spec import MapSpec, TensorSpec

SPEC = MapSpec(
    (TensorSpec("z", (2,), "normal"),), (TensorSpec("x", (2,), "output"), TensorSpec("nats", (), "output", "nats"))
)
EXPECTED = {"x": np.array([[0.5, -0.25]], np.float32), "nats": np.array([-200.0], np.float32)}


def test_the_table_has_a_row_for_every_model_and_a_column_for_every_runtime():
    """Written by `make runtimes`: a new model needs it once more."""
    part = re.search(f"{runtimes.BEGIN}\n(.*){runtimes.END}", runtimes.PAGE.read_text(), re.DOTALL).group(1)
    heads, _, *rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows] == list(zoo.available())
    assert heads == ["model", *RUNTIMES, "onnx.reference"]
    assert all(len(row) == len(heads) for row in rows)
    told = set(re.findall(r"^(\d+)\. ", part, re.MULTILINE))
    assert set(re.findall(r"\((\d+)\)", " ".join(" ".join(row) for row in rows))) == told
    for figure in re.findall(r"\de-\d+", part):
        assert float(figure) <= runtimes.TOLERANCE


def test_a_difference_is_over_the_largest_output_where_that_is_above_1():
    made = {"x": EXPECTED["x"] + np.float32(2**-20), "nats": EXPECTED["nats"] + np.float32(2**-8)}
    assert difference(SPEC, EXPECTED, EXPECTED) == 0
    assert difference(SPEC, EXPECTED, {**EXPECTED, "x": made["x"]}) == pytest.approx(2**-20)
    assert difference(SPEC, EXPECTED, made) == pytest.approx(2**-8 / 200)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": np.array([[0.5, -0.2498]], np.float32)}, "other values, without a word"),
        ({"x": np.array([[0.5, np.nan]], np.float32)}, "other values, without a word"),
        ({"x": np.array([[0.5], [-0.25]], np.float32)}, r"x is float32 \(2, 1\), not float32 \(1, 2\)"),
        ({"nats": np.array([-200.0])}, r"nats is float64 \(1,\), not float32 \(1,\)"),
        ({"nats": None}, "has no output nats"),
    ],
)
def test_what_differs_is_refused(changes, said):
    made = {name: values for name, values in {**EXPECTED, **changes}.items() if values is not None}
    with pytest.raises(Failed, match=f"^{said}$"):
        difference(SPEC, EXPECTED, made)


def test_a_cell_tells_the_figure_and_what_is_refused_and_why():
    notes = {}
    assert cell({"generate": 0.0, "encode": 0.0}, notes) == "0"
    assert cell({"generate": 0.0, "encode": 2.34e-7}, notes) == "2e-7"
    assert cell({"generate": "has no Loop", "encode": "has no Loop"}, notes) == "no (1)"
    assert (
        cell({"generate": "has no Loop", "encode": 3e-6, "step": "crash"}, notes)
        == "3e-6; not generate (1); not step (2)"
    )
    assert notes == {"has no Loop": 1, "crash": 2}


def test_the_table_and_its_place():
    results = {
        "one": {"A": {"generate": 0.0}, "B": {"generate": "has no Loop"}},
        "two": {"A": {"f": 1e-7}, "B": {"f": 0.0}},
    }
    part = table(results)
    assert part == "| model | A | B |\n|---|---|---|\n| one | 0 | no (1) |\n| two | 1e-7 | 0 |\n\n1. has no Loop"
    text = f"before\n{runtimes.BEGIN}\nold | table\n{runtimes.END}\nafter\n"
    assert written(text, part) == f"before\n{runtimes.BEGIN}\n{part}\n{runtimes.END}\nafter\n"
    with pytest.raises(ValueError, match="lacks the comments"):
        written("nothing", part)


@pytest.mark.parametrize(("name", "shape"), [("acgan", (8, 8, 1)), ("nade", (8, 8, 1))])
def test_a_model_is_measured_in_the_reference_and_one_that_makes_nothing_is_found_out(name, shape):
    def black(file, inputs):
        return {"image": np.full((len(next(iter(inputs.values()))), *shape), -1, np.float32)}

    made = runtimes.measure(name, {"black": black})
    assert list(made) == ["black", "onnx.reference"]
    assert made["black"]["generate"] == "other values, without a word"
    assert all(figure <= runtimes.TOLERANCE for figure in made["onnx.reference"].values())
