import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from train.data import Derived, Table
from train.data.batches import Batches, held_out, let_go
from train.data.source import image_spec, label_spec, renamed
from train.data.sources.pictures import Section
from zoo import media
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec


def counting(count=10, grey=None, image="image", label="label"):
    """Return a table of `count` pictures whose pixels, and labels, all hold their own row (or the level `grey`)."""
    levels = np.arange(count) if grey is None else np.full(count, grey)
    pictures = np.broadcast_to(levels[:, None, None, None], (count, 4, 4, 1)).astype(np.uint8)
    specs = {
        image: image_spec(image, pictures),
        label: TensorSpec(label, (), "condition", "class", low=0, high=count - 1),
    }
    return Table({image: pictures, label: np.arange(count, dtype=np.int32)}, specs, "counting pictures")


def points(count=10, dimensions=2):
    """Return a table of `count` points, far from [-1, 1], whose coordinates and label all hold their own row."""
    rows = np.arange(count, dtype=np.int32)
    specs = {
        "image": TensorSpec("image", (dimensions,), "condition", "point"),
        "label": label_spec(tuple(map(str, range(count)))),
    }
    columns = {"image": np.repeat(100 + rows[:, None], dimensions, axis=1).astype(np.float32), "label": rows}
    return Table(columns, specs, "points")


def options(**changes):
    return Section(**{"binarize": "none", "flip": False, "crop": 0} | changes)


DYNAMIC = options(binarize="dynamic")
SIDE, MARGIN = 12, 4


def located(count=16, image="image", other="input"):
    """Return a table of pairs: a pixel of `image` holds its own position, that of `other` 255 less it, of three bytes.

    The pictures are stored larger than their specs by MARGIN pixels.
    """
    positions = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(1, SIDE, SIDE, 1)
    pictures = positions.repeat(count, axis=0)
    others = (255 - pictures).repeat(3, axis=-1)
    specs = {image: image_spec(image, pictures, MARGIN), other: image_spec(other, others, MARGIN)}
    return Table({image: pictures, other: others}, specs, "pictures that tell where a pixel comes from")


@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 24])
def test_every_epoch_is_a_fresh_permutation_and_nothing_is_dropped(batch_size):
    batches = Batches((counting(),), batch_size, seed=7)
    stream = np.concatenate([batches.indices(step) for step in range(40)])
    assert stream.shape == (40 * batch_size,)
    epochs = stream[: len(stream) // 10 * 10].reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(10), (len(epochs), 1)))
    assert len(np.unique(epochs, axis=0)) == len(epochs)


def test_the_order_is_the_documented_one_and_any_step_is_reachable_at_once():
    expected = [np.random.Generator(np.random.Philox(key=[7, epoch])).permutation(10) for epoch in range(3)]
    np.testing.assert_array_equal(
        [Batches((counting(),), 4, seed=7).indices(step) for step in range(7)],
        np.concatenate(expected)[:28].reshape(7, 4),
    )
    late = Batches((counting(),), 4, seed=7).indices(10**9)
    assert late.shape == (4,) and set(late) <= set(range(10))


def test_seeds_differ_and_any_integer_is_one():
    orders = [Batches((counting(50),), 50, seed).indices(0).tolist() for seed in (0, 1, -1, 2**63)]
    assert len({tuple(order) for order in orders}) == 4


MOVING = options(crop=2, flip=True)


@pytest.mark.parametrize("section", [None, options(), DYNAMIC, MOVING, options(crop=2, flip=True, binarize="dynamic")])
def test_the_parts_of_the_replicas_make_the_global_batch(section):
    batches = Batches((located(10), counting(7, image="b")), 12, 3, section)
    for step in (0, 5):
        whole = batches.example(step)
        assert list(whole) == ["image", "input", "b", "label"]
        margin = section.crop if section else 0
        assert whole["image"].shape == (12, SIDE - margin, SIDE - margin, 1) and whole["image"].dtype == np.uint8
        assert whole["b"].shape == (12, 4 - margin, 4 - margin, 1)
        np.testing.assert_array_equal(whole["label"], batches.indices(step, 1))
        assert whole["label"].dtype == np.int32
        for replicas in (2, 3, 12):
            parts = [batches.example(step, replica, replicas) for replica in range(replicas)]
            for name, value in whole.items():
                np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), value)


def test_images_belong_to_their_labels():
    example = Batches((counting(),), 7, 0).example(3)
    np.testing.assert_array_equal(example["image"][:, 0, 0, 0], example["label"])


def test_unpaired_tables_have_permutations_of_their_own():
    a, b = counting(10, image="a", label="of_a"), counting(7, image="b", label="of_b")
    batches = Batches((a, b), 5, seed=3)
    for table, count in ((0, 10), (1, 7)):
        stream = np.concatenate([batches.indices(step, table) for step in range(14)])
        epochs = stream.reshape(-1, count)
        np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(count), (len(epochs), 1)))
        assert len(np.unique(epochs, axis=0)) == len(epochs)
    # two tables of one length are not in one order, or unpaired pictures would be pairs
    twins = Batches((a, counting(10, image="b", label="of_b")), 10, seed=3)
    assert (twins.indices(0) != twins.indices(0, 1)).any()
    np.testing.assert_array_equal(twins.indices(0), batches.indices(0).tolist() + batches.indices(1).tolist())


def test_examples_of_unpaired_tables_follow_from_seed_and_step_alone():
    source = (counting(10, image="a", label="of_a"), counting(7, image="b", label="of_b"))
    section = options(crop=2, flip=True)
    walked = Batches(source, 4, 3, section)
    for step in range(9):
        latest = walked.example(step)
    there_at_once = Batches(source, 4, 3, section).example(8)
    for name, values in latest.items():
        np.testing.assert_array_equal(values, there_at_once[name])
    np.testing.assert_array_equal(latest["a"][:, 0, 0, 0], latest["of_a"])
    np.testing.assert_array_equal(latest["b"][:, 0, 0, 0], latest["of_b"])
    (element,) = walked.dataset(8, 1).as_numpy_iterator()
    assert sorted(element) == ["a", "b", "of_a", "of_b"]
    for name in element:
        np.testing.assert_array_equal(element[name], media.seen(source[name[-1] == "b"].specs[name], latest[name]))


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(UserError, match="batch_size 10 is not divisible by 4 replicas"):
        Batches((counting(),), 10, 0).example(0, 0, 4)
    with pytest.raises(UserError, match="not divisible"):
        Batches((counting(),), 10, 0).dataset(0, 1, replicas=3)


def test_only_what_is_read_is_handed_over():
    source = (counting(), counting(7, image="b", label="of_b"))
    batches = Batches(source, 4, 0, reads=("b", "label", "elsewhere"))
    whole, part = Batches(source, 4, 0).example(2), batches.example(2)
    assert list(part) == ["label", "b"]
    for name in part:
        np.testing.assert_array_equal(part[name], whole[name])
    assert sorted(batches.dataset(0, 1).element_spec) == ["b", "label"]


@pytest.mark.parametrize("grey", [0, 1, 64, 191, 254, 255])
def test_binarisation_has_the_grey_level_as_its_mean(grey):
    count = 2000
    image = Batches((counting(count, grey),), count, 0, DYNAMIC).example(0)["image"]
    assert set(np.unique(image)) <= {0, 255}
    chance = grey / 255
    deviation = np.sqrt(chance * (1 - chance) / image.size)
    assert abs((image == 255).mean() - chance) <= 5 * deviation


def test_binarisation_is_redrawn_in_each_epoch_and_repeats_for_a_step():
    batches = Batches((counting(10, 128),), 10, 0, DYNAMIC)
    first, again, later = (batches.example(step)["image"] for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 0.3 < (first != later).mean() < 0.7
    other = Batches((counting(10, 128),), 10, 1, DYNAMIC).example(0)["image"]
    assert (first != other).any()


def windows(example, image="image"):
    """Return of each picture of `located` where its window begins and whether it is mirrored, all checked."""
    found = []
    for picture in example[image][..., 0].astype(int):
        is_mirrored = picture[0, 0] > picture[0, 1]
        upright = picture[:, ::-1] if is_mirrored else picture
        top, left = divmod(int(upright[0, 0]), SIDE)
        size = SIDE - MARGIN
        expected = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)[top : top + size, left : left + size]
        np.testing.assert_array_equal(upright, expected)
        found.append((top, left, bool(is_mirrored)))
    return found


def test_both_pictures_of_a_pair_move_alike():
    batches = Batches((located(),), 16, 5, options(crop=MARGIN, flip=True))
    drawn = []
    for step in range(40):
        example = batches.example(step)
        drawn += windows(example)
        np.testing.assert_array_equal(example["input"], (255 - example["image"]).repeat(3, axis=-1))
    places = {(top, left) for top, left, _ in drawn}
    assert places == {(top, left) for top in range(MARGIN + 1) for left in range(MARGIN + 1)}
    assert abs(np.mean([is_mirrored for *_, is_mirrored in drawn]) - 0.5) < 5 * 0.5 / np.sqrt(len(drawn))
    assert len(set(drawn[:16])) > 8, "each example of a batch has a window of its own"


@pytest.mark.parametrize(
    ("section", "tops", "mirrored"),
    [
        (options(crop=MARGIN), set(range(MARGIN + 1)), {False}),
        (options(crop=MARGIN, flip=True), set(range(MARGIN + 1)), {False, True}),
    ],
)
def test_an_option_that_is_off_moves_nothing(section, tops, mirrored):
    batches = Batches((located(64),), 64, 1, section)
    drawn = windows(batches.example(0))
    assert {top for top, *_ in drawn} == tops and {is_mirrored for *_, is_mirrored in drawn} == mirrored
    assert windows(batches.example(0)) == drawn != windows(batches.example(1))


def test_flips_alone_keep_the_size():
    example = Batches((located(64),), 64, 1, options(flip=True)).example(0)
    assert example["image"].shape == (64, SIDE, SIDE, 1)
    is_mirrored = example["image"][:, 0, 0, 0] == SIDE - 1
    assert 0 < is_mirrored.sum() < 64
    whole = located(64).columns["image"]
    np.testing.assert_array_equal(
        example["image"], np.where(is_mirrored[:, None, None, None], whole[:, :, ::-1], whole)
    )


def test_unpaired_pictures_move_each_for_itself():
    # not "image" and "input": names differ over all tables
    source = located(16, image="a", other="like_a"), located(16, image="b", other="like_b")
    example = Batches(source, 16, 0, options(crop=MARGIN, flip=True)).example(0)
    assert windows(example, "a") != windows(example, "b")


def test_masks_move_with_their_pictures_and_other_columns_stay():
    table = located(8)
    table.columns["mask"] = (table.columns["image"] > 70).astype(np.uint8) * 255
    table.specs["mask"] = TensorSpec("mask", (SIDE - MARGIN, SIDE - MARGIN, 1), "condition", "mask")
    table.columns["action"] = np.arange(8 * 2 * 3, dtype=np.float32).reshape(8, 2, 3)
    table.specs["action"] = TensorSpec("action", (2, 3), "condition", "action")
    batches = Batches((table,), 8, 0, options(crop=MARGIN, flip=True))
    example = batches.example(0)
    np.testing.assert_array_equal(example["mask"], (example["image"] > 70) * np.uint8(255))
    np.testing.assert_array_equal(example["action"], table.columns["action"][batches.indices(0)])


def test_a_derived_column_is_made_of_the_moved_rows():
    table = located(8)
    table.columns["half"] = Derived("image", lambda rows: rows[:, ::2, ::2])
    table.specs["half"] = TensorSpec("half", (4, 4, 1), "condition", "image")
    section = options(crop=MARGIN, flip=True)
    example = Batches((table,), 8, 0, section).example(3)
    np.testing.assert_array_equal(example["half"], example["image"][:, ::2, ::2])
    alone = Batches((table,), 8, 0, section, reads=["half"]).example(3)
    assert list(alone) == ["half"]
    np.testing.assert_array_equal(alone["half"], example["half"])
    (element,) = Batches((table,), 8, 0, section).dataset(3, 1).as_numpy_iterator()
    np.testing.assert_allclose(element["half"], example["half"] / 127.5 - 1, atol=1e-6)
    held = held_out(table, section, ["half"])
    np.testing.assert_array_equal(held["half"], held_out(table, section)["image"][:, ::2, ::2])


def test_the_held_out_split_is_drawn_once():
    grey = held_out(counting(256), options())["image"]
    assert grey.dtype == np.float32 and grey.shape == (256, 4, 4, 1)
    np.testing.assert_allclose(grey[:, 0, 0, 0], np.linspace(-1, 1, 256), atol=1e-6)
    assert grey.min() == -1 and grey.max() == 1
    drawn = held_out(counting(500, 64), DYNAMIC)["image"]
    assert set(np.unique(drawn)) == {-1, 1}
    assert abs((drawn == 1).mean() - 64 / 255) < 0.03
    np.testing.assert_array_equal(drawn, held_out(counting(500, 64), DYNAMIC)["image"])
    assert (drawn != held_out(counting(500, 64), DYNAMIC, seed=1)["image"]).any()


def test_some_of_the_held_out_rows_are_those_of_the_whole():
    for section in (None, DYNAMIC):
        whole, few = (held_out(counting(50, 90), section, count=count) for count in (None, 7))
        assert list(whole) == ["image", "label"]
        chosen = np.array([40, 3, 3])
        some = held_out(counting(50, 90), section, chosen=chosen)
        for name in whole:
            np.testing.assert_array_equal(few[name], whole[name][:7])
            np.testing.assert_array_equal(some[name], whole[name][chosen])
    assert list(held_out(counting(), names=["label"])) == ["label"]


def test_held_out_pictures_are_cropped_at_their_centre_and_not_mirrored():
    for margin in (1, 3, 4):
        held = held_out(located(2), options(crop=margin, flip=True))
        first, size = margin // 2, SIDE - margin
        expected = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)[first : first + size, first : first + size]
        np.testing.assert_allclose((held["image"][1, ..., 0] + 1) * 127.5, expected, atol=1e-4)
        np.testing.assert_allclose(held["input"], -held["image"].repeat(3, axis=-1), atol=1e-6)


def test_the_dataset_yields_each_local_replica_in_turn_and_resumes_anywhere():
    batches = Batches((counting(256),), 8, 5, DYNAMIC)
    dataset = batches.dataset(0, 6, local_replicas=2, first_replica=2, replicas=4)
    assert dataset.element_spec["image"].shape == (2, 4, 4, 1)
    assert dataset.element_spec["label"].shape == (2,)
    assert dataset.options().experimental_distribute.auto_shard_policy.name == "OFF"
    stream = list(dataset.as_numpy_iterator())
    assert len(stream) == 12
    for position, element in enumerate(stream):
        example = batches.example(position // 2, 2 + position % 2, 4)
        assert element["image"].dtype == np.float32 and element["label"].dtype == np.int32
        np.testing.assert_array_equal(element["image"], np.where(example["image"] == 255, 1, -1))
        np.testing.assert_array_equal(element["label"], example["label"])
    resumed = batches.dataset(4, 2, local_replicas=2, first_replica=2, replicas=4)
    for element, expected in zip(resumed.as_numpy_iterator(), stream[8:], strict=True):
        np.testing.assert_array_equal(element["image"], expected["image"])
        np.testing.assert_array_equal(element["label"], expected["label"])


def mapped(path):
    """Return the bytes of a file that are mapped into this process and in memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    places = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    sizes = (next(line for line in lines[place:] if line.startswith("Rss:")) for place in places)
    return sum(1024 * int(size.split()[1]) for size in sizes)


@pytest.mark.parametrize("stride", [1, 2])
def test_of_a_large_column_no_more_is_mapped_than_a_bound(tmp_path, monkeypatch, stride):
    """A row of 1 KiB brings up to 2 MiB around it; the bound is 4 MiB of the 32."""
    path = tmp_path / "image.bin"
    values = np.random.default_rng(0).integers(256, size=(2**15, 32, 32, 1), dtype=np.uint8)
    values.tofile(path)
    column = np.memmap(path, np.uint8, "r", shape=values.shape)[::stride]
    monkeypatch.setattr("train.data.batches._MOST_MAPPED", 2**22)
    batches = Batches((Table({"image": column}, {"image": image_spec("image", column)}, ""),), 2, 0)
    largest = 0
    for step in range(200):
        np.testing.assert_array_equal(batches.example(step)["image"], values[::stride][batches.indices(step)])
        largest = max(largest, mapped(path))
    assert 0 < largest <= 2**22 + 4 * 2**21  # the last batch, and what the kernel counts late


def test_a_small_column_stays_mapped(tmp_path, monkeypatch):
    path = tmp_path / "image.bin"
    np.zeros((100, 4, 4, 1), np.uint8).tofile(path)
    column = np.memmap(path, np.uint8, "r", shape=(100, 4, 4, 1))
    batches = Batches((Table({"image": column}, {"image": image_spec("image", column)}, ""),), 50, 0)
    monkeypatch.setattr("train.data.batches._mapped_bytes", lambda: 2**40)
    for step in range(3):
        batches.example(step)
    assert mapped(path)
    let_go(column)
    assert not mapped(path) and column.sum() == 0 and mapped(path)


def test_what_is_drawn_ahead_is_bounded():
    assert Batches((counting(),), 4, 0).dataset(0, 1).options().autotune.ram_budget == 2**28


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_points_are_handed_over_as_they_are(dimensions):
    batches = Batches((points(10, dimensions),), 6, 5)
    dataset = batches.dataset(0, 30, local_replicas=2, first_replica=0, replicas=2)
    assert dataset.element_spec["image"].shape == (3, dimensions)
    stream = list(dataset.as_numpy_iterator())
    assert len(stream) == 60
    for position, element in enumerate(stream):
        step, replica = divmod(position, 2)
        expected = batches.indices(step)[3 * replica : 3 * replica + 3]
        np.testing.assert_array_equal(element["label"], expected)
        np.testing.assert_array_equal(element["image"], np.repeat(100 + expected[:, None], dimensions, axis=1))
        assert element["image"].dtype == np.float32
    resumed = batches.dataset(29, 1, local_replicas=2, first_replica=0, replicas=2)
    for element, expected in zip(resumed.as_numpy_iterator(), stream[58:], strict=True):
        np.testing.assert_array_equal(element["image"], expected["image"])


def test_the_order_depends_on_seed_and_step_alone_and_not_on_what_is_ordered():
    for seed in (0, 3):
        of_points, of_images = Batches((points(),), 4, seed), Batches((counting(),), 4, seed)
        for step in (5, 0, 2):
            np.testing.assert_array_equal(of_points.indices(step), of_images.indices(step))


def test_held_out_points_are_the_points():
    np.testing.assert_array_equal(held_out(points())["image"], points().columns["image"])


EVERY_KIND = {  # what is stored, and the spec
    "image": (np.arange(0, 48, dtype=np.uint8).reshape(4, 2, 2, 3), ((2, 2, 3), "image")),
    "video": (np.arange(200, 248, dtype=np.uint8).reshape(4, 3, 2, 2, 1), ((3, 2, 2, 1), "video")),
    "mask": (np.tile([0, 255], 8).astype(np.uint8).reshape(4, 2, 2, 1), ((2, 2, 1), "mask")),
    "audio": (np.linspace(-32768, 32767, 20).astype(np.int16).reshape(4, 5), ((5,), "audio")),
    "attributes": (np.tile([1, 0], 6).astype(np.uint8).reshape(4, 3), ((3,), "attributes")),
    "action": (np.arange(8, dtype=np.float64).reshape(4, 2), ((2,), "action")),
    "label": (np.arange(4, dtype=np.int64), ((), "class")),
}


def test_a_step_sees_every_kind_as_the_held_out_rows_are_seen():
    specs = {name: TensorSpec(name, shape, "condition", kind) for name, (_, (shape, kind)) in EVERY_KIND.items()}
    table = Table({name: stored for name, (stored, _) in EVERY_KIND.items()}, specs, "a column of each kind")
    batches = Batches((table,), 4, 0)
    (element,) = batches.dataset(0, 1).as_numpy_iterator()
    held = held_out(table)
    assert sorted(element) == sorted(held) == sorted(EVERY_KIND)
    for name, spec in specs.items():
        assert element[name].dtype == held[name].dtype == spec.dtype
        assert spec.low <= held[name].min() and held[name].max() <= spec.high
        np.testing.assert_allclose(element[name], held[name][batches.indices(0)], rtol=0, atol=1e-7)
    assert held["mask"].max() == 1 and held["audio"].min() == -1 and held["label"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(held["attributes"][0], [1, 0, 1])


def test_the_dataset_maps_bytes_to_minus_one_to_one():
    (element,) = Batches((counting(256),), 256, 0).dataset(0, 1).as_numpy_iterator()
    levels = np.sort(element["image"][:, 0, 0, 0])
    np.testing.assert_allclose(levels, np.arange(256) / 127.5 - 1, atol=2e-7)
    assert levels[0] == -1 and levels[-1] == 1


def test_the_fingerprint_tells_every_value_and_every_spec():
    def changed(name, values=None, **spec):
        table = points()
        columns = {**table.columns, name: table.columns[name] if values is None else values}
        specs = {**table.specs, name: dataclasses.replace(table.specs[name], **spec)}
        return Table(columns, specs, "described in other words")

    plain = points()
    nearly = plain.columns["image"].copy()
    nearly[-1, -1] = np.nextafter(nearly[-1, -1], np.float32(np.inf))
    others = [
        changed("image", nearly),
        changed("label", plain.columns["label"][::-1].copy()),
        changed("label", plain.columns["label"].astype(np.int64)),
        changed("label", names=tuple("abcdefghij")),
        points(20),
        points(dimensions=3),
        Table({"image": plain.columns["image"]}, {"image": plain.specs["image"]}, "points"),
    ]
    assert changed("image").fingerprint() == plain.fingerprint(), "words are no data"
    assert len({one.fingerprint() for one in (plain, *others)}) == 1 + len(others)


def test_the_fingerprint_of_pictures_stays():
    """Every run's model.json holds one: another would keep runs from going on."""
    pictures = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4, 1)
    labels = np.arange(5, dtype=np.int32)
    specs = {"image": image_spec("image", pictures), "label": label_spec(tuple("abcde"))}
    known = "9c84d0a0ce457358156d78d8f3074a5b744d6a5db98bcc93616a0af91a928c98"
    assert Table({"image": pictures, "label": labels}, specs, "").fingerprint() == known
    # the order of the columns is none of the data's
    assert Table({"label": labels, "image": pictures}, dict(reversed(specs.items())), "").fingerprint() == known
    digests = {"image": hashlib.sha256(pictures.tobytes()).hexdigest()}
    cached = Table({"image": pictures, "label": labels}, specs, "", digests)
    assert cached.fingerprint(in_full=True) == known, "as before there were digests"
    assert cached.fingerprint() == "a30d6f130850fe752e3df97cd38a8c0ec292afe6fcaea2b1b3adc358f4e046fe"


def test_what_has_a_digest_is_not_read_again(tmp_path):
    """The cache has compared the SHA-256 of its columns."""
    pictures = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4, 1)
    specs = {"image": image_spec("image", pictures)}
    digests = {"image": hashlib.sha256(pictures.tobytes()).hexdigest()}

    class Unread(np.ndarray):
        def __getitem__(self, key):
            raise AssertionError("read")

    table = Table({"image": pictures.view(Unread)}, specs, "", digests)
    with pytest.raises(AssertionError, match="read"):
        table.fingerprint(in_full=True)
    others = [
        dataclasses.replace(table, digests={"image": "0" * 64}),
        dataclasses.replace(table, specs={"image": dataclasses.replace(specs["image"], low=0.0)}),
        dataclasses.replace(table, columns={"image": pictures[:4].view(Unread)}),
        renamed(table, {"image": "b"}),
    ]
    assert len({one.fingerprint() for one in (table, *others)}) == 5


def test_the_fingerprint_of_long_columns_reads_all_rows():
    def table(last):
        values = np.zeros((4096 * 2 + 5, 1), np.float32)
        values[-1] = last
        return Table({"image": values}, {"image": TensorSpec("image", (1,), "condition", "point")}, "")

    assert table(0).fingerprint() != table(1).fingerprint()
