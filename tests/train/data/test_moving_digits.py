"""Videos of moving digits: where a digit is in each frame, how levels are rounded, what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest

from train import data
from train.data.batches import held_out
from train.data.sources.moving_digits import of_level, places, videos
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


def section(name="moving_digits:digits", **changes):
    return Section(**{"name": name, **data.defaults(name), **changes})


def load(split="test", **changes):
    (table,) = data.load(section(**changes), split)
    return table


def rows_of(table, count=20):
    return table.derive(table.stored(["video"], slice(0, count)), ["video"])["video"]


def test_something_that_moves_bounces_off_both_sides():
    # by hand: a tenth of 10 pixels a frame, from 8 to the right: 8, 9, 10, 9, ...; from 1 to the left: 1, 0, 1, ...
    made = places(np.array([0.8, 0.1, 0.35]), np.array([1.0, -1.0, 0.0]), 6, 10)
    np.testing.assert_array_equal(made, [[8, 9, 10, 9, 8, 7], [1, 0, 1, 2, 3, 4], [4, 4, 4, 4, 4, 4]])
    everywhere = places(np.linspace(0, 1, 50), np.linspace(-1, 1, 50), 256, 9)
    assert everywhere.min() == 0 and everywhere.max() == 9
    assert np.abs(np.diff(everywhere)).max() <= 1
    assert not places(np.array([0.5]), np.array([1.0]), 5, 0).any(), "a digit as large as its frame stays"


def test_a_video_is_its_digits_at_their_places_the_brighter_pixel_on_top():
    digits = np.array([[[10, 20], [30, 40]], [[40, 10], [10, 10]]], np.uint8)
    # digit 0 from the upper left corner downwards, and digit 1, which stays at the top as it moves to the right
    course = np.array([[[0.0, 0.0, 0.0, 0.25], [0.9, 0.0, 0.0, 0.0]]], np.float32)
    made = videos(digits, (11, 4, 4, 1), course)[0, ..., 0]
    first = np.zeros((4, 4))
    first[:2, :2] = [[40, 20], [30, 40]]
    np.testing.assert_array_equal(made[0], first)
    last = np.zeros((4, 4))
    last[2:, :2], last[:2, 2:] = digits
    np.testing.assert_array_equal(made[10], last)


@pytest.mark.parametrize("levels", [2, 4, 6, 256])
def test_grey_levels_are_rounded_to_the_nearest(levels):
    grey = np.arange(256)
    made = of_level(grey, levels)
    even = np.linspace(0, 255, levels)
    assert set(made.tolist()) == set(even.tolist())
    np.testing.assert_array_equal(np.abs(made.astype(float) - grey), np.abs(even - grey[:, None]).min(axis=1))


def test_a_row_follows_from_its_course_alone_and_splits_differ():
    train, again, test = load("train", side=16), load("train", side=16), load("test", side=16)
    assert (len(train), len(test)) == (100_000, 1000)
    np.testing.assert_array_equal(rows_of(train), rows_of(again))
    assert train.fingerprint() == again.fingerprint() != test.fingerprint()
    chosen = np.array([5, 700, 3])
    rows = train.derive(train.stored(["video"], chosen), ["video"])["video"]
    np.testing.assert_array_equal(rows[[0, 2]], rows_of(train)[[5, 3]])
    assert not set(map(bytes, rows_of(train))) & set(map(bytes, rows_of(test)))
    course = train.columns["course"]
    assert course.min() >= 0 and course.max() <= 1
    np.testing.assert_allclose(course.mean(axis=(0, 1)), 0.5, atol=0.01)
    assert not set(map(bytes, course)) & set(map(bytes, test.columns["course"])), "no way is in both splits"


@pytest.mark.parametrize("split", ["train", "test"])
def test_held_out_videos_show_held_out_digits(split):
    """In a frame as large as a digit it cannot move: each video is one digit of its own split."""
    (digits,) = data.load(section("digits", channels=1), split)
    own = {of_level(digit, 2).tobytes() for digit in digits.columns["image"]}
    shown = {video[-1].tobytes() for video in rows_of(load(split, side=8, count=1), 300)}
    assert shown <= own and len(shown) > 100


def test_the_digits_are_part_of_what_a_run_goes_on_with():
    """The numbers that are drawn are the same for other digits; the fingerprint is not."""
    small, large = load(side=20, image_size=8), load(side=20, image_size=9)
    np.testing.assert_array_equal(small.columns["course"], large.columns["course"])
    assert small.fingerprint() != large.fingerprint()


def test_specs_and_what_models_see():
    settings = section(frames=5, side=12, count=1, levels=4)
    (table,) = data.load(settings, "test")
    spec = table.specs["video"]
    assert (spec.shape, spec.kind, spec.levels, spec.rate) == ((5, 12, 12, 1), "video", 4, 10.0)
    assert data.kinds(settings) == {name: column.kind for name, column in table.specs.items()}
    seen = held_out(table, settings, ["video"], count=30)["video"]
    np.testing.assert_allclose(np.unique(seen), [-1, -1 / 3, 1 / 3, 1], atol=1e-6)
    assert seen.dtype == np.float32 and seen.shape == (30, 5, 12, 12, 1)
    assert "5 frames of 12 px, 4 levels, 1 digit in each" in table.description


def test_the_papers_protocol_is_the_default():
    settings = data.defaults("moving_digits:mnist")
    assert [settings[key] for key in ("frames", "side", "count")] == [20, 64, 2]


@pytest.mark.skipif(
    not (Path(os.environ.get("TFDS_DATA_DIR", "")) / "mnist").is_dir(), reason="TFDS_DATA_DIR names no prepared mnist"
)
def test_real_digits_move(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path))
    (table,) = data.load(section("moving_digits:mnist"), "test")
    made = rows_of(table, 3)
    assert made.shape == (3, 20, 64, 64, 1) and set(np.unique(made)) == {0, 255}
    lit = (made > 0).mean(axis=(1, 2, 3, 4))
    assert (lit > 0.02).all() and (lit < 0.2).all()


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("moving_digits:digits", {"frames": 1}, "data.frames is 1; it must be a number of frames from 2"),
        ("moving_digits:digits", {"levels": 3}, "data.levels is 3; it must be 2, 4, 6, 16, 18, 52, 86 or 256"),
        ("moving_digits:digits", {"count": 0}, "data.count is 0; it must be a number of digits"),
        ("moving_digits:digits", {"side": 7}, "data.side=7: the pictures of 'digits' have 8 px; take a larger frame"),
        ("moving_digits:digits", {"channels": 3}, "data.channels is 3; moving digits are grey"),
        ("moving_digits:digits", {"binarize": "dynamic"}, "data.binarize, data.crop and data.flip are not for videos"),
        ("moving_digits:digits", {"flip": True}, "data.binarize, data.crop and data.flip are not for videos"),
        ("moving_digits:shapes", {}, "let a set of pictures move, such as 'moving_digits:mnist'"),
        ("moving_digits:minst", {}, "did you mean 'mnist'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name, changes, said):
    with pytest.raises(UserError, match=f"^[^\n]*{said}[^\n]*$"):
        data.load(section(name, **changes), "train")


def test_a_source_without_a_name_is_refused():
    with pytest.raises(UserError, match="'moving_digits:' without a NAME"):
        data.defaults("moving_digits:")
