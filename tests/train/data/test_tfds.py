import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from train import data
from zoo.shared.errors import UserError

prepared_mnist = pytest.mark.skipif(
    not (Path(os.environ.get("TFDS_DATA_DIR", "")) / "mnist").is_dir(), reason="TFDS_DATA_DIR names no prepared mnist"
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))


def config(name, **changes):
    defaults = {"image_size": 8, "channels": 0, "binarize": "none", "unreadable": "skip"}
    return SimpleNamespace(name=name, **defaults | changes)


class GenzooStripes(tfds.core.GeneratorBasedBuilder):
    """Wide colour pictures: label l is level 100 + l in the centre square, 0 at the sides; the splits vary."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": 20}

    def _info(self):
        label = tfds.features.ClassLabel(names=["even", "odd"])
        features = {"image": tfds.features.Image(), "label": label, "caption": tfds.features.Text()}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {split: self._generate_examples(count) for split, count in self.SPLITS.items()}

    def _generate_examples(self, count):
        for index in range(count):
            image = np.zeros((8, 12 + 2 * index, 3), np.uint8)
            image[:, 2 + index : 10 + index] = 100 + index
            yield index, {"image": image, "label": index % 2, "caption": "a stripe"}


@pytest.fixture
def stripes(tmp_path, monkeypatch):
    """Return a function that prepares the stripes with the given numbers of examples, by split."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    (tmp_path / "tfds").mkdir()

    def prepare(**splits):
        monkeypatch.setattr(GenzooStripes, "SPLITS", splits)
        GenzooStripes(data_dir=tmp_path / "tfds").download_and_prepare()
        return tmp_path / "tfds"

    return prepare


def levels(source):
    assert (source.samples == source.samples[:, :1, :1, :1]).all()  # the centre square, and nothing else
    return sorted(source.samples[:, 0, 0, 0].tolist())


def test_the_last_tenth_is_held_out_where_there_is_only_train(stripes):
    stripes(train=20)
    train, test = (data.load(config("genzoo_stripes"), split) for split in data.SPLITS)
    assert train.samples.shape == (18, 8, 8, 3) and test.samples.shape == (2, 8, 8, 3)
    assert sorted(levels(train) + levels(test)) == list(range(100, 120))
    assert train.label_names == ("even", "odd")
    np.testing.assert_array_equal(train.labels, train.samples[:, 0, 0, 0] % 2)
    assert train.labels.dtype == np.int32
    assert "train[90%:]" in test.description and "genzoo_stripes/1.0.0" in test.description


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_held_out_split_is_used_where_there_is_one(stripes, name):
    stripes(**{"train": 6, name: 3})
    train, test = (data.load(config("genzoo_stripes", channels=1), split) for split in data.SPLITS)
    assert levels(train) == list(range(100, 106)) and levels(test) == [100, 101, 102]
    assert train.samples.shape == (6, 8, 8, 1)


def test_a_set_without_train_is_refused(stripes):
    stripes(validation=3)
    with pytest.raises(UserError, match="no split 'train', only validation"):
        data.load(config("genzoo_stripes"), "train")


def test_a_second_load_decodes_nothing_and_sizes_do_not_collide(stripes, monkeypatch):
    stripes(train=20)
    first = data.load(config("genzoo_stripes"), "train").samples
    assert data.load(config("genzoo_stripes", image_size=4), "train").samples.shape == (18, 4, 4, 3)
    monkeypatch.setattr("train.data.sources.tfds._rows", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(data.load(config("genzoo_stripes"), "train").samples, first)


def test_damaged_files_are_one_line(stripes):
    (records,) = stripes(train=20).rglob("*.tfrecord*")
    content = bytearray(records.read_bytes())
    content[len(content) // 2] ^= 255
    records.write_bytes(content)
    with pytest.raises(UserError, match="damaged.*prepare it again") as error:
        data.load(config("genzoo_stripes"), "train")
    assert "\n" not in str(error.value)


def test_a_set_that_cannot_be_had_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        print("Downloading and preparing ...")
        raise ConnectionError("no route to host\nand a second line")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError) as error:
        data.load(config("mnist"), "train")
    text = str(error.value)
    assert "\n" not in text
    for part in ("'mnist'", str(tmp_path), "no route to host", "TFDS_DATA_DIR", "tfds build mnist", "digits"):
        assert part in text
    assert capsys.readouterr().out == ""  # standard output is the program's own


def test_a_set_without_images_and_one_that_does_not_exist_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(UserError, match="'imdb_reviews' has no 8-bit feature 'image'"):
        data.load(config("imdb_reviews"), "train")
    with pytest.raises(UserError, match="cannot open 'cifar10_corrupted/no_such_thing'") as error:
        data.load(config("cifar10_corrupted/no_such_thing"), "train")
    assert "\n" not in str(error.value)


@prepared_mnist
def test_real_mnist():
    test = data.load(config("mnist", image_size=28), "test")
    assert test.samples.shape == (10_000, 28, 28, 1) and test.label_names == tuple("0123456789")
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert 33 < test.samples.mean() < 34  # 0.1325 of white, the published mean of this split
