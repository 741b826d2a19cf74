"""The model card: what a bundle is, for the person who opens it."""

import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo import bundle, media
from zoo.spec import MapSpec, TensorSpec

_LISTED = 100  # names of classes, at most
_SAVED_MODEL = """
TensorFlow Serving loads the directory `saved_model`, which has a signature for each map, with the names of the tensors
above, and the first map again as `serving_default`. A program that runs the ONNX files may leave that directory out, as
a whole.
"""


def text(manifest: bundle.Manifest, shown: Mapping[str, int], head: str = "") -> str:
    """Return the bundle's README.md; `shown` is the number of rows on the sheet of each map that has one.

    That of a preset, which holds no SavedModel, begins with a `head` of its own.
    """
    recipe = manifest.recipe
    level = "###" if head else "##"  # a preset's have a heading of their own
    maps = "\n".join(f"{level} {name}\n\n{_map(manifest, name, shown.get(name, 0))}" for name in manifest.maps)
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    title = f"# {manifest.model} trained on {recipe['data']['name']}"
    return f"""{head or title}

A few deterministic maps. The same inputs give the same outputs in every runtime.

{maps}
Each ONNX file alone is enough: it holds this description in its metadata under `{bundle.METADATA_KEY}`.
{"" if head else _SAVED_MODEL}
## How it was made

Step {manifest.step} of a run on `{recipe["data"]["name"]}` with this configuration; with `ema` above 0 these are the
averaged weights. The model cannot make what the data do not show. It may repeat pictures that it was trained on.

```json
{json.dumps(recipe, indent=2)}
```

Made with {versions}.
"""


def _map(manifest: bundle.Manifest, name: str, count: int) -> str:
    spec, file = manifest.maps[name], manifest.onnx_file(name)
    tensors = "\n".join(
        f"| {kind} | `{tensor.name}` | {tensor.kind} | {tensor.dtype} | {_shape(tensor)} | {_values(tensor)} |"
        for kind, tensors in (("input", spec.inputs), ("output", spec.outputs))
        for tensor in tensors
    )
    classes = "".join(map(_choice, [tensor for tensor in spec.conditions if tensor.is_class]))
    classes += "".join(map(_attributes, filter(_is_named, spec.conditions)))
    return f"""{_picture(manifest, name, count)}    {command(manifest, name)}

or in Python, without TensorFlow: `{_call(spec, name)}`; the file is `{file}`.

| | tensor | kind | type | shape | values |
|---|---|---|---|---|---|
{tensors}
{classes}
{_agreement(manifest, name)}
"""


def _picture(manifest: bundle.Manifest, name: str, count: int) -> str:
    if not count:
        return ""
    spec = manifest.maps[name]
    place = bundle.SAMPLES if name == manifest.default else f"{name}.png"
    given = [tensor for tensor in spec.conditions if not tensor.is_class]
    if given:
        targets = " | target" if any(tensor.name in manifest.targets for tensor in spec.outputs) else ""
        shown = [tensor.name for tensor in (*given, *spec.outputs) if media.is_shown(tensor)]
        columns = " | ".join(shown) + targets
        what = f"{count} rows of held-out data, not selected: {columns}"
        if any(map(_is_named, given)):
            what += "; rows change one attribute in turn, as listed below"
    else:
        in_turn = "; the classes come in turn" if spec.conditions else ""
        what = f"{count} samples of seed 0, drawn by onnxruntime; not selected{in_turn}"
    ending = media.ending(spec.output)
    if ending == ".wav":
        what += f"; the first of them can be heard in {Path(place).with_suffix(ending)}"
    if ending == ".gif":
        what += f"; {spec.output.name} moves in {Path(place).with_suffix(ending)}"
    return f"![{name}]({place})\n\n{what}.\n\n"


def command(manifest: bundle.Manifest, name: str, place: str = ".") -> str:
    """Return the command that runs a map of the bundle at `place`."""
    spec = manifest.maps[name]
    chosen = "" if name == manifest.default else f" --map={name}"
    given = "".join(
        f" --condition={tensor.name}={_example(tensor)}" for tensor in spec.conditions if not tensor.is_class
    )
    ending = media.ending(spec.output)
    if given or ending == media.ARRAY:
        output = f"out{ending}"
    else:
        output = "grid.png --count=64 --seed=0" if ending == ".png" else f"out{ending} --count=1 --seed=0"
    return f"python -m serving.sample --bundle={shlex.quote(place)}{chosen}{given} --output={output}"


def _example(tensor: TensorSpec) -> str:
    """Return what a condition may be: a name, a number, or FILE with the ending that `media.read` reads."""
    if _is_named(tensor):
        return shlex.quote(tensor.names[0])
    if not tensor.shape and tensor.high < float("inf"):
        return f"{tensor.high:g}"
    return f"FILE{media.ARRAY if tensor.kind == 'video' else media.ending(tensor)}"


def _call(spec: MapSpec, name: str) -> str:
    given = "".join(
        f"{tensor.name}={[tensor.names[0]] if _is_named(tensor) else '...'}, "
        for tensor in spec.conditions
        if not tensor.is_class
    )
    arguments = f"{given}seed=0" if spec.noise else given.removesuffix(", ")
    return f'serving.load(".")["{name}"]({arguments})'


def _agreement(manifest: bundle.Manifest, name: str) -> str:
    told = manifest.parity[name]
    batches = ", ".join(map(str, told["batches"]))
    if "batch_at_other_sides" in told:
        batches += f", and of {told['batch_at_other_sides']} pictures of other sides"
    figures = ", ".join(f"{runtime} {figure:.2g}" for runtime, figure in told["largest_difference_from_keras"].items())
    limit = f"{told['tolerance']}"
    if "last_bits" in told and max(told["largest_difference_from_keras"].values()) > told["tolerance"]:
        limit = f"{told['last_bits']} times what the Keras model makes of another last bit of its inputs"
    is_lowered = "precision" in told
    lowered = f" The file is {precision(told['precision'])}." if is_lowered else ""
    whose = " before its weights were rounded" if is_lowered else ""
    what = "share of rows that differ" if manifest.maps[name].output.may_flip else "largest difference"
    return (
        f"The {what} from the Keras model, over fresh inputs in batches of {batches} (export fails above "
        f"{limit}): {figures}{whose}.{lowered}"
    )


def precision(told: Mapping[str, Any]) -> str:
    """Return what fewer bits cost, in a sentence without its full stop; `told` is the manifest's account of it."""
    off = ", ".join(f"{name} {figure:.3g}" for name, figure in told["largest_difference_in_levels"].items())
    said = (
        f"stored as {told['stored_as']}: {told['bytes'] / told['bytes_of_float32']:.2f} times the bytes and "
        f"{told['latency_ratio']:.2f} times the time of float32; off by at most, in grey levels of 255 (of a "
        f"choice, the share of rows): {off} (at most {told['most_levels']:g} are allowed)"
    )
    if "frechet_distance" in told:
        said += (
            f"; Frechet distance to the samples of float32 {told['frechet_distance']:.2g} (at most "
            f"{told['frechet_distance_of_another_seed']:.2g}, that of another seed)"
        )
    return said


def _shape(tensor: TensorSpec) -> str:
    axes = ("height", "width", tensor.shape[2]) if tensor.is_free else tensor.shape
    return f"({', '.join(['batch', *map(str, axes)])})"


def _choice(tensor: TensorSpec) -> str:
    low, high = int(tensor.low), int(tensor.high)
    example: str | int = tensor.names[-1] if tensor.names else high
    names = ""
    if tensor.names:
        listed = ", ".join(f"{low + number} {name}" for number, name in enumerate(tensor.names[:_LISTED]))
        more = f", and {len(tensor.names) - _LISTED:,} more" if len(tensor.names) > _LISTED else ""
        names = f"\nThe classes: {listed}{more}.\n"
    return f"""
Choose the class with `--condition={tensor.name}={shlex.quote(str(example))}`, or in Python with
`{tensor.name}={example!r}` or an array of one for each sample. Otherwise the classes come in turn: sample k of a seed,
counted from 0, has `{tensor.name}` {low} + (k mod {high - low + 1}).
{names}"""


def _is_named(tensor: TensorSpec) -> bool:
    """Whether the condition holds attributes that are given by their names."""
    return tensor.kind == "attributes" and bool(tensor.names)


def _attributes(tensor: TensorSpec) -> str:
    exclusive = "".join(f"\nAt most one is to be present of {', '.join(group)}.\n" for group in tensor.exclusive)
    return f"""
Name in `{tensor.name}` all attributes that are to be present, the others are to be absent; or give a 0 or a 1 for each,
from a .npy file. The attributes, in order: {", ".join(tensor.names)}.
{exclusive}"""


def _values(tensor: TensorSpec) -> str:
    if tensor.role == "normal":
        return "noise, standard normal"
    if tensor.is_class:
        return f"a class, within [{tensor.low:g}, {tensor.high:g}]"
    if math.isinf(tensor.low) or math.isinf(tensor.high):
        bounds = (("at least", tensor.low), ("at most", tensor.high))
        return next((f"{what} {bound:g}" for what, bound in bounds if math.isfinite(bound)), "any number")
    what = {"uniform": "noise, uniform on", "condition": "given, within", "output": "within"}[tensor.role]
    return f"{what} [{tensor.low:g}, {tensor.high:g}{')' if tensor.role == 'uniform' else ']'}"
