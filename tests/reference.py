"""ONNX files in the eyes of the standard: its reference implementation, and what other runtimes refuse or warn of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_loop import Loop as _Loop


class OneHot(OpRun):
    """onnx 1.23.2 refuses a depth of rank 1, which the standard allows."""

    def _run(self, indices, depth, values, axis=-1):
        size = int(np.asarray(depth).reshape(-1)[0])
        hot = np.equal.outer(np.mod(indices, size), np.arange(size))
        return (np.moveaxis(np.where(hot, values[1], values[0]), -1, axis).astype(values.dtype),)


class Loop(_Loop):
    """onnx 1.23.2 joins the scan outputs of a loop by vstack, which is wrong for rank 2 and more."""

    def _run(self, M, cond, *args, **kwargs):
        stack, real = np.vstack, np.vstack
        np.vstack = lambda parts: np.stack(list(parts)) if np.ndim(parts[0]) > 0 else real(parts)
        try:
            return super()._run(M, cond, *args, **kwargs)
        finally:
            np.vstack = stack


def run_in_reference(file: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of an ONNX file, by name."""
    model = onnx.load(file)
    evaluator = ReferenceEvaluator(model, new_ops=[OneHot, Loop])
    names = [output.name for output in model.graph.output]
    return dict(zip(names, evaluator.run(names, inputs), strict=True))


WIDE = {TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}  # phones and browsers lack them


def complaints(model: onnx.ModelProto) -> list[str]:
    """Return what a runtime other than onnxruntime might refuse or warn of, a line each."""
    try:
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return [str(error)]
    versions = {entry.domain: entry.version for entry in model.opset_import}
    graphs = list(_graphs(model.graph))
    used = {name for graph in graphs for node in graph.node for name in node.input}
    used |= {value.name for graph in graphs for value in graph.output}
    found = [f"{domain} is imported" for domain in versions if domain]
    for number, graph in enumerate(graphs):
        found += [f"{weight.name} is unused" for weight in graph.initializer if weight.name not in used]
        found += [f"{weight.name} is of a wide type" for weight in graph.initializer if weight.data_type in WIDE]
        found += [f"the shape of {value.name} is stored" for value in graph.value_info]
        for node in graph.node:
            found += _complaints_of(node, versions[""], used)
        if number:  # the body of a loop or a branch
            computed = [name for node in graph.node for name in node.output]
            handed = [value.name for value in graph.output]
            found += [f"{graph.name} hands on {name}" for name in handed if name not in computed]
            found += [f"{graph.name} hands on {name} twice" for name in {*handed} if handed.count(name) > 1]
    for graph in _graphs(inferred.graph):
        values = [*graph.input, *graph.value_info, *graph.output]
        found += [f"{value.name} is of a wide type" for value in values if value.type.tensor_type.elem_type in WIDE]
    return found


def _complaints_of(node: onnx.NodeProto, version: int, used: set[str]) -> Iterator[str]:
    if node.domain or not onnx.defs.has(node.op_type, version, ""):
        yield f"{node.domain}:{node.op_type} is no standard operation"
        return
    schema = onnx.defs.get_schema(node.op_type, version, "")
    if schema.deprecated:
        yield f"{node.op_type} is deprecated"
    if not used & {*node.output}:
        yield f"what {node.op_type} makes is unused"
    for attribute in node.attribute:
        if attribute.name not in schema.attributes:
            yield f"{node.op_type} has no {attribute.name}"
        if attribute.s == b"tf_half_pixel_for_nn":
            yield f"{node.op_type} has no {attribute.s.decode()} since opset 13"
        if attribute.t.data_type in WIDE:
            yield f"{node.op_type} holds a wide type"


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)
