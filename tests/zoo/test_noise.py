import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zoo.noise import MAX_SEED, cycled, edited, fill, given_by, in_turn, integer
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

MADE = TensorSpec("x", (2,), "output")
SPEC = MapSpec(
    (
        TensorSpec("z", (3,), "normal"),
        TensorSpec("kind", (), "condition", "class", low=3, high=9),
        TensorSpec("u", (2, 3), "uniform", low=0.0, high=1.0),
        TensorSpec("w", (3,), "normal"),
    ),
    (MADE,),
)
LABEL = TensorSpec("label", (), "condition", "class", low=2, high=4)
PHOTO = TensorSpec("photo", (2, 2, 1), "condition", "image")
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
    return MapSpec((TensorSpec("u", (size,), "uniform", low=low, high=high),), (MADE,))


def test_known_answers():
    """Pinned for ever: a bundle's pictures depend on these numbers, which conditions among the inputs never change."""
    filled = fill(SPEC, 2, seed=7)
    np.testing.assert_array_almost_equal_nulp(filled["z"], np.array(PINNED["z"], np.float32), nulp=1)
    np.testing.assert_array_equal(filled["u"], np.array(PINNED["u"], np.float32))
    np.testing.assert_array_almost_equal_nulp(filled["w"], np.array(PINNED["w"], np.float32), nulp=1)


def test_conditions_among_the_inputs_do_not_change_the_noise():
    more = MapSpec((PHOTO, LABEL, *SPEC.inputs), (MADE,))
    filled = fill(more, 2, 7, given={"photo": np.zeros((2, 2, 2, 1))})
    for name, values in fill(SPEC, 2, seed=7).items():
        np.testing.assert_array_equal(filled[name], values)


def test_inputs_come_in_the_order_of_the_spec():
    assert list(fill(SPEC, 2, 0)) == ["z", "kind", "u", "w"]
    spec = MapSpec((LABEL, PHOTO, *SPEC.noise), (MADE,))
    assert list(fill(spec, 2, 0, given={"photo": np.zeros((2, 2, 2, 1))})) == ["label", "photo", "z", "u", "w"]


def test_classes_that_are_not_given_count_from_the_lowest():
    spec = MapSpec((LABEL,), (MADE,))
    for start, labels in ((0, [2, 3, 4, 2, 3]), (4, [3, 4, 2, 3, 4]), (3 * 10**12 + 2, [4, 2, 3, 4, 2])):
        for filled in (fill(spec, 5, seed=start, start=start)["label"], in_turn(LABEL, 5, start)):
            assert filled.tolist() == labels and filled.dtype == np.int32
    assert fill(spec, 3, 0, MAX_SEED)["label"].tolist() == [2 + (MAX_SEED + row) % 3 for row in range(3)]
    one = TensorSpec("label", (), "condition", "class", low=7, high=7)
    assert in_turn(one, 3, 5).tolist() == [7, 7, 7]


def test_what_is_given_is_taken_in_the_type_of_its_spec():
    spec = MapSpec((LABEL, PHOTO), (MADE,))
    photo = np.linspace(-1, 1, 8).reshape(2, 2, 2, 1)
    filled = fill(spec, 2, 0, given={"label": [4, 2], "photo": photo})
    assert filled["label"].tolist() == [4, 2] and filled["label"].dtype == np.int32
    np.testing.assert_array_equal(filled["photo"], photo.astype(np.float32))
    assert filled["photo"].dtype == np.float32


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"missing condition photo: give an array of kind image and shape \(count, 2, 2, 1\)"),
        ({"label": [2, 3]}, "missing condition photo"),
        ({"photo": np.zeros((3, 2, 2, 1))}, r"photo: needs shape \(2, 2, 2, 1\), got \(3, 2, 2, 1\)"),
        ({"photo": np.zeros((2, 2, 1))}, r"photo: needs shape \(2, 2, 2, 1\), got \(2, 2, 1\)"),
        ({"photo": np.zeros((2, 2, 2, 1)), "label": 3}, r"label: needs shape \(2,\), got \(\)"),
        ({"photo": np.zeros((2, 2, 2, 1)), "lable": [2, 3]}, "unknown condition 'lable'; did you mean 'label'"),
        ({"photo": np.zeros((2, 2, 2, 1)), "z": np.zeros((2, 3))}, "unknown condition 'z'"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_one_line(given, said):
    spec = MapSpec((LABEL, PHOTO, TensorSpec("z", (3,), "normal")), (MADE,))
    with pytest.raises(UserError, match=said) as error:
        fill(spec, 2, 0, given=given)
    assert "\n" not in str(error.value)


def test_a_missing_number_is_told_in_its_shape():
    """A class without bounds cannot come in turn."""
    spec = MapSpec((TensorSpec("token", (), "condition", "class"),), (MADE,))
    with pytest.raises(UserError, match=r"missing condition token: give an array of kind class and shape \(count,\)"):
        fill(spec, 2, 0)


def test_shapes_and_types():
    filled = fill(SPEC, 5, 0)
    assert {name: (values.shape, values.dtype) for name, values in filled.items()} == {
        "z": ((5, 3), np.float32),
        "u": ((5, 2, 3), np.float32),
        "w": ((5, 3), np.float32),
        "kind": ((5,), np.int32),
    }


@given(SEEDS, st.integers(0, 2**40), st.integers(1, 20), st.data())
def test_sample_k_depends_on_neither_count_nor_start(seed, start, count, data):
    offset = data.draw(st.integers(0, count - 1))
    size = data.draw(st.integers(1, count - offset))
    whole, part = fill(SPEC, count, seed, start), fill(SPEC, size, seed, start + offset)
    for name in whole:
        np.testing.assert_array_equal(whole[name][offset : offset + size], part[name])


@given(SEEDS, SEEDS)
def test_seeds_and_streams_differ(one, other):
    first, second = fill(SPEC, 1, one), fill(SPEC, 1, other)
    assert not np.array_equal(first["z"], first["w"])
    assert (one == other) == np.array_equal(first["z"], second["z"])


def test_extremes():
    corners = [fill(SPEC, 1, seed, start) for seed in (0, 1, MAX_SEED) for start in (0, 1, MAX_SEED)]
    assert len({corner["z"].tobytes() for corner in corners}) == len(corners)
    assert all(np.isfinite(values).all() for corner in corners for values in corner.values())


def test_numpy_integers():
    np.testing.assert_array_equal(fill(SPEC, np.int64(2), np.uint8(3))["z"], fill(SPEC, 2, 3)["z"])


@pytest.mark.parametrize("name", ["z", "w"])
def test_normal_law(name):
    values = fill(SPEC, 40_000, 1)[name]
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    assert abs(values.mean()) < 0.01
    assert abs(values.var() - 1) < 0.02
    assert abs(stats.skew(values.ravel())) < 0.03
    assert abs(stats.kurtosis(values.ravel())) < 0.05
    # the numbers of one sample, and of neighbouring samples, are not correlated
    assert np.abs(np.corrcoef(values.T) - np.eye(3)).max() < 0.02
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.02


def test_consecutive_seeds_are_independent():
    values = np.concatenate([fill(SPEC, 1, seed)["z"] for seed in range(4_000)])
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.06


@pytest.mark.parametrize("most", [0.04, 0.5, 1.0, 2.0, 3.0])
def test_truncated_law(most):
    """Against the closed form of the normal law between -t and t: its distribution and its variance."""
    values = fill(SPEC, 40_000, 1, truncation=most)["z"]
    assert np.abs(values).max() <= np.float32(most)
    law = stats.truncnorm(-most, most)
    assert stats.kstest(values.ravel(), law.cdf).pvalue > 1e-3
    # 1 - 2 t phi(t) / (2 Phi(t) - 1)
    variance = 1 - 2 * most * stats.norm.pdf(most) / (2 * stats.norm.cdf(most) - 1)
    assert abs(values.var() / variance - 1) < 0.02
    assert abs(values.mean()) < 0.01 * most
    assert np.abs(np.corrcoef(values.T) - np.eye(3)).max() < 0.02
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.02


def test_truncation_leaves_what_lies_within():
    plain, truncated = fill(SPEC, 500, 3), fill(SPEC, 500, 3, truncation=1.0)
    for name in ("z", "w"):
        lies_within = np.abs(plain[name]) <= 1
        assert 0.6 < lies_within.mean() < 0.75
        np.testing.assert_array_equal(truncated[name][lies_within], plain[name][lies_within])
        assert (truncated[name] != plain[name])[~lies_within].all()
    np.testing.assert_array_equal(truncated["u"], plain["u"])
    far = fill(SPEC, 500, 3, truncation=9.0)
    assert all(np.array_equal(far[name], plain[name]) for name in plain)


def test_a_truncated_number_by_hand():
    """Sample 0 of seed 7: the words of the first round, taken straight from numpy's counter."""
    value = fill(SPEC, 1, 7, truncation=0.5)["z"].ravel()
    plain = fill(SPEC, 1, 7)["z"].ravel()
    size = plain.size
    for turn in range(1, 9):
        words = np.random.Philox(key=[7, 0], counter=[0, 0, turn, 0]).random_raw(2 * size) >> np.uint64(11)
        x = 0.5 * (2 * (words[:size] / 2**53) - 1)
        is_taken = (np.abs(plain) > 0.5) & (words[size:] / 2**53 <= np.exp(-x * x / 2))
        plain[is_taken] = x[is_taken]
    np.testing.assert_array_equal(value, plain)


@given(SEEDS, st.integers(0, 2**40), st.integers(1, 20), st.data())
def test_a_truncated_sample_depends_on_neither_count_nor_start(seed, start, count, data):
    offset = data.draw(st.integers(0, count - 1))
    whole, one = fill(SPEC, count, seed, start, truncation=0.3), fill(SPEC, 1, seed, start + offset, truncation=0.3)
    for name in whole:
        np.testing.assert_array_equal(whole[name][offset : offset + 1], one[name])


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, 1e-60, 10**400, "1", True, [1.0], 1j])
def test_truncations_that_are_none(bad):
    with pytest.raises(UserError, match="truncation .*: use a number above 0, such as 0.5"):
        fill(SPEC, 1, 0, truncation=bad)


def test_truncation_is_for_normal_noise():
    with pytest.raises(UserError, match="truncation is for normal noise, and this map takes none"):
        fill(uniform(-1, 1), 1, 0, truncation=1.0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 7.0)])
def test_uniform_law(low, high):
    values = fill(uniform(low, high), 20_000, 2)["u"]
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
    values = fill(uniform(low, high), 3, 0)["u"]
    assert (values < np.float32(high)).all()
    assert (values >= np.float32(low)).all()


@pytest.mark.parametrize("bad", [-1, 2**63, 1.0, "1", None, True])
@pytest.mark.parametrize("what", ["seed", "start", "count"])
def test_bad_numbers(what, bad):
    with pytest.raises(UserError, match=f"{what} .*integer"):
        fill(SPEC, **{"count": 1, "seed": 0, "start": 0, what: bad})


def test_count_of_none():
    with pytest.raises(UserError, match="count 0"):
        fill(SPEC, 0, 0)


def test_integers_are_of_python_and_within_their_bounds():
    assert type(integer("count", np.int32(7), 1)) is int
    assert integer("threads", 4, 1, 4) == 4 and integer("seed", MAX_SEED, 0) == MAX_SEED
    with pytest.raises(UserError, match="threads 5: use an integer from 1 to 4"):
        integer("threads", 5, 1, 4)
    with pytest.raises(UserError, match="^seed -1: use an integer from 0$"):
        integer("seed", -1, 0)
    with pytest.raises(UserError, match=r"^seed 9223372036854775808: use an integer from 0 to 2\^63 - 1$"):
        integer("seed", 2**63, 0)
    with pytest.raises(UserError, match=r"^count array\(\[0., [^\n]{1,90}: use an integer from 1$"):
        integer("count", np.zeros(64), 1)


ROWS = {"photo": np.arange(8.0).reshape(2, 2, 2, 1), "label": np.array([4, 3]), "elsewhere": np.zeros(2)}
OTHER = TensorSpec("other", (2,), "condition", "point")


@pytest.mark.parametrize(
    ("conditions", "given"),
    [
        ((), []),
        ((LABEL,), []),  # classes come in turn
        ((PHOTO,), ["photo"]),
        ((PHOTO, LABEL), ["photo", "label"]),  # of the same rows
        ((LABEL, PHOTO), ["label", "photo"]),
        ((OTHER,), []),  # no column
        ((OTHER, LABEL), []),
        ((OTHER, PHOTO), ["photo"]),
    ],
)
def test_data_give_the_conditions_that_are_columns(conditions, given):
    filled = given_by(MapSpec((*SPEC.noise, *conditions), (MADE,)), ROWS)
    assert list(filled) == given
    for name, values in filled.items():
        np.testing.assert_array_equal(values, ROWS[name])


def test_a_label_is_given_beside_data_and_not_in_turn():
    spec = MapSpec((LABEL, PHOTO), (MADE,))
    assert fill(spec, 2, 0, given=given_by(spec, ROWS))["label"].tolist() == [4, 3]
    alone = MapSpec((LABEL,), (MADE,))
    assert fill(alone, 2, 0, given=given_by(alone, ROWS))["label"].tolist() == [2, 3]


def test_given_rows_begin_anew_where_they_end():
    given = {"label": np.array([5, 6, 7]), "photo": np.arange(12.0).reshape(3, 2, 2, 1)}
    for start, rows in ((0, [0, 1, 2, 0, 1]), (4, [1, 2, 0, 1, 2]), (3 * 10**12, [0, 1, 2, 0, 1])):
        turned = cycled(given, 5, start)
        for name, values in given.items():
            np.testing.assert_array_equal(turned[name], values[rows])
    assert cycled({}, 5) == {}
    np.testing.assert_array_equal(cycled(given, 2, MAX_SEED)["label"], [5 + MAX_SEED % 3, 5 + (MAX_SEED + 1) % 3])


def test_one_attribute_changed():
    names = ("red", "hat", "black", "blond")
    group = ("black", "red", "blond")
    spec = TensorSpec("wanted", (4,), "condition", "attributes", names=names, exclusive=(group,))
    rows = np.array([[0, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]], np.int32)
    assert edited(spec, rows, 1).tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # black is set, or where it is set already, the next of its group
    assert edited(spec, rows, 2).tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    # after the last of the group comes its first
    assert edited(spec, np.array([[0, 0, 0, 1]]), 3).tolist() == [[0, 0, 1, 0]]
    assert rows.tolist()[0] == [0, 0, 1, 0], "the rows stay as they are"
