"""A trained run back from the disk: for export and evaluation, and for new runs that begin with its weights.

New runs may also begin with the weights of a preset.
"""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import keras
from ml_collections import ConfigDict

import zoo
from train import config as configuration
from train.engine import phases
from train.engine.averaging import MovingAverage
from train.rundir import portable, recorded
from train.rundir.checkpoints import Checkpoints
from train.rundir.layout import CHECKPOINTS, LAST, MODEL, check_kept
from train.rundir.state import state_of
from zoo.model import GenerativeModel
from zoo.shared.errors import UserError


def describe(model: GenerativeModel, data: str) -> dict[str, Any]:
    """Return what a run's model.json holds: the model's constructor arguments, and the data's fingerprint."""
    # as it comes back: lists for tuples
    held: dict[str, Any] = json.loads(json.dumps({"arguments": model.get_config(), "data": data}))
    return held


def load(workdir: str | os.PathLike[str], checkpoint: str = LAST) -> tuple[ConfigDict, GenerativeModel, int]:
    """Return the configuration, the model with its averaged weights, and the step of the run at `workdir`.

    `checkpoint` is "last", or "best" by the metric that the run was evaluated by. The model is in the phase of the
    step. It is built in Keras' current precision, so that a run in bfloat16 comes back in float32. No run, or no usable
    checkpoint, is a `UserError`.
    """
    workdir = Path(workdir)
    config = recorded.read(workdir)
    check_kept(config, checkpoint)
    model, averages, step = _restored(workdir, config, checkpoint)
    averages.adopt()
    return config, model, step


def _restored(workdir: Path, config: ConfigDict, checkpoint: str) -> tuple[GenerativeModel, MovingAverage, int]:
    """Return the model of a run with its weights, their averages, and the step of the checkpoint."""
    nothing = UserError(f"{workdir} holds no checkpoint yet: train it first, with the same --workdir")
    if not (workdir / MODEL).is_file():
        raise nothing
    arguments = recorded.described(workdir / MODEL)["arguments"]
    recorded.check_file(workdir, MODEL)
    model = zoo.model_class(config.model.name).from_config(arguments)
    averages = MovingAverage(model, config.ema)
    step = Checkpoints(workdir / CHECKPOINTS[checkpoint], state_of(model, averages)).restore(partial=True)
    if step is None:
        raise nothing
    phases.enter(model, phases.of(config), step)
    return model, averages, step


def begin_with(start: str | os.PathLike[str], name: str, model: GenerativeModel, averages: MovingAverage) -> int:
    """Give a new model, called `name`, and its averages the last weights of a run or a preset; return their step.

    `start` is the directory of either, or the preset's name. What a model counts or adapts as it trains (statistics,
    turns, the strength of augmentation) is among its weights. Optimisers begin anew. Of another model that this one
    `begins_with`, the averaged weights of the maps that both have are taken. Any other model, or one with other shapes,
    is a `UserError`.
    """
    place = portable.place_of(start)
    is_portable = portable.is_portable(place)
    config = configuration.read(place) if is_portable else recorded.read(place)
    is_same = config.model.name == name
    if not is_same and config.model.name not in model.begins_with:
        what = "preset" if is_portable else "run"
        raise UserError(f"{start} is a {what} of {config.model.name}: a run of {name} cannot begin with its weights")
    if is_portable:
        _, old, step = portable.read(place)
        old_averages = MovingAverage(old, 0.0)  # they are its weights already
    else:
        old, old_averages, step = _restored(place, config, LAST)
    if is_same:
        _take(start, model.variables, old.variables)
        shadows = old_averages.shadows or averages.weights
    else:
        old_averages.adopt()
        for shared in model.maps.keys() & old.maps.keys():
            _take(start, *(made.maps[shared].network.variables for made in (model, old)))
        shadows = averages.weights
    for mine, other in zip(averages.shadows, shadows, strict=False):
        mine.assign(other)
    return step


def _take(start: str | os.PathLike[str], mine: list[keras.Variable], others: list[keras.Variable]) -> None:
    """Give weights the values of others; a `UserError` if their shapes differ."""
    for own, other in itertools.zip_longest(mine, others):
        if own is None or other is None or own.shape != other.shape:
            one, another = ("no weight" if x is None else f"{x.path} {tuple(x.shape)}" for x in (own, other))
            raise UserError(
                f"the weights of {start} do not fit: it has {another} where this model has {one}; take its options "
                "(--init_from without --recipe does) and data of its shape"
            )
    for own, other in zip(mine, others, strict=True):
        own.assign(other)
