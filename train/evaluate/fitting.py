"""Which metrics fit a model and its data where none is named, and how many samples they take in a minute or two."""

import time

import numpy as np
from ml_collections import ConfigDict

from train import data
from train.data.sources.stacked import PREFIX as STACKED_PREFIX
from train.evaluate.comparison import map_for
from train.evaluate.makers import Arrays, Maker
from train.evaluate.metrics import METRICS, check_declared, check_possible
from train.evaluate.reference import column_for
from zoo.metrics import mixtures
from zoo.shared.errors import UserError

# what answers "how good is it?", the most telling first; the others are asked for by name
_ORDER = (
    *("bits_per_sample", "nats_per_frame", "log_likelihood", "pairs", "mixture", "stacked_modes"),
    *("frechet", "precision_recall", "density_coverage", "nearest_neighbours", "sound", "representation"),
)
COUNTS = (2000, 1000, 500, 250, 100)  # of rows; the largest that the time allows
SECONDS = 60.0  # for the model's own part, on this machine; metrics take about as long again
_TRIED = 64


def fitting(maker: Maker, section: ConfigDict | None = None, map_name: str | None = None) -> list[str]:
    """Return the metrics that fit, the most telling first; a model that none fits is a `UserError`.

    `section` is the data section of the reference.
    """
    found = [name for name in _ORDER if _fits(name, maker, section, map_name)]
    if not found:
        kinds = {name: spec.output.kind for name, spec in maker.maps.items()}
        made = ", ".join(f"{name} makes {kind}" for name, kind in kinds.items())
        raise UserError(f"no metric fits this model and its data by itself ({made}): name one with --metrics or --map")
    return found


def _fits(name: str, maker: Maker, section: ConfigDict | None, map_name: str | None) -> bool:
    try:
        check_possible(name, maker, map_name)
        if section is not None:
            check_declared(name, "the model", maker.targets, section, "")
    except UserError:
        return False
    source = section.name if section is not None else ""
    is_stacked = source.startswith(STACKED_PREFIX)
    if METRICS[name].sees_features and is_stacked != (name == "stacked_modes"):
        return False  # the features of single digits say nothing of stacked ones, and the reverse
    if not maker.maps:
        return True
    if METRICS[name].needs == "samples" and section is not None and not _has_real(maker, section, map_name):
        return False
    found = map_for(METRICS[name].needs, maker, map_name)
    spec = maker.maps[str(found)]
    if name == "log_likelihood":  # of sound there is that of a sample
        return all(tensor.kind != "audio" for tensor in spec.conditions)
    if name == "mixture":
        return not source or source in mixtures.MIXTURES
    if name == "pairs":  # data do not say which part of a picture is known
        return not spec.masks
    if name == "nearest_neighbours":  # what follows a picture is near to pictures by right
        return all(tensor.is_class for tensor in spec.conditions)
    return True


def _has_real(maker: Maker, section: ConfigDict, map_name: str | None) -> bool:
    """Return whether data hold what samples can stand beside, as far as is known: not styles, nor what agents saw."""
    kinds = data.kinds(section)
    column = column_for(section, maker.target(map_name))
    return column != "image" or not kinds or bool(kinds.keys() & {"image", "audio", "video"})


def affordable(maker: Maker, names: list[str], map_name: str | None, rows: Arrays, importance: int) -> int:
    """Return how many rows of `COUNTS` the model runs in a minute on this machine; a folder's are at hand.

    Each map that the metrics look at is run for a few of `rows` of data, twice: the first time it is compiled.
    """
    seconds = 0.0
    if maker.maps:
        for need in {METRICS[name].needs for name in names}:
            name = str(map_for(need, maker, map_name))
            times = 2 if need == "log_prob" else 1  # of training rows too
            times *= importance if need == "log_prob" and maker.maps[name].noise else 1
            seconds += times * _seconds_a_row(maker, name, rows)
    return next((count for count in COUNTS if count * seconds <= SECONDS), COUNTS[-1])


def _seconds_a_row(maker: Maker, name: str, rows: Arrays) -> float:
    spec = maker.maps[name]
    given = {} if all(tensor.is_class for tensor in spec.conditions) else maker.given(name, rows)
    given = {key: np.asarray(values)[:_TRIED] for key, values in given.items()}
    for _ in range(2):
        begin = time.perf_counter()
        maker.outputs(name, _TRIED, 0, given)
        seconds = time.perf_counter() - begin
    return seconds / _TRIED
