"""A sampling loop in OpenVINO. `pip install openvino` into the environment first; without it this is skipped."""

import numpy as np
import pytest

import zoo
from export import onnx
from zoo.noise import fill

openvino = pytest.importorskip("openvino")


def run(file, inputs):
    """Return the outputs of a file in OpenVINO's CPU plugin, by name, in float32: by itself it may take bfloat16."""
    # from a file: of bytes, OpenVINO 2026.4 reads loops that it refuses in a file
    model = openvino.Core().read_model(file)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = compiled(inputs)
    return {output.get_any_name(): made[output] for output in compiled.outputs}


def test_every_map_of_a_raster_model_makes_what_onnxruntime_makes(tmp_path):
    model = zoo.create("gated_pixel_cnn", columns={"image": (5, 4, 1)}, base_channels=4, depth=2)
    random = np.random.default_rng(0)
    for weight in model.network.weights:
        weight.assign(random.normal(0, 0.6, weight.shape))
    image = random.choice([-1, 1], (6, 5, 4, 1)).astype(np.float32)
    for name, made in model.maps.items():
        given = model.conditions(name, {"image": image})
        inputs, file = fill(made.spec, 6, seed=0, given=given), tmp_path / f"{name}.onnx"
        file.write_bytes(onnx.convert(made).SerializeToString())
        expected, found = onnx.load(file.read_bytes())(inputs), run(file, inputs)
        for tensor in made.spec.outputs:
            if tensor.kind == "image":
                np.testing.assert_array_equal(found[tensor.name], expected[tensor.name])
                assert len(np.unique(found[tensor.name])) > 1
            else:
                np.testing.assert_allclose(found[tensor.name], expected[tensor.name], atol=1e-4)
