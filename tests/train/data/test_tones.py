"""Notes that the program plays: their pitch, their timbre, and the entropy that no model can be below."""

import math

import numpy as np
import pytest

from train import data
from train.data.sources import tones
from train.data.sources.pictures import Section
from zoo.metrics.sounds import mu_law_level
from zoo.shared.errors import UserError


def load(split="train", **changes):
    section = Section(**{"name": "tones", **data.defaults("tones"), **changes})
    (table,) = data.load(section, split)
    return table


def test_a_row_is_a_pause_and_the_notes_of_its_track():
    table = load()
    audio, track = table.columns["audio"], table.columns["track"]
    assert audio.shape == (1000, 1280) and audio.dtype == np.int16 and track.shape == (1000, 5, 5)
    assert not audio[:, :256].any() and not track[:, 0].any()
    assert (track[:, 1:].sum(axis=2) == 1).all()
    for beat in (1, 3):
        sound = audio[:200, beat * 256 : (beat + 1) * 256] / 32768
        bins = np.abs(np.fft.rfft(sound, 4096))[:, 1:].argmax(axis=1) + 1
        wanted = np.array(tones.NOTES)[track[:200, beat].argmax(axis=1)]
        np.testing.assert_allclose(bins * tones.RATE / 4096, wanted, atol=6)
    np.testing.assert_array_equal(table.columns["counted"] > 0, np.arange(1280)[None] >= 256 + np.zeros((1000, 1)))
    counts = track[:, 1:].sum(axis=(0, 1))
    assert abs(counts - 800).max() < 5 * math.sqrt(800)


def test_a_reed_has_a_third_harmonic():
    table = load()
    sound = table.columns["audio"][:, 256:512] / 32768
    note = np.array(tones.NOTES)[table.columns["track"][:, 1].argmax(axis=1)]
    power = np.abs(np.fft.rfft(sound * np.hanning(256), 4096)) ** 2
    ratio = power[np.arange(1000), np.rint(3 * note * 4096 / 4000).astype(int)] / power.max(axis=1)
    reeds = table.columns["label"] == 1
    assert 400 < reeds.sum() < 600
    assert ratio[reeds].min() > 0.1 > 0.01 > np.median(ratio[~reeds])


def test_the_entropy_of_what_is_added_is_the_floor():
    """Rows of one note and one loudness differ by what was added alone: -1, 0, 1, each as likely, independent."""
    clean = 0.7 * tones.tone(np.array([330.0]), np.array([0]), 256)
    table = load(beats=1)
    audio = table.columns["audio"][:, 256:]
    levels = mu_law_level(audio / 32768)
    chosen = (table.columns["label"] == 0) & (table.columns["track"][:, 1, 2] == 1)
    # the loudest sample tells how loud a row is, up to what was added; so compare with the clean sound of that loudness
    loudness = np.linspace(0.5, 0.9, 401)[:, None] * clean / 0.7
    added = [
        min(levels[row] - mu_law_level(loudness), key=lambda apart: np.abs(apart).sum())
        for row in np.flatnonzero(chosen)
    ]
    added = np.concatenate([apart for apart in added if np.abs(apart).max() <= 1])
    assert len(added) > 256 * 20
    shares = np.bincount(added + 1) / len(added)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)
    assert pytest.approx(-(np.full(3, 1 / 3) * np.log2(1 / 3)).sum()) == tones.FLOOR


def test_the_rows_are_always_the_same_and_held_out_ones_are_others():
    train, again, test = load(), load(), load("test")
    assert train.fingerprint() == again.fingerprint() != test.fingerprint()
    assert len(test) == 200
    assert not set(map(bytes, train.columns["audio"])) & set(map(bytes, test.columns["audio"]))


def test_specs_and_options():
    table = load(beats=2, beat=16)
    assert table.specs["audio"].shape == (48,) and table.specs["audio"].rate == 4000
    assert table.specs["label"].names == ("sine", "reed") and table.specs["track"].kind == "action"
    assert data.kinds(Section(name="tones", **data.defaults("tones"))) == {n: s.kind for n, s in table.specs.items()}
    for wrong, said in ({"beats": 0}, "data.beats is 0"), ({"beat": 4}, "data.beat is 4"):
        with pytest.raises(UserError, match=said):
            data.load(Section(**{"name": "tones", **data.defaults("tones"), **wrong}), "train")
