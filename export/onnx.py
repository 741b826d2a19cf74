"""The generator as one ONNX file that any runtime loads: standard operations only, the spec's names, a free batch.

tf2onnx writes operations that it cannot convert without a word and turns captured constants into extra inputs;
so what it wrote is cleaned here, checked against the spec, and refused if it is not just that.
"""

import contextlib
import io
import json
import logging

import keras
import numpy as np
import onnx
import onnxslim
import tf2onnx

from export.fold import fold_projections
from export.parity import Sampler
from export.saved_model import as_function, signature
from zoo import bundle
from zoo.shared.errors import UserError, first_line
from zoo.shared.inference import open_session
from zoo.spec import GeneratorSpec

OPSET = 18  # the highest that tf2onnx writes, low enough for older runtimes
_IR_VERSION = 10
_BATCH = "batch"


class NotConvertible(Exception):
    """The generator uses something that has no ONNX equivalent."""


def convert(generator: keras.Model, spec: GeneratorSpec) -> onnx.ModelProto:
    """Return the cleaned ONNX model of the generator; what would not run elsewhere raises `NotConvertible`."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        converted, _ = tf2onnx.convert.from_function(
            as_function(generator, spec), input_signature=[signature(spec)], opset=OPSET
        )
    except (ValueError, RuntimeError, KeyError) as error:
        raise NotConvertible(f"tf2onnx: {first_line(error)}") from error
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table
        model = onnxslim.slim(converted)  # folds batch normalisation into the convolutions
    fold_projections(model)
    model.ir_version = min(model.ir_version, _IR_VERSION)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    model.producer_name = "genzoo"
    _check(model, spec)
    return model


def describe(model: onnx.ModelProto, manifest: bundle.Manifest) -> bytes:
    """Return the file: the model with the manifest in its metadata, so that the lone file describes itself."""
    onnx.helper.set_model_props(model, {bundle.METADATA_KEY: json.dumps(manifest.to_json(), allow_nan=False)})
    return bundle.seal(model.SerializeToString())


def load(data: bytes) -> Sampler:
    """Return the file's generator in onnxruntime, as a function from numpy to numpy arrays, by name."""
    try:
        session = open_session(data, "the graph")
    except UserError as error:
        raise NotConvertible(str(error)) from error
    names = [output.name for output in session.get_outputs()]

    def sample(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return sample


def _check(model: onnx.ModelProto, spec: GeneratorSpec) -> None:
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


def _nodes(graph: onnx.GraphProto):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
