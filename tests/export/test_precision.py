"""Fewer bits: what rounding a known network costs, what is refused, and how its cost is told. No TensorFlow."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import card, cost, ort, parity, precision
from zoo import runtime
from zoo.shared.errors import UserError
from zoo.shared.inference import Session, open_session
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (4,), "normal")
X = TensorSpec("x", (4,), "output", low=-1.0, high=1.0)
FREE = TensorSpec("x", (4,), "output")
SPEC = MapSpec((Z,), (X,))
IMAGE = MapSpec((TensorSpec("z", (16,), "normal"),), (TensorSpec("image", (8, 8, 1), "output", "image"),))


def graph_of(nodes, weights, output="x", size=4):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name in ("z", output)]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "map", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def product(weight):
    """The product of the input by a matrix."""
    return graph_of([helper.make_node("MatMul", ["z", "w"], ["x"])], {"w": weight.astype(np.float32)}, size=len(weight))


def run_of(model):
    session = open_session(model.SerializeToString(), "the graph", threads=1)
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def test_float16_rounds_weights_and_keeps_the_border():
    """1/3 is 1365/4096 in float16, 11 bits; powers of two are themselves."""
    model = product(np.diag([1 / 3, 0.5, 2.0, 1.0]))
    before = model.SerializeToString()
    lowered = precision.lower(model, "float16", [], "generate")
    assert model.SerializeToString() == before
    (weight,) = lowered.graph.initializer
    assert weight.data_type == TensorProto.FLOAT16
    ones = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(run_of(lowered)({"z": ones})["x"][0], np.float32([1365 / 4096, 0.5, 2.0, 1.0]))
    for value in (*lowered.graph.input, *lowered.graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert (lowered.ir_version, list(lowered.opset_import)) == (model.ir_version, list(model.opset_import))


def test_int8_has_a_scale_for_each_column_and_one_for_each_side():
    """Weights of 7 bits: the step of a column is a 64th of its largest. Inputs up to 2.55 have steps of 0.01.

    Outputs up to 64 * 2.55 have steps of 0.64.
    """
    weight = np.array([[64.0, 0.64], [1.0, 0.01]])
    rows = [{"z": np.array([[0.0, 2.55], [2.55, 0.0]], np.float32)}]
    lowered = precision.lower(product(weight), "int8", rows, "generate")
    stored = [numpy_helper.to_array(tensor) for tensor in lowered.graph.initializer]
    (whole,) = (value for value in stored if value.dtype == np.int8 and value.ndim == 2)
    np.testing.assert_array_equal(whole, [[64, 64], [1, 1]])
    made = run_of(lowered)({"z": np.array([[1.0, 0.0], [1.004, 0.0], [0.0, 9.0]], np.float32)})["x"]
    # 1.004 is rounded to 1; 9 lies past what calibration saw, and 2.55 becomes 4 steps, 0.0255 none
    np.testing.assert_allclose(made, [[64, 0.64], [64, 0.64], [2.56, 0]], rtol=1e-5)


@pytest.mark.parametrize(("bits", "share"), [("float16", 0.5), ("int8", 0.25)])
def test_the_file_is_so_much_smaller(bits, share):
    random = np.random.default_rng(0)
    model = product(random.normal(size=(256, 256)))
    rows = [{"z": random.normal(size=(8, 256)).astype(np.float32)}]
    assert precision.lower(model, bits, rows, "generate").ByteSize() / model.ByteSize() == pytest.approx(
        share, abs=0.02
    )


def looped():
    """Double the input as often as one says."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    going, still = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("going", "still"))
    doubled = helper.make_tensor_value_info("doubled", TensorProto.FLOAT, None)
    body = helper.make_graph(
        [helper.make_node("Add", ["y", "y"], ["doubled"]), helper.make_node("Identity", ["going"], ["still"])],
        "body",
        [turn, going, value],
        [still, doubled],
    )
    return graph_of([helper.make_node("Loop", ["n", "", "z"], ["x"], body=body)], {"n": np.int64(3)})


@pytest.mark.parametrize("bits", ["float16", "int8"])
def test_a_loop_is_refused_in_one_line(bits):
    with pytest.raises(UserError, match=rf"^--precision={bits}: generate runs in a loop, .*float32$"):
        precision.lower(looped(), bits, [], "generate")


def test_a_loop_is_seen_in_both_formats():
    """It decides how many samples run at once, and so their last bits."""
    data = looped().SerializeToString()
    for model, most in ((data, 256), (ort.convert(data), 256), (product(np.eye(4)).SerializeToString(), 16)):
        assert runtime.OpenMap(SPEC, Session(model, "net.onnx")).most == most


@pytest.mark.parametrize("bits", ["float16", "int8"])
def test_a_failing_converter_is_told_in_one_line(bits):
    model = product(np.eye(4))
    model.graph.node[0].input[1] = "nowhere"
    with pytest.raises(UserError, match=rf"^--precision={bits}: generate cannot be lowered: [^\n]+$"):
        precision.lower(model, bits, [{"z": np.ones((1, 4), np.float32)}], "generate")


# --- what it costs ------------------------------------------------------------------------------------------------


def constant(*values, name="x"):
    return {name: np.array([values], np.float32)}


def test_an_error_is_told_in_grey_levels_of_the_range():
    """Of bounds -1 and 1, a difference of 2/255 is one level; without bounds, 255 levels are what was expected."""
    pairs = [(constant(0, 0.5, -1, 1), constant(0, 0.5, -1 + 2 / 255, 1)), (constant(0, 0, 0, 0),) * 2]
    assert cost.differences(pairs, SPEC, "int8") == {"x": pytest.approx(1, rel=1e-5)}
    free = MapSpec((Z,), (FREE,))
    pairs = [(constant(0, 10, 20, 30), constant(0, 10, 20, 30)), (constant(-21, 0, 0, 0), constant(-21, 0, 0.4, 0))]
    assert cost.differences(pairs, free, "int8") == {"x": pytest.approx(2, rel=1e-5)}


def test_rows_of_a_choice_that_differ_are_counted():
    spec = MapSpec((Z,), (TensorSpec("x", (4,), "output", chosen=True),))
    pairs = [(constant(1, 1, 1, 1), constant(1, -1, -1, 1)), *[(constant(1, 1, 1, 1),) * 2] * 3]
    assert cost.differences(pairs, spec, "int8") == {"x": 0.25}
    with pytest.raises(parity.NotEqual, match=r"25% of the rows of x differ \(at most 10% may\)"):
        cost.check({"x": 0.25}, spec, 48.0)
    cost.check({"x": 0.1}, spec, 48.0)


@pytest.mark.parametrize("made", [constant(0, 0, 0, np.nan), constant(0, 0, 0), {}, constant(0, 0, 0, 1.5)])
def test_what_the_spec_does_not_promise_is_refused(made):
    with pytest.raises(parity.NotEqual):
        cost.differences([(constant(0, 0, 0, 0), made)], SPEC, "int8")


def test_the_bound_is_the_last_that_passes():
    cost.check({"x": 4.0}, SPEC, 4.0)
    with pytest.raises(parity.NotEqual, match=r"x is off by 4.01 of 255 grey levels \(at most 4 are allowed\)"):
        cost.check({"x": 4.01}, SPEC, 4.0)


def drawing(change=lambda image: image):
    weights = np.random.default_rng(0).normal(size=(16, 64)).astype(np.float32)
    return lambda inputs: {"image": change(np.tanh(inputs["z"] @ weights / 4).reshape(-1, 8, 8, 1))}


@pytest.fixture
def few_samples(monkeypatch):
    monkeypatch.setattr(cost, "SAMPLES", 80)
    monkeypatch.setattr(cost, "_SECONDS", 0.05)


def test_the_same_map_costs_nothing(few_samples):
    told = cost.measure(drawing(), drawing(), IMAGE, 1, {}, "float16")
    assert told["largest_difference_in_levels"] == {"image": 0}
    assert told["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert told["frechet_distance_of_another_seed"] > 0.01
    assert (told["samples"], told["most_levels"]) == (80, 4.0)
    assert told["latency_ratio"] > 0


@pytest.mark.parametrize(("bits", "levels"), [("float16", 3), ("float16", 5), ("int8", 40), ("int8", 60)])
def test_so_many_levels_are_refused_from_a_bound_on(few_samples, monkeypatch, bits, levels):
    monkeypatch.setattr(cost, "_frechet", lambda *_: (0.0, 1.0))
    dim = drawing(lambda image: image - np.sign(image) * np.float32(levels * 2 / 255) * (np.abs(image) > 0.9))
    if levels > cost.MOST_LEVELS[bits]:
        with pytest.raises(parity.NotEqual, match=f"image is off by {levels} of 255"):
            cost.measure(drawing(), dim, IMAGE, 1, {}, bits)
    else:
        told = cost.measure(drawing(), dim, IMAGE, 1, {}, bits)
        assert told["largest_difference_in_levels"]["image"] == pytest.approx(levels, rel=1e-3)


def test_samples_further_than_another_seed_are_refused(few_samples):
    """Pictures that all lose a little contrast are near in each pixel, and far as a set."""
    grey = drawing(lambda image: image * np.float32(0.65))
    with pytest.raises(parity.NotEqual, match="Frechet distance of .* those of another seed"):
        cost.measure(drawing(), grey, IMAGE, 1, {}, "int8")


@pytest.mark.parametrize(("own", "passes"), [(0.99, True), (1.01, False)])
def test_the_distance_to_another_seed_is_the_bound(few_samples, monkeypatch, own, passes):
    monkeypatch.setattr(cost, "_frechet", lambda *_: (own, 1.0))
    if passes:
        assert cost.measure(drawing(), drawing(), IMAGE, 1, {}, "int8")["frechet_distance"] == own
    else:
        with pytest.raises(parity.NotEqual, match="distance of 1.01 .* at 1 "):
            cost.measure(drawing(), drawing(), IMAGE, 1, {}, "int8")


def test_latency_is_a_ratio_of_medians_without_the_first_runs(monkeypatch):
    """By a clock that the reference moves on by 1, and the other by 100, 3 and 5."""
    clock = [0.0]
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(cost, "_SECONDS", 0.0)
    steps = iter([100.0, 3.0, 5.0])

    def reference(_):
        clock[0] += 1

    def run(_):
        clock[0] += next(steps)

    assert cost._latency(reference, run, {}) == 4


def test_the_card_tells_it():
    told = {
        **{"stored_as": "int8", "bytes": 25, "bytes_of_float32": 100, "latency_ratio": 0.5},
        **{"largest_difference_in_levels": {"image": 12.34}, "most_levels": 48.0},
        **{"frechet_distance": 0.0123, "frechet_distance_of_another_seed": 0.16, "samples": 512},
    }
    said = card.precision(told)
    for words in ("int8: 0.25 times the bytes", "0.50 times the time", "image 12.3", "at most 48", "0.012", "0.16"):
        assert words in said
