import contextlib
import os
import re
import subprocess
import sys

import pytest
from ml_collections import ConfigDict

from train import data
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


def section(name="digits", **changes):
    """Return the section of a source with all its options, and perhaps others that it has not."""
    return Section(**{"name": name, **data.defaults(name), **changes})


@pytest.mark.parametrize(
    "name",
    [
        *("digits", "shapes", "ring", "grid", "mnist", "celeb_a", "mnist:3.0.1", "imagenet_resized/64x64"),
        *("grey:cifar10", "lowres:digits", "stacked:mnist", "grey:stacked:mnist"),
    ],
)
def test_known_data_sets_pass(name):
    data.check(section(name))
    data.check(ConfigDict({"name": name, **data.defaults(name)}))


PICTURES = {"image_size", "channels", "binarize", "flip", "crop"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits", PICTURES),
        ("mnist", PICTURES),
        ("ring", set()),
        ("folder:x", PICTURES | {"unreadable"}),
        ("pairs:x", PICTURES | {"unreadable", "input_channels", "input_side"}),
        ("grey:folder:x", PICTURES | {"unreadable"}),
        ("lowres:mnist", PICTURES | {"factor"}),
        ("stacked:folder:x", PICTURES | {"unreadable"}),
        ("lowres:grey:mnist", PICTURES | {"factor"}),
    ],
)
def test_a_source_has_its_own_options_and_those_of_the_source_that_it_is_over(name, options):
    assert set(data.defaults(name)) == options


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("digits", {"image": "image", "label": "class"}),
        ("ring", {"image": "point", "label": "class"}),
        ("stacked:digits", {"image": "image", "label": "class"}),
        ("grey:digits", {"image": "image", "label": "class", "input": "image"}),
        ("lowres:digits", {"image": "image", "label": "class", "input": "image"}),
    ],
)
def test_the_columns_told_are_those_loaded(name, kinds):
    settings = section(name, image_size=8) if name != "ring" else section(name)
    assert data.kinds(settings) == kinds
    (table,) = data.load(settings, "test")
    assert {column: spec.kind for column, spec in table.specs.items()} == kinds
    assert set(table.columns) == set(kinds)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("minst", {}, "did you mean 'mnist'"),
        ("celeba", {}, "did you mean 'celeb_a'"),
        ("digit", {}, "did you mean 'digits'"),
        ("rings", {}, "did you mean 'ring'"),
        ("qqqqqqqqqq", {}, "folder:PATH"),
        ("pair:x", {}, "did you mean 'pairs:PATH'"),
        ("digits", {"image_size": 3}, "4 to 1024"),
        ("digits", {"image_size": 1025}, "4 to 1024"),
        ("digits", {"image_size": -8}, "4 to 1024"),
        ("digits", {"image_size": 16.0}, "4 to 1024"),
        ("digits", {"image_size": True}, "4 to 1024"),
        ("digits", {"channels": 2}, "1 or 3"),
        ("digits", {"channels": False}, "1 or 3"),
        ("digits", {"crop": 257}, "up to 256"),
        ("digits", {"crop": -1}, "up to 256"),
        ("digits", {"flip": 1}, "true or false"),
        ("digits", {"flip": "yes"}, "true or false"),
        ("digits", {"binarize": "static"}, "'none' or 'dynamic'"),
        # an option that the source has not would do nothing
        ("digits", {"unreadable": "skip"}, "unknown option of the data source 'digits' 'unreadable'"),
        ("digits", {"croop": 4}, "did you mean 'crop'"),
        ("ring", {"image_size": 16}, "unknown option of the data source 'ring' 'image_size'"),
        ("ring", {"binarize": "dynamic"}, "unknown option of the data source 'ring' 'binarize'"),
        ("mnist", {"factor": 4}, "unknown option of the data source 'mnist' 'factor'"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(name, changes, said):
    with pytest.raises(UserError, match=said) as error:
        data.check(section(name, **changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", None, 3, "grey:", "lowres:", "stacked:", "lowres:grey:"])
def test_a_section_without_a_name_has_no_options(name):
    with pytest.raises(UserError, match="data.name is .*; it must be ") as error:
        data.defaults(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("prefix", ["folder", "pairs"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "without a path"),
        ("gone", "missing"),
        ("notes.txt", "not a directory"),
        ("n" * 300, "missing"),
        ("~nouser/pictures", "'~nouser/pictures': Could not determine home directory"),
    ],
)
def test_a_path_that_is_no_directory_is_one_line(tmp_path, monkeypatch, prefix, path, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(UserError, match=said) as error:
        data.check(section(f"{prefix}:{path}"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("prefix", ["folder", "pairs"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "A.TGZ", "a.7z"])
def test_an_archive_is_to_be_unpacked(tmp_path, prefix, name):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UserError, match=f"{name} is not a directory; unpack it: data.name must be {prefix}:PATH"):
        data.check(section(f"{prefix}:{tmp_path / name}"))


@pytest.mark.parametrize(
    "name", ["mnist", "mnist:3.0.1", "mnist:3.*.*", "grey:cifar10", "stacked:mnist", "lowres:grey:a/b"]
)
def test_a_set_that_is_not_prepared_here_is_one_line_without_a_network(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("tried the network"))
    base = name.rpartition(":")[2] if name[0] != "m" else name
    with pytest.raises(
        UserError, match=f"'{re.escape(base)}' is not prepared below {tmp_path}: set TFDS_DATA_DIR"
    ) as error:
        data.check_prepared(Section(name=name))
    assert f"`tfds build {base}`" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("prepared", "name", "is_there"),
    [
        ("mnist/3.0.1", "mnist", True),
        ("mnist/3.0.1", "mnist:3.0.1", True),
        ("mnist/3.0.1", "mnist:3.*.*", True),
        ("mnist/3.0.1", "stacked:mnist", True),
        ("mnist/3.0.1", "mnist:4.0.0", False),
        ("mnist/3.0.1", "mnist_corrupted", False),
        ("imagenet_resized/64x64/0.1.0", "imagenet_resized/64x64", True),
        ("imagenet_resized/64x64/0.1.0", "imagenet_resized", True),
        ("imagenet_resized/64x64/0.1.0", "lowres:imagenet_resized/64x64:0.1.0", True),
        ("imagenet_resized/64x64/0.1.0", "imagenet_resized/32x32", False),
        ("imagenet_resized/64x64/0.1.0", "imagenet_resized/[0-9]*", False),
    ],
)
def test_a_set_is_prepared_here_if_that_version_of_it_is(tmp_path, monkeypatch, prepared, name, is_there):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    (tmp_path / prepared).mkdir(parents=True)
    with pytest.raises(UserError, match="is not prepared"):  # what an interrupted download leaves
        data.check_prepared(Section(name=name))
    (tmp_path / prepared / "dataset_info.json").touch()
    with contextlib.nullcontext() if is_there else pytest.raises(UserError, match="is not prepared"):
        data.check_prepared(Section(name=name))


@pytest.mark.parametrize("name", ["digits", "ring", "folder:x", "pairs:x", "stacked:digits", "grey:folder:x"])
def test_other_sources_need_no_preparation(name):
    data.check_prepared(Section(name=name))


def test_a_directory_of_that_name_is_offered_as_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    for name in ("pictures", "pictures/", "./pictures", "pictures/cats", "~/pictures", str(tmp_path / "pictures")):
        with pytest.raises(UserError, match=f"{name!r}, a directory: write folder:{name} "):
            data.check(section(name))
    with pytest.raises(UserError, match="unknown data set '~nouser'"):
        data.check(section("~nouser"))


def test_a_set_prepared_below_the_data_directory_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match="unknown data set 'our_own_pictures'"):
        data.check(section("our_own_pictures"))
    (tmp_path / "our_own_pictures" / "1.0.0").mkdir(parents=True)
    (tmp_path / "our_own_pictures" / "1.0.0" / "dataset_info.json").touch()
    data.check(section("our_own_pictures"))


def test_a_data_directory_in_a_home_that_there_is_not_is_one_line(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "~nouser/sets")
    with pytest.raises(UserError, match="TFDS_DATA_DIR is '~nouser/sets'") as error:
        data.check(section("mnist"))
    assert "\n" not in str(error.value)


def test_a_data_directory_that_tensorflow_cannot_open_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / os.fsdecode(b"caf\xe9")))
    with pytest.raises(UserError, match="TFDS_DATA_DIR is '.*', which is not UTF-8.*set it to a link") as error:
        data.check(section("mnist"))
    assert "\n" not in str(error.value) and str(error.value).encode()


def test_an_unknown_split_is_named():
    with pytest.raises(UserError, match="unknown split 'tests'; did you mean 'test'"):
        data.load(section(), "tests")


@pytest.mark.parametrize("name", ["digits", "ring", "stacked:digits"])
def test_only_folders_have_a_split_of_all(name):
    with pytest.raises(UserError, match=f"split 'all' is for folders of pictures; of {name!r} take 'train' or 'test'"):
        data.load(section(name), "all")


def test_checking_imports_no_tensorflow():
    code = """
import sys
from train import data
from train.data import batches
from train.data.sources.pictures import Section
for name in ("mnist", "digits", "ring", "stacked:mnist", "grey:cifar10", "lowres:celeb_a"):
    section = Section(name=name, **data.defaults(name))
    data.check(section)
    data.kinds(section)
assert not {"tensorflow", "tensorflow_datasets", "sklearn"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
