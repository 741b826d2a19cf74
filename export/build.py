"""The steps from a trained run to a bundle: build every file, prove that they agree, and only then show them."""

import secrets
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import zoo
from export import card, onnx, parity, saved_model
from train.rundir import restore
from train.rundir.layout import CHECKPOINTS, LAST
from zoo import bundle, images, noise
from zoo.shared import files
from zoo.shared.errors import UserError, first_line
from zoo.spec import GeneratorSpec

_PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxslim", "onnxruntime", "numpy")
_GRID = 64
_CLASS_GRID = 100  # the most, where classes come in turn
_POINTS = 2500


def build(workdir: Path, output: Path, overwrite: bool = False, checkpoint: str = LAST) -> bundle.Manifest:
    """Write the bundle of the run at `workdir` to `output` and return its manifest; `checkpoint`: "last" or "best".

    If anything fails, the runtimes' agreement included, `output` is left as it was; the error is a `UserError`.
    """
    if output.exists() and not overwrite:
        raise UserError(f"{output} exists: give --overwrite to replace it, or another --output")
    if output.exists() and not (output / bundle.MANIFEST).is_file() and (output.is_file() or any(output.iterdir())):
        raise UserError(f"{output} exists and is no bundle: --overwrite replaces bundles only")
    if any((workdir / kept).resolve() in output.resolve().parents for kept in CHECKPOINTS.values()):
        raise UserError(f"{output} lies among the checkpoints of {workdir}: name another --output")
    config, model, step = restore.load(workdir, checkpoint)
    generator, spec = model.generator, model.generator_spec
    try:
        with files.new_directory(output, overwrite) as directory:
            saved_model.write(generator, spec, directory / bundle.SAVED_MODEL)
            graph = onnx.convert(generator, spec)
            manifest = bundle.Manifest(
                model=config.model.name,
                spec=spec,
                recipe=config.to_dict(),
                step=step,
                versions={"genzoo": zoo.__version__, **{name: metadata.version(name) for name in _PACKAGES}},
                parity={},
                checkpoint=checkpoint,
            )
            runtimes = {
                "saved_model": saved_model.load(directory / bundle.SAVED_MODEL),
                "onnxruntime": onnx.load(graph.SerializeToString()),
            }
            manifest.parity.update(prove(as_sampler(generator, spec), runtimes, spec))
            (directory / bundle.ONNX).write_bytes(onnx.describe(graph, manifest))
            count, columns = grid_of(spec)
            samples = runtimes["onnxruntime"](noise.draw(spec, count, seed=0))[spec.output.name]
            picture = images.overview(samples, columns=columns)
            if picture is not None:
                (directory / bundle.SAMPLES).write_bytes(images.encode_png(picture))
            (directory / bundle.CARD).write_text(card.text(manifest, 0 if picture is None else count))
            manifest.files.update(files.checksums(directory))
            files.write_json(directory / bundle.MANIFEST, manifest.to_json())
    except (onnx.NotConvertible, parity.NotEqual) as failure:
        raise UserError(f"{config.model.name} was not exported: {failure}") from failure
    except (OSError, tf.errors.OpError) as failure:  # a full disk is the one or the other
        raise UserError(f"could not write {output}: {first_line(failure)}") from failure
    return manifest


def grid_of(spec: GeneratorSpec) -> tuple[int, int | None]:
    """Return the number of samples in samples.png and of its columns (None: a square).

    With up to 100 classes, each column holds one class; with more, a square shows the first 100. Points need no grid.
    """
    if len(spec.output.shape) == 1:
        return _POINTS, None
    classes = next((int(tensor.high - tensor.low) + 1 for tensor in spec.conditions if tensor.is_class), None)
    if classes is None:
        return _GRID, None
    if classes > _CLASS_GRID:
        return _CLASS_GRID, None
    columns = classes * max(1, 10 // classes)  # two classes take turns within a row: two columns would be a strip
    return columns * (_CLASS_GRID // columns), columns


def as_sampler(generator: Callable, spec: GeneratorSpec) -> parity.Sampler:
    """Return a Keras generator as a function from numpy to numpy arrays, by name."""

    def sample(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = generator(inputs, training=False)
        return {tensor.name: np.asarray(outputs[tensor.name]) for tensor in spec.outputs}

    return sample


def prove(reference: parity.Sampler, runtimes: dict[str, parity.Sampler], spec: GeneratorSpec) -> dict[str, Any]:
    """Return the manifest's parity figures, measured on noise that was never used before."""
    seed = secrets.randbelow(2**32)
    return {
        "largest_difference_from_keras": parity.measure(reference, runtimes, spec, seed),
        "tolerance": parity.TOLERANCE,
        "batches": list(parity.BATCHES),
        "noise_seed": seed,
    }
