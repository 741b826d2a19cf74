import hashlib
import os
import random
import shutil
import socket
import unicodedata

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from train import data
from train.data.sources import files
from train.data.sources.pictures import Section
from zoo import images
from zoo.shared.errors import UserError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def section(root, **changes):
    name = f"folder:{root}"
    return Section(**{"name": name, **data.defaults(name), "image_size": 8, **changes})


def load(root, split="train", **changes):
    (table,) = data.load(section(root, **changes), split)
    return table


def pictures(root, split="train", **changes):
    return load(root, split, **changes).columns["image"]


def only(root, **changes):
    """Return the one picture below `root`, as the train split has it."""
    (image,) = pictures(root, **changes)
    return image


def save(path, value=0, mode="L", size=(8, 8), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def is_held_out(path):
    return int(hashlib.sha256(path.encode()).hexdigest(), 16) % 10 == 0


def test_nested_folders_any_case_and_sizes_in_the_order_of_the_path(root):
    save(root / "b.JPG", 30, size=(8, 8))
    save(root / "a" / "deep" / "x.PnG", 10, size=(20, 12))
    save(root / "a" / "y.webp", 20, "RGB", size=(5, 9), lossless=True)
    (root / "notes.txt").touch()
    table = load(root, channels=1)
    assert table.columns["image"].shape == (3, 8, 8, 1) and table.columns["image"].dtype == np.uint8
    np.testing.assert_allclose(table.columns["image"][:, 4, 4, 0], [10, 6, 30], atol=1)  # (20, 0, 0) is 6 of luma
    assert list(table.columns) == list(table.specs) == ["image"], "there are no labels"
    assert data.kinds(section(root)) == {"image": "image"}
    assert "3 pictures" in table.description


def test_linked_directories_are_followed_once_and_loops_end(root, tmp_path):
    for index, name in enumerate(("cat", "dog")):
        save(tmp_path / "elsewhere" / name / f"{name}.png", index)
        (root / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "cat" / "loop").symlink_to(tmp_path / "elsewhere" / "cat")
    (root / "dog" / "up").symlink_to(root)
    (root / "dog" / "gone").symlink_to(root / "nowhere")
    table = load(root)
    assert table.specs["label"].names == ("cat", "dog")
    assert table.columns["image"][:, 0, 0, 0].tolist() == table.columns["label"].tolist() == [0, 1]


def test_a_directory_that_is_reached_in_two_ways_counts_once_under_its_own_name(root):
    save(root / "second" / "x.png")
    save(root / "third" / "y.png")
    (root / "first").symlink_to(root / "second")
    assert load(root).specs["label"].names == ("second", "third")


@pytest.mark.parametrize(
    "hidden",
    [
        *(
            ".ipynb_checkpoints",
            ".git",
            ".Trash-1000",
            "__MACOSX",
            "@eaDir",
            "#recycle",
            "$RECYCLE.BIN",
            "$Recycle.Bin",
        ),
        *("lost+found", "System Volume Information"),
    ],
)
def test_hidden_files_and_folders_are_left_out(root, hidden):
    for index, name in enumerate(("cat", "dog")):
        save(root / name / "a.png", index)
        save(root / name / hidden / "a.png", 99)
        (root / name / "._a.png").write_bytes(b"AppleDouble")
        (root / hidden / name).mkdir(parents=True)
        (root / hidden / name / "._a.png").write_bytes(b"AppleDouble")
    save(root / hidden / "a.png", 99)
    table = load(root, unreadable="refuse")
    assert table.specs["label"].names == ("cat", "dog")
    assert table.columns["image"][:, 0, 0, 0].tolist() == [0, 1]
    assert "2 of 2 files" in table.description
    data.check(section(root))


def test_a_run_in_the_folder_of_its_pictures_is_left_out(root):
    save(root / "a.png", 3)
    save(root / "run" / "samples" / "step_1.png", 9)
    (root / "run" / "config.json").touch()
    assert len(load(root)) == 2, "it may be anything"
    (root / "run" / "checkpoints").mkdir()
    assert only(root).min() == 3
    assert only(root / "run").min() == only(root / "run" / "samples").min() == 9, "where it is asked for"


def test_a_folder_may_lie_in_a_hidden_one(tmp_path):
    save(tmp_path / ".data" / "a.png", 3)
    assert only(tmp_path / ".data").min() == 3


def test_numbered_classes_are_in_the_order_of_their_numbers(root):
    for number in range(12):
        save(root / str(number) / "a.png", 20 * number)
    table = load(root, "all")
    assert table.specs["label"].names == tuple(map(str, range(12)))
    np.testing.assert_array_equal(table.columns["image"][:, 0, 0, 0], 20 * table.columns["label"])


@pytest.mark.parametrize(
    "names",
    [
        ("2", "10", "100"),
        ("class 2", "class 10", "class b"),
        ("01", "1", "2"),  # one number, two folders
        ("3 a", "3 b", "20"),
        ("٢", "10"),  # an Arabic two
        ("A", "a", "b"),
    ],
)
def test_names_sort_as_people_sort_them(names):
    assert tuple(sorted(sorted(names, reverse=True), key=files.natural)) == names


def test_other_endings_of_jpeg_are_read_and_other_formats_are_counted(root):
    for index, ending in enumerate(("png", "jfif", "jpe", "bmp", "tiff", "gif", "BMP")):
        save(root / f"{index}.{ending}", 50, format="JPEG" if ending in ("jfif", "jpe") else None)
    (root / "notes.txt").touch()
    table = load(root)
    np.testing.assert_array_equal(table.columns["image"], np.full((3, 8, 8, 1), 50))
    assert "3 of 3 files" in table.description
    assert "left out: 4 picture files of other endings (2 .bmp, " in table.description
    for told in ("1 .tiff", "1 .gif"):
        assert told in table.description


@pytest.mark.parametrize(
    "ending", ["heic", "HEIF", "avif", "svg", "jxl", "CR2", "nef", "dng", "raw", "tga", "ppm", "psd"]
)
def test_formats_that_are_not_read_are_told_by_their_endings(root, ending):
    save(root / "a.png")
    (root / f"b.{ending}").touch()
    assert f"left out: 1 picture files of other endings (1 .{ending.lower()})" in load(root).description


def test_pictures_without_an_ending_or_with_an_unknown_one_are_told_and_other_files_are_not(root):
    save(root / "a.png")
    save(root / "scan", format="JPEG")
    save(root / "photo.jpg?width=200", format="WEBP")
    save(root / "photo.jpg.1", format="PNG")
    for name in ("notes.txt", "Makefile", "Thumbs.db", "desktop.ini"):
        (root / name).write_bytes(b"no picture at all")
    os.mkfifo(root / "pipe")
    (root / "zeros").symlink_to("/dev/zero")
    (root / "gone").symlink_to("nowhere")
    description = load(root).description
    assert "left out: 3 picture files of other endings (" in description
    for told in ("1 without an ending", "1 .jpg?width=200", "1 .1"):
        assert told in description


def test_of_many_other_endings_the_most_frequent_are_told(root):
    save(root / "a.png")
    for index, ending in enumerate(("bmp", "bmp", "gif", "gif", "tif", "tif", "svg", "svg", "ico")):
        (root / f"{index}.{ending}").touch()
    description = load(root).description
    assert "9 picture files of other endings (2 ." in description and ", ...)" in description
    assert ".ico" not in description


def test_without_other_formats_the_description_does_not_speak_of_them(root):
    save(root / "a.png")
    assert "left out" not in load(root).description


def test_a_folder_of_other_formats_alone_is_one_line_that_says_so(root):
    for name in ("a.bmp", "deep/b.gif"):
        save(root / name)
    with pytest.raises(
        UserError, match=r"no picture file.*reads .png.*not the 2 picture files of other endings \("
    ) as error:
        data.check(section(root))
    assert "\n" not in str(error.value)


def test_a_folder_without_pictures_is_one_line(root):
    (root / "notes.txt").touch()
    save(root / ".thumbnails" / "a.png")
    with pytest.raises(UserError, match=f"no picture file below {root}; genzoo reads .png, .*.webp$"):
        data.check(section(root))
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "A.JPEG").touch()
    data.check(section(root))


def test_a_picture_with_megabytes_of_text_is_read(root):
    """Some image generators keep their whole workflow in a PNG."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, :4], picture[:, 4:] = (200, 30, 30), (30, 30, 200)
    text = PngInfo()
    text.add_text("workflow", "nodes " * 500_000, zip=True)
    Image.fromarray(picture).save(root / "generated.png", pnginfo=text)
    assert (root / "generated.png").stat().st_size < 10_000, "which Pillow takes for an attack"
    np.testing.assert_array_equal(only(root, unreadable="refuse"), picture)


def test_the_centre_square_is_taken(root):
    picture = np.zeros((8, 16), np.uint8)
    picture[:, 4:12] = np.arange(8) * 10 + 100
    Image.fromarray(picture).save(root / "wide.png")
    np.testing.assert_array_equal(only(root)[..., 0], np.tile(np.arange(8) * 10 + 100, (8, 1)))


def test_a_single_row_of_pixels_is_a_picture(root):
    save(root / "line.png", 77, size=(300, 1))
    np.testing.assert_array_equal(only(root), 77)


def test_pictures_of_one_size_keep_it(root):
    rows = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
    for name in ("a.png", "b.png"):
        Image.fromarray(rows).save(root / name)
    (root / "broken.png").touch()
    table = load(root, image_size=0)
    assert table.specs["image"].shape == (12, 20, 1)
    np.testing.assert_array_equal(table.columns["image"], np.stack([rows, rows])[..., None])
    assert "20 x 12 px" in table.description


def test_a_phone_s_pictures_keep_their_upright_size(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(root / "lying.png", 5, size=(12, 8), exif=exif)
    save(root / "standing.jpg", 5, size=(8, 12))
    assert load(root, image_size=0).specs["image"].shape == (12, 8, 1)


@pytest.mark.parametrize(
    ("sides", "suggested"), [((12, 16), 8), ((5, 16), 8), ((64, 65), 64), ((63, 70), 32), ((300, 400), 64)]
)
def test_pictures_of_several_sizes_need_a_choice(root, sides, suggested):
    for side in sides:
        save(root / f"{side}.png", size=(side + 20, side))
    with pytest.raises(UserError) as error:
        load(root, image_size=0)
    said = f"differ in size, their sides from {sides[0]} to {sides[1]} pixels: choose one, such as "
    assert f"{said}--config.data.image_size={suggested}" in str(error.value) and "\n" not in str(error.value)


def test_photographs_need_a_choice_before_anything_is_decoded(root, monkeypatch):
    save(root / "a.png", size=(1100, 1025))
    monkeypatch.setattr(images, "decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="have 1100 x 1025 px, and at most 1024 px are kept: choose .*=64") as error:
        load(root, image_size=0)
    assert "\n" not in str(error.value)


def test_the_largest_pictures_that_are_kept(root):
    save(root / "a.png", size=(1024, 2))
    assert load(root, image_size=0).specs["image"].shape == (2, 1024, 1)


def test_with_a_crop_pictures_are_stored_larger(root):
    save(root / "a.png", 7, size=(40, 30))
    for size, crop, stored in ((8, 3, (11, 11)), (0, 4, (34, 44))):
        table = load(root, image_size=size, crop=crop)
        assert table.columns["image"].shape == (1, *stored, 1)
        assert table.specs["image"].shape == (stored[0] - crop, stored[1] - crop, 1)
        assert f"(stored {crop} px larger)" in table.description


@pytest.mark.parametrize(("others", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("I;16", 1), ("RGB", 3), ("P", 3)])
def test_grey_only_if_every_picture_is(root, others, channels):
    save(root / "a.png", 9)
    save(root / "b.png", 0, others)
    (root / "broken.png").touch()
    assert pictures(root).shape == (2, 8, 8, channels)
    assert pictures(root, channels=3).shape == (2, 8, 8, 3)


def test_the_splits_have_the_channels_and_the_labels_of_all(root):
    names = [f"{index:02}" for index in range(40)]
    held = next(name for name in names if is_held_out(f"cat/{name}.png"))
    for name in names:
        save(root / "cat" / f"{name}.png", 5, "RGB" if name == held else "L")
    save(root / next(f"dog/{name}.png" for name in names if not is_held_out(f"dog/{name}.png")))
    for split in ("train", "test", "all"):
        table = load(root, split)
        assert table.specs["image"].shape == (8, 8, 3) and table.specs["label"].names == ("cat", "dog")


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
    expected = [(255,) * 3, (200, 0, 100), (127,) * 3, (255,) * 3, (10, 20, 30), (255,) * 3]
    np.testing.assert_array_equal(pictures(root)[:, 3, 3], expected)


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
    np.testing.assert_array_equal(pictures(root), 50)


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
    (root / "itself.png").symlink_to("itself.png")
    (root / "zeros.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "socket.png"))  # a long path would not do
    save(root / "bomb.png", size=(500, 500))
    return {"cut.jpg", "cut.png", "cut.webp", "empty.png", "text.jpeg", "other.png", "pipe.png", "dangling.png",
            "itself.png", "zeros.png", "socket.png", "bomb.png"}  # fmt: skip


def test_every_unreadable_file_is_named_and_skipped(root, warnings, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000)  # one that Pillow itself would only warn of
    bad = spoil(root)
    table = load(root, "all", channels=3)
    np.testing.assert_array_equal(table.columns["image"], np.full((1, 8, 8, 3), (5, 0, 0)))
    assert len(warnings) == len(bad)
    assert all(any(str(root / name) in line for line in warnings) for name in bad)
    assert f"{len(bad)} unreadable" in table.description


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty.png", "the file is empty"),
        ("text.jpeg", "the file holds no PNG, JPEG or WebP picture"),
        ("other.png", "the file holds no PNG, JPEG or WebP picture"),
        ("pipe.png", "not a regular file"),
        ("dangling.png", "No such file or directory"),
        ("gone.png", "No such file or directory"),
    ],
)
def test_a_warning_says_in_one_line_why_a_file_is_unreadable(root, warnings, monkeypatch, name, said):
    spoil(root)
    kept = files.walk
    monkeypatch.setattr(files, "walk", lambda root: iter([*kept(root), "gone.png"]))  # one that vanishes meanwhile
    load(root, "all")
    assert f"skipping unreadable {root / name}: {said}" in warnings


def test_of_many_unreadable_files_some_are_told(root, warnings):
    save(root / "good.png")
    for index in range(25):
        (root / f"%s {index:02}\n.png").touch()
    load(root, "all")
    assert len(warnings) == 21 and warnings[0].endswith(r"/%s 00\n.png: the file is empty")
    assert warnings[-1] == "skipping 25 unreadable files in all, of which these were the first"


def test_labels_stay_with_their_pictures_where_files_are_skipped(root, warnings):
    for index, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/2.png")):
        save(root / name, index)
    (root / "a" / "2.png").write_bytes(b"")
    table = load(root)
    assert table.columns["image"][:, 0, 0, 0].tolist() == [0, 2, 3] and table.columns["label"].tolist() == [0, 1, 1]


def test_unreadable_files_can_be_refused(root, warnings):
    save(root / "a.png")
    (root / "b.png").touch()
    (root / "c.png").touch()
    assert len(pictures(root)) == 1  # the cache must not answer for 'refuse'
    with pytest.raises(UserError, match="b.png") as error:
        load(root, unreadable="refuse")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="data.unreadable is 'ignore'; it must be 'skip' or 'refuse'"):
        load(root, unreadable="ignore")


@pytest.mark.parametrize("size", [0, 8])
def test_nothing_readable_is_an_error(root, warnings, size):
    (root / "a.png").touch()
    with pytest.raises(UserError, match="none of the 1 picture files"):
        load(root, image_size=size)


def test_labels_are_the_first_folders(root, warnings):
    for index, name in enumerate(["cat/a.png", "cat/more/b.png", "ant/c.png", "dog/d.png"]):
        save(root / name, index)
    table = load(root)
    assert table.specs["label"].names == ("ant", "cat", "dog") and table.columns["label"].dtype == np.int32
    assert data.kinds(section(root)) == {"image": "image", "label": "class"}
    levels, labels = table.columns["image"][:, 0, 0, 0].tolist(), table.columns["label"].tolist()
    assert dict(zip(levels, labels, strict=True)) == {0: 1, 1: 1, 2: 0, 3: 2}
    assert warnings == []


@pytest.mark.parametrize(("strays", "has_labels"), [(1, True), (2, True), (3, False), (20, False)])
def test_a_few_pictures_beside_the_classes_are_left_out_and_many_take_the_labels(root, warnings, strays, has_labels):
    for index in range(18):
        save(root / "ab"[index % 2] / f"{index}.png", index % 2)
    for index in range(strays):
        save(root / f"Thumbs{index}.png", 99)
    table = load(root, "all")
    columns = ["image", "label"] if has_labels else ["image"]
    assert list(table.columns) == list(data.kinds(section(root))) == columns
    assert len(table) == 18 + (0 if has_labels else strays)
    assert (f"left out: {strays} beside the sub-folders" in table.description) is has_labels
    (said,) = warnings
    assert f"{strays} of {18 + strays} pictures lie in no sub-folder of {root}, such as Thumbs0.png: " in said
    assert ("they are left out; move" in said) is has_labels and ("so no picture has a label" in said) is not has_labels


def test_a_fingerprint_reads_nothing_that_the_cache_has_compared(root, monkeypatch):
    for index in range(4):
        save(root / "ab"[index % 2] / f"{index}.png", index)
    table = load(root)
    monkeypatch.setattr("numpy.ascontiguousarray", lambda column: pytest.fail("read again"))
    assert len(table.fingerprint()) == 64


def test_what_is_left_out_beside_the_classes_does_not_change_the_data(root, warnings):
    for index in range(40):
        save(root / "ab"[index % 2] / f"{index}.png", index)
    first = load(root, "train", image_size=0).fingerprint()
    save(root / "stray.png", (9, 9, 9), "RGB", size=(30, 30))
    assert load(root, "train", image_size=0).fingerprint() == first


@pytest.mark.parametrize("folders", [("train", "test"), ("train", "val"), ("Training", "Validation", "Test")])
def test_folders_of_splits_are_no_classes(root, warnings, folders):
    for index, name in enumerate(folders):
        save(root / name / "cat" / "a.png", index)
        save(root / name / "dog" / "a.png", index)
    assert list(load(root).columns) == list(data.kinds(section(root))) == ["image"]
    (said,) = warnings
    assert "are splits, not classes" in said and f"such as folder:{root}/{sorted(folders)[0]}" in said
    assert load(root / folders[0]).specs["label"].names == ("cat", "dog")
    save(root / "other" / "a.png")
    assert set(load(root).specs["label"].names) == {*folders, "other"}


@pytest.mark.parametrize("names", [("cat", "Cat"), ("\u00e9", "e\u0301"), ("STRASSE", "straße")])
def test_classes_that_look_alike_are_kept_apart_and_told(root, warnings, names):
    for index, name in enumerate((*names, "other")):
        save(root / name / "a.png", index)
    table = load(root)
    assert set(table.specs["label"].names) == {*names, "other"}
    (said,) = warnings
    assert "differ only in case or in how their accents are encoded" in said
    assert all(repr(name) in said for name in names) and "other" not in said


def test_folders_without_pictures_and_classes_without_readable_ones_are_told(root, warnings):
    for name in ("cat", "dog"):
        save(root / name / "a.png")
    (root / "bird").mkdir()
    (root / "fish").mkdir()
    save(root / "fish" / "a.bmp")
    (root / "ox").mkdir()
    (root / "ox" / "a.png").touch()
    (root / "notes.txt").touch()
    (root / ".hidden").mkdir()
    table = load(root)
    assert table.specs["label"].names == ("cat", "dog", "ox") and set(table.columns["label"].tolist()) == {0, 1}
    empty, _, unseen = warnings
    assert f"the sub-folders 'bird', 'fish' of {root} hold no picture file" in empty
    assert unseen == "no readable picture of split 'train' is of the classes 'ox'"


def test_a_class_that_is_held_out_whole_is_told(root, warnings):
    save(root / next(name for name in (f"rare/{index}.png" for index in range(99)) if is_held_out(name)))
    save(root / next(name for name in (f"seen/{index}.png" for index in range(99)) if not is_held_out(name)))
    for index in range(20):
        save(root / "common" / f"{index}.png")
    load(root, "train")
    assert warnings == ["no readable picture of split 'train' is of the classes 'rare'"]
    warnings.clear()
    assert set(load(root, "test").columns["label"].tolist()) == {0, 1}
    load(root, "all")
    assert warnings == []


def test_names_of_classes_can_be_written_in_one_line(root):
    for index, name in enumerate(("a\nb", os.fsdecode(b"caf\xe9"), "\u2028", "\u0645\u06cc\u200c\u062e", "👨\u200d👩")):
        save(root / name / "a.png", index)
    names = load(root, "all").specs["label"].names
    assert set(names) == {"a\\nb", "caf\\udce9", "\\u2028", "\u0645\u06cc\u200c\u062e", "👨\u200d👩"}
    assert "".join(names).encode()


def test_a_class_whose_name_is_too_long_is_one_line(root):
    save(root / "a" / "1.png")
    save(root / ("b" * 201) / "1.png")
    with pytest.raises(UserError, match="the class 'bbb.*' has a name of more than 200 characters; shorten it"):
        load(root)


def test_one_folder_makes_no_labels(root):
    save(root / "cat" / "a.png")
    assert list(load(root).columns) == list(data.kinds(section(root))) == ["image"]


def test_a_tenth_is_held_out_by_the_hash_of_the_path(root):
    names = [f"{index:03}.png" for index in range(60)]
    for index, name in enumerate(names):
        save(root / name, index)
    train, test, whole = (pictures(root, split)[:, 0, 0, 0].tolist() for split in (*data.SPLITS, data.ALL))
    assert test == [index for index, name in enumerate(names) if is_held_out(name)]
    assert sorted(train + test) == list(range(60)) == whole and test


def test_of_few_files_none_is_held_out(root):
    held = [name for name in (f"{index}.png" for index in range(99)) if is_held_out(name)]
    for name in held[:2]:
        save(root / name)
    assert len(pictures(root)) == 2
    with pytest.raises(UserError, match="split 'test' of the 2 picture files .* is empty"):
        load(root, "test")


def test_a_second_load_opens_nothing_until_a_file_changes(root, monkeypatch):
    save(root / "a.png", 1)
    for size in (8, 0):
        first = pictures(root, image_size=size)
        with monkeypatch.context() as patch:
            patch.setattr(images, "opened", lambda *_: pytest.fail("opened again"))
            np.testing.assert_array_equal(pictures(root, image_size=size), first)
    assert pictures(root, image_size=4).shape == (1, 4, 4, 1)
    save(root / "a.png", 2)
    os.utime(root / "a.png", ns=(0, 1))
    np.testing.assert_array_equal(pictures(root), 2)


def test_pictures_that_were_decoded_by_other_rules_are_decoded_again(root, monkeypatch):
    save(root / "a.png", 1)
    assert only(root).min() == 1
    monkeypatch.setattr(images, "PREPROCESSING", images.PREPROCESSING + 1)
    monkeypatch.setattr(images, "decode", lambda *_: np.full((8, 8, 1), 2, np.uint8))
    assert only(root).min() == 2


def test_a_picture_behind_a_link_that_changes_is_read_again(root, tmp_path):
    save(tmp_path / "elsewhere.png", 1)
    (root / "a.png").symlink_to(tmp_path / "elsewhere.png")
    assert only(root).min() == 1
    save(tmp_path / "elsewhere.png", 2)
    os.utime(tmp_path / "elsewhere.png", ns=(0, 1))
    assert only(root).min() == 2


def test_names_of_any_alphabet_are_folders_and_files(root):
    names = ["kücük", "кот", "猫", unicodedata.normalize("NFD", "ü"), "two words", "[x]*?"]
    for index, name in enumerate(names):
        save(root / name / f"{name}.png", index)
    (root / os.fsdecode(b"caf\xe9")).mkdir()
    save(root / os.fsdecode(b"caf\xe9") / "latin1.png", 6)
    table = load(root, "all")
    assert set(table.specs["label"].names) == {*names, "caf\\udce9"}
    of = dict(zip(names, range(6), strict=True))
    for image, label in zip(table.columns["image"][:, 0, 0, 0].tolist(), table.columns["label"].tolist(), strict=True):
        assert of.get(table.specs["label"].names[label], 6) == image
    assert len(table.fingerprint()) == 64


def test_the_fingerprint_is_that_of_the_pictures_and_not_of_where_and_when_they_lie(root, tmp_path):
    noise = np.random.default_rng(0)
    for index in range(6):
        path = root / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (8, 8), np.uint8)).save(path)
    first = load(root).fingerprint()
    copy = tmp_path / "moved [x] ü"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)  # other times, in another order
    assert load(copy).fingerprint() == first

    def changed(change):
        """Return the fingerprint of a copy after the change."""
        place = tmp_path / str(len(os.listdir(tmp_path)))
        shutil.copytree(root, place)
        change(place)
        return load(place).fingerprint()

    def flip_a_bit(place):
        picture = np.array(Image.open(place / "a" / "0.png"))
        picture[3, 3] ^= 1
        Image.fromarray(picture).save(place / "a" / "0.png")

    for same in (
        lambda place: (place / "c").mkdir(),
        lambda place: (place / "a" / "notes.txt").touch(),
        lambda place: os.utime(place / "a" / "0.png"),
        lambda place: Image.open(place / "a" / "0.png").save(place / "a" / "0.png", compress_level=1),
    ):
        assert changed(same) == first
    for other in (
        flip_a_bit,
        lambda place: save(place / "a" / "new.png"),
        lambda place: (place / "a" / "0.png").unlink(),
        lambda place: (place / "a" / "0.png").rename(place / "a" / "9.png"),
        lambda place: (place / "a" / "0.png").rename(place / "b" / "0.png"),
        lambda place: (place / "a").rename(place / "aa"),
    ):
        assert changed(other) != first


def test_no_flipped_bit_of_the_cache_reaches_the_data(root, cache):
    noise, chosen = np.random.default_rng(0), random.Random(0)
    for index in range(6):
        save(root / "ab"[index % 2] / f"{index}.png", int(noise.integers(256)))
    first = load(root).fingerprint()
    for _ in range(30):
        file = chosen.choice(sorted(cache.glob("*/*")))
        content = bytearray(file.read_bytes())
        bit = chosen.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        assert load(root).fingerprint() == first


@pytest.mark.parametrize(
    "name", ["[x]", "*", "?", "100% %s", "a\nb", " a ", "🐱", "a=b:c,d", "~", "$HOME", "\\", os.fsdecode(b"caf\xe9")]
)
def test_a_folder_and_a_cache_of_any_name(tmp_path, monkeypatch, name):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / f"cache {name}"))
    save(tmp_path / name / f"{name}.png", 7)
    for _ in range(2):
        table = load(tmp_path / name)
        assert (table.columns["image"] == 7).all() and table.columns["image"].shape == (1, 8, 8, 1)
        assert "\n" not in table.description and table.description.encode()


@pytest.mark.parametrize("path", [".", "./", "../pictures", "../pictures/", "..//pictures//.", "{root}/", "{root}//."])
def test_a_folder_may_be_told_in_several_ways(root, monkeypatch, path):
    save(root / "a" / "1.png", 7)
    save(root / "b" / "1.png", 7)
    monkeypatch.chdir(root)
    (table,) = data.load(section(path.format(root=root)), "train")
    assert (table.columns["image"] == 7).all() and table.specs["label"].names == ("a", "b")


def test_a_link_to_a_folder_is_that_folder(root, tmp_path):
    save(root / "a" / "1.png", 7)
    save(root / "b" / "1.png", 8)
    (tmp_path / "link").symlink_to(root)
    assert load(tmp_path / "link").fingerprint() == load(root).fingerprint()
