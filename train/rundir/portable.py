"""A whole model in few bytes, for new runs that begin with it: the directory `training` of a preset.

    config.json      the run's configuration, with names in place of paths
    model.json       the model's constructor arguments
    weights.npz      its step, and every weight in the order of the model's, the averaged ones where a run averages

A checkpoint also holds the optimisers and both kinds of weights, in float32: several times as much. Here a weight of
4,096 numbers or more is in float16, which rounds it by 1 part in 2,048, unless one of its numbers is too large for that
type. What is small (biases, statistics) stays as it is.
"""

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_collections import ConfigDict

import zoo
from train import config as configuration
from train.config import CONFIG
from train.rundir.layout import MODEL
from zoo import bundle, presets
from zoo.shared.errors import UserError, first_line

if TYPE_CHECKING:  # which imports TensorFlow
    from zoo.model import GenerativeModel

WEIGHTS = "weights.npz"
_LARGE = 4096  # numbers
_STEP = "step"


def place_of(given: str | os.PathLike[str]) -> Path:
    """Return the directory that holds the model which a run is to begin with: a run's own, or that of a preset.

    `given` is the directory of a run or of a preset, or a preset's name. A damaged preset and an unknown name are a
    `UserError`; what is in a directory of another kind, its reader says.
    """
    path = Path(given)
    if (path / CONFIG).is_file():
        return path
    if presets.is_name(str(given)) and not path.exists():
        path = presets.find(str(given), has_training=True)
    if not bundle.is_bundle(path):
        return path
    if not (path / bundle.TRAINING).is_dir():
        raise UserError(f"{path} is a bundle without {bundle.TRAINING}/, which presets have: name a run or a preset")
    bundle.read(path, [])
    return path / bundle.TRAINING


def is_portable(place: Path) -> bool:
    """Return whether a directory holds a model as `write` leaves it, rather than a run."""
    return (place / WEIGHTS).is_file()


def write(place: Path, config: dict[str, object], model: "GenerativeModel", step: int) -> None:
    """Write a model, with the configuration that it was trained by, into a new directory."""
    place.mkdir()
    (place / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    (place / MODEL).write_text(json.dumps(model.get_config(), indent=2) + "\n")
    weights: dict[str, Any] = {f"{n:04}": _small(weight.numpy()) for n, weight in enumerate(model.variables)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{_STEP: np.int64(step), **weights})
    (place / WEIGHTS).write_bytes(buffer.getvalue())


def read(place: Path) -> tuple[ConfigDict, "GenerativeModel", int]:
    """Return the configuration, the model and the step that `write` wrote; anything else is a `UserError`."""
    config = configuration.read(place)
    try:
        arguments = json.loads((place / MODEL).read_bytes())
        with np.load(place / WEIGHTS, allow_pickle=False) as held:
            step = int(held[_STEP])
            weights = [held[name] for name in sorted(set(held.files) - {_STEP})]
        model = zoo.model_class(config.model.name).from_config(arguments)
        for own, other in zip(model.variables, weights, strict=True):
            own.assign(other.astype(own.dtype))
    except UserError:
        raise
    except Exception as error:  # a damaged archive may make numpy, zipfile and Keras raise anything
        raise UserError(f"cannot read the model in {place}: {first_line(error)}; copy the preset again") from None
    return config, model, step


def _small(values: np.ndarray) -> np.ndarray:
    if values.dtype != np.float32 or values.size < _LARGE:
        return values
    is_within = np.abs(values).max() <= np.finfo(np.float16).max
    return values.astype(np.float16) if is_within else values
