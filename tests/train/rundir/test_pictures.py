"""What a run leaves to look at, from logs and sheets alone."""

import numpy as np
import pytest
from PIL import Image

from train.rundir import pictures
from zoo import images
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (2,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2)
INPUT = TensorSpec("input", (8, 8, 1), "condition", "image")
IMAGE = TensorSpec("image", (8, 8, 1), "output", "image")
COLOURED = TensorSpec("coloured", (8, 8, 3), "output", "image")
POINT = TensorSpec("point", (2,), "output", "point")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_samples_of_images_are_the_grid_that_they_were():
    made = drawn(5, 8, 8, 1)
    picture = pictures.sheet_of(MapSpec((Z,), (IMAGE,)), {"z": drawn(5, 2)}, {"image": made}, {})
    np.testing.assert_array_equal(picture, images.grid(images.to_uint8(made)))


def test_classes_are_in_columns_and_are_no_tile_themselves():
    made = drawn(6, 8, 8, 1)
    spec = MapSpec((Z, LABEL), (IMAGE,))
    inputs = {"z": drawn(6, 2), "label": np.arange(6) % 3}
    picture = pictures.sheet_of(spec, inputs, {"image": made}, {}, columns=3)
    np.testing.assert_array_equal(picture, images.grid(images.to_uint8(made), 3))


def test_conditions_outputs_and_targets_stand_side_by_side():
    given, made, target = drawn(4, 8, 8, 1), drawn(4, 8, 8, 3, seed=1), drawn(4, 8, 8, 3, seed=2)
    spec = MapSpec((Z, INPUT), (COLOURED,))
    sheet = pictures.sheet_of(spec, {"z": drawn(4, 2), "input": given}, {"coloured": made}, {"coloured": target})
    blank = np.full((4, 8, 1, 3), 128, np.uint8)
    parts = (images.to_uint8(given).repeat(3, axis=-1), blank, images.to_uint8(made), blank, images.to_uint8(target))
    np.testing.assert_array_equal(sheet, images.grid(np.concatenate(parts, axis=2)))


@pytest.mark.parametrize(("rows", "columns"), [(9, 4), (4, 4), (3, None)])
def test_attributes_have_a_column_each_where_there_are_so_many_rows(rows, columns):
    spec = MapSpec((INPUT, TensorSpec("wanted", (4,), "condition", "attributes")), (IMAGE,))
    given, made = drawn(rows, 8, 8, 1), drawn(rows, 8, 8, 1, seed=1)
    sheet = pictures.sheet_of(spec, {"input": given, "wanted": np.zeros((rows, 4))}, {"image": made}, {})
    blank = np.full((rows, 8, 1, 1), 128, np.uint8)
    parts = (images.to_uint8(given), blank, images.to_uint8(made))
    np.testing.assert_array_equal(sheet, images.grid(np.concatenate(parts, axis=2), columns))


def test_a_number_that_is_given_is_left_out_and_a_state_leaves_no_sheet():
    given, made = drawn(4, 8, 8, 1), drawn(4, 8, 8, 1, seed=1)
    for shape, is_shown in (((), True), ((3,), False)):
        spec = MapSpec((INPUT, TensorSpec("alpha", shape, "condition", low=0, high=1)), (IMAGE,))
        sheet = pictures.sheet_of(spec, {"input": given, "alpha": np.ones((4, *shape))}, {"image": made}, {})
        assert (sheet is not None) == is_shown


def test_points_are_drawn_over_those_behind_and_only_in_the_plane():
    spec = MapSpec((Z,), (POINT,))
    points, behind = drawn(9, 2), drawn(50, 2, seed=1)
    sheet = pictures.sheet_of(spec, {"z": points}, {"point": points}, {}, behind=behind)
    np.testing.assert_array_equal(sheet, images.scatter(points, behind))
    spatial = MapSpec((Z,), (TensorSpec("point", (3,), "output", "point"),))
    assert pictures.sheet_of(spatial, {"z": points}, {"point": drawn(9, 3)}, {}, behind=drawn(50, 3)) is None


def test_what_cannot_be_shown_has_no_sheet_even_if_its_condition_can():
    spec = MapSpec((INPUT,), (TensorSpec("log_prob", (), "output", "nats"),))
    assert pictures.sheet_of(spec, {"input": drawn(4, 8, 8, 1)}, {"log_prob": drawn(4)}, {}) is None


def test_sheets_of_several_maps_lie_apart_and_are_found_together(tmp_path):
    for step in (0, 20):
        for name in ("", "reconstruct"):
            path = pictures.path_of(tmp_path, step, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(images.encode_png(np.full((8, 8, 1), step, np.uint8)))
    (tmp_path / "samples" / "notes.png").write_bytes(b"")
    found = {(step, path.relative_to(tmp_path / "samples").as_posix()) for step, path in pictures.steps_drawn(tmp_path)}
    assert found == {
        (0, "00000000.png"), (0, "reconstruct/00000000.png"), (20, "00000020.png"), (20, "reconstruct/00000020.png"),
    }  # fmt: skip


def test_the_animation_holds_the_sheets_of_the_first_map_with_their_colours(tmp_path):
    pictures.write_animation(tmp_path)
    assert list(tmp_path.iterdir()) == [], "there is nothing to animate yet"
    behind = drawn(500, 2)
    sheets = [images.scatter(drawn(50, 2, seed=1) * (1 + step), behind) for step in range(3)]
    for step, sheet in enumerate(sheets):
        path = pictures.path_of(tmp_path, step)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(images.encode_png(sheet))
    other = pictures.path_of(tmp_path, 7, "reconstruct")
    other.parent.mkdir()
    other.write_bytes(images.encode_png(np.zeros((4, 4, 1), np.uint8)))
    pictures.write_animation(tmp_path)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        assert animation.n_frames == 3
        for step, sheet in enumerate(sheets):
            animation.seek(step)
            np.testing.assert_array_equal(np.asarray(animation.convert("RGB")), sheet)


def test_a_long_run_is_animated_in_sixty_frames_from_its_first_to_its_last(tmp_path):
    (tmp_path / "samples").mkdir()
    for step in range(150):
        pictures.path_of(tmp_path, step).write_bytes(images.encode_png(np.full((4, 4, 1), step, np.uint8)))
    pictures.write_animation(tmp_path)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        assert animation.n_frames == 60
        frames = [np.asarray(animation.convert("L"))[0, 0] for index in range(60) if not animation.seek(index)]
    assert (frames[0], frames[-1]) == (0, 149)
    assert sorted(set(frames)) == frames, "every grey is as it was"


def test_of_many_frames_those_nearest_to_even_steps_are_taken(tmp_path):
    """A sheet at every hundredth step, and a crowd of them where a run was stopped again and again."""
    (tmp_path / "samples").mkdir()
    for step in (*range(0, 5901, 100), *range(1001, 1041)):
        grey = step % 100 + 100 if step % 100 else step // 100
        pictures.path_of(tmp_path, step).write_bytes(images.encode_png(np.full((4, 4, 1), grey, np.uint8)))
    pictures.write_animation(tmp_path)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        frames = [
            np.asarray(animation.convert("L"))[0, 0] for index in range(animation.n_frames) if not animation.seek(index)
        ]
    assert frames == list(range(60))


def test_sheets_of_another_size_than_the_last_are_no_frames(tmp_path):
    (tmp_path / "samples").mkdir()
    for step, side in enumerate((4, 6, 6)):
        pictures.path_of(tmp_path, step).write_bytes(images.encode_png(np.full((side, side, 1), step, np.uint8)))
    pictures.write_animation(tmp_path)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        assert (animation.size, animation.n_frames) == ((6, 6), 2)


def of_classes(classes, names=(), output=IMAGE):
    return MapSpec((Z, TensorSpec("label", (), "condition", "class", low=0, high=classes - 1, names=names)), (output,))


@pytest.mark.parametrize(
    ("classes", "count", "grid"),
    [
        (2, 64, (64, 8)),  # which take turns within a row
        (3, 64, (60, 6)),
        (10, 64, (60, 10)),
        (10, 4, (4, None)),
        (16, 64, (64, 16)),
        (17, 64, (64, None)),
        (26, 100, (100, None)),
        (3, 3, (3, 3)),
        (10, 10, (10, 10)),
    ],
)
def test_a_sheet_has_a_column_for_each_class_unless_it_would_be_a_strip(classes, count, grid):
    assert pictures.grid_of(of_classes(classes), count) == grid


def test_other_sheets_and_points_are_squares():
    assert pictures.grid_of(MapSpec((Z,), (IMAGE,)), 64) == (64, None)
    assert pictures.grid_of(of_classes(4, output=POINT), 64) == (64, None)


def test_the_names_of_classes_stand_above_their_columns():
    made, names = drawn(6, 8, 8, 1), ("ant", "bee", "cat")
    inputs = {"z": drawn(6, 2), "label": np.arange(6) % 3}
    sheet = pictures.sheet_of(of_classes(3, names), inputs, {"image": made}, {}, columns=3)
    plain = images.grid(images.to_uint8(made), 3)
    height = len(sheet) - len(plain)
    np.testing.assert_array_equal(sheet[height:], plain)
    strip = sheet[:height, :, 0]
    assert height == 20 and (strip[[0, -1]] == 255).all()
    inked = np.flatnonzero((strip < 128).any(axis=0)) * 3 // plain.shape[1]
    assert set(inked) == {0, 1, 2}, "in each column"
    two = pictures.sheet_of(of_classes(3, names), inputs, {"image": made}, {}, columns=2)
    np.testing.assert_array_equal(two, images.grid(images.to_uint8(made), 2), "whose columns are of no one class")
    square = pictures.sheet_of(of_classes(3, names), inputs, {"image": made}, {})
    assert len(square) == len(images.grid(images.to_uint8(made)))


def test_a_damaged_sheet_is_left_out_of_the_animation_with_a_warning(tmp_path, caplog):
    for step in range(4):
        picture = np.full((8, 8, 1), 60 * step, np.uint8)
        pictures.path_of(tmp_path, step).parent.mkdir(exist_ok=True)
        pictures.path_of(tmp_path, step).write_bytes(images.encode_png(picture))
    whole = pictures.path_of(tmp_path, 2).read_bytes()
    pictures.path_of(tmp_path, 2).write_bytes(whole[:20] + b"\xff" + whole[21:])
    (tmp_path / "samples" / "00000009.png").mkdir()
    (tmp_path / "samples" / "3 of mine.png").write_bytes(whole)
    pictures.write_animation(tmp_path)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        assert animation.n_frames == 3
    assert "cannot read" in caplog.text and "00000002.png" in caplog.text
    assert {step for step, _ in pictures.steps_drawn(tmp_path)} == {0, 1, 2, 3}, "what is no file is no sheet"
    for step in (0, 1, 3):
        pictures.path_of(tmp_path, step).write_bytes(b"")
    pictures.write_animation(tmp_path)
