"""A map as an ONNX file: what the conversion must put right, and what it must refuse."""

import dataclasses

import keras
import numpy as np
import onnx as onnx_library
import onnxruntime
import pytest
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper
from reference import complaints

import zoo
from export import onnx
from zoo.model import Map
from zoo.spec import MapSpec, TensorSpec

SPEC = MapSpec((TensorSpec("z", (3,), "normal"),), (TensorSpec("image", (2, 2, 1), "output", "image"),))


def dense(function):
    """A map of SPEC whose image is `function` of a dense layer's output."""
    z = keras.Input((3,), name="z")
    image = keras.layers.Reshape((2, 2, 1))(keras.layers.Lambda(function, output_shape=(4,))(keras.layers.Dense(4)(z)))
    return Map(keras.Model({"z": z}, {"image": image}), SPEC)


def run(model, **inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def cleaned(model):
    """Return a cleaned copy, of which no runtime has to complain."""
    copy = onnx_library.ModelProto()
    copy.CopyFrom(model)
    onnx.clean(copy)
    assert complaints(copy) == []
    return copy


def graph_of(nodes, initializers, x=("batch", 2), y=("batch", 2)):
    """Return a model from x to y."""
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in (("x", x), ("y", y))
    )
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in initializers.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


# --- conversion --------------------------------------------------------------------------------------------------


def test_batch_norm_is_folded_and_the_batch_axis_is_named():
    model = zoo.create("dcgan", columns={"image": (16, 16, 1)}, latent_dim=4, base_channels=4)
    rng = np.random.default_rng(0)
    for weight in model.generator.variables:  # every scale, shift, mean and variance away from 1 and 0
        weight.assign(rng.uniform(0.2, 0.9, weight.shape))
    converted = onnx.convert(model.maps["generate"])
    graph = converted.graph
    kinds = [node.op_type for node in graph.node]
    assert not {"BatchNormalization", "Mul", "Sub"} & set(kinds), kinds
    assert kinds.count("Add") <= 1, "the bias of the last layer"
    assert kinds.count("ConvTranspose") == 2
    inputs = {"z": rng.uniform(-1, 1, (5, 4)).astype(np.float32)}
    expected = model.generator(inputs)["image"].numpy()
    np.testing.assert_allclose(onnx.load(converted.SerializeToString())(inputs)["image"], expected, atol=1e-5)
    assert np.ptp(expected) > 0.1, "the comparison has something to compare"
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_file_is_of_opset_18_for_older_runtimes():
    model = onnx.convert(dense(tf.tanh))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version <= 10


def test_the_file_says_who_made_it_and_its_last_node_what_it_makes():
    """tract calls an output by the node that makes it."""
    model = onnx.convert(dense(tf.tanh))
    assert (model.producer_name, model.producer_version) == ("genzoo", zoo.__version__)
    (last,) = [node for node in model.graph.node if "image" in node.output]
    assert last.name == "image"


def test_every_output_is_there_by_its_name():
    z = keras.Input((3,), name="z")
    network = keras.Model({"z": z}, {"mean": keras.layers.Dense(2)(z), "log_prob": keras.ops.sum(z, axis=-1)})
    mean, log_prob = TensorSpec("mean", (2,), "output"), TensorSpec("log_prob", (), "output", "nats")
    converted = onnx.convert(Map(network, MapSpec(SPEC.inputs, (mean, log_prob))))
    values = {"z": np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)}
    made = onnx.load(converted.SerializeToString())(values)
    for name, expected in network(values).items():
        np.testing.assert_allclose(made[name], expected, atol=1e-6)
    assert made["log_prob"].shape == (5,)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: tf.math.erfc(x), "Erfc"),
        (lambda x: x + tf.random.stateless_normal(tf.shape(x), [1, 2]), "Stateless"),
    ],
)
def test_an_operation_that_onnx_lacks_is_refused_by_name(function, what):
    with pytest.raises(onnx.NotConvertible, match=what):
        onnx.load(onnx.convert(dense(function)).SerializeToString())


def test_a_captured_constant_that_becomes_an_input_is_refused():
    constant = tf.random.normal((4,))
    with pytest.raises(onnx.NotConvertible, match="inputs"):
        onnx.convert(dense(lambda x: x * constant))


def test_an_output_that_the_spec_lacks_is_refused():
    made = dense(tf.tanh)
    other = dataclasses.replace(SPEC.output, name="picture")
    with pytest.raises(onnx.NotConvertible, match=r"outputs are \['image'\], the spec's \['picture'\]"):
        onnx.convert(Map(made.network, MapSpec(SPEC.inputs, (other,))))


# --- cleaning ----------------------------------------------------------------------------------------------------


def resize(old, new, **changes):
    """Return a Resize from (batch, 2, old, old) to (batch, 2, new, new) pixels as tf2onnx writes it."""
    settings = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor", "mode": "nearest"}
    settings = {key: value for key, value in {**settings, **changes}.items() if value}
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **settings)
    scales = np.array([1, 1, new / old, new / old], np.float32)
    return graph_of([node], {"scales": scales}, ("batch", 2, old, old), ("batch", 2, new, new))


def attributes(node):
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


@pytest.mark.parametrize(("old", "new"), [(4, 8), (4, 12), (7, 28), (1, 5), (4, 6), (4, 10), (6, 4), (8, 3), (3, 3)])
def test_a_nearest_resize_keeps_its_bits_in_settings_that_onnx_still_has(old, new):
    """Enlarged by whole numbers and by others, and reduced; whole numbers have the mode that most runtimes have."""
    before = resize(old, new)
    after = cleaned(before)
    (node,) = after.graph.node
    mode, nearest = (b"asymmetric", b"floor") if new % old == 0 else (b"half_pixel", b"round_prefer_ceil")
    assert attributes(node)["coordinate_transformation_mode"] == mode
    assert attributes(node)["nearest_mode"] == nearest
    x = np.random.default_rng(0).normal(size=(3, 2, old, old)).astype(np.float32)
    (expected,), (made,) = run(before, x=x), run(after, x=x)
    np.testing.assert_array_equal(made, expected)
    rows = ((np.arange(new) + 0.5) * old / new).astype(int)
    np.testing.assert_array_equal(made, x[:, :, rows][..., rows])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (resize(4, 8), ["no tf_half_pixel_for_nn"]),
        (graph_of([helper.make_node("Neg", ["x"], ["y"])], {"w": np.ones(2, np.float32)}), ["w is unused"]),
        (graph_of([helper.make_node("Abs", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])], {}), ["Neg makes"]),
        (graph_of([helper.make_node("Unheard", ["x"], ["y"])], {}), ["Unheard"]),
        (graph_of([helper.make_node("Neg", ["x"], ["y"], axis=1)], {}), ["axis"]),
        (graph_of([helper.make_node("Neg", ["x"], ["y"])], {}, y=("batch", 3)), ["differ"]),
        (
            graph_of(
                [
                    helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.DOUBLE),
                    helper.make_node("Cast", ["wide"], ["y"], to=TensorProto.FLOAT),
                ],
                {},
            ),
            ["wide is of a wide type"],
        ),
    ],
)
def test_the_checks_of_conformance_can_fail(model, words):
    (complaint,) = complaints(model)
    for word in words:
        assert word in complaint


@pytest.mark.parametrize(
    "settings",
    [
        {"coordinate_transformation_mode": "asymmetric"},
        {"coordinate_transformation_mode": "half_pixel", "mode": "linear", "nearest_mode": None},
        {"coordinate_transformation_mode": None, "nearest_mode": None},
    ],
)
def test_other_resizes_stay_as_they_are(settings):
    before = resize(4, 8, **settings)
    before.graph.node[0].name = "y"
    assert cleaned(before).graph.node == before.graph.node


@pytest.mark.parametrize("factor", [2, 1.5])
def test_a_map_that_enlarges_has_one_resize_and_keras_pixels(factor):
    z = keras.Input((4, 4, 2), name="z")
    side = int(4 * factor)
    image = keras.ops.image.resize(z, (side, side), interpolation="nearest")
    spec = MapSpec((TensorSpec("z", (4, 4, 2), "normal"),), (TensorSpec("x", (side, side, 2), "output"),))
    network = keras.Model({"z": z}, {"x": image})
    model = onnx.convert(Map(network, spec))
    assert [node.op_type for node in model.graph.node].count("Resize") == 1
    values = {"z": np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)}
    made = onnx.load(model.SerializeToString())(values)["x"]
    np.testing.assert_array_equal(made, network(values)["x"])


def loop(body_nodes, passed="step"):
    """Return a model that adds 2 x three times to x; the body hands `step` on, under the name `passed`."""
    values = [helper.make_tensor_value_info("number", TensorProto.INT64, [])]
    values += [helper.make_tensor_value_info("more", TensorProto.BOOL, [])]
    values += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("step", "total")]
    outputs = [helper.make_tensor_value_info("more", TensorProto.BOOL, [])]
    outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (passed, "sum")]
    unused = numpy_helper.from_array(np.zeros(9, np.float32), "unused_inside")
    twice = numpy_helper.from_array(np.float32(2), "twice")
    body = helper.make_graph(body_nodes, "body", values, outputs, [twice, unused])
    body.value_info.append(helper.make_tensor_value_info("double", TensorProto.FLOAT, [7, 7]))
    nodes = [helper.make_node("Loop", ["count", "", "x", "x"], ["same", "y"], body=body)]
    model = graph_of(nodes, {"count": np.int64(3), "unused": np.zeros(9, np.float32)})
    model.graph.value_info.append(helper.make_tensor_value_info("same", TensorProto.FLOAT, [7, 7]))
    return model


BODY = [
    helper.make_node("Mul", ["step", "twice"], ["double"]),
    helper.make_node("Add", ["double", "total"], ["sum"]),
]


def test_a_loop_reads_from_outside_what_it_hands_on_and_copies_its_condition():
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    model = loop(BODY)
    del model.graph.value_info[:]  # onnxruntime would believe them
    del model.graph.node[0].attribute[0].g.value_info[:]
    told = complaints(model)
    for wrong in ("body hands on more", "body hands on step", "unused is unused", "unused_inside is unused"):
        assert wrong in told
    after = cleaned(model)
    (node,) = after.graph.node
    (body,) = [attribute.g for attribute in node.attribute]
    assert (list(node.input), list(node.output)) == (["count", "", "x"], ["y"])
    assert [value.name for value in body.input] == ["number", "more", "total"]
    assert [node.op_type for node in body.node] == ["Mul", "Add", "Identity"]
    (made,), (expected,) = run(after, x=x), run(model, x=x)
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_allclose(made, 7 * x, rtol=1e-6)


def test_what_two_loops_hand_on_is_read_from_the_outermost_graph_and_is_there_behind_them():
    """Twice: twice total += 2 step. Then the step that the outer one handed on is taken off: x + 8 x - x.

    The inner body reads one step as its state and one from outside.
    """

    def repeated(nodes, states, handed):
        """Return a loop's body, whose states are (step, total)."""
        inputs = [value("number", [], TensorProto.INT64), value("more", [], TensorProto.BOOL), *map(value, states)]
        return helper.make_graph(nodes, "body", inputs, [value("more", [], TensorProto.BOOL), *map(value, handed)])

    adds = [
        helper.make_node("Add", pair, [to])
        for pair, to in ((("step_2", "total_2"), "half"), (("half", "step"), "sum_2"))
    ]
    inner = repeated(adds, ("step_2", "total_2"), ("step_2", "sum_2"))
    inner.input[0].name, inner.input[1].name, inner.output[0].name = "number_2", "more_2", "more_2"
    again = helper.make_node("Loop", ["count", "", "step", "total"], ["step_3", "sum"], body=inner)
    outer = repeated([again], ("step", "total"), ("step", "sum"))
    twice = helper.make_node("Loop", ["count", "", "x", "x"], ["same", "all"], body=outer)
    model = graph_of([twice, helper.make_node("Sub", ["all", "same"], ["y"])], {"count": np.int64(2)})
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    after = cleaned(model)
    assert [node.op_type for node in after.graph.node] == ["Loop", "Identity", "Sub"]
    body = after.graph.node[0].attribute[0].g
    assert [node.op_type for node in body.node] == ["Loop", "Identity"]
    assert [list(node.input) for node in body.node[0].attribute[0].g.node] == [
        ["x", "total_2"],
        ["half", "x"],
        ["more_2"],
    ]
    np.testing.assert_array_equal(run(after, x=x)[0], run(model, x=x)[0])
    np.testing.assert_allclose(run(after, x=x)[0], 8 * x, rtol=1e-6)


def test_states_that_change_places_are_no_constants():
    """After three turns each is in the other's place."""
    nodes = [helper.make_node("Neg", ["step"], ["turned"])]
    model = loop(nodes, passed="total")
    body = model.graph.node[0].attribute[0].g
    body.output[2].name = "turned"
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    after = cleaned(model)
    assert [value.name for value in after.graph.node[0].attribute[0].g.input] == ["number", "more", "step", "total"]
    np.testing.assert_array_equal(run(after, x=x)[0], x)


def value(name, shape=None, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("handed", "sums"),
    [("row", [[0, 1], [2, 3], [4, 5]]), ("sum", [[0, 1], [2, 4], [6, 9]]), ("weight", [[7, 7]] * 3)],
)
def test_a_scan_copies_what_it_hands_on_as_it_is(handed, sums):
    """An input, what it computes for both outputs, or a weight of its own: onnxruntime makes others of the former."""
    adds = [helper.make_node("Add", ["state", "row"], ["sum"])]
    weights = [numpy_helper.from_array(np.full(2, 7, np.float32), "weight")]
    body = helper.make_graph(adds, "body", [value("state"), value("row")], [value("sum"), value(handed)], weights)
    scan = helper.make_node("Scan", ["zero", "x"], ["last", "y"], body=body, num_scan_inputs=1)
    model = graph_of([scan], {"zero": np.zeros(2, np.float32)})
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(run(cleaned(model), x=x)[0], sums)


def test_a_branch_copies_what_it_hands_on_from_outside():
    kept = helper.make_graph([], "kept", [], [value("x")])
    negated = helper.make_graph([helper.make_node("Neg", ["x"], ["minus"])], "negated", [], [value("minus")])
    model = graph_of([helper.make_node("If", ["wanted"], ["y"], then_branch=kept, else_branch=negated)], {})
    model.graph.input.append(value("wanted", [], TensorProto.BOOL))
    after = cleaned(model)
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    for wanted, expected in ((True, x), (False, -x)):
        np.testing.assert_array_equal(run(after, x=x, wanted=np.array(wanted))[0], expected)


def test_a_loop_that_computes_all_its_outputs_is_left_alone():
    nodes = [*BODY, helper.make_node("Identity", ["step"], ["kept"]), helper.make_node("Identity", ["more"], ["on"])]
    model = loop(nodes, passed="kept")
    model.graph.node[0].attribute[0].g.output[0].name = "on"
    (body,) = [attribute.g for attribute in cleaned(model).graph.node[0].attribute]
    assert [node.op_type for node in body.node] == ["Mul", "Add", "Identity", "Identity"]


def test_unused_weights_and_stale_shapes_are_dropped_in_every_graph():
    after = cleaned(loop(BODY))
    body = after.graph.node[0].attribute[0].g
    assert [weight.name for weight in after.graph.initializer] == ["count"]
    assert [weight.name for weight in body.initializer] == ["twice"]
    assert not after.graph.value_info
    assert not body.value_info
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(run(after, x=x)[0], 7 * x)


def test_weights_that_only_an_inner_graph_or_an_output_uses_are_kept():
    outer = loop([helper.make_node("Mul", ["step", "outer"], ["double"]), BODY[1]])
    outer.graph.initializer.append(numpy_helper.from_array(np.float32(2), "outer"))
    assert [weight.name for weight in cleaned(outer).graph.initializer] == ["count", "outer"]
    constant = graph_of([], {"y": np.zeros((1, 2), np.float32)}, y=(1, 2))
    assert [weight.name for weight in cleaned(constant).graph.initializer] == ["y"]


def test_an_older_format_stays_and_a_newer_one_becomes_10():
    model = resize(4, 8)
    for given, wanted in ((8, 8), (10, 10), (12, 10)):
        model.ir_version = given
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        after = cleaned(model)
        assert after.ir_version == wanted
        assert [entry.domain for entry in after.opset_import] == [""]
        assert after.producer_name == "genzoo"
