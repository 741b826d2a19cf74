import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from zoo.metrics import distances
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)
INTEGERS = hnp.arrays(np.float64, st.tuples(st.integers(2, 9), st.just(3)), elements=st.integers(-50, 50))


def whole(queries, centres):
    return np.concatenate([squares for _, squares in distances.squared_blocks(queries, centres)])


@given(INTEGERS, INTEGERS)
def test_squares_agree_with_scipy(queries, centres):
    np.testing.assert_array_equal(whole(queries, centres), cdist(queries, centres, "sqeuclidean"))


def test_blocks_cover_the_queries_in_order(monkeypatch):
    queries, centres = RNG.normal(size=(10, 4)), RNG.normal(size=(6, 4))
    monkeypatch.setattr(distances, "_BLOCK", 20)  # three rows of six
    blocks = list(distances.squared_blocks(queries, centres))
    assert [(rows.start, rows.stop) for rows, _ in blocks] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    np.testing.assert_allclose(whole(queries, centres), cdist(queries, centres, "sqeuclidean"))


def test_copies_are_at_distance_zero_and_a_common_offset_costs_nothing():
    features = RNG.normal(size=(50, 300)) + 1e6
    squares = whole(features[::-1], features)
    assert (squares[np.arange(50)[::-1], np.arange(50)] == 0).all()
    exact = cdist(features[::-1], features, "sqeuclidean")
    np.testing.assert_allclose(squares, exact, rtol=1e-9)


def test_an_outlier_costs_the_others_nothing():
    points = RNG.normal(size=(40, 5))
    points[0] = 1e9
    squares = whole(points, points[::-1])[1:, :-1]
    np.testing.assert_allclose(squares, cdist(points, points[::-1], "sqeuclidean")[1:, :-1], rtol=1e-9)


@pytest.mark.parametrize("dimension", [2, 17, 600])
def test_a_copy_is_as_far_as_its_original_but_for_the_rounding_of_a_product(dimension, monkeypatch):
    """A matrix product may round a row otherwise in another place; on some processors the last bit differs."""
    monkeypatch.setattr(distances, "_BLOCK", 8000)
    queries = RNG.normal(size=(30, dimension)) + 5
    centres, order = RNG.normal(size=(31, dimension)), RNG.permutation(31)
    np.testing.assert_allclose(whole(queries, centres)[:, order], whole(queries, centres[order]), rtol=1e-15)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_kth_nearest_is_the_kth_of_the_sorted_distances(k, monkeypatch):
    monkeypatch.setattr(distances, "_BLOCK", 20)
    one, other = RNG.normal(size=(12, 3)), RNG.normal(size=(7, 3))
    among = np.sort(cdist(one, other, "sqeuclidean"))[:, k - 1]
    np.testing.assert_allclose(distances.kth_nearest(one, k, other), among)
    itself_first = np.sort(cdist(one, one, "sqeuclidean"))
    np.testing.assert_allclose(distances.kth_nearest(one, k), itself_first[:, k])
    np.testing.assert_allclose(distances.k_nearest(one, k), itself_first[:, 1 : k + 1])


def test_a_duplicate_is_another_point():
    np.testing.assert_array_equal(distances.kth_nearest(np.array([[0.0], [0.0], [3.0]])), [0, 0, 9])


def test_too_few_neighbours():
    line = np.arange(3.0)[:, None]
    assert distances.kth_nearest(line, 2).tolist() == [4, 1, 4]
    with pytest.raises(UserError, match="no neighbour number 3 among 2 points"):
        distances.kth_nearest(line, 3)
    with pytest.raises(UserError, match="no neighbour number 4 among 3 points"):
        distances.kth_nearest(line, 4, line)


def test_sets_are_flattened_and_checked():
    images, features = distances.points(a=np.ones((2, 4, 4, 3), np.uint8), b=np.ones((5, 48), np.float32))
    assert (images.shape, images.dtype, features.shape) == ((2, 48), np.float64, (5, 48))
    assert distances.flat(a=np.ones((2, 4, 4, 3), np.uint8))[0].dtype == np.uint8
    for bad in (np.nan, np.inf):
        with pytest.raises(UserError, match="the b set holds NaN or infinity"):
            distances.points(a=np.ones((2, 1)), b=np.array([[bad]]))
    for empty in (np.ones((0, 2)), np.ones((2, 0))):
        with pytest.raises(UserError, match="the a set is empty"):
            distances.points(a=empty)
    for huge in (np.float64(-1e21), np.float32(3e38)):
        with pytest.raises(UserError, match=r"the b set holds numbers beyond 1e\+20: scale"):
            distances.points(a=np.ones((2, 1)), b=np.array([[1], [huge]]))
    half = np.array([[65504.0]], np.float16)
    assert distances.points(a=half)[0] == 65504
    with pytest.raises(UserError, match="'a': 2, 'b': 3"):
        distances.points(a=np.ones((4, 2)), b=np.ones((4, 3)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 1), np.float32), "float32"),
        (np.zeros((2, 8, 8), np.uint8), r"shape \(2, 8, 8\)"),
        (np.zeros((0, 8, 8, 1), np.uint8), "count"),
        (np.zeros((2, 8, 9, 1), np.uint8), "different shapes"),
    ],
)
def test_pictures_are_checked(images, message):
    with pytest.raises(UserError, match=message):
        distances.pictures(a=np.zeros((3, 8, 8, 1), np.uint8), b=images)
