import io

import numpy as np
import pytest
from PIL import Image

from zoo import images
from zoo.shared.errors import UserError


def test_bytes_of_the_ends_and_the_middle():
    values = np.array([-1, 1, 0, -2, 2, -1 + 1 / 127.5], np.float32)
    assert images.to_uint8(values).tolist() == [0, 255, 128, 0, 255, 1]


def test_every_byte_comes_back():
    values = np.arange(256) / np.float32(127.5) - 1
    assert images.to_uint8(values).tolist() == list(range(256))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_picture_of_nan(bad):
    with pytest.raises(UserError, match="NaN"):
        images.to_uint8(np.array([0, bad]))


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (4, 2, 2), (5, 3, 2), (10, 4, 3)])
def test_grid_is_a_square_by_default(count, columns, rows):
    pictures = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    picture = images.grid(pictures, min_side=1)
    assert picture.shape == (rows * 3 - 1, columns * 4 - 1, 1)
    for index in range(count):
        row, column = divmod(index, columns)
        assert (picture[row * 3 : row * 3 + 2, column * 4 : column * 4 + 3] == index).all()


def test_grid_parts_images_and_obeys_columns():
    picture = images.grid(np.zeros((3, 2, 2, 3), np.uint8), columns=3, min_side=1)
    assert picture.shape == (2, 8, 3)
    assert (picture[:, [2, 5]] == 128).all()
    assert (np.delete(picture, [2, 5], axis=1) == 0).all()


def test_grid_magnifies_whole_pixels():
    small = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    picture, base = images.grid(small, min_side=170), images.grid(small, min_side=1)
    assert picture.shape == (170, 170, 3)
    np.testing.assert_array_equal(picture[::10, ::10], base)
    np.testing.assert_array_equal(picture[9::10, 9::10], base)


WHITE, GREY, BLUE = [255] * 3, [204] * 3, [0, 51, 204]
CORNERS = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)


def colours_at(picture, points):
    """Return the colours at points of a picture whose frame is [-1.2, 1.2] in both directions."""
    side = len(picture)
    return [picture[int((0.5 - y / 2.4) * side), int((0.5 + x / 2.4) * side)].tolist() for x, y in points]


def test_scatter_puts_samples_over_the_data_right_and_upwards():
    picture = images.scatter(np.array([[1, 1], [0, 0.5]], np.float32), CORNERS, side=120)
    assert picture.shape == (120, 120, 3) and picture.dtype == np.uint8
    where = [(1, 1), (0, 0.5), (-1, -1), (-1, 1), (1, -1), (0, -0.5), (0.5, 0), (-0.5, 0)]
    assert colours_at(picture, where) == [BLUE, BLUE, GREY, GREY, GREY, WHITE, WHITE, WHITE]
    assert (picture == BLUE).all(axis=-1).sum() == 2 * 9
    assert (picture == GREY).all(axis=-1).sum() == 3 * 9


def test_scatter_keeps_the_frame_of_the_data_and_draws_what_lies_outside_on_its_border():
    inside = np.array([[0.3, -0.4]])
    alone = images.scatter(inside, CORNERS, side=120)
    outside = np.array([[50, -0.01], [-1e30, 0.51], [0.51, 2], [0.91, -3e38]])
    picture = images.scatter(np.concatenate([inside, outside]), CORNERS, side=120)
    changed = {(int(row), int(column)) for row, column in np.argwhere((picture != alone).any(axis=-1))}
    right = {(row, column) for row in (59, 60, 61) for column in (118, 119)}
    left = {(row, column) for row in (33, 34, 35) for column in (0, 1)}
    top = {(row, column) for row in (0, 1) for column in (84, 85, 86)}
    bottom = {(row, column) for row in (118, 119) for column in (104, 105, 106)}
    assert changed == right | left | top | bottom


def test_scatter_without_data_frames_the_points_themselves_in_a_square():
    points = np.array([[10, 100], [30, 105]])
    picture = images.scatter(points, side=121)
    rows, columns = np.nonzero((picture == BLUE).all(axis=-1))
    assert sorted(set(columns)) == [9, 10, 11, 109, 110, 111], "20 units are 100 of the pixels"
    assert sorted(set(rows)) == [46, 47, 48, 72, 73, 74], "and the 5 units of the other direction are 25 or 26"
    assert picture[73, 10].tolist() == picture[47, 110].tolist() == BLUE


def test_scatter_of_one_point_is_in_the_middle():
    picture = images.scatter(np.array([[7.0, 7.0]]), side=100)
    np.testing.assert_array_equal(np.argwhere((picture == BLUE).all(axis=-1)).mean(axis=0), [50, 50])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_scatter_of_nan(bad):
    with pytest.raises(UserError, match="NaN"):
        images.scatter(np.array([[0, bad]]), CORNERS)


def test_overview_is_a_grid_of_images_a_scatter_of_points_of_the_plane_and_otherwise_nothing():
    made = np.random.default_rng(0).uniform(-1, 1, (6, 4, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(images.overview(made), images.grid(images.to_uint8(made)))
    np.testing.assert_array_equal(images.overview(made, columns=6), images.grid(images.to_uint8(made), 6))
    points = made[:, 0, :2, 0]
    np.testing.assert_array_equal(images.overview(points, CORNERS), images.scatter(points, CORNERS))
    np.testing.assert_array_equal(images.overview(points), images.scatter(points))
    for others in (points[:, :1], np.zeros((6, 3)), np.zeros((6, 2, 2)), np.zeros((6, 2, 4, 4, 1))):
        assert images.overview(others) is None


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_comes_back(channels, mode):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    image = Image.open(io.BytesIO(images.encode_png(picture)))
    assert (image.format, image.mode) == ("PNG", mode)
    np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)
