import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from train import data
from train.data import cache
from train.data.sources import tfds as source
from train.data.sources.pictures import Section
from train.data.sources.tfds import Decoder
from zoo import images
from zoo.shared.errors import UserError

prepared_mnist = pytest.mark.skipif(
    not (Path(os.environ.get("TFDS_DATA_DIR", "")) / "mnist").is_dir(), reason="TFDS_DATA_DIR names no prepared mnist"
)


def section(name, **changes):
    return Section(**{"name": name, **data.defaults(name), "image_size": 8, **changes})


def load(name, split="train", **changes):
    (table,) = data.load(section(name, **changes), split)
    return table


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


class GenzooFlags(tfds.core.GeneratorBasedBuilder):
    """Grey pictures of one size, 9 wide and 6 high, that have no label; a number called so is none."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(6, 9, 1)), "label": tfds.features.Scalar(np.int64)}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {"train": self._generate_examples(0), "test": self._generate_examples(100)}

    def _generate_examples(self, first):
        for index in range(3):
            yield index, {"image": np.full((6, 9, 1), first + index, np.uint8), "label": index}


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


def levels(table):
    pictures = table.columns["image"]
    assert (pictures == pictures[:, :1, :1, :1]).all()  # the centre square, and nothing else
    return sorted(pictures[:, 0, 0, 0].tolist())


def test_the_last_tenth_is_held_out_where_there_is_only_train(stripes):
    stripes(train=20)
    assert data.kinds(section("genzoo_stripes")) == {"image": "image", "label": "class"}
    train, test = (load("genzoo_stripes", split) for split in data.SPLITS)
    assert train.columns["image"].shape == (18, 8, 8, 3) and test.columns["image"].shape == (2, 8, 8, 3)
    assert sorted(levels(train) + levels(test)) == list(range(100, 120))
    assert train.specs["label"].names == ("even", "odd")
    np.testing.assert_array_equal(train.columns["label"], train.columns["image"][:, 0, 0, 0] % 2)
    assert train.columns["label"].dtype == np.int32
    assert "train[90%:]" in test.description and "genzoo_stripes/1.0.0" in test.description


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_held_out_split_is_used_where_there_is_one(stripes, name):
    stripes(**{"train": 6, name: 3})
    train, test = (load("genzoo_stripes", split, channels=1) for split in data.SPLITS)
    assert levels(train) == list(range(100, 106)) and levels(test) == [100, 101, 102]
    assert train.columns["image"].shape == (6, 8, 8, 1)


def test_a_set_without_train_is_refused(stripes):
    stripes(validation=3)
    with pytest.raises(UserError, match="no split 'train', only validation"):
        load("genzoo_stripes")


def test_pictures_of_one_size_keep_it_and_what_is_no_class_is_no_label(stripes):
    GenzooFlags(data_dir=stripes(train=1)).download_and_prepare()
    flags = load("genzoo_flags", image_size=0)
    assert flags.specs["image"].shape == (6, 9, 1) and flags.columns["image"].shape == (3, 6, 9, 1)
    assert levels(flags) == [0, 1, 2] and levels(load("genzoo_flags", "test", image_size=0)) == [100, 101, 102]
    assert list(flags.columns) == list(flags.specs) == list(data.kinds(section("genzoo_flags"))) == ["image"]
    assert "centres at 9 x 6 px" in flags.description
    larger = load("genzoo_flags", image_size=0, crop=3, channels=3)
    assert larger.columns["image"].shape == (3, 9, 12, 3) and larger.specs["image"].shape == (6, 9, 3)


def test_pictures_of_several_sizes_need_a_choice(stripes):
    stripes(train=20)
    with pytest.raises(UserError, match="differ in size: choose one, such as --config.data.image_size=64") as error:
        load("genzoo_stripes", image_size=0)
    assert "\n" not in str(error.value)


def test_a_second_load_decodes_nothing_and_sizes_do_not_collide(stripes, monkeypatch):
    stripes(train=20)
    first = load("genzoo_stripes").columns["image"]
    assert load("genzoo_stripes", image_size=4).columns["image"].shape == (18, 4, 4, 3)
    assert load("genzoo_stripes", crop=2).columns["image"].shape == (18, 10, 10, 3)
    monkeypatch.setattr("train.data.sources.tfds._read", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(load("genzoo_stripes").columns["image"], first)


@pytest.fixture
def in_files(stripes, monkeypatch):
    """Prepare a set of 20 examples in three files; return the levels of its train split as its library reads it."""
    place = stripes(train=20).parent / "files"
    config = tfds.download.DownloadConfig(num_shards=3)
    GenzooStripes(data_dir=place).download_and_prepare(download_config=config)
    monkeypatch.setenv("TFDS_DATA_DIR", str(place))
    builder = tfds.builder("genzoo_stripes", data_dir=place)
    assert len(builder.info.splits["train[:90%]"].file_instructions) == 3
    monkeypatch.setattr(cache, "_SMALLEST_PART", 4)
    examples = builder.as_dataset(split="train[:90%]", shuffle_files=False).as_numpy_iterator()
    return [int(example["image"].max()) for example in examples]


def in_order(table):
    np.testing.assert_array_equal(table.columns["label"], table.columns["image"][:, 0, 0, 0] % 2)
    return table.columns["image"].reshape(len(table), -1).max(axis=1).tolist()


def test_examples_stay_in_the_order_in_which_their_files_are_read_once(in_files, monkeypatch):
    read, begun = source._read, []
    monkeypatch.setattr(source, "_read", lambda *inputs: begun.append(inputs) or read(*inputs))
    assert in_order(load("genzoo_stripes")) == in_files
    assert len(begun) == 1


def test_several_workers_make_the_rows_of_some_examples_each(in_files, monkeypatch):
    """Each of its own reading, whatever it makes and in whichever order."""
    decoders = []
    monkeypatch.setattr(source, "Decoder", lambda *inputs: decoders.append(Decoder(*inputs)) or decoders[-1])
    for _ in range(2):
        load("genzoo_stripes")
    assert len(decoders) == 2
    fit, made = images.fit, []
    monkeypatch.setattr(images, "fit", lambda *inputs: made.append(inputs) or fit(*inputs))
    parts = [(0, 4), (4, 8), (8, 12), (12, 16), (16, 18)]
    rows = {part: list(decoders[who].rows(*part)) for part, who in zip(parts, (0, 1, 1, 0, 1), strict=True)}
    assert [int(row["image"].max()) for part in parts for row in rows[part]] == in_files
    assert len(made) == 18
    again = list(decoders[0].rows(4, 8))  # what another worker left
    np.testing.assert_array_equal([row["image"] for row in again], [row["image"] for row in rows[4, 8]])


def test_damaged_files_are_one_line(stripes):
    (records,) = stripes(train=20).rglob("*.tfrecord*")
    content = bytearray(records.read_bytes())
    content[len(content) // 2] ^= 255
    records.write_bytes(content)
    with pytest.raises(UserError, match="damaged.*prepare it again") as error:
        load("genzoo_stripes")
    assert "\n" not in str(error.value)


def test_a_set_that_cannot_be_had_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        print("Downloading and preparing ...")
        raise ConnectionError("no route to host\nand a second line")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError) as error:
        load("mnist")
    text = str(error.value)
    assert "\n" not in text
    for part in ("'mnist'", str(tmp_path), "no route to host", "TFDS_DATA_DIR", "tfds build mnist", "digits"):
        assert part in text
    assert capsys.readouterr().out == ""  # standard output is the program's own


def test_without_a_network_training_ends_at_once_and_in_one_line(tmp_path, monkeypatch, capfd, caplog):
    """By itself tensorflow-datasets tries for minutes, and tells of each try."""

    def no_network(host, *_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"ConnectionError: www.cs.toronto.edu does not answer\); set TFDS_DATA_DIR"):
        load("cifar100")
    assert time.monotonic() - started < 20
    told = capfd.readouterr()
    assert caplog.records == []
    assert told.out == "" and told.err == f"preparing data set 'cifar100' below {tmp_path}: it is downloaded once\n"


def test_a_set_that_is_not_prepared_is_prepared_once(stripes, monkeypatch, capfd):
    stripes(train=1)
    with pytest.raises(UserError, match="'genzoo_flags' is not prepared"):
        data.check_prepared(section("genzoo_flags"))
    capfd.readouterr()
    (table,) = source.load(section("genzoo_flags", image_size=0), "train")
    assert levels(table) == [0, 1, 2]
    assert capfd.readouterr().out == ""
    data.check_prepared(section("genzoo_flags"))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *_: pytest.fail("prepared again"))
    assert levels(load("genzoo_flags", image_size=0)) == [0, 1, 2]
    from tensorflow_datasets.core.download import downloader

    assert downloader.MAX_RETRIES == 10 and downloader._open_url.__name__ == "_open_url", "as the library has them"


def test_a_host_that_takes_the_call_and_says_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("train.data.sources.tfds._PATIENCE", 0.2)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/stripes.zip"
        monkeypatch.setattr(
            GenzooStripes, "_split_generators", lambda self, manager: manager.download_and_extract(place)
        )
        with pytest.raises(UserError, match="127.0.0.1 does not answer"):
            source.load(section("genzoo_stripes"), "train")


def test_sets_of_photographs_of_one_size_need_a_choice(stripes, monkeypatch):
    GenzooFlags(data_dir=stripes(train=1)).download_and_prepare()
    monkeypatch.setattr("train.data.sources.pictures._LARGEST", 8)
    with pytest.raises(UserError, match="the pictures of 'genzoo_flags' have 9 x 6 px, and at most 8 px are kept"):
        load("genzoo_flags", image_size=0)
    assert load("genzoo_flags").specs["image"].shape == (8, 8, 1)


def test_a_set_without_images_and_one_that_does_not_exist_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(UserError, match="'imdb_reviews' has no 8-bit feature 'image'"):
        load("imdb_reviews")
    with pytest.raises(UserError, match="cannot open 'cifar10_corrupted/no_such_thing'") as error:
        load("cifar10_corrupted/no_such_thing")
    assert "\n" not in str(error.value)


@prepared_mnist
def test_real_mnist():
    test = load("mnist", "test", image_size=0)
    pictures, labels = test.columns["image"], test.columns["label"]
    assert pictures.shape == (10_000, 28, 28, 1) and test.specs["label"].names == tuple("0123456789")
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert 33 < pictures.mean() < 34  # 0.1325 of white, the published mean of this split
