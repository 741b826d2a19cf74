"""Metrics of video: nats a frame beside simple models."""

import math
from typing import Any

import numpy as np

from train.evaluate.comparison import Comparison
from zoo import media
from zoo.metrics import videos
from zoo.metrics.likelihood import has_levels
from zoo.shared.errors import UserError

_TRAIN_ROWS = 2000  # that simple models are fitted to, at most
_BESIDE = {"copy_last_frame": videos.copied, "independent_pixels": videos.independent}


def nats_per_frame(comparison: Comparison) -> dict[str, Any]:
    """The mean of -log p of the frames after those that the map continue is given, and of each frame apart.

    The same of two models that any other must beat: "copy_last_frame", where a pixel knows its own level one frame
    before, and "independent_pixels", where it knows its place. Both are fitted to the train split. A model without the
    map continue is judged from its second frame on.
    """
    maker, rows = comparison.maker, comparison.reference.rows
    spec = maker.maps["log_prob"]
    if "by_frame" not in [tensor.name for tensor in spec.outputs]:
        raise UserError("nats_per_frame needs a likelihood of each frame (an output by_frame of the map log_prob)")
    (video,) = [tensor for tensor in spec.conditions if tensor.kind == "video"]
    real, train = (
        media.stored(video, some[video.name]) for some in (rows, comparison.reference.rows_of("train", _TRAIN_ROWS))
    )
    if not video.levels or not all(has_levels(some, video.levels) for some in (real, train)):
        raise UserError(
            f"nats_per_frame: the model's is a probability of videos of {video.levels} levels, and those of "
            f"{comparison.reference.section.name} have more: set data.levels to the model's"
        )
    continued = maker.maps.get("continue")
    given = next((t.shape[0] for t in continued.conditions if t.name == "given"), 1) if continued else 1
    nats = maker.outputs("log_prob", len(real), comparison.seed, maker.given("log_prob", rows))["by_frame"]
    if not np.isfinite(nats).all():
        raise UserError("the likelihoods of some frames are no finite numbers: the model gives them the probability 0")
    beside = {title: _line(fit(train, video.levels)(real), given) for title, fit in _BESIDE.items()}
    return {
        **_line(nats, given),
        "given_frames": given,
        "levels": video.levels,
        "pixels": math.prod(video.shape[1:]),
        "rows": len(nats),
        "baselines": beside,
    }


def _line(nats: np.ndarray, given: int) -> dict[str, Any]:
    """Return the figures of log-likelihoods (rows, frames) in nats; rows are the independent parts."""
    by_row = -nats[:, given:].mean(axis=1, dtype=np.float64)
    return {
        "nats_per_frame": float(by_row.mean()),
        "standard_error": float(by_row.std(ddof=1) / math.sqrt(len(by_row))) if len(by_row) > 1 else None,
        "by_frame": (-nats.mean(axis=0, dtype=np.float64)).round(4).tolist(),
    }
