"""A map as one ONNX file that any runtime loads: standard operations only, the spec's names, a free batch.

tf2onnx writes operations that it cannot convert without a word and turns captured constants into extra inputs;
so what it wrote is cleaned here, checked against the spec, and refused if it is not just that.
"""

import contextlib
import io
import logging
from collections.abc import Iterator

import numpy as np
import onnx
import onnxslim
import tf2onnx
import tf2onnx.optimizer
from onnx import helper, numpy_helper

import zoo
from export.fold import fold_projections
from export.pads import pad_explicitly
from export.parity import Run
from zoo.model import Map, as_function
from zoo.shared.errors import UserError, first_line
from zoo.shared.inference import open_session
from zoo.spec import MapSpec

OPSET = 18  # the highest that tf2onnx writes, low enough for older runtimes
_IR_VERSION = 10
_BATCH = "batch"
_RESHAPES = "reshape_optimizer"


class NotConvertible(Exception):
    """The map uses something that has no ONNX equivalent."""


def convert(made: Map) -> onnx.ModelProto:
    """Return the cleaned ONNX model of a map; one that would not run elsewhere raises `NotConvertible`."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    function = as_function(made)
    is_free = any(tensor.is_free for tensor in made.spec.inputs)
    try:
        with _sure_of_reshapes() if is_free else contextlib.nullcontext():
            converted, _ = tf2onnx.convert.from_function(
                function, input_signature=list(function.input_signature), opset=OPSET
            )
    except (ValueError, RuntimeError, KeyError) as error:
        raise NotConvertible(f"tf2onnx: {first_line(error)}") from error
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table
        model = onnxslim.slim(converted)  # folds batch normalisation into the convolutions
    fold_projections(model)
    clean(model)
    if is_free:
        pad_explicitly(model, made.spec)
    tensors = {tensor.name: tensor for tensor in (*made.spec.inputs, *made.spec.outputs)}
    for value in (*model.graph.input, *model.graph.output):
        axes = value.type.tensor_type.shape.dim
        axes[0].dim_param = _BATCH
        if (tensor := tensors.get(value.name)) and tensor.is_free:
            # a name for each, since an equal name would promise an equal side
            axes[1].dim_param, axes[2].dim_param = f"{value.name}_height", f"{value.name}_width"
    _check(model, made.spec)
    return model


@contextlib.contextmanager
def _sure_of_reshapes() -> Iterator[None]:
    """Keep tf2onnx from rewriting reshapes to computed shapes as unsqueeze, reshape and squeeze.

    Pictures of 1 channel with free sides have such. Its pass `reshape_optimizer` loses the squeeze in a few of 100
    conversions of one graph (1.17.0).
    """
    optimizer = tf2onnx.optimizer
    all_passes = optimizer._get_optimizers
    optimizer._get_optimizers = lambda: {name: made for name, made in all_passes().items() if name != _RESHAPES}
    try:
        yield
    finally:
        optimizer._get_optimizers = all_passes


def clean(model: onnx.ModelProto) -> None:
    """Put right, in place, what other runtimes refuse or warn of."""
    model.ir_version = min(model.ir_version, _IR_VERSION)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", OPSET))
    model.producer_name, model.producer_version = "genzoo", zoo.__version__  # the manifest has tf2onnx's
    constants = {tensor.name: tensor for graph in _graphs(model.graph) for tensor in graph.initializer}
    for graph in _graphs(model.graph):
        for node in graph.node:
            if node.op_type == "Resize":
                _modernise(node, constants)
        # shapes that were inferred before the graph was changed
        del graph.value_info[:]
    for graph in _graphs(model.graph):  # an outer loop before those in its body
        for node in [node for node in graph.node if node.op_type == "Loop"]:
            _read_from_outside(graph, node)
    _, *bodies = _graphs(model.graph)
    for body in bodies:
        _copy_passed_through(body)
    used = _used(model.graph)
    for graph in _graphs(model.graph):
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
    outputs = {value.name for value in model.graph.output}
    for node in model.graph.node:
        if len(node.output) == 1 and node.output[0] in outputs:
            node.name = node.output[0]  # tract calls an output by its node


def _modernise(resize: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> None:
    """Rewrite the nearest resize of TensorFlow: no opset since 13 has `tf_half_pixel_for_nn`.

    TensorFlow reads pixel floor((i + 1/2) / scale). Where the scale is a whole number that is floor(i / scale), the
    mode that most runtimes have; else (i + 1/2) / scale - 1/2, rounded with ties upwards, is the same.
    """
    attributes = {attribute.name: attribute for attribute in resize.attribute}
    mode = attributes.get("coordinate_transformation_mode")
    if mode is not None and mode.s == b"tf_half_pixel_for_nn":
        scales = constants.get(resize.input[2]) if len(resize.input) == 3 else None  # a fourth input holds sizes
        is_whole = scales is not None and bool((numpy_helper.to_array(scales) % 1 == 0).all())
        mode.s = b"asymmetric" if is_whole else b"half_pixel"
        if "nearest_mode" in attributes:
            resize.attribute.remove(attributes["nearest_mode"])
        resize.attribute.append(helper.make_attribute("nearest_mode", "floor" if is_whole else "round_prefer_ceil"))


def _read_from_outside(graph: onnx.GraphProto, loop: onnx.NodeProto) -> None:
    """Let the body of a loop read from the graph around it what it only hands on from turn to turn.

    tf2onnx makes a state of all that a loop reads. OpenVINO 2026.4 refuses a file whose loop hands on such states. In
    onnxruntime they take time in each turn: 30 % of the time of one picture by a Gated PixelCNN of 7 layers, measured.
    """
    (body,) = (attribute.g for attribute in loop.attribute if attribute.name == "body")
    outside, copies = {}, []
    for k in reversed(range(len(body.input) - 2)):  # behind the number of the turn and the condition
        state = body.input[2 + k].name
        if body.output[1 + k].name == state:
            outside[state] = loop.input[2 + k]
            copies.append(helper.make_node("Identity", [loop.input[2 + k]], [loop.output[k]]))
            del loop.input[2 + k], loop.output[k], body.input[2 + k], body.output[1 + k]
    for inner in _graphs(body):
        for node in inner.node:
            node.input[:] = [outside.get(name, name) for name in node.input]
        for value in inner.output:
            value.name = outside.get(value.name, value.name)
    used = _used(graph)
    place = list(graph.node).index(loop) + 1
    for copy in copies:
        if copy.output[0] in used:
            graph.node.insert(place, copy)


def _copy_passed_through(body: onnx.GraphProto) -> None:
    """Copy what the body of a loop or a branch still hands on as it is, or hands on twice.

    onnxruntime refuses a branch that hands on a value from outside, and a scan that hands on a row makes others of it.
    """
    computed = {name for node in body.node for name in node.output}
    for number, output in enumerate(body.output):
        if output.name in computed:
            computed.remove(output.name)
            continue
        name = f"{output.name}/passed_{number}"
        body.node.append(helper.make_node("Identity", [output.name], [name]))
        output.name = name


def load(data: bytes) -> Run:
    """Return the file's map in onnxruntime, as a function from numpy to numpy arrays, by name."""
    try:
        session = open_session(data, "the graph")
    except UserError as error:
        raise NotConvertible(str(error)) from error
    names = [output.name for output in session.get_outputs()]

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


def _check(model: onnx.ModelProto, spec: MapSpec) -> None:
    foreign = sorted({f"{node.domain}:{node.op_type}" for node in _nodes(model.graph) if not _is_standard(node)})
    if foreign:
        raise NotConvertible(f"operations without an ONNX equivalent: {', '.join(foreign)}")
    for kind, values, tensors in (
        ("inputs", model.graph.input, spec.inputs),
        ("outputs", model.graph.output, spec.outputs),
    ):
        found, wanted = {value.name for value in values}, {tensor.name for tensor in tensors}
        if found != wanted:
            raise NotConvertible(f"the graph's {kind} are {sorted(found)}, the spec's {sorted(wanted)}")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise NotConvertible(f"onnx: {first_line(error)}") from error


def _is_standard(node: onnx.NodeProto) -> bool:
    return node.domain in ("", "ai.onnx") and onnx.defs.has(node.op_type, max_inclusive_version=OPSET, domain="")


def _used(graph: onnx.GraphProto) -> set[str]:
    """Return the names that a node of the graph or of one within it reads, or that such a graph returns."""
    read = {name for node in _nodes(graph) for name in node.input if name}
    return read | {value.name for inner in _graphs(graph) for value in inner.output}


def _graphs(graph: onnx.GraphProto):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(inner)


def _nodes(graph: onnx.GraphProto):
    for inner in _graphs(graph):
        yield from inner.node
