"""The model card: what a bundle is, for the person who opens it."""

import json

from export import bundle
from zoo.spec import TensorSpec


def text(manifest: bundle.Manifest) -> str:
    """Return the bundle's README.md."""
    spec, recipe = manifest.spec, manifest.recipe
    data = recipe["data"]
    tensors = "\n".join(
        f"| {kind} | `{tensor.name}` | {tensor.dtype} | {_shape(tensor)} | {_values(tensor)} |"
        for kind, tensors in (("input", spec.inputs), ("output", spec.outputs))
        for tensor in tensors
    )
    differences = "\n".join(
        f"- {runtime}: {difference:.2g}"
        for runtime, difference in manifest.parity["largest_difference_from_keras"].items()
    )
    batches = ", ".join(map(str, manifest.parity["batches"]))
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return f"""# {manifest.model} trained on {data["name"]}

A generator: a deterministic map from noise to a sample. The same noise gives the same sample in every runtime.

![samples]({bundle.SAMPLES})

64 samples of seed 0, drawn by onnxruntime from `{bundle.ONNX}`; not selected.

## Use

    python -m serving.sample --bundle=. --count=64 --seed=0 --output=grid.png

or in Python, without TensorFlow: `serving.Generator(".").sample(count=16, seed=0)`. `{bundle.ONNX}` alone is enough:
it holds this description in its metadata under `{bundle.METADATA_KEY}`. TensorFlow Serving loads the directory
`saved_model`; its signature `serving_default` has the names below.

| | tensor | type | shape | values |
|---|---|---|---|---|
{tensors}

## How it was made

Step {manifest.step} of a run on `{data["name"]}` with this configuration; with `ema` above 0 these are the averaged
weights. What the data do not show, the model cannot make; it may repeat pictures that it was trained on.

```json
{json.dumps(recipe, indent=2)}
```

## Agreement

The largest difference from the Keras model in any value, over fresh noise in batches of {batches}
(export fails above {manifest.parity["tolerance"]}):

{differences}

Made with {versions}.
"""


def _shape(tensor: TensorSpec) -> str:
    return f"(batch, {', '.join(map(str, tensor.shape))})"


def _values(tensor: TensorSpec) -> str:
    if tensor.role == "normal":
        return "noise, standard normal"
    what = {"uniform": "noise, uniform on", "condition": "chosen by the caller, within", "sample": "within"}[
        tensor.role
    ]
    return f"{what} [{tensor.low:g}, {tensor.high:g}{')' if tensor.role == 'uniform' else ']'}"
