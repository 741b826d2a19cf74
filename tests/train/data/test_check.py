import subprocess
import sys
from types import SimpleNamespace

import pytest

from train import data
from zoo.shared.errors import UserError


def config(**changes):
    defaults = {"name": "digits", "image_size": 16, "channels": 0, "binarize": "none", "unreadable": "skip"}
    return SimpleNamespace(**defaults | changes)


@pytest.mark.parametrize(
    "name", ["digits", "ring", "grid", "mnist", "celeb_a", "mnist:3.0.1", "imagenet_resized/64x64"]
)
def test_known_data_sets_pass(name):
    data.check(config(name=name))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "minst"}, "did you mean 'mnist'"),
        ({"name": "celeba"}, "did you mean 'celeb_a'"),
        ({"name": "digit"}, "did you mean 'digits'"),
        ({"name": "rings"}, "did you mean 'ring'"),
        ({"name": "ring", "binarize": "dynamic"}, "the points of 'ring' need 'none'"),
        ({"name": "qqqqqqqqqq"}, "folder:PATH"),
        ({"image_size": 3}, "4 to 1024"),
        ({"image_size": 1025}, "4 to 1024"),
        ({"image_size": 16.0}, "4 to 1024"),
        ({"image_size": True}, "4 to 1024"),
        ({"channels": 2}, "1 or 3"),
        ({"channels": False}, "1 or 3"),
        ({"binarize": "static"}, "'none' or 'dynamic'"),
        ({"unreadable": "ignore"}, "'skip' or 'refuse'"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(changes, said):
    with pytest.raises(UserError, match=said) as error:
        data.check(config(**changes))
    assert "\n" not in str(error.value)


def test_a_folder_must_be_a_directory_with_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    for path, said in [("gone", "missing"), ("notes.txt", "not a directory"), (".", "no picture file")]:
        with pytest.raises(UserError, match=said):
            data.check(config(name=f"folder:{tmp_path / path}"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "A.JPEG").touch()
    data.check(config(name=f"folder:{tmp_path}"))


def test_a_set_prepared_below_the_data_directory_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match="unknown data set 'our_own_pictures'"):
        data.check(config(name="our_own_pictures"))
    (tmp_path / "our_own_pictures" / "1.0.0").mkdir(parents=True)
    (tmp_path / "our_own_pictures" / "1.0.0" / "dataset_info.json").touch()
    data.check(config(name="our_own_pictures"))


def test_an_unknown_split_is_named():
    with pytest.raises(UserError, match="unknown split 'tests'; did you mean 'test'"):
        data.load(config(), "tests")


def test_checking_imports_no_tensorflow():
    code = """
import sys
from types import SimpleNamespace
from train import data
from train.data import batches
data.check(SimpleNamespace(name="mnist", image_size=28, channels=0, binarize="none", unreadable="skip"))
assert not {"tensorflow", "tensorflow_datasets", "sklearn"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
