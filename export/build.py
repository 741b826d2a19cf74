"""The steps from a trained run to a bundle: build every file, prove that they agree, and only then show them."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict
from onnx import ModelProto

import zoo
from export import card, cost, onnx, ort, parity, precision, recorded, saved_model, warmup
from train import data
from train.rundir import examples, pictures, restore
from train.rundir.layout import CHECKPOINTS, LAST
from zoo import bundle, images, media, noise, runtime
from zoo.model import GenerativeModel, Map, as_run
from zoo.shared import files
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import MapSpec

_PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxslim", "onnxruntime", "numpy")
_GRID = 64
_CLASS_GRID = 100  # the most, where classes come in turn
_POINTS = 2500
# adds files to the directory of a bundle, and returns the beginning of its card: (directory, manifest, config, model)
Finish = Callable[[Path, bundle.Manifest, ConfigDict, GenerativeModel], str]


def build(
    workdir: Path,
    output: Path,
    overwrite: bool = False,
    checkpoint: str = LAST,
    bits: str = precision.FLOAT32,
    has_ort: bool = False,
    finish: Finish | None = None,
    only: Sequence[str] = (),
) -> bundle.Manifest:
    """Write the bundle of the run at `workdir` to `output` and return its manifest; `checkpoint`: "last" or "best".

    `bits`: the precision of the ONNX files, one of `precision.PRECISIONS`. With `has_ort`, each map is written in
    onnxruntime's own format too. `finish` makes a preset: the bundle then has no SavedModel, maps that cannot do with
    so few bits stay in float32, and what `finish` returns is the beginning of the card. `only`: the maps to write, by
    default all; their order stays the model's.

    If anything fails, the runtimes' agreement included, `output` is left as it was; the error is a `UserError`.
    """
    place = Path(os.path.abspath(output))
    files.sweep(place.parent, place.name)  # a killed export may have moved away what it was to replace
    if output.exists() and not overwrite:
        raise UserError(f"{output} exists: give --overwrite to replace it, or another --output")
    if output.exists() and not (output / bundle.MANIFEST).is_file() and (output.is_file() or any(output.iterdir())):
        raise UserError(f"{output} exists and is no bundle: --overwrite replaces bundles only")
    if any((workdir / kept).resolve() in output.resolve().parents for kept in CHECKPOINTS.values()):
        raise UserError(f"{output} lies among the checkpoints of {workdir}: name another --output")
    config, model, step = restore.load(workdir, checkpoint)
    for name in only:
        if name not in model.maps:
            raise unknown("map", name, model.maps)
    maps: Mapping[str, Map] = {name: made for name, made in model.maps.items() if not only or name in only}
    held_out = examples.read(workdir, model.maps)
    try:
        with files.new_directory(output, overwrite) as directory:
            saved_model.write(maps, directory / bundle.SAVED_MODEL)
            recipe = without_paths(config.to_dict())
            manifest = bundle.Manifest(
                model=recipe["model"]["name"],
                maps={name: made.spec for name, made in maps.items()},
                targets=dict(model.declared.targets),
                recipe=recipe,
                step=step,
                versions={"genzoo": zoo.__version__, **{name: metadata.version(name) for name in _PACKAGES}},
                parity={},
                checkpoint=checkpoint,
            )
            graphs, shown, made_of, requests = {}, {}, {}, {}
            for name, made in maps.items():
                graphs[name] = onnx.convert(made)
                runtimes = {
                    "saved_model": saved_model.load(directory / bundle.SAVED_MODEL, name),
                    "onnxruntime": onnx.load(graphs[name].SerializeToString()),
                }
                given = conditions_of(made.spec, held_out[name])
                manifest.parity[name] = prove(as_run(made), runtimes, made.spec, given)
                requests[name] = warmup.inputs_of(made.spec, given)
                parity.outputs(runtimes["saved_model"], requests[name], "saved_model")  # one that fails is not written
                run = runtimes["onnxruntime"]
                made_of[name] = recorded.outputs(run, made.spec, given)
                if bits != precision.FLOAT32:
                    try:
                        graphs[name], run, manifest.parity[name]["precision"] = _lower(
                            graphs[name], run, made.spec, given, bits, name
                        )
                    except (UserError, parity.NotEqual) as failure:
                        if not finish:
                            raise
                        print(f"{name} stays in {precision.FLOAT32}: {first_line(failure)}", file=sys.stderr)
                shown[name] = _sheet(made.spec, run, held_out[name])
            requests[saved_model.DEFAULT] = requests[manifest.default]  # a signature of its own: it is warmed by itself
            warmup.write(requests, manifest.model, directory / bundle.SAVED_MODEL)
            for name, graph in graphs.items():
                data = bundle.describe(graph.SerializeToString(), manifest, name)
                (directory / manifest.onnx_file(name)).write_bytes(data)
                if has_ort:
                    (directory / manifest.ort_file(name)).write_bytes(bundle.seal(ort.convert(data)))
            for name, (_, picture, played) in shown.items():
                place = directory / (bundle.SAMPLES if name == manifest.default else f"{name}.png")
                if picture is not None:
                    place.write_bytes(images.encode_png(picture))
                if played is not None:
                    place.with_suffix(media.ending(maps[name].spec.output)).write_bytes(played)
            (directory / bundle.EXAMPLES).write_bytes(examples.encode({name: held_out[name] for name in maps}))
            (directory / bundle.REFERENCE).write_bytes(examples.encode(made_of))
            drawn = {name: count for name, (count, picture, _) in shown.items() if picture is not None}
            if finish:
                shutil.rmtree(directory / PurePosixPath(bundle.SAVED_MODEL).parts[0])
            head = finish(directory, manifest, config, model) if finish else ""
            (directory / bundle.CARD).write_text(card.text(manifest, drawn, head))
            manifest.files.update(files.checksums(directory))
            files.write_json(directory / bundle.MANIFEST, manifest.to_json())
            runtime.open_maps(directory)  # a bundle that serving would refuse is not shown
    except (onnx.NotConvertible, parity.NotEqual) as failure:
        raise UserError(f"{config.model.name} was not exported: {failure}") from failure
    except (OSError, tf.errors.OpError) as failure:  # a full disk is the one or the other
        raise UserError(f"could not write {output}: {first_line(failure)}") from failure
    return manifest


def _lower(
    graph: ModelProto,
    reference: parity.Run,
    spec: MapSpec,
    given: Mapping[str, np.ndarray],
    bits: str,
    name: str,
) -> tuple[ModelProto, parity.Run, dict[str, Any]]:
    """Return the map in fewer bits, as a graph and as a function, and what that costs; past the bounds, `NotEqual`.

    Ranges come from one seed, the cost from another.
    """
    calibration = secrets.randbelow(2**32)
    lowered = precision.lower(graph, bits, list(parity.batches(spec, calibration, given)), name)
    run = onnx.load(lowered.SerializeToString())
    try:
        told = cost.measure(reference, run, spec, secrets.randbelow(2**32), given, bits)
    except parity.NotEqual as failure:
        raise parity.NotEqual(f"in {bits} its map {name} loses too much: {failure}") from failure
    sizes = {"bytes": lowered.ByteSize(), "bytes_of_float32": graph.ByteSize()}
    return lowered, run, {"stored_as": bits, **sizes, **told}


def without_paths(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a run's configuration with names in place of paths: a bundle says nothing of its trainer's machine.

    The data keep the name of their set, a file or a run its own name; a set of tensorflow-datasets may have a slash.
    """

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(inner) for key, inner in value.items()}
        return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else value

    told = named(recipe)
    told["data"]["name"] = data.without_path(recipe["data"]["name"])
    return told


def conditions_of(spec: MapSpec, held_out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return those of a map's examples that fill its conditions."""
    return {tensor.name: held_out[tensor.name] for tensor in spec.conditions if tensor.name in held_out}


def grid_of(spec: MapSpec) -> tuple[int, int | None]:
    """Return the number of samples in a map's sheet and of its columns (None: a square).

    Points need no grid; of classes, see `pictures.grid_of`.
    """
    if spec.output.kind == "point":
        return _POINTS, None
    return pictures.grid_of(spec, _CLASS_GRID if any(tensor.is_class for tensor in spec.conditions) else _GRID)


def _sheet(
    spec: MapSpec, run: parity.Run, held_out: Mapping[str, np.ndarray]
) -> tuple[int, np.ndarray | None, bytes | None]:
    """Return the number of rows on the map's sheet of seed 0, the sheet or None, and what `media.played` makes."""
    given = conditions_of(spec, held_out)
    count, columns = (examples.ROWS, None) if given else grid_of(spec)
    inputs = noise.fill(spec, count, seed=0, given=noise.cycled(given, count))
    targets = {t.name: noise.cycled({"": held_out[t.name]}, count)[""] for t in spec.outputs if t.name in held_out}
    outputs = run(inputs)
    picture = pictures.sheet_of(spec, inputs, outputs, targets, columns)
    played = media.played(spec.output, outputs[spec.output.name]) if picture is not None else None
    return count, picture, played


def prove(
    reference: parity.Run,
    runtimes: dict[str, parity.Run],
    spec: MapSpec,
    given: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return a map's parity figures, measured on noise that was never used before."""
    seed = secrets.randbelow(2**32)
    differences = parity.measure(reference, runtimes, spec, seed, given)
    return {"largest_difference_from_keras": differences, **parity.protocol(spec, seed)}
