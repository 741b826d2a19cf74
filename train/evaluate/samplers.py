"""Samples to evaluate, from whatever makes or holds them: a run, a bundle, a lone ONNX file, a folder of pictures.

Noise follows from the seed alone (`zoo.noise`), always in blocks of the same size, and images are rounded to bytes as
in a picture file, so that all sources of one generator are judged alike.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from train.data.sources import folder
from train.rundir.layout import LAST, told
from zoo import noise
from zoo.images import to_uint8
from zoo.shared.errors import UserError
from zoo.shared.inference import MANIFEST, METADATA_KEY, ONNX, open_session
from zoo.spec import GeneratorSpec

_BLOCK = 64

T = TypeVar("T")
Generate = Callable[[dict[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Sampler:
    """A generator ready to sample, or a folder.

    `draw(count, seed)` returns images as uint8 (count, height, width, channels), other samples as they are; of a folder
    there may be fewer. `data` is the data section that the generator was trained on, None for a folder. `protocol`
    tells where the samples come from.
    """

    draw: Callable[[int, int], np.ndarray]
    data: ConfigDict | None
    protocol: dict[str, Any]


def kind_of(path: str) -> str:
    """Return 'run', 'bundle', 'onnx' or 'folder' for what is at `path`; anything else is a `UserError`."""
    place = Path(path)
    if place.suffix == ".onnx" and place.is_file():
        return "onnx"
    for name, kind in (("config.json", "run"), (MANIFEST, "bundle")):
        if (place / name).is_file():
            return kind
    if place.is_dir() and next(folder.walk(place), None):
        return "folder"
    raise UserError(
        f"{path} holds no run (no config.json), no bundle (no manifest.json) and no pictures, nor is it an ONNX file"
    )


def create(path: str, image_size: int = 0, checkpoint: str = LAST) -> Sampler:
    """Return the sampler of what is at `path`; `image_size` is for a folder, `checkpoint` for a run: see below."""
    kind = kind_of(path)
    if checkpoint != LAST and kind != "run":
        raise UserError(f"--checkpoint={checkpoint} is for runs; {path} is none")
    if kind == "folder":
        return from_folder(Path(path), image_size)
    if image_size:
        raise UserError(f"--image_size is for folders of pictures; {path} makes samples of its own size")
    if kind == "run":
        return from_run(path, checkpoint)
    return from_onnx(Path(path) / ONNX if kind == "bundle" else Path(path), kind)


def from_run(workdir: str, checkpoint: str = LAST) -> Sampler:
    """Return the sampler of the averaged generator in the `checkpoint`, "last" or "best", of the run at `workdir`."""
    import tensorflow as tf

    from train.rundir import restore

    config, model, step = restore.load(workdir, checkpoint)
    spec = model.generator_spec
    generator = tf.function(lambda inputs: model.generator(inputs, training=False)[spec.output.name])
    protocol = _protocol("run", config.model.name, config, spec, checkpoint, step)
    return Sampler(drawing(lambda inputs: generator(inputs).numpy(), spec), config.data, protocol)


def from_onnx(path: Path, kind: str = "onnx") -> Sampler:
    """Return the sampler of the ONNX file of a bundle; its metadata say what it is. Other files are a `UserError`."""
    data = path.read_bytes()
    session = open_session(data, path)
    try:
        manifest = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
        spec, recipe = GeneratorSpec.from_json(manifest["spec"]), ConfigDict(manifest["recipe"])
        checkpoint = manifest.get("checkpoint", LAST)
        protocol = _protocol(kind, manifest["model"], recipe, spec, checkpoint, manifest["step"])
        section = recipe.data
    except (KeyError, ValueError, TypeError, AttributeError, UserError):
        raise UserError(f"{path} is an ONNX file, but no generator that genzoo exported: its metadata differ") from None
    digest = hashlib.sha256(data).hexdigest()

    def generate(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return session.run([spec.output.name], inputs)[0]

    return Sampler(drawing(generate, spec), section, protocol | {"sha256": digest})


def from_folder(path: Path, image_size: int = 0) -> Sampler:
    """Return the pictures below `path` as a sampler: all of them, or as many as asked for, chosen by the seed.

    Their centre squares are resized to `image_size`; 0 leaves the size, which must then be that of all. They are grey
    if all are.
    """
    names = sorted(folder.walk(path))

    def read(name: str, what: Callable[[Path], T]) -> T:
        try:
            return what(path / name)
        except Exception as error:  # a damaged file may make Pillow raise anything
            raise UserError(f"cannot read {path / name}: {error}; repair or remove it") from None

    def draw(count: int, seed: int) -> np.ndarray:
        chosen = [names[index] for index in np.random.default_rng(seed).permutation(len(names))[:count]]
        sides = [read(name, folder.side) for name in chosen]
        smallest, largest = min(sides), max(sides)
        if not image_size and smallest < largest:
            raise UserError(
                f"the pictures of {path} have sides of {smallest} to {largest} pixels: choose one with --image_size"
            )
        channels = 1 if all(folder.is_grey(path / name) for name in names) else 3
        decode = functools.partial(folder.decode, size=image_size or smallest, channels=channels)
        return np.stack([read(name, decode) for name in tqdm(chosen, desc="decoding", unit=" pictures", disable=None)])

    resized = f"centre squares, resized to {image_size} px (Lanczos)" if image_size else "centre squares"
    return Sampler(draw, None, {"kind": "folder", "path": str(path), "pictures": len(names), "cropped": resized})


def _protocol(
    kind: str, model: str, recipe: ConfigDict, spec: GeneratorSpec, checkpoint: str, step: int
) -> dict[str, Any]:
    classes = {"classes": "in turn"} if any(tensor.is_class for tensor in spec.conditions) else {}
    kept = told(recipe.get("evaluate"), checkpoint)
    return {"kind": kind, "model": model, "checkpoint": kept, "step": step, "ema": recipe.ema, **classes}


def drawing(generate: Generate, spec: GeneratorSpec) -> Callable[[int, int], np.ndarray]:
    """Return `Sampler.draw` of a generator, given as a function from named inputs to samples.

    One whose conditions a seed does not make is a `UserError`.
    """
    if others := [tensor.name for tensor in spec.conditions if not tensor.is_class]:
        raise UserError(f"the generator needs {', '.join(others)}, which a seed does not make: it cannot be evaluated")

    def draw(count: int, seed: int) -> np.ndarray:
        made = []
        for start in tqdm(range(0, count, _BLOCK), desc="sampling", unit=" blocks", leave=False, disable=None):
            block = generate(noise.draw(spec, _BLOCK, seed, start))
            made.append(to_uint8(block) if block.ndim == 4 else block)
        return np.concatenate(made)[:count]

    return draw
