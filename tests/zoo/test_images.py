import io

import numpy as np
import pytest
from PIL import Image

from zoo import images
from zoo.errors import UserError


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


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_comes_back(channels, mode):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    image = Image.open(io.BytesIO(images.encode_png(picture)))
    assert (image.format, image.mode) == ("PNG", mode)
    np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)
