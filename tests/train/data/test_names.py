"""Names of data sources: what of them says where the data lie."""

import pytest

from train import data


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("digits", "digits"),
        ("imagenet_resized/64x64", "imagenet_resized/64x64"),  # of tensorflow-datasets
        ("grey:digits", "grey:digits"),
        ("stacked:mnist", "stacked:mnist"),
        ("folder:/srv/ann/cats", "folder:cats"),
        ("folder:/srv/ann/cats/", "folder:cats"),
        ("folder:~/cats", "folder:cats"),
        ("folder:../../ann/cats", "folder:cats"),
        ("folder:cats", "folder:cats"),
        ("folder:/srv/ann/cats/Train", "folder:cats/Train"),
        ("folder:train", "folder:train"),
        ("folder:/", "folder:"),
        ("lowres:folder:/srv/ann/cats", "lowres:folder:cats"),
        ("unpaired:grey:folder:/srv/ann/cats", "unpaired:grey:folder:cats"),
        ("wav:/srv/ann/a:b", "wav:a:b"),
        ("pairs:/srv/ann/facades", "pairs:facades"),
        ("episodes:/srv/ann/car_racing", "episodes:car_racing"),
    ],
)
def test_a_name_without_a_path_keeps_what_the_set_is_called(name, kept):
    assert data.without_path(name) == kept
    assert data.has_path(name) == any(inner in name for inner in ("folder:", "wav:", "pairs:", "episodes:"))
