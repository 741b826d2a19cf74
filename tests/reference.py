"""ONNX files in the reference implementation of the standard, which checks what onnxruntime overlooks."""

from pathlib import Path

import numpy as np
import onnx
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
