"""Rows that the device gathers are those of the host to the last bit, plain and compiled by XLA."""

import numpy as np
import pytest
import tensorflow as tf

import train.data
from train import config
from train.data import Derived, Table, on_device
from train.data.batches import Batches
from train.data.on_device import OnDevice
from train.data.source import image_spec, label_spec
from train.data.sources.pictures import Section
from zoo.spec import TensorSpec

COUNT, SIDE, MARGIN = 11, 7, 2


def options(**changes):
    return Section(**{"binarize": "none", "flip": False, "crop": 0} | changes)


def everything(margin=0, seed=0):
    """Return a table with a column of each kind: what goes to the device and what stays."""
    draw = np.random.default_rng(seed).integers
    pictures = draw(256, size=(COUNT, SIDE, SIDE + 1, 3), dtype=np.uint8)
    masks = draw(2, size=(COUNT, SIDE, SIDE + 1, 1), dtype=np.uint8) * np.uint8(255)
    columns = {
        "image": pictures,
        "mask": masks,
        "video": draw(256, size=(COUNT, 2, 3, 3, 1), dtype=np.uint8),
        "label": draw(4, size=COUNT, dtype=np.int32),
        "sound": draw(-(2**15), 2**15, size=(COUNT, 5), dtype=np.int16),
        "half": Derived("image", lambda rows: rows[:, ::2]),
    }
    specs = {
        "image": image_spec("image", pictures, margin),
        "mask": TensorSpec("mask", (SIDE - margin, SIDE + 1 - margin, 1), "condition", "mask"),
        "video": TensorSpec("video", (2, 3, 3, 1), "condition", "video"),
        "label": label_spec(("a", "b", "c", "d")),
        "sound": TensorSpec("sound", (5,), "condition", "audio", rate=8000.0),
        "half": TensorSpec("half", (4, SIDE + 1, 3), "condition", "image"),
    }
    return Table(columns, specs, "everything")


def by_host(batches, steps):
    return list(batches.dataset(0, steps).as_numpy_iterator())


def by_device(batches, held, steps, jit):
    gather = tf.function(held.rows, jit_compile=jit)
    elements = batches.dataset(0, steps, held=held.columns)
    return [{name: values.numpy() for name, values in gather(element).items()} for element in elements]


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name, values in one.items():
            assert values.dtype == other[name].dtype
            np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("moves", [{}, {"crop": MARGIN, "flip": True}, {"crop": 1, "binarize": "dynamic"}])
def test_the_device_gathers_what_the_host_draws(moves, jit):
    table = everything(moves.get("crop", 0))
    held = OnDevice((table,), table.specs, "CPU:0")
    assert set(held.columns) == {"image", "mask", "video"}
    assert held.bytes == sum(table.columns[name].nbytes for name in held.columns)
    batches = Batches((table,), 4, 3, options(**moves))
    assert_same(by_host(batches, 3), by_device(batches, held, 3, jit))


def test_tables_move_each_for_itself_and_only_what_is_read_lies_there():
    first, second = (everything(MARGIN, seed) for seed in (0, 1))
    names = {name: f"of_b_{name}" for name in second.specs}
    source = first, train.data.source.renamed(second, names)
    reads = ["image", "label", "of_b_image"]
    held = OnDevice(source, reads, "CPU:0")
    assert set(held.columns) == {"image", "of_b_image"}
    batches = Batches(source, 4, 3, options(crop=MARGIN, flip=True), reads)
    assert_same(by_host(batches, 3), by_device(batches, held, 3, jit=True))
    (element,) = batches.dataset(0, 1, held=held.columns)
    assert sorted(element) == sorted(
        ["label", *(f"{n}/{key}" for n in (0, 1) for key in ("rows", "corners", "mirrored"))]
    )


def test_digits_that_are_binarised_anew_in_each_epoch():
    section = config.source("digits", binarize="dynamic")
    (table,) = train.data.load(section, "train")
    held = OnDevice((table,), ["image"], "CPU:0")
    batches = Batches((table,), 64, 0, section, ["image"])
    assert_same(by_host(batches, 2), by_device(batches, held, 2, jit=True))


def test_without_a_device_and_where_there_is_no_room_all_stays_on_the_host(monkeypatch):
    table = everything()
    monkeypatch.setattr(on_device, "_MOST", OnDevice((table,), table.specs).bytes - 1)
    for held in (OnDevice((table,), table.specs), OnDevice((table,), table.specs, "CPU:0")):
        assert not held.columns
        batches = Batches((table,), 4, 3, options(flip=True))
        assert_same(by_host(batches, 1), by_device(batches, held, 1, jit=False))
    monkeypatch.setattr(on_device, "_MOST", held.bytes)
    assert OnDevice((table,), table.specs, "CPU:0").columns
