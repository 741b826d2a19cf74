"""Pictures that a run leaves to look at: sheets of its maps, an animation of training."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import logging

from train.rundir import captions
from train.rundir.layout import SAMPLES
from zoo import media
from zoo.shared import files
from zoo.shared.errors import first_line
from zoo.spec import MapSpec

ANIMATION = "training.gif"
_MAX_FRAMES = 60
_CLASSES = 10  # that fit into a row of any sheet


def grid_of(spec: MapSpec, count: int) -> tuple[int, int | None]:
    """Return how many of about `count` samples a sheet of the map shows, and its columns (None: a square).

    Classes come in turn. Up to ten of them, or up to twice the side of the square, have columns of their own; more
    would be a strip, so that a square shows the first `count` of them.
    """
    classes = next((tensor.classes for tensor in spec.conditions if tensor.is_class), None)
    side = math.isqrt(count)
    if classes is None or spec.output.kind == "point" or classes > min(count, max(_CLASSES, 2 * side)):
        return count, None
    columns = classes * max(1, side // classes)  # two classes take turns within a row: two columns would be a strip
    return columns * max(1, count // columns), columns


def sheet_of(
    spec: MapSpec,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    columns: int | None = None,
    behind: np.ndarray | None = None,
) -> np.ndarray | None:
    """Return the sheet of one map: conditions, outputs, targets side by side, or None if no output can be shown.

    A map whose conditions are classes shows a class in each of so many `columns`, and above them the names of classes
    that have some. One with attributes has a column for each of them, because examples change one in turn. Points are
    drawn over those `behind`.
    What follows from latents that the caller gives, such as the state of a sampler, says nothing by itself; a single
    number, such as the strength of a style, is no such latent.
    """
    is_given = any(tensor.kind == "latent" and tensor.shape for tensor in spec.conditions)
    if is_given or not any(media.is_shown(tensor) for tensor in spec.outputs):
        return None
    if columns is None:
        attributes = [tensor.shape[0] for tensor in spec.conditions if tensor.kind == "attributes"]
        columns = next((count for count in attributes if count <= len(outputs[spec.output.name])), None)
    sheet = media.sheet(
        [
            *((tensor, inputs[tensor.name]) for tensor in spec.conditions),
            *((tensor, outputs[tensor.name]) for tensor in spec.outputs),
            *((tensor, targets[tensor.name]) for tensor in spec.outputs if tensor.name in targets),
        ],
        columns,
        behind,
    )
    classes = [tensor for tensor in spec.conditions if tensor.is_class and tensor.names]
    if sheet is None or columns is None or len(classes) != 1 or columns % classes[0].classes:
        return sheet
    return captions.above(sheet, classes[0].names * (columns // classes[0].classes))


def path_of(workdir: Path, step: int, name: str = "") -> Path:
    """Return where the sheet of a step lies: that of the first map, or of the map `name`."""
    return workdir / SAMPLES / name / f"{step:08d}.png"


def steps_drawn(workdir: Path) -> list[tuple[int, Path]]:
    """Return the step and the path of every sheet, and of what is played beside it, of all maps."""
    paths = [path for path in (workdir / SAMPLES).rglob("[0-9]*.*") if path.suffix in media.FILES.values()]
    return [(int(path.stem), path) for path in paths if path.stem.isdecimal() and path.is_file()]


def write_animation(workdir: Path) -> None:
    """Write the sheets of the first map so far as one animated GIF, the last held; at most 60.

    Of more, those nearest to 60 even steps are taken, since sheets by the clock lie anywhere. A damaged one is left out
    with a warning, and without one those of another size than the last.
    """
    from PIL import Image

    drawn = sorted((step, path) for step, path in steps_drawn(workdir) if path.parent.name == SAMPLES)
    paths = {step: path for step, path in drawn if path.suffix == ".png"}
    if not paths:
        return
    frames = []
    for step in _spread(list(paths), _MAX_FRAMES):
        try:
            with Image.open(paths[step]) as picture:
                frames.append(np.atleast_3d(picture))  # grey stays grey: a GIF has few colours
        except Exception as error:  # a damaged file may make Pillow raise anything
            logging.warning("cannot read %s (%s): it is left out of %s", paths[step], first_line(error), ANIMATION)
    frames = [frame for frame in frames if frame.shape == frames[-1].shape]
    if not frames:
        return
    files.write_bytes(workdir / ANIMATION, media.encode_gif(frames, rate=5, hold=1.8))


def _spread(steps: list[int], count: int) -> list[int]:
    """Return the ascending steps, of more than `count` those that are nearest to `count` even ones."""
    if len(steps) <= count:
        return steps
    there = np.array(steps)
    return sorted({steps[np.abs(there - wanted).argmin()] for wanted in np.linspace(steps[0], steps[-1], count)})
