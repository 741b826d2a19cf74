"""Makers, which are judged: maps of a model in training, a run, a bundle, a lone ONNX file; or a folder of pictures.

Noise follows from the seed alone (`zoo.noise`), always in blocks of the same size, so that all makers of one map are
judged alike.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from train.data.cache import home_expanded
from train.data.sources import files
from train.rundir.layout import CHECKPOINTS, CHECKSUMS, LAST, told
from zoo import bundle, images, media, noise, runtime
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import MapSpec, TensorSpec

if TYPE_CHECKING:
    from zoo.model import GenerativeModel

_BLOCK = 64

T = TypeVar("T")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Maker:
    """Maps ready to run, or a folder of pictures, which has none.

    `run(map, inputs)` returns the outputs of a map, by name. `targets` are outputs that data show the right value of.
    `conditions(map, rows)` is the model's own, if it is at hand. `pictures(count, seed)` returns those of a folder,
    uint8 (count, H, W, C); there may be fewer. `data` is the data section that the maps were trained on, `protocol`
    tells where they come from, `recipe` is the configuration that made them, if it is known.
    """

    maps: Mapping[str, MapSpec]
    targets: Mapping[str, str]
    run: Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]] | None
    data: ConfigDict | None
    protocol: dict[str, Any]
    pictures: Callable[[int, int], np.ndarray] | None = None
    conditions: Callable[[str, Arrays], Arrays] | None = None
    recipe: ConfigDict | None = None

    def given(self, name: str, rows: Arrays) -> dict[str, np.ndarray]:
        """Return what `rows` of data give for the conditions of a map; one that they lack is a `UserError`.

        A model says so itself; of a bundle, conditions are the columns of their names.
        """
        spec = self.maps[name]
        given = dict(self.conditions(name, rows) if self.conditions else noise.given_by(spec, rows))
        if missing := [t.name for t in spec.conditions if not t.is_class and t.name not in given]:
            raise UserError(f"the map {name} needs {', '.join(missing)}, which the data do not have")
        return given

    def choose(self, name: str | None) -> str:
        """Return the name of the map, the first if that is None; an unknown name is a `UserError`."""
        if name is not None and name not in self.maps:
            raise unknown("map", name, self.maps)
        return name or next(iter(self.maps))

    def output(self, name: str) -> TensorSpec:
        """Return the first output of a map."""
        return self.maps[name].output

    def target(self, name: str | None) -> str:
        """Return the column that shows what the first output of a map, the first if that is None, should look like."""
        return self.targets.get(self.output(self.choose(name)).name, "image")

    def outputs(self, name: str, count: int, seed: int, given: Arrays | None = None, start: int = 0) -> Arrays:
        """Return every output of a map, as models make it, for samples start .. start + count - 1 of a seed.

        `given` holds rows of conditions, begun anew where they end.
        """
        assert self.run is not None, "a folder has no maps"
        spec, made = self.maps[name], []
        for first in tqdm(range(0, count, _BLOCK), desc=name, unit=" blocks", leave=False, disable=None):
            rows = noise.cycled(given or {}, _BLOCK, start + first)
            made.append(self.run(name, noise.fill(spec, _BLOCK, seed, start + first, rows)))
        return {tensor.name: np.concatenate([block[tensor.name] for block in made])[:count] for tensor in spec.outputs}

    def samples(self, name: str, count: int, seed: int, given: Arrays | None = None) -> np.ndarray:
        """Return the first output of a map as a file would hold it, such as uint8 (count, H, W, C) for images."""
        spec = self.output(name)
        return media.stored(spec, self.outputs(name, count, seed, given)[spec.name])


def kind_of(path: str) -> str:
    """Return 'run', 'bundle', 'onnx' or 'folder' for what is at `path`; anything else is a `UserError`."""
    place = home_expanded(path, "the source")
    if place.suffix == ".onnx" and place.is_file():
        return "onnx"
    if (place / "config.json").is_file() and (place / "model.json").is_file():
        return "run"
    if place.is_dir() and bundle.is_bundle(place):
        return "bundle"
    # its pictures are not what was asked for
    patterns = f"{CHECKPOINTS[LAST]}/*/{CHECKSUMS}", bundle.ONNX, f"{bundle.SAVED_MODEL}/*.pb"
    if remains := next((found for pattern in patterns for found in place.glob(pattern)), None):
        raise UserError(
            f"{path} holds {remains.relative_to(place)} and lacks what else makes a run (config.json and model.json: "
            f"give the command that trained it again) or a bundle ({bundle.MANIFEST}: export it again)"
        )
    if place.is_dir() and next(files.walk(place), None):
        return "folder"
    raise UserError(
        f"{path} holds no run (no config.json and model.json), no bundle (no manifest.json) and no pictures, nor is it "
        "an ONNX file"
    )


def create(path: str, image_size: int = 0, checkpoint: str = LAST) -> Maker:
    """Return the maker of what is at `path`; `image_size` is for a folder, `checkpoint` for a run: see below."""
    kind = kind_of(path)
    path = str(home_expanded(path, "the source"))
    if checkpoint != LAST and kind != "run":
        raise UserError(f"--checkpoint={checkpoint} is for runs; {path} is none")
    if kind == "folder":
        return from_folder(Path(path), image_size)
    if image_size:
        raise UserError(f"--image_size is for folders of pictures; {path} makes samples of its own size")
    return from_run(path, checkpoint) if kind == "run" else from_onnx(Path(path), kind)


def from_model(model: "GenerativeModel", run: Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Maker:
    """Return the maker of a model in training; `run` runs its maps. Its protocol is the caller's to tell."""
    specs = {name: made.spec for name, made in model.maps.items()}
    return Maker(specs, model.declared.targets, run, None, {}, conditions=model.conditions)


def from_run(workdir: str, checkpoint: str = LAST) -> Maker:
    """Return the maker of the averaged maps of the run at `workdir`, at its last checkpoint or its best."""
    from train.rundir import restore
    from zoo.model import as_run

    config, model, step = restore.load(workdir, checkpoint)
    runs = {name: as_run(made) for name, made in model.maps.items()}
    specs = {name: made.spec for name, made in model.maps.items()}
    protocol = protocol_of("run", config.model.name, config, checkpoint, step)
    return Maker(
        specs,
        model.declared.targets,
        lambda name, inputs: runs[name](inputs),
        config.data,
        protocol,
        conditions=model.conditions,
        recipe=config,
    )


def from_onnx(path: Path, kind: str = "onnx") -> Maker:
    """Return the maker of a bundle, or of a lone ONNX file of ours; every byte is checked, see `zoo.runtime`."""
    manifest, opened = runtime.open_maps(path, threads=0)
    # the file of the first map stands for the bundle
    file = path / manifest.onnx_file(next(iter(opened))) if path.is_dir() else path
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    try:
        recipe = ConfigDict(manifest.recipe)
        protocol = protocol_of(kind, manifest.model, recipe, manifest.checkpoint, manifest.step)
        section = recipe.data
    except (AttributeError, ValueError):
        raise UserError(f"{path} was not exported from a run: its manifest has no recipe") from None
    return Maker(
        {name: made.spec for name, made in opened.items()},
        manifest.targets,
        lambda name, inputs: opened[name].run(inputs),
        section,
        protocol | {"sha256": digest},
        recipe=recipe,
    )


def from_folder(path: Path, image_size: int = 0) -> Maker:
    """Return the pictures below `path`: all of them, or as many as asked for, chosen by the seed.

    Their centre squares are resized to `image_size`; 0 leaves the size, which must then be that of all. They are grey
    if all are.
    """
    names = sorted(files.walk(path))

    def read(name: str, what: Callable[[Path], T]) -> T:
        try:
            return what(path / name)
        except Exception as error:  # a damaged file may make Pillow raise anything
            raise UserError(f"cannot read {path / name}: {first_line(error)}; repair or remove it") from None

    @functools.lru_cache(maxsize=1)  # they are looked at before they are measured
    def drawn(count: int, seed: int) -> np.ndarray:
        chosen = [names[index] for index in np.random.default_rng(seed).permutation(len(names))[:count]]
        sizes = {read(name, images.size_of) for name in chosen}
        if not image_size and len(sizes) > 1:
            sides = sorted(min(size) for size in sizes)
            raise UserError(
                f"the pictures of {path} have sides of {sides[0]} to {sides[-1]} pixels: choose one with --image_size"
            )
        size = (image_size, image_size) if image_size else sizes.pop()
        decode = functools.partial(images.decode, size=size, channels=files.channels_of(path, names))
        return np.stack([read(name, decode) for name in tqdm(chosen, desc="decoding", unit=" pictures", disable=None)])

    resized = f"centre squares, resized to {image_size} px (Lanczos)" if image_size else "as they are"
    protocol = {"kind": "folder", "path": str(path), "pictures": len(names), "cropped": resized}
    return Maker({}, {}, None, None, protocol, lambda count, seed: drawn(min(count, len(names)), seed))


def protocol_of(kind: str, model: str, recipe: ConfigDict, checkpoint: str, step: int) -> dict[str, Any]:
    """Return what the lines of metrics say of a run, or of what was exported from one."""
    kept = told(recipe.evaluate, checkpoint)
    return {"kind": kind, "model": model, "checkpoint": kept, "step": step, "ema": recipe.ema}
