"""A trained run back from the disk: for export and evaluation."""

import json
import os
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

import zoo
from train import config as configuration
from train.engine.averaging import MovingAverage
from train.rundir.checkpoints import Checkpoints
from train.rundir.layout import CHECKPOINTS, LAST, check_kept
from train.rundir.state import state_of
from zoo.model import GenerativeModel
from zoo.shared.errors import UserError

MODEL = "model.json"


def describe(model: GenerativeModel, data: str) -> dict[str, Any]:
    """Return what a run's model.json holds: the model's constructor arguments, and the data's fingerprint."""
    # as it comes back: lists for tuples
    held: dict[str, Any] = json.loads(json.dumps({"arguments": model.get_config(), "data": data}))
    return held


def described(path: Path) -> dict[str, Any]:
    """Return what the model.json at `path` holds; a damaged one is a `UserError`."""
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
        if stored.keys() != {"arguments", "data"} or not isinstance(stored["arguments"]["columns"], dict):
            raise ValueError
        return stored
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is corrupt: train again in a new --workdir") from None


def load(workdir: str | os.PathLike[str], checkpoint: str = LAST) -> tuple[ConfigDict, GenerativeModel, int]:
    """Return the configuration, the model with its averaged weights, and the step of the run at `workdir`.

    `checkpoint` is "last", or "best" by the metric that the run was evaluated by. The model is built in Keras' current
    precision, so that a run in bfloat16 comes back in float32. No run, or no usable checkpoint, is a `UserError`.
    """
    workdir = Path(workdir)
    config = configuration.read(workdir)
    check_kept(config, checkpoint)
    nothing = UserError(f"{workdir} holds no checkpoint yet: train it first, with the same --workdir")
    if not (workdir / MODEL).is_file():
        raise nothing
    model = zoo.model_class(config.model.name).from_config(described(workdir / MODEL)["arguments"])
    averages = MovingAverage(model, config.ema)
    step = Checkpoints(workdir / CHECKPOINTS[checkpoint], state_of(model, averages)).restore(partial=True)
    if step is None:
        raise nothing
    averages.adopt()
    return config, model, step
