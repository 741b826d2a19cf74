"""The directions of a latent space along which what is made changes the most.

They are those of the active subspace (Constantine, Dow and Wang 2014, "Active subspace methods in theory and
practice"): the eigenvectors of C = E[J^T J], the largest eigenvalue first, where J is the Jacobian of the output by
the latent. Of a linear map x = A z they are the right singular vectors of A. No activations are needed, as in GANSpace
(Haerkonen et al. 2020), and no gradients: J comes from forward differences, a tenth of a standard deviation wide, at a
few samples of seed 0. So any network will do, as an ONNX file.

Pictures count as they look at 64 pixels a side: each block of pixels by its mean. Where a latent has more dimensions
than may be tried, a random subspace of it stands for the whole.
"""

import dataclasses
import math

import numpy as np

from serving.maps import ServedMap
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

MOST = 12  # directions that are returned
_STEP = 0.1  # standard deviations
_DIMENSIONS = 1024
_SAMPLES = 16
_SIDE = 64
# numbers that the runs may make in all, and rows that are run in any case
_NUMBERS, _LEAST_ROWS, _MOST_ROWS = 2**25, 24, 2048
_CHUNK = 16
_SIMPLE = ("class", "attributes")


@dataclasses.dataclass(frozen=True)
class Directions:
    """Unit vectors (k, dimensions) of the noise `tensor`, how fast the output moves along each, and a unit step.

    `strengths` are the root mean square speeds, the largest first. `scale` is the standard deviation of the noise.
    """

    tensor: str
    vectors: np.ndarray
    strengths: np.ndarray
    scale: float


def latent_of(spec: MapSpec) -> TensorSpec | None:
    """Return the noise of a map that can be walked: normal before uniform, and never too large; None if none can.

    What is made must follow the noise smoothly, and from classes, attributes or single numbers besides.
    """
    output = spec.output
    if output.may_flip or output.kind not in ("image", "video", "audio", "point"):
        return None
    if any(tensor.kind not in _SIMPLE and tensor.shape for tensor in spec.conditions):
        return None
    wanted = [tensor for tensor in spec.noise if 1 < math.prod(tensor.shape) <= _DIMENSIONS]
    return min(wanted, key=lambda tensor: tensor.role != "normal", default=None)


def scale_of(tensor: TensorSpec) -> float:
    """Return the standard deviation of the noise."""
    return 1.0 if tensor.role == "normal" else (tensor.high - tensor.low) / math.sqrt(12)


def samples_of(spec: MapSpec) -> int:
    """Return at how many samples the Jacobian is taken."""
    return max(1, min(_SAMPLES, _rows(spec) // (_tried(spec) + 1)))


def principal_directions(map: ServedMap, inputs: dict[str, np.ndarray]) -> Directions:
    """Return the principal directions of a map about the samples in `inputs`, at most 12.

    `inputs` holds every input, (count, *shape). A map that cannot be walked is a `UserError`.
    """
    tensor = latent_of(map.spec)
    if tensor is None:
        raise UserError(f"{map.name} cannot be walked: what it makes does not follow smoothly from one latent")
    size, tried = math.prod(tensor.shape), _tried(map.spec)
    # rows: an orthonormal basis of what is tried
    basis = np.eye(size) if tried == size else np.linalg.qr(np.random.default_rng(0).normal(size=(size, tried)))[0].T
    scale = scale_of(tensor)
    products = np.zeros((tried, tried))
    for k in range(len(inputs[tensor.name])):
        jacobian = _jacobian(map, tensor, {name: values[k : k + 1] for name, values in inputs.items()}, basis)
        products += (jacobian @ jacobian.T).astype(np.float64)
    values, vectors = np.linalg.eigh(products / len(inputs[tensor.name]))
    most = min(MOST, tried)
    found = vectors[:, ::-1][:, :most].T @ basis
    # either sign is as good: the largest coordinate is positive
    found *= np.sign(found[np.arange(most), np.abs(found).argmax(axis=1)])[:, None]
    strengths = np.sqrt(np.maximum(values[::-1][:most], 0))
    return Directions(tensor.name, found.astype(np.float32), strengths.astype(np.float32), scale)


def _jacobian(map: ServedMap, tensor: TensorSpec, inputs: dict[str, np.ndarray], basis: np.ndarray) -> np.ndarray:
    """Return the change of the output along each row of `basis`, per unit of the noise: (rows, numbers)."""
    center = inputs[tensor.name].reshape(1, -1).astype(np.float64)
    step = _STEP * scale_of(tensor)
    moved = center + step * basis
    if tensor.role == "uniform":  # inwards where the step would lead out of the range
        signs = np.where(((moved < tensor.low) | (moved >= tensor.high)).any(axis=1), -1.0, 1.0)
        moved = np.clip(center + step * signs[:, None] * basis, tensor.low, tensor.high)
    else:
        signs = np.ones(len(basis))
    here = _response(map, inputs)
    changes = []
    for first in range(0, len(moved), _CHUNK):
        rows = moved[first : first + _CHUNK].astype(np.float32).reshape(-1, *tensor.shape)
        others = {name: np.repeat(values, len(rows), axis=0) for name, values in inputs.items()}
        changes.append(_response(map, {**others, tensor.name: rows}) - here)
    return np.concatenate(changes) * (signs / step).astype(np.float32)[:, None]


def _response(map: ServedMap, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a map makes, pictures by the means of blocks: (count, numbers)."""
    made = map.run(inputs)[map.spec.output.name]
    if map.spec.output.kind in ("image", "video"):
        height, width = made.shape[-3:-1]
        down, across = -(-height // _SIDE), -(-width // _SIDE)
        made = made[..., : height - height % down, : width - width % across, :]
        *count, height, width, channels = made.shape
        made = made.reshape(*count, height // down, down, width // across, across, channels).mean(axis=(-4, -2))
    return made.reshape(len(made), -1)


def _rows(spec: MapSpec) -> int:
    return max(_LEAST_ROWS, min(_MOST_ROWS, _NUMBERS // math.prod(spec.output.shape)))


def _tried(spec: MapSpec) -> int:
    """Return how many dimensions are tried."""
    tensor = latent_of(spec)
    return min(math.prod(tensor.shape) if tensor else 0, _rows(spec) - 1)
