"""Likelihoods of frames by models that any model of videos must beat. numpy only.

Videos are uint8 (rows, frames, height, width, channels) of so many evenly spaced levels, 0 and 255 if they are two. A
model that was fitted returns nats (rows, frames) for such videos.
"""

from collections.abc import Callable

import numpy as np

from zoo.metrics.likelihood import independent_pixels

FrameModel = Callable[[np.ndarray], np.ndarray]


def independent(train: np.ndarray, levels: int) -> FrameModel:
    """Return the model that draws each pixel of each frame on its own, by how often the place has each level."""
    of_frames = independent_pixels(train.reshape(-1, *train.shape[2:]), levels)

    def nats(videos: np.ndarray) -> np.ndarray:
        return of_frames(videos.reshape(-1, *videos.shape[2:])).reshape(videos.shape[:2])

    return nats


def copied(train: np.ndarray, levels: int) -> FrameModel:
    """Return the model that copies the last frame: a pixel knows its own level one frame before, and nothing else.

    A level follows another with probability (how often it did + 1) / (how often the other was + levels), counted over
    all places. Of the first frame, which follows none, the pixels are independent.
    """
    spacing = 255 // (levels - 1)
    before, after = ((part // spacing).astype(np.int64).ravel() for part in (train[:, :-1], train[:, 1:]))
    counts = np.bincount(before * levels + after, minlength=levels**2).reshape(levels, levels) + 1.0
    log_p = np.log(counts / counts.sum(axis=1, keepdims=True))
    first = independent(train[:, :1], levels)

    def nats(videos: np.ndarray) -> np.ndarray:
        level = (videos // spacing).astype(np.int64)
        followed = log_p[level[:, :-1], level[:, 1:]].sum(axis=(2, 3, 4))
        return np.concatenate([first(videos[:, :1]), followed], axis=1)

    return nats
