"""Measures of sounds: what simple models say of their levels, how loud they are, and which tones they hold. numpy only.

Sounds are float arrays (count, samples) in [-1, 1]. A `counted` mask of the same shape says which samples are measured.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

MU = 255
_BANDS = 32
_HEARD = 40.0  # dB below the loudest
_FLOOR = 1e-6  # of a band's power, -60 dB of full scale
_QUIET = 1e-4  # -80 dB of full scale


def mu_law_level(x: np.ndarray) -> np.ndarray:
    """Return the levels 0 to 255 of samples in [-1, 1] by the mu-law (van den Oord et al. 2016, section 2.2), int64."""
    n = np.minimum(np.floor(np.log1p(MU * np.abs(x)) * (MU / 2 / np.log1p(MU))), MU // 2).astype(np.int64)
    return np.where(np.asarray(x) < 0, MU // 2 - n, MU // 2 + 1 + n)


def mu_law_value(level: np.ndarray) -> np.ndarray:
    """Return the samples in [-1, 1] that stand for levels."""
    y = np.asarray(level) * (2 / MU) - 1
    return np.sign(y) * ((1 + MU) ** np.abs(y) - 1) / MU


def unigram(train: np.ndarray, counted: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the bits of each sample (count, samples) under p(level), fitted to counted samples, one added to each."""
    counts = np.bincount(mu_law_level(train)[counted], minlength=MU + 1) + 1.0
    bits = -np.log2(counts / counts.sum())
    return lambda sounds: bits[mu_law_level(sounds)]


def bigram(train: np.ndarray, counted: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the bits of each sample under p(level | the one before), fitted to counted samples.

    A level that was seen less often after another leans on the unigram: that counts as much as 16 samples. Silence lies
    before a row.
    """
    flat = _before(train) * (MU + 1) + mu_law_level(train)
    counts = np.bincount(flat[counted], minlength=(MU + 1) ** 2).reshape(MU + 1, MU + 1).astype(float)
    prior = counts.sum(axis=0) + 1.0
    smoothed = counts + 16 * prior / prior.sum()
    bits = -np.log2(smoothed / smoothed.sum(axis=1, keepdims=True))
    return lambda sounds: bits[_before(sounds), mu_law_level(sounds)]


def _before(sounds: np.ndarray) -> np.ndarray:
    return np.pad(mu_law_level(sounds), ((0, 0), (1, 0)), constant_values=MU // 2 + 1)[:, :-1]


def widths_of_levels() -> np.ndarray:
    """Return how many values of 16 bits have each level of the mu-law, (256,)."""
    return np.bincount(mu_law_level(np.arange(-32768, 32768) / 32768), minlength=MU + 1)


def from_the_first_heard(sounds: np.ndarray, samples: int) -> np.ndarray:
    """Return so many samples of each sound, from the first that is no more than 40 dB below its peak, then silence."""
    loud = np.abs(sounds) >= np.abs(sounds).max(axis=1, keepdims=True) * 10 ** (-_HEARD / 20)
    made = np.zeros((len(sounds), samples), sounds.dtype)
    for row, sound, first in zip(made, sounds, loud.argmax(axis=1), strict=True):
        part = sound[first : first + samples]
        row[: len(part)] = part
    return made


def levels_in_db(sounds: np.ndarray) -> np.ndarray:
    """Return the root mean square of each sound in dB of full scale; below -80 it is -80."""
    return 20 * np.log10(np.maximum(np.sqrt((np.asarray(sounds, np.float64) ** 2).mean(axis=1)), _QUIET))


def band_powers(sounds: np.ndarray, rate: float, frame: float = 0.032) -> np.ndarray:
    """Return the power of mel bands in dB of full scale, (count, frames, 32); frames of 32 ms overlap by half.

    The mel scale is 2595 log10(1 + f / 700), the bands are triangles (Davis and Mermelstein 1980), the window Hann's.
    """
    size = max(8, round(frame * rate))
    if sounds.shape[1] < size:
        sounds = np.pad(sounds, ((0, 0), (0, size - sounds.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(sounds, size, axis=1)[:, :: size // 2]
    window = np.hanning(size + 1)[:-1]
    bands = _mel_bands(size, rate)
    # a row at a time: all frames at once take many times the memory of the sounds
    powers = [np.abs(np.fft.rfft(row * window, axis=1)) ** 2 @ bands.T for row in frames]
    return 10 * np.log10(np.maximum(np.stack(powers) * (4 / size) ** 2, _FLOOR))


def _mel_bands(size: int, rate: float) -> np.ndarray:
    """Return the weights (32, size // 2 + 1) of the bands from 0 to half of the rate."""
    mel = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), _BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


def spectrum(sounds: np.ndarray, rate: float) -> np.ndarray:
    """Return the mean power of each mel band over all sounds, in dB of full scale, (32,)."""
    return 10 * np.log10((10 ** (band_powers(sounds, rate) / 10)).mean(axis=(0, 1)))


def features(sounds: np.ndarray, rate: float, parts: int = 8) -> np.ndarray:
    """Return log-mel features for a classifier, (count, 2 * parts * 32): mean and deviation of each part of a sound.

    The parts share out the frames from the first to the last that are no more than 40 dB below the loudest: so how much
    silence lies around the sound makes no difference, nor how loud it is. Bands count down to 40 dB below it.
    """
    made = []
    for bands in band_powers(sounds, rate):
        loud = 10 * np.log10((10 ** (bands / 10)).sum(axis=1))
        (heard,) = np.nonzero(loud >= loud.max() - _HEARD)
        chosen = np.maximum(bands[heard[0] : heard[-1] + 1] - loud.max(), -_HEARD)
        places = np.linspace(0, len(chosen), parts + 1)
        sides = [(int(a), max(int(a) + 1, round(b))) for a, b in itertools.pairwise(places)]
        pieces = [chosen[start:stop] for start, stop in sides]
        made.append(np.concatenate([f for piece in pieces for f in (piece.mean(axis=0), piece.std(axis=0))]))
    return np.stack(made)


def compare(real: np.ndarray, made: np.ndarray, rate: float) -> dict[str, Any]:
    """Return how loud sounds that were made are, and how far their mean spectrum is from that of real ones, in dB."""
    real_db, made_db = levels_in_db(real), levels_in_db(made)
    apart = spectrum(made, rate) - spectrum(real, rate)
    half = len(real) // 2
    floor = spectrum(real[:half], rate) - spectrum(real[half:], rate) if half else apart * 0
    return {
        "level_db": float(made_db.mean()),
        "level_deviation_db": float(made_db.std()),
        "reference_level_db": float(real_db.mean()),
        "reference_level_deviation_db": float(real_db.std()),
        "spectral_distance_db": float(np.sqrt((apart**2).mean())),
        "reference_halves_distance_db": float(np.sqrt((floor**2).mean())),
        "silent": float((made_db <= -60).mean()),
        "count": len(made),
    }
