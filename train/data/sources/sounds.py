"""Recordings as rows of one length: what the sources of sound share.

A recording becomes mono (the mean of its channels), is resampled to one rate where it has another
(`scipy.signal.resample_poly`), loses the silence at its ends (`trim`) and gets the peak `level`. Then it is cut into
rows. `context` samples of silence go before it, and each row begins with the last `context` samples of the row before.
So each sample counts in one row, and has as many before it. What does not fill a last row is dropped. A `whole`
recording makes one row instead: its context and itself, again and again. So silence of the length of the context is
always followed by a sound, and a model that has heard it begins. A recording that is longer than a row is left out.

The column "audio" is int16. The mask "counted" is 1 where a row's samples count: it leaves out the context, and what
repeats a whole recording.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import logging

from train.data.cache import Row
from train.data.sources.folder import check_unreadable
from train.data.sources.pictures import check_integer
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

SOUNDS = {
    "rate": 0,  # samples a second, to which all recordings are resampled; 0 is their own
    "length": 4096,  # samples of a row
    "context": 1024,  # of these, samples at the beginning that only stand before those that count
    "whole": False,  # whether a row is a whole recording
    "trim": 40.0,  # dB below the loudest 20 ms, beyond which the ends of a recording are silence; 0 keeps them
    "level": 0.9,  # the peak that every recording gets; 0 leaves it as it is
    "unreadable": "skip",  # a recording that cannot be used: skip (with a warning) or refuse
}
PREPROCESSING = 2  # to be raised where rows of the same recordings change
_LONGEST, _HIGHEST = 2**20, 384_000
_FRAME = 0.02  # seconds
_SILENT = 2**-14  # a peak of 2 in 16 bits
# samples in a row at one peak near full scale are clipped; a recording may have this share of such
_IN_A_ROW, _NEAR, _CLIPPED = 3, 0.99, 1e-3


def check(section: Any) -> None:
    """Raise a `UserError` for options of sounds that cannot be."""
    rates = (0, *range(100, _HIGHEST + 1))
    check_integer("rate", section.rate, rates, f"0 (the recordings' own) or samples a second from 100 to {_HIGHEST}")
    check_integer("length", section.length, range(2, _LONGEST + 1), f"a number of samples from 2 to {_LONGEST}")
    check_integer("context", section.context, range(section.length), "a number of samples below data.length")
    if not isinstance(section.whole, bool):
        raise UserError(f"data.whole is {section.whole!r}; it must be true or false")
    for key, most, meaning in (("trim", 200, "a number of dB up to 200, or 0"), ("level", 1, "a peak up to 1, or 0")):
        if isinstance(section[key], bool) or not 0 <= section[key] <= most:
            raise UserError(f"data.{key} is {section[key]!r}; it must be {meaning}")
    check_unreadable(section)


class Cutter:
    """Makes rows of recordings, and remembers how much silence it cut off."""

    def __init__(self, section: Any, rate: int) -> None:
        self.section, self.rate = section, rate
        self.seconds = self.cut_off = 0.0

    def rows(self, samples: np.ndarray, rate: int, of: Callable[[np.ndarray], np.ndarray] | None = None) -> list[Row]:
        """Return the rows of a recording, float32 (samples,) or (samples, channels) within [-1, 1].

        `of` chooses a part of the recording, behind its context. One that cannot be used is an `OSError`.
        """
        section, context = self.section, self.section.context
        made = resampled(usable(samples), rate, self.rate)
        trimmed = without_silence(made, self.rate, section.trim) if section.trim else made
        self.seconds += len(made) / self.rate
        self.cut_off += (len(made) - len(trimmed)) / self.rate
        sound = to_16_bits(trimmed, section.level)
        padded = np.concatenate([np.zeros(context, np.int16), sound])
        return (
            whole_row(padded, section, self.rate) if section.whole else windows(of(padded) if of else padded, section)
        )

    def tell(self, whose: str) -> None:
        """Say how much was cut off, if anything was."""
        if self.cut_off:
            logging.info("cut off %.1f of the %.1f seconds of %s as silence", self.cut_off, self.seconds, whose)


def usable(samples: np.ndarray) -> np.ndarray:
    """Return a recording as mono float32; one that is silent, clipped or broken is an `OSError`."""
    mono = samples.astype(np.float32) if samples.ndim == 1 else samples.astype(np.float32).mean(axis=1)
    if not len(mono) or not np.isfinite(mono).all():
        raise OSError("it holds NaN or infinity" if len(mono) else "it holds no samples")
    peak = np.abs(mono).max()
    if peak < _SILENT:
        raise OSError("it is silent: no sample is louder than 1 in 16 bits")
    share = clipped(samples)
    if share > _CLIPPED:
        raise OSError(f"it is clipped: {100 * share:.2g} % of its samples stand at full scale, several in a row")
    return mono


def clipped(samples: np.ndarray) -> float:
    """Return the share of samples that stand at the peak, three or more in a row, where the peak is full scale."""
    size = np.abs(samples.reshape(len(samples), -1))
    at_peak = np.all(size >= max(_NEAR, size.max() * (1 - 2**-12)), axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], at_peak, [0]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= _IN_A_ROW].sum() / len(samples))


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return a recording at another rate."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly  # a slow import

    common = math.gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common).astype(np.float32)


def without_silence(samples: np.ndarray, rate: int, trim: float) -> np.ndarray:
    """Return a recording from its first to its last 20 ms that are no more than `trim` dB below its loudest."""
    frame = max(1, round(_FRAME * rate))
    if len(samples) <= frame:
        return samples
    starts = np.arange(0, len(samples), frame)
    power = np.add.reduceat(samples.astype(np.float64) ** 2, starts) / np.diff([*starts, len(samples)])
    (loud,) = np.nonzero(power >= power.max() * 10 ** (-trim / 10))
    return samples[loud[0] * frame : (loud[-1] + 1) * frame]


def to_16_bits(samples: np.ndarray, level: float) -> np.ndarray:
    """Return int16 samples with the peak `level`, or as they are if it is 0; beyond full scale is an `OSError`."""
    peak = float(np.abs(samples).max())
    if not level and peak > 1 + 1e-3:
        raise OSError(f"its samples go up to {peak:.3g}, beyond full scale; set data.level")
    scaled = samples * (level / peak) if level else samples
    return np.clip(np.rint(scaled * 32768), -32768, 32767).astype(np.int16)


def windows(padded: np.ndarray, section: Any) -> list[Row]:
    """Return the rows that a recording behind its context fills; none is an `OSError`."""
    stride = section.length - section.context
    count = (len(padded) - section.context) // stride
    if count < 1:
        raise OSError(f"it is too short: {len(padded) - section.context:,} samples, and a row takes {stride:,}")
    counted = np.zeros(section.length, np.uint8)
    counted[section.context :] = 255
    starts = (number * stride for number in range(count))
    return [{"audio": padded[start : start + section.length], "counted": counted} for start in starts]


def whole_row(padded: np.ndarray, section: Any, rate: int) -> list[Row]:
    """Return the row of a whole recording behind its context; one that is too short or too long is an `OSError`."""
    samples, room = len(padded) - section.context, section.length - section.context
    if samples < _FRAME * rate:
        raise OSError(f"it is too short: {samples:,} samples, less than {_FRAME * 1000:g} ms")
    if samples > room:
        raise OSError(f"it is too long: {samples:,} samples, and a row holds {room:,}; take a larger data.length")
    row = {"audio": np.resize(padded, section.length), "counted": np.zeros(section.length, np.uint8)}
    row["counted"][section.context : len(padded)] = 255
    return [row]


def specs_of(audio: np.ndarray, rate: int) -> dict[str, TensorSpec]:
    """Return the specs of the columns "audio", of stored sounds (rows, samples), and "counted"."""
    shape = audio.shape[1:]
    return {
        "audio": TensorSpec("audio", shape, "condition", "audio", rate=float(rate)),
        "counted": TensorSpec("counted", shape, "condition", "mask"),
    }


def told(section: Any, rate: int) -> str:
    """Return how a description tells what was made of recordings."""
    silence = (
        f"silence cut off both ends ({section.trim:g} dB below the loudest 20 ms)" if section.trim else "untrimmed"
    )
    level = f"peak {section.level:g} each" if section.level else "as loud as they are"
    rows = "whole, repeated in rows" if section.whole else "cut into rows"
    return (
        f"{rate:,} samples a second, mono, {silence}, {level}, {rows} of {section.length:,} samples, the first "
        f"{section.context:,} of them context"
    )
