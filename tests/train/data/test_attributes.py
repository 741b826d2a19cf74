"""Pictures with attributes: three layouts, odd files, what is chosen, what excludes what, the table of wanted ones."""

import re

import numpy as np
import pytest
from PIL import Image

from train import data
from train.data.batches import Batches, held_out
from train.data.sources import faces
from train.data.sources.pictures import Section
from zoo.shared.errors import UserError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def section(root, **changes):
    name = f"attributes:{root}"
    return Section(**{"name": name, **data.defaults(name), **changes})


def load(root, split="all", **changes):
    settings = section(root, **changes)
    data.check(settings)
    return data.load(settings, split)


def attributes(root, split="all", **changes):
    """Return the attributes by the level of grey of their picture."""
    table, _ = load(root, split, **changes)
    levels = table.columns["image"][:, 0, 0, 0].tolist()
    return dict(zip(levels, np.asarray(table.columns["attributes"]).tolist(), strict=True))


def save(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), level).save(path)


def write(root, text, pictures=("a", "b", "c"), encoding="utf-8"):
    """Write the CSV file, and a picture of the levels 10, 20, ... for each name."""
    root.mkdir(exist_ok=True)
    (root / "list.csv").write_bytes(text.encode(encoding))
    for number, name in enumerate(pictures, 1):
        save(root / f"{name}.png", 10 * number)


PLAIN = "file,glasses,red hair\na.png,1,0\nb.png,0,1\nc.png,0,0\n"
FOUND = {10: [1, 0], 20: [0, 1], 30: [0, 0]}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (PLAIN, "utf-8"),
        (PLAIN.replace("file,", '"file, or path",'), "utf-8-sig"),
        (PLAIN.replace("\n", "\r\n"), "utf-8"),
        (PLAIN.replace("\n", "\n\n") + "\n,,\n", "utf-8"),
        (PLAIN.replace(",", " , "), "utf-8"),
        (PLAIN.replace(",", ";"), "utf-8"),
        (PLAIN.replace(",", "\t"), "utf-8"),
        (PLAIN.replace(",0", ",-1"), "utf-8"),
        (PLAIN.replace(",0", ",False").replace(",1", ",TRUE"), "utf-8"),
        (PLAIN.replace(",0", ",0.0").replace(",1", ",1.0"), "utf-8"),
        (PLAIN.replace("a.png", "./a.png").replace("b.png", '"b.png"'), "utf-8"),
    ],
    ids=["plain", "bom", "crlf", "blank", "spaces", "semicolons", "tabs", "minus", "words", "floats", "paths"],
)
def test_a_csv_file_however_it_was_saved(root, text, encoding):
    write(root, text, encoding=encoding)
    table, wanted = load(root)
    assert attributes(root) == FOUND
    spec = table.specs["attributes"]
    assert (spec.names, spec.kind, spec.exclusive) == (("glasses", "red hair"), "attributes", ())
    assert wanted.specs["wanted"].names == spec.names
    assert table.columns["attributes"].dtype == np.int32
    assert data.kinds(section(root)) == {"image": "image", "attributes": "attributes", "wanted": "attributes"}


def test_windows_paths_and_deeper_folders(root):
    write(root, "file,x\ndeep\\a.png,1\ndeep/b.png,0\n", pictures=("deep/a", "deep/b"))
    assert attributes(root) == {10: [1], 20: [0]}


def test_columns_are_chosen_and_ordered_by_name(root):
    write(root, "file,a,b,odd\na.png,1,0,3\nb.png,0,1,4\nc.png,0,1,5\n")
    assert attributes(root, attributes=" b, a ") == {10: [0, 1], 20: [1, 0], 30: [1, 0]}
    with pytest.raises(UserError, match=re.escape("'odd' of list.csv holds '3', '4', '5'")) as refused:
        load(root)
    assert "of a,b" in str(refused.value)


def test_train_and_test_are_the_splits_where_both_have_a_file(root):
    write(root / "train", "file,x\na.png,1\nb.png,0\n", pictures=("a", "b"))
    write(root / "test", "file,x\na.png,1\n", pictures=("a",))
    assert attributes(root, "train") == {10: [1], 20: [0]}
    assert attributes(root, "test") == {10: [1]}
    assert len(load(root, "all")[0]) == 3
    (root / "test" / "list.csv").write_text("file,y\na.png,1\n")
    with pytest.raises(UserError, match="other columns"):
        load(root)
    (root / "test" / "list.csv").unlink()
    with pytest.raises(UserError, match="test has no CSV file"):
        load(root)


def celeba(root, lines, partition=None):
    for number in range(1, len(lines) + 1):
        save(root / "img_align_celeba" / f"{number:06}.jpg", 10 * number)
    listed = "".join(f"{number:06}.jpg {line}\n" for number, line in enumerate(lines, 1))
    (root / "list_attr_celeba.txt").write_text(f"{len(lines)}\nBald Big_Nose Young \n{listed}")
    if partition:
        told = "".join(f"{number:06}.jpg {part}\n" for number, part in enumerate(partition, 1))
        (root / "list_eval_partition.txt").write_text(told)


def test_celebas_lists(root):
    celeba(root, [" 1 -1  1", "-1  1 -1", "-1 -1 -1", " 1  1 -1"], "0012")
    assert attributes(root, "train", attributes="Young,Bald") == {10: [1, 1], 20: [0, 0]}
    assert attributes(root, "test") == {40: [1, 1, 0]}
    assert len(load(root, "all")[0]) == 4
    with pytest.raises(UserError, match="did you mean 'Young'"):
        load(root, attributes="young,Bald")


def test_celeba_without_a_partition_is_split_by_the_hash(root):
    celeba(root, [f"{sign} {-sign} {sign}" for sign in [1, -1] * 20])
    train, test = (set(attributes(root, split)) for split in ("train", "test"))
    assert len(train | test) == len(train) + len(test)
    assert len(load(root, "train")[0]) + len(load(root, "test")[0]) == 40


def test_a_partition_must_tell_of_every_picture(root):
    celeba(root, ["1 -1 1", "-1 1 -1"], "0")
    with pytest.raises(UserError, match="does not tell the split of 000002.jpg"):
        load(root)


def test_folders_of_classes_are_one_attribute_each(root):
    for level, (name, count) in enumerate((("happy", 2), ("sad", 1), ("calm", 1)), 1):
        for number in range(count):
            save(root / name / f"{number}.png", 10 * level)
    table, _ = load(root)
    assert table.specs["attributes"].names == ("calm", "happy", "sad")
    assert table.specs["attributes"].exclusive == (("calm", "happy", "sad"),)
    assert attributes(root) == {10: [0, 1, 0], 20: [0, 0, 1], 30: [1, 0, 0]}
    # pictures of other classes than those that were chosen have no attribute to be known by
    assert attributes(root, attributes="sad,happy") == {10: [0, 1], 20: [1, 0]}
    assert load(root, attributes="sad,happy")[0].specs["attributes"].exclusive == (("sad", "happy"),)


def test_folders_of_classes_within_splits(root):
    for part in ("train", "test"):
        for name in ("x", "y"):
            save(root / part / name / "0.png", 10 if name == "x" else 20)
    assert attributes(root, "train") == attributes(root, "test") == {10: [1, 0], 20: [0, 1]}


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("file,a,a\na.png,1,0\n", {}, "two columns are called 'a'"),
        ("file,a,\na.png,1,0\n", {}, "a column is called ''"),
        ("file,a\na.png,1\na.png,0\n", {}, "line 3: a.png is told of twice"),
        ("file,a\na.png,1\n./a.png,0\n", {}, "line 3: ./a.png is told of twice"),
        ("file,a\na.png,1,1\n", {}, "line 2: 2 values, and the header has 1"),
        ("file,a\n../a.png,1\n", {}, "line 2: '../a.png' is no path of a picture below"),
        ("file,a\na.png,1\nb.png,1\nc.png,1\n", {}, "the attribute 'a' is 1 in all pictures"),
        ("file,a\na.png,1\nb.png,0\nc.png,-1\n", {}, "'a' of list.csv holds '-1', '0', '1'"),
        ("file,a\na.png,1\nb.png,\nc.png,0\n", {}, "'a' of list.csv holds ''"),
        (PLAIN, {"attributes": "glases"}, "did you mean 'glasses'?"),
        (PLAIN, {"attributes": "glasses,glasses"}, "name each attribute once"),
        (PLAIN, {"exclusive": "glasses,red_hair"}, "did you mean 'red hair'?"),
        (PLAIN, {"exclusive": "glasses"}, "groups of two or more"),
        ("file\na.png\n", {}, "needs a header"),
        ("", {}, "needs a header"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(root, text, options, said):
    write(root, text)
    with pytest.raises(UserError) as refused:
        load(root, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_in_no_utf_8_is_refused(root):
    write(root, PLAIN, encoding="utf-16")
    with pytest.raises(UserError, match="save it as UTF-8"):
        load(root)


def test_two_csv_files_are_refused_and_so_is_a_folder_that_tells_nothing(root):
    write(root, PLAIN)
    (root / "other.csv").write_text(PLAIN)
    with pytest.raises(UserError, match="holds 2 CSV files, list.csv, other.csv"):
        load(root)
    for file in root.glob("*.csv"):
        file.unlink()
    with pytest.raises(UserError, match="tells no attributes: put a CSV file"):
        load(root)


def test_missing_pictures_are_named_and_left_out_or_refused(root, warnings):
    write(root, PLAIN, pictures=("a", "b"))
    assert attributes(root) == {10: [1, 0], 20: [0, 1]}
    assert len(warnings) == 1
    assert "1 of the 3 pictures that list.csv names are missing" in warnings[0] and "c.png" in warnings[0]
    with pytest.raises(UserError, match="c.png: the first column holds paths"):
        load(root, unreadable="refuse")
    for name in ("a", "b"):
        (root / f"{name}.png").unlink()
    with pytest.raises(UserError, match="3 of the 3 pictures"):
        load(root)


def test_pictures_with_two_of_a_group_are_left_out(root, warnings):
    write(root, "file,black,blond,hat\na.png,1,1,0\nb.png,0,1,1\nc.png,1,0,0\n")
    table, _ = load(root, exclusive="black,blond")
    assert table.specs["attributes"].exclusive == (("black", "blond"),)
    assert attributes(root, exclusive="black,blond") == {20: [0, 1, 1], 30: [1, 0, 0]}
    assert "1 of 3 pictures, such as a.png, have two attributes" in warnings[0]


def test_a_changed_file_is_read_again(root):
    write(root, PLAIN)
    assert attributes(root)[30] == [0, 0]
    (root / "list.csv").write_text(PLAIN.replace("c.png,0,0", "c.png,1,1 "))
    assert attributes(root)[30] == [1, 1]


def test_wanted_has_an_order_of_its_own_in_every_epoch():
    """The same attributes, each once an epoch, drawn apart from the pictures."""
    settings = Section(name="faces", **data.defaults("faces"))
    source = data.load(settings, "test")
    batches = Batches(source, 200, seed=3)
    own = [batches.indices(step, 0).tolist() for step in range(2)]
    others = [batches.indices(step, 1).tolist() for step in range(2)]
    orders = own + others
    assert all(sorted(order) == list(range(200)) for order in orders)
    assert len(set(map(tuple, orders))) == 4
    drawn = batches.example(0)
    count = lambda rows: sorted(map(tuple, rows.tolist()))  # noqa: E731
    assert count(drawn["wanted"]) == count(drawn["attributes"])
    np.testing.assert_array_equal(drawn["wanted"], source[1].columns["wanted"][others[0]])
    assert 0.2 < (drawn["wanted"] == drawn["attributes"]).mean() < 0.8
    halves = [batches.example(0, replica, 2) for replica in range(2)]
    for name, values in drawn.items():
        np.testing.assert_array_equal(np.concatenate([half[name] for half in halves]), values)


def test_wanted_of_held_out_rows_are_those_of_the_next():
    table, wanted = data.load(Section(name="faces", **data.defaults("faces")), "test")
    rows = {**held_out(table), **held_out(wanted)}
    np.testing.assert_array_equal(rows["wanted"][:-1], rows["attributes"][1:])


def test_faces_show_their_attributes_and_nothing_else_of_them():
    """Only the pixels of what changed change, and two attributes of an example do not hang together."""
    u = np.full(4, 0.5)
    plain = faces.draw(u, np.array([1, 0, 0, 0]), 32)
    for number, part in ((2, slice(10, 24)), (3, slice(18, 30))):
        vector = np.array([1, 0, 0, 0])
        vector[number] = 1
        changed = (faces.draw(u, vector, 32) != plain).any(axis=(1, 2))
        assert changed.any() and not changed[: part.start].any() and not changed[part.stop :].any()
    assert (faces.draw(u, np.array([0, 1, 0, 0]), 32) != plain).any()
    known = data.load(Section(name="faces", **data.defaults("faces")), "train")[0].columns["attributes"]
    assert (known[:, :2].sum(axis=1) == 1).all()
    assert np.abs(np.corrcoef(known[:, 1:].T) - np.eye(3)).max() < 0.1


@pytest.mark.parametrize("changes", [{"channels": 1}, {"binarize": "dynamic"}])
def test_faces_have_colour(changes):
    with pytest.raises(UserError, match="which have colour"):
        data.check(Section(**{"name": "faces", **data.defaults("faces"), **changes}))
