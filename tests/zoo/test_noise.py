import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zoo.noise import MAX_SEED, draw
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

SAMPLE = TensorSpec("x", (2,), "sample")
SPEC = GeneratorSpec(
    (
        TensorSpec("z", (3,), "normal"),
        TensorSpec("degrees", (), "condition"),
        TensorSpec("kind", (2,), "condition", "int32", low=3, high=9),
        TensorSpec("u", (2, 3), "uniform", low=0.0, high=1.0),
        TensorSpec("w", (3,), "normal"),
    ),
    (SAMPLE,),
)
LABEL = TensorSpec("label", (), "condition", "int32", low=2, high=4)
SEEDS = st.integers(0, MAX_SEED)
PINNED = {
    "z": [
        [-0.45865920186042786, -1.293858289718628, 0.2517835795879364],
        [-0.64095538854599, -0.6177756190299988, 2.1379427909851074],
    ],
    "u": [
        [
            [0.8824667930603027, 0.36903828382492065, 0.5170696377754211],
            [0.3317897319793701, 0.7181744575500488, 0.7172490954399109],
        ],
        [
            [0.8569592833518982, 0.3560028076171875, 0.9480138421058655],
            [0.2880914807319641, 0.09311890602111816, 0.3620203137397766],
        ],
    ],
    "w": [
        [0.8182783126831055, -0.62558913230896, -1.1565766334533691],
        [1.129929780960083, 0.5088720321655273, 1.1783087253570557],
    ],
}


def uniform(low, high, size=5):
    return GeneratorSpec((TensorSpec("u", (size,), "uniform", low=low, high=high),), (SAMPLE,))


def test_known_answers():
    """Pinned for ever: a bundle's pictures depend on these numbers, which conditions among the inputs never change."""
    noise = draw(SPEC, 2, seed=7)
    np.testing.assert_array_almost_equal_nulp(noise["z"], np.array(PINNED["z"], np.float32), nulp=1)
    np.testing.assert_array_equal(noise["u"], np.array(PINNED["u"], np.float32))
    np.testing.assert_array_almost_equal_nulp(noise["w"], np.array(PINNED["w"], np.float32), nulp=1)


def test_classes_count_from_the_lowest():
    spec = GeneratorSpec((LABEL,), (SAMPLE,))
    for start, labels in ((0, [2, 3, 4, 2, 3]), (4, [3, 4, 2, 3, 4]), (3 * 10**12 + 2, [4, 2, 3, 4, 2])):
        drawn = draw(spec, 5, seed=start, start=start)["label"]
        assert drawn.tolist() == labels
        assert drawn.dtype == np.int32
    assert draw(spec, 3, 0, MAX_SEED)["label"].tolist() == [2 + (MAX_SEED + row) % 3 for row in range(3)]


def test_every_element_of_a_class_is_the_same():
    bits = TensorSpec("bits", (2, 3), "condition", "int32", low=0, high=1)
    expected = np.stack([np.full((2, 3), value) for value in (1, 0, 1, 0)])
    np.testing.assert_array_equal(draw(GeneratorSpec((bits,), (SAMPLE,)), 4, 0, start=1)["bits"], expected)


def test_a_class_of_all_int32():
    whole = dataclasses.replace(LABEL, low=-(2**31), high=2**31 - 1)
    drawn = draw(GeneratorSpec((whole,), (SAMPLE,)), 2, 0, start=2**32 - 1)["label"]
    assert drawn.tolist() == [2**31 - 1, -(2**31)]


def test_shapes_and_types():
    noise = draw(SPEC, 5, 0)
    assert {name: (values.shape, values.dtype) for name, values in noise.items()} == {
        "z": ((5, 3), np.float32),
        "u": ((5, 2, 3), np.float32),
        "w": ((5, 3), np.float32),
        "kind": ((5, 2), np.int32),
    }, "other conditions are left to the caller"


@given(SEEDS, st.integers(0, 2**40), st.integers(1, 20), st.data())
def test_sample_k_depends_on_neither_count_nor_start(seed, start, count, data):
    offset = data.draw(st.integers(0, count - 1))
    size = data.draw(st.integers(1, count - offset))
    whole, part = draw(SPEC, count, seed, start), draw(SPEC, size, seed, start + offset)
    for name in whole:
        np.testing.assert_array_equal(whole[name][offset : offset + size], part[name])


@given(SEEDS, SEEDS)
def test_seeds_and_streams_differ(one, other):
    first, second = draw(SPEC, 1, one), draw(SPEC, 1, other)
    assert not np.array_equal(first["z"], first["w"])
    assert (one == other) == np.array_equal(first["z"], second["z"])


def test_extremes():
    corners = [draw(SPEC, 1, seed, start) for seed in (0, 1, MAX_SEED) for start in (0, 1, MAX_SEED)]
    assert len({corner["z"].tobytes() for corner in corners}) == len(corners)
    assert all(np.isfinite(values).all() for corner in corners for values in corner.values())


def test_numpy_integers():
    np.testing.assert_array_equal(draw(SPEC, np.int64(2), np.uint8(3))["z"], draw(SPEC, 2, 3)["z"])


@pytest.mark.parametrize("name", ["z", "w"])
def test_normal_law(name):
    values = draw(SPEC, 40_000, 1)[name]
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    assert abs(values.mean()) < 0.01
    assert abs(values.var() - 1) < 0.02
    assert abs(stats.skew(values.ravel())) < 0.03
    assert abs(stats.kurtosis(values.ravel())) < 0.05
    # the numbers of one sample, and of neighbouring samples, are not correlated
    assert np.abs(np.corrcoef(values.T) - np.eye(3)).max() < 0.02
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.02


def test_consecutive_seeds_are_independent():
    values = np.concatenate([draw(SPEC, 1, seed)["z"] for seed in range(4_000)])
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.06


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 7.0)])
def test_uniform_law(low, high):
    values = draw(uniform(low, high), 20_000, 2)["u"]
    assert low <= values.min()
    assert values.max() < high
    assert stats.kstest(values.ravel(), "uniform", args=(low, high - low)).pvalue > 1e-3
    assert np.abs(np.corrcoef(values.T) - np.eye(5)).max() < 0.03


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (0.1, 0.9), (100.0, 100.001)])
def test_uniform_never_reaches_its_upper_end(low, high, monkeypatch):
    """The largest raw word, which rounding would carry up to `high`."""

    class Largest:
        def __init__(self, **_):
            pass

        def advance(self, _):
            return self

        def random_raw(self, size):
            return np.full(size, 2**64 - 1, np.uint64)

    monkeypatch.setattr(np.random, "Philox", Largest)
    values = draw(uniform(low, high), 3, 0)["u"]
    assert (values < np.float32(high)).all()
    assert (values >= np.float32(low)).all()


@pytest.mark.parametrize("bad", [-1, 2**63, 1.0, "1", None, True])
@pytest.mark.parametrize("what", ["seed", "start", "count"])
def test_bad_numbers(what, bad):
    with pytest.raises(UserError, match=f"{what} .*integer"):
        draw(SPEC, **{"count": 1, "seed": 0, "start": 0, what: bad})


def test_count_of_none():
    with pytest.raises(UserError, match="count 0"):
        draw(SPEC, 0, 0)
