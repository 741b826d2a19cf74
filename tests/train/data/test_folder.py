import hashlib
import os
from types import SimpleNamespace

import numpy as np
import pytest
from absl import logging
from PIL import Image

from train import data
from train.data.sources import folder
from zoo.shared.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: said.append(text % values))
    return said


def config(root, **changes):
    defaults = {"image_size": 8, "channels": 0, "binarize": "none", "unreadable": "skip"}
    return SimpleNamespace(name=f"folder:{root}", **defaults | changes)


def save(path, value=0, mode="L", size=(8, 8), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def only(root, **changes):
    """Return the one picture below `root`, as the train split has it."""
    (image,) = data.load(config(root, **changes), "train").samples
    return image


def is_held_out(path):
    return int(hashlib.sha256(path.encode()).hexdigest(), 16) % 10 == 0


def test_nested_folders_any_case_and_sizes_in_the_order_of_the_path(root):
    save(root / "b.JPG", 30, size=(8, 8))
    save(root / "a" / "deep" / "x.PnG", 10, size=(20, 12))
    save(root / "a" / "y.webp", 20, "RGB", size=(5, 9), lossless=True)
    (root / "notes.txt").touch()
    source = data.load(config(root, channels=1), "train")
    assert source.samples.shape == (3, 8, 8, 1) and source.samples.dtype == np.uint8
    np.testing.assert_allclose(source.samples[:, 4, 4, 0], [10, 6, 30], atol=1)  # (20, 0, 0) is 6 of luma
    assert source.label_names == () and source.labels.tolist() == [0, 0, 0]
    assert "3 pictures" in source.description


def test_linked_directories_are_not_followed(root, tmp_path):
    save(root / "a.png")
    save(tmp_path / "elsewhere" / "b.png")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    assert len(data.load(config(root), "train").samples) == 1


def test_the_centre_square_is_taken(root):
    picture = np.zeros((8, 16), np.uint8)
    picture[:, 4:12] = np.arange(8) * 10 + 100
    Image.fromarray(picture).save(root / "wide.png")
    np.testing.assert_array_equal(only(root)[..., 0], np.tile(np.arange(8) * 10 + 100, (8, 1)))


def test_a_single_row_of_pixels_is_a_picture(root):
    save(root / "line.png", 77, size=(300, 1))
    np.testing.assert_array_equal(only(root), 77)


@pytest.mark.parametrize(("others", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("I;16", 1), ("RGB", 3), ("P", 3)])
def test_grey_only_if_every_picture_is(root, others, channels):
    save(root / "a.png", 9)
    save(root / "b.png", 0, others)
    (root / "broken.png").touch()
    assert data.load(config(root), "train").samples.shape[-1] == channels
    assert data.load(config(root, channels=3), "train").samples.shape == (2, 8, 8, 3)


def test_sixteen_bits_are_scaled_to_eight(root):
    levels = np.array([0, 128, 129, 257 * 100, 65535, 257 * 7, 32768, 40000], np.uint16)
    Image.fromarray(np.tile(levels, (8, 1))).save(root / "deep.png")
    np.testing.assert_array_equal(only(root)[0, :, 0], [0, 0, 1, 100, 255, 7, 128, 156])


def test_transparency_is_laid_over_white(root):
    save(root / "a.png", (200, 0, 0, 0), "RGBA")
    save(root / "b.png", (200, 0, 100, 255), "RGBA")
    save(root / "c.png", (0, 128), "LA")
    save(root / "d.webp", (0, 0, 0, 0), "RGBA", lossless=True)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(root / "e.png")
    palette.save(root / "f.png", transparency=1)
    images = data.load(config(root), "train").samples
    expected = [(255,) * 3, (200, 0, 100), (127,) * 3, (255,) * 3, (10, 20, 30), (255,) * 3]
    np.testing.assert_array_equal(images[:, 3, 3], expected)


def test_cmyk_becomes_rgb(root):
    save(root / "print.jpg", (255, 0, 0, 0), "CMYK", quality=100)
    np.testing.assert_allclose(only(root)[4, 4], (0, 255, 255), atol=3)


def test_the_orientation_is_applied(root):
    picture = np.zeros((8, 8), np.uint8)
    picture[:, 4:] = 255  # the right half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: right becomes bottom
    Image.fromarray(picture).save(root / "phone.png", exif=exif)
    np.testing.assert_array_equal(only(root)[..., 0], picture.T)


def test_the_first_frame_of_an_animation_is_taken(root):
    frames = [Image.new("RGB", (8, 8), (value, value, value)) for value in (50, 200)]
    frames[0].save(root / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(root / "b.png", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(data.load(config(root), "train").samples, 50)


def spoil(root):
    """Write one good picture and one of each kind that cannot be read; return the names of these."""
    save(root / "good.png", 5, "RGB")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for name in ("cut.jpg", "cut.png", "cut.webp"):
        noise.save(root / name)
        (root / name).write_bytes((root / name).read_bytes()[:-800])
    (root / "empty.png").touch()
    (root / "text.jpeg").write_text("not an image")
    noise.save(root / "other.png", format="BMP")
    os.mkfifo(root / "pipe.png")
    (root / "dangling.png").symlink_to(root / "nowhere.png")
    save(root / "bomb.png", size=(500, 500))
    return {"cut.jpg", "cut.png", "cut.webp", "empty.png", "text.jpeg", "other.png", "pipe.png", "dangling.png",
            "bomb.png"}  # fmt: skip


def test_every_unreadable_file_is_named_and_skipped(root, warnings, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000)  # one that Pillow itself would only warn of
    monkeypatch.setattr(folder, "_chosen", lambda root, files, split: files)
    bad = spoil(root)
    source = data.load(config(root, channels=3), "train")
    np.testing.assert_array_equal(source.samples, np.full((1, 8, 8, 3), (5, 0, 0)))
    assert len(warnings) == len(bad)
    assert all(any(str(root / name) in line for line in warnings) for name in bad)
    assert f"{len(bad)} unreadable" in source.description


def test_unreadable_files_can_be_refused(root, warnings):
    save(root / "a.png")
    (root / "b.png").touch()
    (root / "c.png").touch()
    assert len(data.load(config(root), "train").samples) == 1  # the cache must not answer for 'refuse'
    with pytest.raises(UserError, match="b.png") as error:
        data.load(config(root, unreadable="refuse"), "train")
    assert "\n" not in str(error.value)


def test_nothing_readable_is_an_error(root, warnings):
    (root / "a.png").touch()
    with pytest.raises(UserError, match="none of the 1 picture files"):
        data.load(config(root), "train")


def test_labels_are_the_first_folders(root):
    for index, name in enumerate(["cat/a.png", "cat/more/b.png", "ant/c.png", "dog/d.png"]):
        save(root / name, index)
    source = data.load(config(root), "train")
    assert source.label_names == ("ant", "cat", "dog")
    assert dict(zip(source.samples[:, 0, 0, 0].tolist(), source.labels.tolist(), strict=True)) == {
        0: 1,
        1: 1,
        2: 0,
        3: 2,
    }
    save(root / "stray.png")
    assert data.load(config(root), "train").label_names == ()


def test_one_folder_makes_no_labels(root):
    save(root / "cat" / "a.png")
    assert data.load(config(root), "train").label_names == ()


def test_a_tenth_is_held_out_by_the_hash_of_the_path(root):
    names = [f"{index:03}.png" for index in range(60)]
    for index, name in enumerate(names):
        save(root / name, index)
    train, test = (data.load(config(root), split).samples[:, 0, 0, 0].tolist() for split in data.SPLITS)
    assert test == [index for index, name in enumerate(names) if is_held_out(name)]
    assert sorted(train + test) == list(range(60)) and test


def test_of_few_files_none_is_held_out(root):
    held = [name for name in (f"{index}.png" for index in range(99)) if is_held_out(name)]
    for name in held[:2]:
        save(root / name)
    assert len(data.load(config(root), "train").samples) == 2
    with pytest.raises(UserError, match="split 'test' of the 2 picture files .* is empty"):
        data.load(config(root), "test")


def test_a_second_load_decodes_nothing_until_a_file_changes(root, monkeypatch):
    save(root / "a.png", 1)
    first = data.load(config(root), "train").samples
    with monkeypatch.context() as patch:
        patch.setattr(folder, "decode", lambda *_: pytest.fail("decoded again"))
        np.testing.assert_array_equal(data.load(config(root), "train").samples, first)
    assert data.load(config(root, image_size=4), "train").samples.shape == (1, 4, 4, 1)
    save(root / "a.png", 2)
    os.utime(root / "a.png", ns=(0, 1))
    np.testing.assert_array_equal(data.load(config(root), "train").samples, 2)
