"""Plucked notes, drawn by the program: 'tones'. Nothing to download, and the best possible likelihood is known.

Provenance: made here. A row is a pause of one beat, then `beats` beats with a note each, drawn uniformly from five of
a pentatonic scale on 262 Hz. It decays by exp(-3) within its beat, is a sine from its zero on (label "sine") or has a
third harmonic too ("reed"), and is as loud as one number of the row says, uniform on [0.5, 0.9]. The track holds the
note of each beat, one-hot; in the pause all are 0.

After the pause each sample is taken to its level by the mu-law, to which -1, 0 or 1 is added, each as likely. So no
model can have less than log2(3) = 1.585 bits a sample there, and one that knows the rest comes near. `FLOOR` holds it.
There are 1,000 rows to train on; the held-out split has 200 others.
"""

import math
from typing import Any

import numpy as np

from train.data.source import Source, Table, label_spec
from train.data.sources import sounds
from train.data.sources.pictures import check_integer
from zoo.metrics.sounds import MU, mu_law_level, mu_law_value
from zoo.spec import TensorSpec

OPTIONS = {
    "beats": 4,  # of a row, after its pause
    "beat": 256,  # samples of a beat
}
RATE = 4000
NOTES = (262.0, 294.0, 330.0, 392.0, 440.0)  # Hz
TIMBRES = ("sine", "reed")
FLOOR = math.log2(3)  # bits a sample
_TRAIN, _TEST = 1000, 200
_SEED = 2**32  # beyond the seeds of runs


def check(section: Any) -> None:
    """Raise a `UserError` for options that cannot be."""
    check_integer("beats", section.beats, range(1, 65), "a number of beats from 1 to 64")
    check_integer("beat", section.beat, range(8, 4097), "a number of samples from 8 to 4096")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the sound, what counts of it, its timbre, and the note of each beat."""
    return {"audio": "audio", "counted": "mask", "label": "class", "track": "action"}


def load(section: Any, split: str) -> Source:
    """Return the 1,000 rows of the 'train' split or the 200 of 'test'."""
    count = _TEST if split == "test" else _TRAIN
    random = np.random.default_rng([_SEED, split == "test"])
    labels = random.integers(len(TIMBRES), size=count).astype(np.int32)
    notes = random.integers(len(NOTES), size=(count, section.beats))
    loudness = random.uniform(0.5, 0.9, (count, 1))
    clean = np.concatenate(
        [loudness * tone(np.array(NOTES)[notes[:, beat]], labels, section.beat) for beat in range(section.beats)],
        axis=1,
    )
    levels = np.clip(mu_law_level(clean) + random.integers(-1, 2, clean.shape), 0, MU)
    audio = np.concatenate([np.zeros((count, section.beat)), mu_law_value(levels)], axis=1)
    counted = np.zeros(audio.shape, np.uint8)
    counted[:, section.beat :] = 255
    track = np.zeros((count, section.beats + 1, len(NOTES)), np.float32)
    np.put_along_axis(track[:, 1:], notes[..., None], 1.0, axis=2)
    stored = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)
    specs = sounds.specs_of(stored, RATE)
    specs["label"] = label_spec(TIMBRES)
    specs["track"] = TensorSpec("track", track.shape[1:], "condition", "action", low=0.0, high=1.0)
    return (
        Table(
            {"audio": stored, "counted": counted, "label": labels, "track": track},
            specs,
            f"{count:,} rows of {section.beats} notes at {RATE:,} samples a second, split {split!r}, drawn with a "
            "fixed seed",
        ),
    )


def tone(frequency: np.ndarray, timbre: np.ndarray, samples: int) -> np.ndarray:
    """Return notes of a peak of about 1, (count, samples), of a frequency and a timbre each."""
    t = np.arange(samples) / RATE
    phase = 2 * np.pi * frequency[:, None] * t
    reed = (np.sin(phase) + 0.5 * np.sin(3 * phase)) / 1.2
    return np.where(timbre[:, None] == 1, reed, np.sin(phase)) * np.exp(-3 * np.arange(samples) / samples)
