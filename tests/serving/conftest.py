"""Small bundles, built by hand with onnx.helper: no TensorFlow."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.bundle import MANIFEST, METADATA_KEY, ONNX, Manifest, seal
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

IMAGE = TensorSpec("image", (4, 4, 3), "sample", low=-1, high=1)
LATENT = TensorSpec("z", (8,), "normal")
LABEL = TensorSpec("label", (), "condition", "int32", low=0, high=9)
ONNX_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "uint8": TensorProto.UINT8}


class Factory:
    """Makes bundles below a directory: `factory(spec, nodes, weights)`, all with defaults."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, spec: GeneratorSpec | None = None, nodes: Any = None, **weights: np.ndarray) -> Path:
        """Write a bundle and return its path; by default a tiny image generator."""
        model = self.model(spec, nodes, **weights)
        path = self.root / f"bundle{len(list(self.root.iterdir()))}"
        path.mkdir()
        (path / ONNX).write_bytes(seal(model.SerializeToString()))
        manifest = json.loads(model.metadata_props[0].value) | {"files": files.checksums(path)}
        files.write_json(path / MANIFEST, manifest)
        return path

    def model(self, spec: GeneratorSpec | None = None, nodes: Any = None, **weights: np.ndarray) -> onnx.ModelProto:
        """Return the ONNX model of `nodes`, its tensors and metadata from `spec`."""
        spec = spec or GeneratorSpec((LATENT,), (IMAGE,))
        if nodes is None:
            nodes, weights = dense(spec)
        graph = helper.make_graph(
            nodes,
            "generator",
            [value_info(tensor) for tensor in spec.inputs],
            [value_info(tensor) for tensor in spec.outputs],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        manifest = Manifest("tiny", spec, {}, 7, {}, {})
        helper.set_model_props(model, {METADATA_KEY: json.dumps(manifest.to_json())})
        return model


def value_info(tensor: TensorSpec) -> Any:
    return helper.make_tensor_value_info(tensor.name, ONNX_TYPES[tensor.dtype], ["batch", *tensor.shape])


def dense(spec: GeneratorSpec) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Return a dense layer and tanh from the first input to the first output; other inputs are added as scalars."""
    source, target = spec.inputs[0], spec.output
    random = np.random.default_rng(0)
    sizes = int(np.prod(source.shape)), int(np.prod(target.shape))
    weights = {
        "kernel": random.normal(size=sizes).astype(np.float32) / 2,
        "bias": random.normal(size=sizes[1:]).astype(np.float32) / 8,
        "shape": np.array([-1, *target.shape], np.int64),
        "column": np.array([-1, 1], np.int64),
        "hundredth": np.array(0.01, np.float32),
    }
    nodes = [helper.make_node("Flatten", [source.name], ["flat"]), node("Gemm", "flat kernel bias", "sum0")]
    for index, tensor in enumerate(spec.inputs[1:]):
        nodes += [
            helper.make_node("Cast", [tensor.name], [f"float{index}"], to=TensorProto.FLOAT),
            node("Reshape", f"float{index} column", f"column{index}"),
            node("Mul", f"column{index} hundredth", f"scaled{index}"),
            node("Add", f"sum{index} scaled{index}", f"sum{index + 1}"),
        ]
    last = f"sum{len(spec.inputs) - 1}"
    return [*nodes, node("Tanh", last, "squashed"), node("Reshape", "squashed shape", target.name)], weights


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def _refused(*words: str) -> Any:
    return pytest.raises(UserError, match="(?s)^(?!.*\n)" + "".join(f"(?=.*{word})" for word in words))


def _edit_manifest(path: Path, edit: Callable[[dict[str, Any]], Any]) -> Path:
    value = json.loads((path / MANIFEST).read_text())
    edit(value)
    (path / MANIFEST).write_text(json.dumps(value))
    return path


@pytest.fixture
def make_node() -> Callable[..., Any]:
    return node


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Expect a `UserError` of one line that holds every word: `with refused("this", "that"): ...`."""
    return _refused


@pytest.fixture
def edit_manifest() -> Callable[[Path, Callable[[dict[str, Any]], Any]], Path]:
    return _edit_manifest


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    root = tmp_path / "bundles"
    root.mkdir()
    return Factory(root)


@pytest.fixture
def bundle_path(factory: Factory) -> Path:
    return factory()


@pytest.fixture
def conditional_spec() -> GeneratorSpec:
    """One latent and one label in, one image out."""
    return GeneratorSpec((LATENT, LABEL), (IMAGE,))


@pytest.fixture
def conditional(factory: Factory, conditional_spec: GeneratorSpec) -> Path:
    """A bundle with one latent and one label."""
    return factory(conditional_spec)


@pytest.fixture
def vector_spec() -> Callable[..., GeneratorSpec]:
    """Make a spec with one vector in and one vector out."""

    def make(size: int, out: int | None = None, role: str = "normal", **bounds: float) -> GeneratorSpec:
        shape: Sequence[int] = (out or size,)
        return GeneratorSpec((TensorSpec("z", (size,), role, **bounds),), (TensorSpec("x", tuple(shape), "sample"),))

    return make
