"""Small bundles, built by hand with onnx.helper: no TensorFlow."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.bundle import MANIFEST, MAP_KEY, METADATA_KEY, Manifest, seal
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")
LATENT = TensorSpec("z", (8,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
PHOTO = TensorSpec("photo", (2, 2, 3), "condition", "image")
ONNX_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}


class Factory:
    """Makes bundles below a directory: `factory(spec, nodes, weights)`, all with defaults.

    The bundle has one map, "generate"; `others` are the specs of more maps, whose networks are dense layers unless
    `graphs` has their nodes and weights.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(
        self,
        spec: MapSpec | None = None,
        nodes: Any = None,
        others: Mapping[str, MapSpec] | None = None,
        recipe: dict[str, Any] | None = None,
        graphs: Mapping[str, tuple[Any, dict[str, np.ndarray]]] | None = None,
        **weights: np.ndarray,
    ) -> Path:
        """Write a bundle and return its path; by default a tiny image generator."""
        manifest = self.manifest(spec, others, recipe)
        path = self.root / f"bundle{len(list(self.root.iterdir()))}"
        path.mkdir()
        for name in manifest.maps:
            own = {manifest.default: (nodes, weights), **(graphs or {})}.get(name, (None, {}))
            model = graph_of(manifest, name, *own)
            (path / manifest.onnx_file(name)).write_bytes(seal(model.SerializeToString()))
        files.write_json(path / MANIFEST, manifest.to_json() | {"files": files.checksums(path)})
        return path

    def model(self, spec: MapSpec | None = None, nodes: Any = None, **weights: np.ndarray) -> onnx.ModelProto:
        """Return the ONNX model of a bundle of one map, without its seal."""
        manifest = self.manifest(spec)
        return graph_of(manifest, manifest.default, nodes, weights)

    def manifest(
        self,
        spec: MapSpec | None = None,
        others: Mapping[str, MapSpec] | None = None,
        recipe: dict[str, Any] | None = None,
    ) -> Manifest:
        maps = {"generate": spec or MapSpec((LATENT,), (IMAGE,)), **(others or {})}
        return Manifest("tiny", maps, {}, recipe or {}, 7, {}, {})


def graph_of(manifest: Manifest, name: str, nodes: Any, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return the ONNX model of `nodes`, by default a dense layer, with the tensors of the map `name`."""
    spec = manifest.maps[name]
    if nodes is None:
        nodes, weights = dense(spec)
    graph = helper.make_graph(
        nodes,
        name,
        [value_info(tensor) for tensor in spec.inputs],
        [value_info(tensor) for tensor in spec.outputs],
        [numpy_helper.from_array(value, weight) for weight, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(manifest.to_json()), MAP_KEY: name})
    return model


def value_info(tensor: TensorSpec) -> Any:
    return helper.make_tensor_value_info(tensor.name, ONNX_TYPES[tensor.dtype], ["batch", *tensor.free_shape])


def dense(spec: MapSpec) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Return a dense layer and tanh from the first input to each output; the sum of each other input is added."""
    random = np.random.default_rng(len(spec.outputs))
    source, *more = spec.inputs
    weights = {"hundredth": np.array(0.01, np.float32), "last": np.array([1], np.int64)}
    nodes = [helper.make_node("Flatten", [source.name], ["flat"])]
    for number, tensor in enumerate(more):
        nodes += [
            helper.make_node("Cast", [tensor.name], [f"float{number}"], to=TensorProto.FLOAT),
            node("Flatten", f"float{number}", f"row{number}"),
            node("ReduceSum", f"row{number} last", f"whole{number}"),
            node("Mul", f"whole{number} hundredth", f"scaled{number}"),
        ]
    for number, tensor in enumerate(spec.outputs):
        own = str(number or "")
        sizes = int(np.prod(source.shape)), int(np.prod(tensor.shape))
        weights |= {
            f"kernel{own}": random.normal(size=sizes).astype(np.float32) / 2,
            f"bias{own}": random.normal(size=sizes[1:]).astype(np.float32) / 8,
            f"shape{own}": np.array([-1, *tensor.shape], np.int64),
        }
        nodes += [
            node("Gemm", f"flat kernel{own} bias{own}", f"sum{own}_0"),
            *(node("Add", f"sum{own}_{k} scaled{k}", f"sum{own}_{k + 1}") for k in range(len(more))),
            node("Tanh", f"sum{own}_{len(more)}", f"squashed{own}"),
            node("Reshape", f"squashed{own} shape{own}", tensor.name),
        ]
    return nodes, weights


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def _refused(*words: str) -> Any:
    return pytest.raises(UserError, match="(?s)^(?!.*\n)" + "".join(f"(?=.*{word})" for word in words))


def _edit_manifest(path: Path, edit: Callable[[dict[str, Any]], Any]) -> Path:
    value = json.loads((path / MANIFEST).read_text())
    edit(value)
    (path / MANIFEST).write_text(json.dumps(value))
    return path


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="module")
def shared_factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """The factory of bundles that all tests of a module share and none changes."""
    return Factory(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def shared_several(shared_factory: Factory) -> Path:
    """The bundle `several`, shared."""
    return three_maps(shared_factory)


@pytest.fixture
def bundle_path(factory: Factory) -> Path:
    return factory()


@pytest.fixture
def conditional_spec() -> MapSpec:
    """One latent and one label in, one image out."""
    return MapSpec((LATENT, LABEL), (IMAGE,))


@pytest.fixture
def conditional(factory: Factory, conditional_spec: MapSpec) -> Path:
    """A bundle with one latent and one label."""
    return factory(conditional_spec)


@pytest.fixture
def translate_spec() -> MapSpec:
    """One picture in, a larger one out."""
    return MapSpec((PHOTO,), (IMAGE,))


@pytest.fixture
def several(factory: Factory) -> Path:
    """A bundle of three maps: generate, encode (two outputs) and translate (by class, with noise)."""
    return three_maps(factory)


def three_maps(factory: Factory) -> Path:
    """Write the bundle `several`."""
    z = TensorSpec("mean", (8,), "output"), TensorSpec("log_variance", (8,), "output")
    translated = TensorSpec("translated", (4, 4, 3), "output", "image")
    encode, translate = MapSpec((PHOTO,), z), MapSpec((PHOTO, LABEL, LATENT), (translated,))
    return factory(others={"encode": encode, "translate": translate})


@pytest.fixture
def vector_spec() -> Callable[..., MapSpec]:
    """Make a spec with one vector in and one vector out."""

    def make(size: int, out: int | None = None, role: str = "normal", **bounds: float) -> MapSpec:
        return MapSpec((TensorSpec("z", (size,), role, **bounds),), (TensorSpec("x", (out or size,), "output"),))

    return make
