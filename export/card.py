"""The model card: what a bundle is, for the person who opens it."""

import json
import math

from zoo import bundle
from zoo.spec import TensorSpec


def text(manifest: bundle.Manifest, count: int) -> str:
    """Return the bundle's README.md; `count` is the number of samples in its picture, 0 if it has none."""
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
    classes = [tensor for tensor in spec.conditions if tensor.is_class]
    in_turn = "; the classes come in turn" if classes else ""
    choices = "".join(map(_choice, classes))
    output = "grid.png" if len(spec.output.shape) == 3 else "samples.npy"
    picture = f"""![samples]({bundle.SAMPLES})

{count} samples of seed 0, drawn by onnxruntime from `{bundle.ONNX}`; not selected{in_turn}.

"""
    return f"""# {manifest.model} trained on {data["name"]}

A generator: a deterministic map from noise to a sample. The same noise gives the same sample in every runtime.

{picture if count else ""}## Use

    python -m serving.sample --bundle=. --count=64 --seed=0 --output={output}

or in Python, without TensorFlow: `serving.Generator(".").sample(count=16, seed=0)`. `{bundle.ONNX}` alone is enough:
it holds this description in its metadata under `{bundle.METADATA_KEY}`. TensorFlow Serving loads the directory
`saved_model`; its signature `serving_default` has the names below.
{choices}
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
    return f"({', '.join(['batch', *map(str, tensor.shape)])})"


def _choice(tensor: TensorSpec) -> str:
    low, high = int(tensor.low), int(tensor.high)
    return f"""
Choose the class with `--condition={tensor.name}={high}`, or in Python with `{tensor.name}={high}` or an array of one
for each sample. Otherwise the classes come in turn: sample k of a seed, counted from 0, has `{tensor.name}`
{low} + (k mod {high - low + 1}).
"""


def _values(tensor: TensorSpec) -> str:
    if tensor.role == "normal":
        return "noise, standard normal"
    what = {"uniform": "noise, uniform on", "condition": "chosen by the caller, within", "sample": "within"}[
        tensor.role
    ]
    if tensor.is_class:
        what = "a class, within"
    elif not math.isfinite(tensor.high):
        return "any number"
    return f"{what} [{tensor.low:g}, {tensor.high:g}{')' if tensor.role == 'uniform' else ']'}"
