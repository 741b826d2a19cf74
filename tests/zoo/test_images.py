import io
import threading
import warnings

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


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("height, width", [(1, 1), (3, 5), (32, 32), (64, 64), (70, 90)])
def test_a_png_holds_every_bit(height, width, channels):
    """Small pictures are written here, larger ones by Pillow, and Pillow reads both."""
    picture = np.random.default_rng(height).integers(0, 256, (height, width, channels)).astype(np.uint8)
    for view in (picture, picture[::-1, ::-1]):
        read = Image.open(io.BytesIO(images.encode_png(view)))
        assert (read.format, read.mode) == ("PNG", {1: "L", 3: "RGB", 4: "RGBA"}[channels])
        np.testing.assert_array_equal(np.asarray(read).reshape(view.shape), view)


def square(values, mode=None):
    """Return a picture of these grey levels, (height, width)."""
    picture = Image.fromarray(np.asarray(values, np.uint8))
    return picture.convert(mode) if mode else picture


LEVELS = np.arange(6 * 10).reshape(6, 10) * 4


def test_fit_keeps_what_fits():
    np.testing.assert_array_equal(images.fit(square(LEVELS), (6, 10), 1)[..., 0], LEVELS)
    np.testing.assert_array_equal(images.fit(square(LEVELS), None, 1)[..., 0], LEVELS)
    made = images.fit(square(LEVELS), None, 3)
    assert made.shape == (6, 10, 3) and made.dtype == np.uint8
    np.testing.assert_array_equal(made, LEVELS[..., None].repeat(3, axis=-1))


@pytest.mark.parametrize(
    ("size", "part"),
    [
        ((6, 6), np.s_[:, 2:8]),  # the sides go
        ((6, 5), np.s_[:, 2:7]),
        ((3, 10), np.s_[1:4, :]),  # above and below go
    ],
)
def test_fit_takes_the_largest_part_about_the_centre_that_has_the_shape(size, part):
    np.testing.assert_array_equal(images.fit(square(LEVELS), size, 1)[..., 0], LEVELS[part])


@pytest.mark.parametrize("size", [(4, 4), (3, 9), (12, 20), (1, 1), (100, 3)])
@pytest.mark.parametrize(("mode", "level"), [("L", 77), ("RGB", (10, 100, 200)), ("P", 1), ("1", 255)])
def test_fit_keeps_a_flat_picture_flat_at_any_size(size, mode, level):
    picture = Image.new(mode, (7, 5), level)
    expected = picture.convert("RGB").getpixel((0, 0))
    np.testing.assert_array_equal(images.fit(picture, size, 3), np.broadcast_to(expected, (*size, 3)))
    assert images.fit(picture, size, 1).shape == (*size, 1)


def test_fit_resizes_by_lanczos_unless_another_way_is_told():
    picture = square(np.random.default_rng(0).integers(0, 256, (16, 16)))
    by_default = images.fit(picture, (8, 8), 1)
    for resample in (Image.Resampling.BICUBIC, Image.Resampling.NEAREST, Image.Resampling.LANCZOS):
        expected = np.asarray(picture.resize((8, 8), resample))[..., None]
        np.testing.assert_array_equal(images.fit(picture, (8, 8), 1, resample), expected)
    np.testing.assert_array_equal(by_default, expected)


def test_fit_makes_colour_luma_and_grey_colour():
    colour = Image.new("RGB", (4, 4), (200, 0, 0))
    assert (images.fit(colour, (4, 4), 1) == 60).all(), "0.299 * 200"
    assert (images.fit(Image.new("L", (4, 4), 9), (4, 4), 3) == 9).all()


def test_fit_scales_sixteen_bits_and_lays_transparency_over_white():
    deep = np.array([[0, 257, 65535, 257 * 7]], np.uint16)
    assert images.fit(Image.fromarray(deep), (1, 4), 1).ravel().tolist() == [0, 1, 255, 7]
    for mode, colour, expected in (("RGBA", (200, 0, 0, 0), 255), ("LA", (0, 128), 127), ("RGBA", (9, 9, 9, 255), 9)):
        assert (images.fit(Image.new(mode, (4, 4), colour), (4, 4), 1) == expected).all()
    for clear_level, expected in ((257 * 100, [0, 1, 255, 255]), (257, [0, 255, 255, 100])):
        picture = Image.fromarray(np.array([[0, 257, 65535, 257 * 100]], np.uint16))
        picture.info["transparency"] = clear_level
        assert images.fit(picture, (1, 4), 1).ravel().tolist() == expected
    clear = Image.new("L", (4, 4), 3)
    clear.info["transparency"] = 3
    assert (images.fit(clear, (4, 4), 1) == 255).all()


ORIENTATIONS = {  # what turns the stored pixels upright
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored.T[::-1, ::-1],
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("ending", ["png", "webp"])
def test_decode_and_size_of_are_upright(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"phone.{ending}"
    square(LEVELS).save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    expected = ORIENTATIONS[orientation](LEVELS)
    assert images.size_of(path) == expected.shape
    np.testing.assert_array_equal(images.decode(path, None, 1)[..., 0], expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("1", True), ("L", True), ("LA", True), ("I;16", True), ("RGB", False), ("RGBA", False), ("P", False)],
)
def test_is_grey_tells_how_a_picture_is_stored(tmp_path, mode, expected):
    Image.new(mode, (4, 4)).save(tmp_path / "picture.png")
    assert images.is_grey(tmp_path / "picture.png") is expected


def test_what_cannot_be_opened_does_not_count_as_colour(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert images.is_grey(tmp_path / "broken.png") and images.is_grey(tmp_path / "gone.png")


def test_every_ending_is_of_a_format_that_is_opened(tmp_path):
    for ending in images.ENDINGS:
        kind = {".png": "PNG", ".webp": "WEBP"}.get(ending, "JPEG")
        square(LEVELS).save(tmp_path / f"a{ending}", format=kind)
        with images.opened(tmp_path / f"a{ending}") as picture:
            assert picture.format == kind and picture.size == (10, 6)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bitmap.png", "the file holds no PNG, JPEG or WebP picture"),
        ("page.png", "the file holds no PNG, JPEG or WebP picture"),
        ("empty.png", "the file is empty"),
        ("gone.png", "No such file or directory"),
        (".", "not a regular file"),
    ],
)
def test_what_cannot_be_opened_says_why_in_words_without_its_path(tmp_path, name, said):
    square(LEVELS).save(tmp_path / "bitmap.png", format="BMP")
    (tmp_path / "page.png").write_text("<!DOCTYPE html><html>404</html>")
    (tmp_path / "empty.png").touch()
    with pytest.raises(OSError) as error:
        images.opened(tmp_path / name)
    assert str(error.value) == said


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_damaged_exif_data_change_nothing_and_say_nothing(tmp_path, recwarn, ending):
    exif = Image.Exif()
    exif[0x0112] = 1
    for index, damaged in enumerate((exif.tobytes()[:-9], b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"")):
        path = tmp_path / f"{index}.{ending}"
        square(LEVELS).save(path, exif=damaged, **({"quality": 100} if ending == "jpg" else {}))
        assert images.is_grey(path) and images.size_of(path) == (6, 10)
        np.testing.assert_allclose(images.decode(path, None, 1)[..., 0], LEVELS, atol=3)
    assert list(recwarn) == []


def test_many_photos_in_one_file_are_the_first(tmp_path):
    """As phones save a photo with a depth map: JPEG by its ending, MPO inside."""
    square(LEVELS, "RGB").save(
        tmp_path / "a.jpg", "MPO", save_all=True, append_images=[square(255 - LEVELS, "RGB")], quality=100
    )
    np.testing.assert_allclose(images.decode(tmp_path / "a.jpg", None, 1)[..., 0], LEVELS, atol=4)


@pytest.mark.parametrize("size", [(30_000, 1), (1, 30_000), (1, 1)])
def test_extreme_shapes_are_fitted(tmp_path, size):
    Image.new("L", size, 77).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.decode(tmp_path / "a.png", (8, 8), 1), np.full((8, 8, 1), 77))


@pytest.mark.parametrize("profile", [bytes(3_000_000), b"no profile at all"])
def test_a_large_or_broken_colour_profile_leaves_the_pixels_as_they_are(tmp_path, profile):
    Image.new("RGB", (8, 6), (200, 30, 30)).save(tmp_path / "a.png", icc_profile=profile)
    assert (images.decode(tmp_path / "a.png", None, 3) == (200, 30, 30)).all()


def test_threads_that_read_pictures_leave_the_filters_of_warnings_as_they_were(tmp_path):
    """Each of two `catch_warnings` that overlap in time puts back what it found: the second one what the first set."""
    before = list(warnings.filters)
    with images._quiet:
        inside = list(warnings.filters)
        other = threading.Thread(target=images._quiet.__enter__)
        other.start()
        other.join()
    assert warnings.filters == inside != before
    images._quiet.__exit__()
    assert warnings.filters == before


def test_a_picture_of_too_many_pixels_is_not_opened(tmp_path, monkeypatch):
    square(LEVELS).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # Pillow warns above it, and refuses above twice as many
    with pytest.raises(Image.DecompressionBombWarning):
        images.opened(tmp_path / "bomb.png")
