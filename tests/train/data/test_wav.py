"""Recordings of the user's own: every format gives the same rows, which are the recording; bad ones get one line."""

import hashlib

import numpy as np
import pytest
from scipy.io import wavfile

from train import data
from train.data.sources import sounds, wav
from train.data.sources.pictures import Section
from zoo import media
from zoo.shared.errors import UserError

RATE = 1000
PLAIN = {"trim": 0.0, "level": 0.0, "length": 60, "context": 20}


def section(root, **changes):
    name = f"wav:{root}"
    return Section(**{"name": name, **data.defaults(name), **PLAIN, **changes})


def load(root, split="train", **changes):
    data.check(section(root, **changes))
    (table,) = data.load(section(root, **changes), split)
    return table


def tone(samples=200, peak=0.5, rate=RATE, frequency=50.0):
    return peak * np.sin(2 * np.pi * frequency * np.arange(samples) / rate)


def write(path, samples, rate=RATE, dtype=np.int16):
    path.parent.mkdir(parents=True, exist_ok=True)
    scale = {np.int16: 2**15, np.int32: 2**31, np.uint8: 128}.get(dtype, 1)
    limits = (-scale, scale - 1) if scale > 1 else (-np.inf, np.inf)
    values = np.clip(np.rint(samples * scale) if scale > 1 else samples, *limits) + (128 if dtype == np.uint8 else 0)
    wavfile.write(path, rate, values.astype(dtype))


def test_rows_share_out_the_recording_and_each_sees_what_was_before(tmp_path):
    write(tmp_path / "a.wav", tone(205))
    table = load(tmp_path)
    audio, counted = table.columns["audio"], table.columns["counted"] > 0
    assert audio.shape == (5, 60) and audio.dtype == np.int16
    stored = np.rint(tone(205) * 2**15)
    np.testing.assert_array_equal(audio[counted], stored[:200])  # each sample once; 5 fill no row
    np.testing.assert_array_equal(audio[0, :20], 0)
    np.testing.assert_array_equal(audio[1:, :20], audio[:-1, -20:])
    assert (counted == (np.arange(60) >= 20)).all()
    assert table.specs["audio"].kind == "audio" and table.specs["audio"].rate == RATE
    assert table.specs["counted"].kind == "mask" and "label" not in table.specs
    assert data.kinds(section(tmp_path)) == {"audio": "audio", "counted": "mask"}


def test_the_end_of_each_recording_may_be_held_out(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.wav", tone(400))
    with pytest.raises(UserError, match="split 'test' of the 2 recordings .* is empty .*or set data.held_out to 'end'"):
        load(tmp_path, "test")
    train, test = (load(tmp_path, split, held_out="end") for split in ("train", "test"))
    stored = np.rint(tone(400) * 2**15)
    for row, table, part in ((0, test, slice(360, 400)), (8, train, slice(320, 360))):
        np.testing.assert_array_equal(table.columns["audio"][row, 20:], stored[part])
    np.testing.assert_array_equal(test.columns["audio"][0, :20], stored[340:360])  # seen, and not counted
    assert len(test) == 2 and len(train) == 18
    assert "the last 10% of each held out" in test.description


def test_a_tenth_of_many_files_is_held_out_by_the_hash_of_their_paths(tmp_path):
    names = [f"take{number}.wav" for number in range(30)]
    for number, name in enumerate(names):
        write(tmp_path / name, tone(40, peak=0.1 + number / 50))
    held = [number for number, name in enumerate(names) if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0]
    peaks = np.abs(load(tmp_path, "test").columns["audio"]).max(axis=1) / 2**15
    np.testing.assert_allclose(sorted(peaks), [0.1 + number / 50 for number in held], atol=1e-3)
    assert len(load(tmp_path, "train")) == 30 - len(held) and len(load(tmp_path, "all")) == 30


def test_a_whole_recording_is_repeated_in_its_row_and_counts_once(tmp_path):
    write(tmp_path / "a.wav", tone(25))
    table = load(tmp_path, whole=True, context=10)
    once = np.pad(np.rint(tone(25) * 2**15), (10, 0))
    np.testing.assert_array_equal(table.columns["audio"][0], np.concatenate([once, once[:25]]))
    np.testing.assert_array_equal(table.columns["counted"][0] > 0, (np.arange(60) >= 10) & (np.arange(60) < 35))


def test_folders_are_labels(tmp_path):
    for speaker, peak in (("ann", 0.2), ("bob", 0.6)):
        write(tmp_path / speaker / "x.wav", tone(40, peak))
    table = load(tmp_path)
    assert table.specs["label"].names == ("ann", "bob") and table.columns["label"].tolist() == [0, 1]
    assert data.kinds(section(tmp_path))["label"] == "class"
    np.testing.assert_allclose(np.abs(table.columns["audio"]).max(axis=1) / 2**15, [0.2, 0.6], atol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.uint8, 1 / 128), (np.int32, 0), (np.float32, 0), (np.float64, 0)])
def test_every_format_of_numbers_gives_the_same_rows(tmp_path, dtype, tolerance):
    exact = np.rint(tone(40) * 2**15) / 2**15
    write(tmp_path / "a" / "x.wav", exact)
    write(tmp_path / "b" / "x.wav", exact, dtype=dtype)
    of_16_bits, other = (load(tmp_path / name).columns["audio"].astype(float) / 2**15 for name in "ab")
    assert np.abs(of_16_bits - other).max() <= tolerance


def test_channels_are_averaged_and_flac_is_read(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    both = np.stack([tone(40), 0.5 * tone(40)], axis=1)
    for ending in ("wav", "flac"):
        (tmp_path / ending).mkdir()
        soundfile.write(tmp_path / ending / f"a.{ending}", both, RATE, "PCM_24")
    from_wav, from_flac = (load(tmp_path / ending) for ending in ("wav", "flac"))
    np.testing.assert_array_equal(from_wav.columns["audio"], from_flac.columns["audio"])
    np.testing.assert_allclose(from_wav.columns["audio"][0, 20:] / 2**15, 0.75 * tone(40), atol=1e-4)


def test_flac_without_its_package_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(UserError, match=r"^reading FLAC needs soundfile: pip install .*\.whl\[audio\]"):
        load(tmp_path)


def test_another_rate_is_resampled_and_keeps_the_pitch(tmp_path):
    write(tmp_path / "a.wav", tone(4000, rate=4000, frequency=100.0), rate=4000)
    table = load(tmp_path, rate=RATE, length=1000, context=0)
    audio = table.columns["audio"][0] / 2**15
    assert np.abs(np.fft.rfft(audio)).argmax() == 100 and table.specs["audio"].rate == RATE
    np.testing.assert_allclose(audio[100:-100], tone(1000, frequency=100.0)[100:-100], atol=5e-3)


def test_silence_at_the_ends_is_cut_off_and_the_peak_is_the_level(tmp_path):
    write(
        tmp_path / "a.wav", np.concatenate([np.zeros(100), tone(100, 0.1), np.zeros(60), tone(40, 0.1), np.zeros(300)])
    )
    audio = load(tmp_path, trim=40.0, level=0.9, whole=True, length=300).columns["audio"][0]
    assert np.abs(audio).max() == round(0.9 * 2**15)
    inside = np.flatnonzero(audio)
    assert abs(inside[0] - 20) <= 1 and abs(inside[inside < 230][-1] - 219) <= 1  # the pause within stays
    quieter = load(tmp_path, level=0.45, whole=True, length=700).columns["audio"][0]
    assert np.abs(quieter).max() == round(0.45 * 2**15) and np.flatnonzero(quieter)[0] >= 120


def test_a_sound_written_as_a_wav_comes_back_as_it_was(tmp_path):
    stored = np.random.default_rng(0).integers(-32768, 32768, 40).astype(np.int16)
    (tmp_path / "a.wav").write_bytes(media.encode_wav(stored, RATE))
    np.testing.assert_array_equal(load(tmp_path).columns["audio"][0, 20:], stored)


BAD = {
    "silent": (np.zeros(400), "it is silent"),
    "clipped": (np.clip(tone(400, 3.0), -1, 1), r"it is clipped: \d+ % of its samples stand at full scale"),
    "too short": (tone(30), "it is too short: 30 samples, and a row takes 40"),
    "infinite": (np.where(np.arange(400) == 7, np.inf, 0.1), "it holds NaN or infinity"),
    "empty": (np.zeros(0), "it holds no samples"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_recording_is_one_line_and_left_out_or_refused(tmp_path, what, warnings):
    samples, said = BAD[what]
    write(tmp_path / "good.wav", tone(40))
    write(tmp_path / "bad.wav", samples, dtype=np.float32)
    assert len(load(tmp_path)) == 1
    (line,) = warnings
    assert "skipping unreadable" in line and "bad.wav" in line
    with pytest.raises(UserError, match=rf"^cannot read .*bad.wav: {said}[^\n]*$"):
        load(tmp_path, unreadable="refuse")


def test_a_recording_longer_than_a_row_is_told_of(tmp_path):
    write(tmp_path / "long.wav", tone(41))
    with pytest.raises(UserError, match="it is too long: 41 samples, and a row holds 40; take a larger data.length"):
        load(tmp_path, whole=True, unreadable="refuse")


def test_a_peak_at_full_scale_is_not_clipped_by_itself():
    assert sounds.clipped(tone(400, 1.0)) == 0 and sounds.clipped(tone(400, 0.5)) == 0
    square = np.sign(tone(400, 0.6)) * 0.6
    assert sounds.clipped(square) == 0, "a square wave below full scale is one"
    assert sounds.clipped(np.array([0.1, 1, 1, 1, 0.2, -1, -1, 0.3])) == 3 / 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": 50}, "data.rate is 50; it must be 0"),
        ({"length": 1}, "data.length is 1; it must be a number of samples"),
        ({"context": 60}, "data.context is 60; it must be a number of samples below data.length"),
        ({"trim": -1.0}, "data.trim is -1.0; it must be"),
        ({"level": 1.5}, "data.level is 1.5; it must be a peak up to 1, or 0"),
        ({"whole": 1}, "data.whole is 1; it must be true or false"),
        ({"held_out": "some"}, "data.held_out is 'some'; it must be 'files' or 'end'"),
        ({"held_out": "end", "whole": True}, "data.held_out is 'end', and the recordings are whole"),
        ({"unreadable": "maybe"}, "data.unreadable is 'maybe'"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, changes, said):
    write(tmp_path / "a.wav", tone())
    with pytest.raises(UserError, match=f"^{said}[^\n]*$"):
        load(tmp_path, **changes)


def test_rates_that_differ_ask_for_one(tmp_path):
    write(tmp_path / "a.wav", tone(100))
    write(tmp_path / "b.wav", tone(400, rate=4000), rate=4000)
    with pytest.raises(UserError, match=r"have 1,000 and 4,000 samples a second: .*--config.data.rate=1000"):
        load(tmp_path)
    assert len(load(tmp_path, rate=RATE)) == 4


def test_a_file_that_is_no_recording_and_a_format_that_is_not_read_are_told_of(tmp_path, warnings):
    write(tmp_path / "good.wav", tone(40))
    (tmp_path / "text.wav").write_text("no sound")
    adpcm = bytearray((tmp_path / "good.wav").read_bytes())
    adpcm[20:22] = (2).to_bytes(2, "little")
    (tmp_path / "adpcm.wav").write_bytes(adpcm)
    assert len(load(tmp_path)) == 1
    assert sorted("text.wav" in line for line in warnings) == [False, True]


def test_sounds_of_other_endings_are_told_of(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    with pytest.raises(UserError, match="no recording below .*, not the 1 sound files of other endings$"):
        load(tmp_path)
    write(tmp_path / "b.wav", tone(40))
    assert (
        "split 'train' (by the sha256 of the path), not the 1 sound files of other endings: "
        in load(tmp_path).description
    )


def test_no_recording_and_no_directory_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^no recording below .*; genzoo reads .wav, .flac$"):
        load(tmp_path)
    with pytest.raises(UserError, match="is missing; data.name must be wav:PATH with the directory of your recordings"):
        load(tmp_path / "none")


def test_the_cache_is_used_and_the_rows_depend_on_the_options(tmp_path, monkeypatch):
    write(tmp_path / "a.wav", tone(200))
    first = load(tmp_path)
    monkeypatch.setattr(wav, "read", lambda *_: pytest.fail("decoded again"))
    assert load(tmp_path).fingerprint() == first.fingerprint()
    monkeypatch.undo()
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path.parent / "other"))
    assert load(tmp_path, level=0.9).fingerprint() != first.fingerprint()
