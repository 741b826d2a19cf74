"""The names in a run's directory that programs share. No TensorFlow here."""

from pathlib import Path

from ml_collections import ConfigDict

from train.config import CONFIG
from train.rundir.logs import EVALUATIONS, METRICS
from zoo.bundle import EXAMPLES
from zoo.shared import files
from zoo.shared.errors import UserError

HARDWARE = "hardware.json"
LOCK = ".lock"
MODEL = "model.json"
SAMPLES = "samples"
TENSORBOARD = "tensorboard"
# the checkpoints of a run that a program can take, and their directories
LAST, BEST = "last", "best"
CHECKPOINTS = {LAST: "checkpoints", BEST: "best"}
CHECKSUMS = "checksums.json"  # of each checkpoint
EVALUATION = "evaluation.html"  # the page of `train.evaluate`
CELL = "cell.json"  # of a checkpoint off the schedule


def is_new(workdir: Path) -> bool:
    """Return whether a run may begin in `workdir`: it holds nothing, or hidden files only."""
    return not workdir.is_dir() or all(path.name.startswith(".") for path in workdir.iterdir())


def sweep(workdir: Path) -> None:
    """Remove what killed writers left anywhere in the run's directory."""
    samples = workdir / SAMPLES
    for place in (workdir, *(workdir / name for name in CHECKPOINTS.values()), samples, *samples.glob("*/")):
        files.sweep(place)


def clear(workdir: Path) -> None:
    """Remove what a run without a checkpoint wrote into its directory."""
    written = (CONFIG, MODEL, EXAMPLES, METRICS, EVALUATIONS, HARDWARE, SAMPLES, TENSORBOARD, *CHECKPOINTS.values())
    for name in written:
        files.remove(workdir / name)


def check_kept(config: ConfigDict, checkpoint: str) -> None:
    """Raise a `UserError` if a run of this configuration keeps no such checkpoint; needs no TensorFlow."""
    # a damaged file may lack the key: whoever reads the checkpoint says so
    if checkpoint == BEST and not config.evaluate.get("metrics", ""):
        raise UserError(
            "--checkpoint=best: this run was not evaluated while it trained; take last, or train another with "
            "--config.evaluate.metrics=frechet"
        )


def told(section: ConfigDict, checkpoint: str) -> str:
    """Return what a protocol says of the checkpoint, "last" or "best", of a run with the section `config.evaluate`."""
    if checkpoint == LAST:
        return LAST
    metric, every = ranking(section.metrics, section.every)
    return f"best by {metric} on {section.count:,} samples, train split, every {every:,} steps"


def ranking(metrics: str, every: int) -> tuple[str, int]:
    """Return the metric that a run keeps its best checkpoint by, the first of `evaluate.metrics`, and its period."""
    name, _, period = metrics.split(",")[0].partition(":")
    return name, int(period or every)
