"""A map in fewer bits: weights of 16 or 8, what it takes and gives as before.

float16 halves the file: onnxruntime's own converter rounds weights and computes in float16, between casts at the
border. int8 quarters it: static quantisation by onnxruntime, a scale for each channel of the weights, calibrated on
inputs like those that it will see. Only convolutions and products of matrices are quantised. Sums, normalisations and
activations between them stay float32: they hold no weights, and quantising them costs pictures their contrast.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.shared.errors import UserError, first_line

if TYPE_CHECKING:  # the names of the precisions are wanted before the extra that holds onnx
    import onnx

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
PRECISIONS = (FLOAT32, FLOAT16, INT8)
_WITH_WEIGHTS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]
_KEPT = ["IsInf", "IsNaN"]  # of opset 18 these know no float16


def lower(
    model: "onnx.ModelProto", precision: str, calibration: Sequence[dict[str, np.ndarray]], name: str
) -> "onnx.ModelProto":
    """Return the map `name` in "float16" or "int8"; `model` stays as it is.

    `calibration`: batches of inputs, for the ranges of what is quantised. A map with a loop, or with nothing to
    quantise, is a `UserError`.
    """
    import onnx

    if any(node.op_type in ("Loop", "Scan", "If") for node in model.graph.node):
        raise UserError(
            f"--precision={precision}: {name} runs in a loop, and onnxruntime lowers no operations inside of one; "
            f"export it as {FLOAT32}"
        )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        with _silent():
            lowered = _float16(copy) if precision == FLOAT16 else _int8(copy, calibration)
        lowered.ir_version = model.ir_version
        del lowered.opset_import[:], lowered.graph.value_info[:]
        lowered.opset_import.extend(model.opset_import)
        onnx.checker.check_model(lowered, full_check=True)
    except Exception as error:  # the converters raise anything
        raise UserError(f"--precision={precision}: {name} cannot be lowered: {first_line(error)}") from error
    return lowered


def _float16(model: "onnx.ModelProto") -> "onnx.ModelProto":
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    made = convert_float_to_float16(model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_KEPT])
    ONNXModel(made).topological_sort()  # the converter puts its casts last; the standard wants them before their use
    return made


def _int8(model: "onnx.ModelProto", calibration: Sequence[dict[str, np.ndarray]]) -> "onnx.ModelProto":
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        batches = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory(prefix="genzoo") as directory:
        place = Path(directory) / "int8.onnx"
        quantization.quantize_static(
            model,
            place,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,  # standard operations, which any runtime loads
            op_types_to_quantize=_WITH_WEIGHTS,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            reduce_range=True,  # 7 bits: processors with AVX2 and without VNNI add pairs of products in 16 bits
        )
        return onnx.load(place)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the converters from printing, and from advising on a preparation that onnxslim has made."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
