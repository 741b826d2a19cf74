"""Pictures that a run leaves to look at: sheets of its maps, an animation of training, the curves of its logs."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import logging

from train.rundir.layout import SAMPLES
from train.rundir.logs import EVALUATIONS, METRICS, SPEED, read_lines
from zoo import media
from zoo.shared import files
from zoo.shared.errors import first_line
from zoo.spec import MapSpec

ANIMATION = "training.gif"
CURVES = "curves.png"
_MAX_FRAMES = 60


def sheet_of(
    spec: MapSpec,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    columns: int | None = None,
    behind: np.ndarray | None = None,
) -> np.ndarray | None:
    """Return the sheet of one map: conditions, outputs, targets side by side, or None if no output can be shown.

    A map whose conditions are classes shows a class in each of so many `columns`. One with attributes has a column for
    each of them, because examples change one in turn. Points are drawn over those `behind`.
    What follows from latents that the caller gives, such as the state of a sampler, says nothing by itself; a single
    number, such as the strength of a style, is no such latent.
    """
    is_given = any(tensor.kind == "latent" and tensor.shape for tensor in spec.conditions)
    if is_given or not any(media.is_shown(tensor) for tensor in spec.outputs):
        return None
    if columns is None:
        attributes = [tensor.shape[0] for tensor in spec.conditions if tensor.kind == "attributes"]
        columns = next((count for count in attributes if count <= len(outputs[spec.output.name])), None)
    return media.sheet(
        [
            *((tensor, inputs[tensor.name]) for tensor in spec.conditions),
            *((tensor, outputs[tensor.name]) for tensor in spec.outputs),
            *((tensor, targets[tensor.name]) for tensor in spec.outputs if tensor.name in targets),
        ],
        columns,
        behind,
    )


def path_of(workdir: Path, step: int, name: str = "") -> Path:
    """Return where the sheet of a step lies: that of the first map, or of the map `name`."""
    return workdir / SAMPLES / name / f"{step:08d}.png"


def steps_drawn(workdir: Path) -> list[tuple[int, Path]]:
    """Return the step and the path of every sheet, and of what is played beside it, of all maps."""
    paths = [path for path in (workdir / SAMPLES).rglob("[0-9]*.*") if path.suffix in media.FILES.values()]
    return [(int(path.stem), path) for path in paths if path.stem.isdecimal() and path.is_file()]


def write_animation(workdir: Path) -> None:
    """Write the sheets of the first map so far as one animated GIF, the last held; at most 60, evenly chosen.

    A damaged one is left out, with a warning.
    """
    from PIL import Image

    drawn = sorted(path for _, path in steps_drawn(workdir) if path.parent.name == SAMPLES)
    paths = [path for path in drawn if path.suffix == ".png"]
    if not paths:
        return
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _MAX_FRAMES)).round().astype(int))
    frames = []
    for index in chosen:
        try:
            with Image.open(paths[index]) as picture:
                frames.append(np.atleast_3d(picture))  # grey stays grey: a GIF has few colours
        except Exception as error:  # a damaged file may make Pillow raise anything
            logging.warning("cannot read %s (%s): it is left out of %s", paths[index], first_line(error), ANIMATION)
    if not frames:
        return
    files.write_bytes(workdir / ANIMATION, media.encode_gif(frames, rate=5, hold=1.8))


def write_curves(workdir: Path, figures: Mapping[str, str]) -> None:
    """Draw what metrics.jsonl holds over the training step: the losses in one panel, every other log in its own.

    The last panels show `figures` of evaluations.jsonl, one for each metric.
    """
    metrics = read_lines(workdir / METRICS)
    if not metrics:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # a model's logs may change from one phase to the next
    names = list(dict.fromkeys(name for line in metrics for name in line))
    names = [name for name in names if name not in ("step", SPEED)]
    losses = [name for name in names if name.endswith("loss")]
    panels = [(metrics, panel) for panel in (losses, *([name] for name in names if name not in losses)) if panel]
    measured = read_lines(workdir / EVALUATIONS)
    for metric, figure in figures.items():
        if lines := [line for line in measured if line.get("metric") == metric and figure in line]:
            panels.append((lines, [figure]))
    canvas, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 3.5), squeeze=False, layout="constrained")
    for axis, (lines, panel) in zip(axes[0], panels, strict=True):
        for name in panel:
            points = [(line["step"], line[name]) for line in lines if name in line]
            axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1)
        axis.set_xlabel("training step")
        axis.legend()
        axis.grid(alpha=0.3)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=110)
    plt.close(canvas)
    files.write_bytes(workdir / CURVES, buffer.getvalue())
