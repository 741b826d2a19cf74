"""The sources that make an "input" of another source's pictures: grey and lowres."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches, held_out
from train.data.sources.grey import luma
from train.data.sources.lowres import reduced
from train.data.sources.pictures import Section
from zoo.bicubic import resized
from zoo.shared.errors import UserError


def section(name, **changes):
    return Section(**{"name": name, **data.defaults(name), **changes})


def load(name, split="train", **changes):
    settings = section(name, **changes)
    data.check(settings)
    (table,) = data.load(settings, split)
    return table


@pytest.fixture
def colours(tmp_path):
    """Return a folder of 12 pictures of noise, 24 px wide and 16 high, of which four are grey."""
    rng = np.random.default_rng(0)
    (tmp_path / "colours").mkdir()
    for index in range(12):
        shape = (16, 24) if index % 3 == 0 else (16, 24, 3)
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(tmp_path / "colours" / f"{index:02}.png")
    return f"folder:{tmp_path / 'colours'}"


def of_pillow(colours):
    """Return the luma of colours, uint8 (..., 3)."""
    return np.asarray(Image.fromarray(colours.reshape(1, -1, 3)).convert("L")).reshape(*colours.shape[:-1], 1)


def test_luma_is_that_of_pillow():
    corners = np.array(list(itertools.product((0, 1, 127, 128, 254, 255), repeat=3)), np.uint8)
    ramps = np.concatenate([np.arange(256)[:, None] * np.array(which) for which in itertools.product((0, 1), repeat=3)])
    drawn = np.random.default_rng(0).integers(256, size=(100_000, 3), dtype=np.uint8)
    pixels = np.concatenate([corners, ramps.astype(np.uint8), drawn]).reshape(-1, 1, 1, 3)
    made = luma(pixels)
    assert made.dtype == np.uint8 and made.shape == (len(pixels), 1, 1, 1)
    np.testing.assert_array_equal(made, of_pillow(pixels))


def test_luma_of_known_colours():
    """The weights of ITU-R BT.601 are 0.299, 0.587 and 0.114."""
    pixels = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [100, 100, 100], [0, 0, 0], [255] * 3], np.uint8)
    assert luma(pixels[:, None, None]).ravel().tolist() == [76, 150, 29, 100, 0, 255]


def test_grey_inputs_are_the_luma_of_their_images(colours):
    table = load(f"grey:{colours}")
    assert table.specs["image"].shape == (16, 24, 3) and table.specs["input"].shape == (16, 24, 1)
    assert {name: spec.kind for name, spec in table.specs.items()} == {"image": "image", "input": "image"}
    assert list(table.columns) == list(data.kinds(section(f"grey:{colours}")))
    example = Batches((table,), len(table), 0).example(0)
    np.testing.assert_array_equal(example["input"], of_pillow(example["image"]))
    assert "inputs are their luma" in table.description and "pictures of" in table.description


def test_grey_pictures_are_colour_too():
    """A set of grey pictures alone is stored with three channels, since colour is to be made."""
    table = load("grey:digits", "test")
    assert table.specs["image"].shape == (8, 8, 3) and table.specs["label"].classes == 10
    held = held_out(table)
    np.testing.assert_array_equal(held["image"], held["input"].repeat(3, axis=-1))
    assert sorted(held) == ["image", "input", "label"]


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_reduction_is_that_of_the_papers_rounded_to_bytes(factor, channels):
    pictures = np.random.default_rng(0).integers(256, size=(3, 12, 24, channels), dtype=np.uint8)
    made = reduced(pictures, factor)
    assert made.shape == (3, 12 // factor, 24 // factor, channels) and made.dtype == np.uint8
    np.testing.assert_allclose(made, np.clip(resized(pictures, Fraction(1, factor)), 0, 255), rtol=0, atol=0.51)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_reduction_is_pillows_away_from_the_edges(factor):
    """Pillow leaves out what lies beyond an edge, where MATLAB mirrors, and rounds after each of the two axes."""
    smooth = Image.fromarray(np.random.default_rng(0).integers(256, size=(6, 8, 3), dtype=np.uint8)).resize((96, 72))
    theirs = np.asarray(smooth.resize((96 // factor, 72 // factor), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(reduced(np.asarray(smooth)[None], factor)[0] - theirs)
    assert difference[2:-2, 2:-2].max() <= 1


def test_the_reduction_of_known_pictures():
    flat = np.full((1, 16, 16, 3), (10, 128, 255), np.uint8)
    np.testing.assert_array_equal(reduced(flat, 4), np.full((1, 4, 4, 3), (10, 128, 255)))
    ramp = np.tile(np.arange(0, 128, 4, dtype=np.uint8), (32, 1))[None, ..., None]
    # a straight line stays one, away from the borders: the mean of its block
    expected = np.arange(32).reshape(8, 4).mean(axis=1) * 4
    np.testing.assert_array_equal(reduced(ramp, 4)[0, :, 2:-2, 0], np.tile(expected[2:-2], (8, 1)))
    # the finest stripes that there are become their mean, where every fourth pixel alone would be black or white
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))[None, ..., None]
    assert abs(reduced(stripes, 4)[0, :, 1:-1].astype(int) - 127.5).max() < 10


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_small_inputs_are_reduced_from_their_images(colours, factor):
    name = f"lowres:{colours}"
    table = load(name, factor=factor)
    assert table.specs["image"].shape == (16, 24, 3)
    assert table.specs["input"].shape == (16 // factor, 24 // factor, 3)
    assert list(table.columns) == list(data.kinds(section(name)))
    example = Batches((table,), len(table), 0).example(0)
    np.testing.assert_array_equal(example["input"], reduced(example["image"], factor))
    assert f"inputs reduced {factor} times" in table.description


def test_small_grey_pictures_keep_their_channel_and_their_label():
    table = load("lowres:digits", "test", factor=2)
    assert table.specs["input"].shape == (4, 4, 1) and table.specs["label"].classes == 10


@pytest.mark.parametrize(("name", "make"), [("grey", luma), ("lowres", lambda rows: reduced(rows, 4))])
def test_inputs_are_made_after_flips_and_crops(colours, name, make):
    options = {"crop": 4, "flip": True}
    name = f"{name}:{colours}"
    table = load(name, **options)
    assert table.columns["image"].shape[1:] == (20, 28, 3) and table.specs["image"].shape == (16, 24, 3)
    batches = Batches((table,), 12, 3, section(name, **options))
    moved, later = batches.example(0), batches.example(1)
    for example in (moved, later):
        assert example["image"].shape == (12, 16, 24, 3) and example["input"].shape[1:] == table.specs["input"].shape
        np.testing.assert_array_equal(example["input"], make(example["image"]))
    alone = Batches((table,), 12, 3, section(name, **options), reads=["input"]).example(1)
    assert list(alone) == ["input"]
    np.testing.assert_array_equal(alone["input"], later["input"])
    held = held_out(table, section(name, **options))
    made = make(np.rint((held["image"] + 1) * 127.5).astype(np.uint8))
    np.testing.assert_allclose(held["input"], made / 127.5 - 1, atol=1e-6)


def test_the_fingerprint_tells_which_input_is_made(colours):
    tables = [
        load(colours, channels=3),
        load(f"grey:{colours}"),
        *(load(f"lowres:{colours}", factor=n) for n in (2, 4)),
    ]
    assert len({table.fingerprint() for table in tables}) == 4


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("grey:ring", {}, "data.name is 'grey:ring'; 'ring' holds no pictures"),
        ("lowres:grid", {}, "data.name is 'lowres:grid'; 'grid' holds no pictures"),
        ("grey:minst", {}, "did you mean 'mnist'"),
        ("lowres:folder:/nowhere/at/all", {}, "/nowhere/at/all is missing"),
        ("grey:lowres:digits", {}, "'lowres:digits' has inputs of its own"),
        ("lowres:grey:digits", {}, "'grey:digits' has inputs of its own"),
        ("grey:digits", {"channels": 1}, "data.channels and data.binarize are not for colour: use 0 and 'none'"),
        ("grey:digits", {"binarize": "dynamic"}, "data.channels and data.binarize are not for colour"),
        ("lowres:digits", {"binarize": "dynamic"}, "data.binarize is 'dynamic'; small pictures need 'none'"),
        ("lowres:digits", {"factor": 1}, "data.factor is 1; it must be a whole number from 2 to 16"),
        ("lowres:digits", {"factor": 17}, "from 2 to 16"),
        ("lowres:digits", {"factor": 2.0}, "from 2 to 16"),
        ("lowres:digits", {"factor": True}, "from 2 to 16"),
        ("lowres:cifar10", {"image_size": 50, "factor": 3}, "not divide by data.factor=3: set data.image_size=51"),
        ("grey:digits", {"factor": 2}, "unknown option of the data source 'grey:digits' 'factor'"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(name, changes, said):
    with pytest.raises(UserError, match=said) as error:
        data.check(section(name, **changes))
    assert "\n" not in str(error.value)


def test_pairs_have_inputs_of_their_own(tmp_path):
    Image.new("RGB", (16, 8)).save(tmp_path / "a.png")
    for prefix in ("grey", "lowres"):
        with pytest.raises(UserError, match="has inputs of its own"):
            data.check(section(f"{prefix}:pairs:{tmp_path}"))


def test_a_size_that_the_factor_does_not_divide_is_one_line():
    with pytest.raises(UserError, match="pictures of 8 px do not divide by data.factor=3") as error:
        load("lowres:digits", factor=3)
    assert "\n" not in str(error.value)
