"""Two domains of pictures: three layouts, splits, orders of their own, and pairs torn apart."""

import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def section(name, **changes):
    return Section(**{"name": str(name), **data.defaults(str(name)), **changes})


def load(root, split="train", **changes):
    settings = section(f"domains:{root}", **changes)
    data.check(settings)
    return data.load(settings, split)


def save(path, level=0, mode="L", size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level).save(path)


def fill(folder, levels, **options):
    for level in levels:
        save(folder / f"{level}.png", level, **options)


def levels(table, column):
    return sorted(table.columns[column][:, 0, 0, 0].tolist())


def test_two_folders_are_two_tables_in_the_order_of_their_names(root):
    fill(root / "horse", range(5))
    fill(root / "zebra", range(100, 107))
    a, b = load(root)
    assert (levels(a, "a"), levels(b, "b")) == ([*range(5)], [*range(100, 107)])
    assert (a.specs["a"].shape, b.specs["b"].shape) == ((8, 8, 1), (8, 8, 1))
    assert data.kinds(section(f"domains:{root}")) == {"a": "image", "b": "image"}
    assert load(root, "all")[1].fingerprint() == b.fingerprint()


def test_input_comes_before_image(root):
    fill(root / "input", [1])
    fill(root / "image", [2])
    a, b = load(root)
    assert (levels(a, "a"), levels(b, "b")) == ([1], [2])


def test_a_name_lies_on_one_side_in_both_domains_and_in_pairs_of_the_same_names(root):
    fill(root / "input", range(60))
    for level in range(60):
        save(root / "image" / f"{level}.jpg", level)
    tables = {split: load(root, split) for split in ("train", "test", "all")}
    (pairs,) = data.load(section(f"pairs:{root}"), "test")
    held = levels(pairs, "input")
    assert 0 < len(held) < 20
    assert levels(tables["test"][0], "a") == levels(tables["test"][1], "b") == held
    for table, column in zip(tables["train"], "ab", strict=True):
        assert sorted([*levels(table, column), *held]) == [*range(60)]
    assert levels(tables["all"][1], "b") == [*range(60)]
    assert "by the sha256 of the name" in tables["train"][0].description


def test_folders_of_splits_are_the_splits(root):
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        fill(root / name, [10 * number, 10 * number + 1])
    assert [levels(table, column) for table, column in zip(load(root), "ab", strict=True)] == [[0, 1], [10, 11]]
    assert [levels(t, column) for t, column in zip(load(root, "test"), "ab", strict=True)] == [[20, 21], [30, 31]]
    assert [levels(t, column) for t, column in zip(load(root, "all"), "ab", strict=True)] == [
        [0, 1, 20, 21],
        [10, 11, 30, 31],
    ]
    assert "(2 of 4 files, in testB; " in load(root, "test")[1].description


def test_train_and_test_hold_the_two_folders_each(root):
    for split, start in (("train", 0), ("test", 100)):
        fill(root / split / "noto", [start])
        fill(root / split / "openmoji", [start + 1])
    assert [levels(table, column) for table, column in zip(load(root, "test"), "ab", strict=True)] == [[100], [101]]
    assert [levels(table, column) for table, column in zip(load(root), "ab", strict=True)] == [[0], [1]]


def test_each_domain_has_its_own_channels_size_order_and_flips(root):
    for level in range(9):
        save(root / "grey" / f"{level}.png", level, size=(12, 12))
        save(root / "red" / f"{level}.png", (level, 0, 0), "RGB", size=(16, 16))
    source = load(root, image_size=8, crop=4)
    assert [table.specs[name].shape for table, name in zip(source, "ab", strict=True)] == [(8, 8, 1), (8, 8, 3)]
    assert [table.columns[name].shape[1:3] for table, name in zip(source, "ab", strict=True)] == [(12, 12), (12, 12)]
    batches = Batches(source, 9, 0, section(f"domains:{root}", image_size=8, crop=4, flip=True))
    for epoch in range(3):
        drawn = batches.example(epoch)
        orders = [drawn[name][:, 0, 0, 0].tolist() for name in "ab"]
        assert sorted(orders[0]) == sorted(orders[1]) == [*range(9)]
        assert orders[0] != orders[1]
        assert drawn["a"].shape == (9, 8, 8, 1)


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ([], "has no folder: two domains need two folders of pictures, or trainA, trainB, testA and testB"),
        (["horse"], "has 1 folders (horse): two domains need two"),
        (["a", "b", "c"], "has 3 folders (a, b, c): two domains need two"),
        (["trainA"], "set/trainB is missing: two domains need two"),
        (["trainA", "trainB", "testA"], "set/testB is missing"),
        (["train", "valid"], "has the folders train and valid, which are splits and no domains"),
        (["train/a", "train/b", "test/a", "test/c"], "train/ has the folders a, b and test/ a, c: use the same"),
        (["train/a", "test/a"], "set/train has 1 folders (a)"),
    ],
)
def test_other_layouts_are_one_line(root, folders, said):
    for folder in folders:
        fill(root / folder, [0])
    with pytest.raises(UserError) as refused:
        data.check(section(f"domains:{root}"))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_empty_domain_is_named(root):
    fill(root / "horse", [0])
    (root / "zebra").mkdir()
    (root / "zebra" / "1.gif").write_bytes(b"GIF")
    with pytest.raises(UserError, match=r"no picture file below .*/zebra; genzoo reads .*, not the 1 picture files"):
        data.check(section(f"domains:{root}"))


@pytest.mark.parametrize("name", ["domains:{root}", "unpaired:shapes"])
def test_domains_are_not_binarised(root, name):
    fill(root / "horse", [0])
    fill(root / "zebra", [0])
    with pytest.raises(UserError, match=r"data.binarize"):
        data.check(section(name.format(root=root), binarize="dynamic"))


def test_pairs_torn_apart_share_no_row():
    (pairs,) = data.load(section("shapes", image_size=8), "test")
    a, b = data.load(section("unpaired:shapes", image_size=8), "test")
    np.testing.assert_array_equal(a.columns["a"], pairs.columns["input"][::2])
    np.testing.assert_array_equal(b.columns["b"], pairs.columns["image"][1::2])
    assert (a.specs["a"].shape, b.specs["b"].shape) == ((8, 8, 1), (8, 8, 3))


def test_an_input_that_is_made_when_it_is_read_can_be_torn_apart():
    a, b = data.load(section("unpaired:grey:digits"), "test")
    (pairs,) = data.load(section("grey:digits"), "test")
    whole = pairs.derive(pairs.stored(["input"], slice(None)), ["input"])["input"]
    np.testing.assert_array_equal(a.columns["a"], whole[::2])
    assert b.specs["b"].shape == (8, 8, 3)


def test_what_has_no_pairs_cannot_be_torn_apart():
    with pytest.raises(UserError, match="'digits' has no pairs of an input and an image"):
        data.check(section("unpaired:digits"))


def test_the_halves_of_pairs_have_fingerprints_of_their_own_without_a_pass(root, monkeypatch):
    for column in ("input", "image"):
        fill(root / column, range(0, 60, 10))
    a, b = data.load(section(f"unpaired:pairs:{root}"), "train")
    again, _ = data.load(section(f"unpaired:pairs:{root}"), "train")
    monkeypatch.setattr("numpy.ascontiguousarray", lambda column: pytest.fail("read again"))
    assert a.fingerprint() == again.fingerprint() != b.fingerprint()
