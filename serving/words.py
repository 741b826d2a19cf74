"""What a map and a bundle are, in one line: for `repr`."""

from zoo.bundle import Manifest
from zoo.spec import MapSpec, TensorSpec


def of_tensor(tensor: TensorSpec) -> str:
    """Return a tensor as "photo: image (28, 28, 1)", "label: class 0..9" or "z: noise (64,)"."""
    if tensor.is_class:
        return f"{tensor.name}: class {tensor.low:.0f}..{tensor.high:.0f}"
    kind = "noise" if tensor.is_noise else tensor.kind
    return f"{tensor.name}: {kind} {tensor.shape_in_words()}"


def of_map(name: str, spec: MapSpec) -> str:
    """Return a map as "encode(photo: image (28, 28, 1)) -> mean: latent (8,)"."""
    inputs, outputs = (", ".join(map(of_tensor, tensors)) for tensors in (spec.inputs, spec.outputs))
    return f"{name}({inputs}) -> {outputs}"


def of_bundle(manifest: Manifest, source: str) -> str:
    """Return what was trained, until when, where it came from, and whether TF Serving's part was left out."""
    left_out = ", without saved_model" if manifest.files and not manifest.has_saved_model else ""
    return f"{manifest.model} at step {manifest.step} from {source!r}{left_out}"
