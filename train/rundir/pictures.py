"""What a run leaves to look at: pictures of samples, an animation of training, the curves of its logs."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo import images
from zoo.shared import files

SAMPLES = "samples"
ANIMATION = "training.gif"
CURVES = "curves.png"
METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
_MAX_FRAMES = 60
_MAX_BEHIND = 4000


def write_samples(workdir: Path, step: int, samples: np.ndarray, data: np.ndarray) -> np.ndarray | None:
    """Write the picture of `samples` (`images.overview`) under their step and return it; None where there is none.

    Points are drawn over the first 4,000 of the training `data`.
    """
    picture = images.overview(samples, behind=data[:_MAX_BEHIND])
    if picture is not None:
        files.write_bytes(workdir / SAMPLES / f"{step:08d}.png", images.encode_png(picture))
    return picture


def write_animation(workdir: Path) -> None:
    """Write the sample pictures so far as one animated GIF, the last one held; at most 60 frames, evenly chosen."""
    from PIL import Image

    paths = sorted((workdir / SAMPLES).glob("[0-9]*.png"))
    if not paths:
        return
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _MAX_FRAMES)).round().astype(int))
    frames = [Image.open(paths[index]).convert("P") for index in chosen]
    durations = [200] * (len(frames) - 1) + [2000]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    files.write_bytes(workdir / ANIMATION, buffer.getvalue())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl or evaluations.jsonl; what a kill or an editor tore is left out."""
    lines = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict) and type(value.get("step")) is int:
                lines.append(value)
    return lines


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Replace such a file by the `lines`; NaN and infinity are refused."""
    files.write_bytes(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())


def write_curves(workdir: Path, figure: str | None = None) -> None:
    """Draw what metrics.jsonl holds over the training step: the losses in one panel, every other log in its own.

    The `figure` of that name in evaluations.jsonl has the last panel.
    """
    metrics = read_lines(workdir / METRICS)
    if not metrics:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in metrics[0] if name not in ("step", "steps_per_second")]
    losses = [name for name in names if name.endswith("loss")]
    panels = [(metrics, panel) for panel in (losses, *([name] for name in names if name not in losses))]
    if figure is not None:
        panels.append((read_lines(workdir / EVALUATIONS), [figure]))
    canvas, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 3.5), squeeze=False, layout="constrained")
    for axis, (lines, panel) in zip(axes[0], panels, strict=True):
        for name in panel:
            steps, values = zip(*((line["step"], line[name]) for line in lines), strict=True)
            axis.plot(steps, values, label=name.replace("_", " "), linewidth=1)
        axis.set_xlabel("training step")
        axis.legend()
        axis.grid(alpha=0.3)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=110)
    plt.close(canvas)
    files.write_bytes(workdir / CURVES, buffer.getvalue())
