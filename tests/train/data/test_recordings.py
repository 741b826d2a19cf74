"""Sets of recordings of tensorflow-datasets, by their names."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from train import data
from train.data.sources import module_of, recordings
from train.data.sources import tfds as pictures_of
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError

RATE = 1000


class GenzooBeeps(tfds.core.GeneratorBasedBuilder):
    """Twenty tones of 30 + 4 k samples, at peak .1 and more, even ones called so; and a silent one."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        label = tfds.features.ClassLabel(names=["even", "odd"])
        features = {"audio": tfds.features.Audio(sample_rate=RATE), "label": label, "note": tfds.features.Text()}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(21):
            tone = (0.1 + number / 40) * np.sin(0.3 * np.arange(30 + 4 * number)) * (number < 20)
            audio = np.rint(tone * 32768).astype(np.int64)
            yield number, {"audio": audio, "label": number % 2, "note": "beep"}


@pytest.fixture
def beeps(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    GenzooBeeps(data_dir=tmp_path / "tfds").download_and_prepare()


def section(**changes):
    plain = {"trim": 0.0, "level": 0.0, "whole": True, "length": 120, "context": 10}
    return Section(**{"name": "genzoo_beeps", **data.defaults("genzoo_beeps"), **plain, **changes})


def test_rows_are_the_recordings_with_their_labels(beeps, warnings):
    assert module_of("genzoo_beeps") is recordings
    data.check(section())
    assert data.kinds(section()) == {"audio": "audio", "counted": "mask", "label": "class"}
    tables = [data.load(section(), split)[0] for split in ("train", "test")]
    assert sum(map(len, tables)) == 20 and len(tables[1]) in (1, 2)
    assert any("it is silent" in line for line in warnings)
    for table in tables:
        lengths = (table.columns["counted"] > 0).sum(axis=1)
        numbers = (lengths - 30) // 4
        np.testing.assert_array_equal(table.columns["label"], numbers % 2)
        for row, number, length in zip(table.columns["audio"], numbers, lengths, strict=True):
            expected = np.rint((0.1 + number / 40) * np.sin(0.3 * np.arange(length)) * 32768)
            np.testing.assert_array_equal(row[10 : 10 + length], expected)
        assert table.specs["label"].names == ("even", "odd") and table.specs["audio"].rate == RATE
    assert "21" not in tables[0].description or "genzoo_beeps/1.0.0" in tables[0].description


def test_a_bad_one_is_refused_where_the_section_says_so(beeps):
    with pytest.raises(UserError, match="a recording of 'genzoo_beeps': it is silent.*set data.unreadable to 'skip'"):
        for split in ("train", "test"):
            data.load(section(unreadable="refuse"), split)


def test_none_that_fits_is_one_line(beeps, warnings):
    with pytest.raises(UserError, match="^none of the .* recordings of 'genzoo_beeps', split 'train.*', is usable$"):
        data.load(section(length=12), "train")


def test_which_sets_hold_recordings_is_known_without_preparing_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    names = ("spoken_digit", "speech_commands", "mnist", "cifar10", "no_such_set", "../x", "")
    assert [pictures_of.is_sound(name) for name in names] == [True, True] + [False] * 5
    assert "length" in data.defaults("spoken_digit") and "image_size" in data.defaults("mnist")
    with pytest.raises(UserError, match="data set 'spoken_digit' is not prepared below"):
        data.check_prepared(Section(**{"name": "spoken_digit", **data.defaults("spoken_digit")}))
