import numpy as np
import pytest
from scipy.spatial.distance import cdist

from zoo.metrics.neighbours import memorisation, nearest_neighbour_test
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)


def draw(count):
    return RNG.normal(size=(count, 6))


TRAIN, HELD_OUT = draw(1000), draw(500)


def test_by_hand():
    """Distances to the training set: held out 1, 2, 3, 4; fake 0, 1, 3.5."""
    train = np.array([[0.0], [100.0]])
    measured = memorisation(train, np.array([[1.0], [-2], [103], [4]]), np.array([[100.0], [-1], [3.5]]), 25)
    assert measured == {
        "close_share": pytest.approx(2 / 3),
        "close_share_held_out": 0.25,
        # 0 is closer than all four; 1 than three, and ties with one; 3.5 than one
        "closer_probability": pytest.approx((4 + 3.5 + 1) / 12),
        "median_ratio": pytest.approx(1 / 2.5),
        "threshold": 1,
        "percentile": 25,
        "count_train": 2, "count_held_out": 4, "count_fake": 3,
    }  # fmt: skip


def test_new_samples_of_the_law_are_no_copies():
    measured = memorisation(TRAIN, HELD_OUT, draw(500), percentile=5)
    assert measured["close_share_held_out"] == 0.05
    assert measured["close_share"] == pytest.approx(0.05, abs=0.04)
    assert measured["closer_probability"] == pytest.approx(0.5, abs=0.06)
    assert measured["median_ratio"] == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_copies_are_caught(noise):
    measured = memorisation(TRAIN, HELD_OUT, TRAIN[:300] + noise * draw(300))
    assert measured["close_share"] == 1
    assert measured["closer_probability"] > 0.99
    assert measured["median_ratio"] <= 5 * noise


def test_few_copies_among_fair_samples_are_caught():
    measured = memorisation(TRAIN, HELD_OUT, np.concatenate([TRAIN[:50], draw(450)]))
    assert measured["close_share"] >= 0.1
    assert measured["close_share_held_out"] == 0.01
    assert measured["median_ratio"] > 0.9


def test_samples_unlike_the_data_are_far():
    measured = memorisation(TRAIN, HELD_OUT, draw(100) + 30)
    assert (measured["close_share"], measured["closer_probability"]) == (0, 0)
    assert measured["median_ratio"] > 10


def test_copies_are_caught_where_held_out_images_have_duplicates():
    """The threshold is 0 then, and copies lie at it."""
    measured = memorisation(TRAIN, np.concatenate([TRAIN[:20], HELD_OUT[:80]]), TRAIN[:50], percentile=10)
    assert (measured["threshold"], measured["close_share"], measured["close_share_held_out"]) == (0, 1, 0.2)
    only_duplicates = memorisation(TRAIN, TRAIN[:100], TRAIN[:50])
    assert (only_duplicates["median_ratio"], only_duplicates["closer_probability"]) == (None, 0.5)


def test_pictures_are_compared_by_pixels():
    images = RNG.integers(0, 256, (130, 4, 4, 1), np.uint8)
    measured = memorisation(images[:20], images[20:120], images[120:])
    held_out, fake = (
        cdist(x.reshape(-1, 16), images[:20].reshape(20, 16)).min(axis=1) for x in np.split(images, [120])
    )
    assert measured["threshold"] == pytest.approx(held_out[20:].min())
    assert measured["median_ratio"] == pytest.approx(np.median(fake) / np.median(held_out[20:]))


@pytest.mark.parametrize("count", range(2, 100))
def test_few_held_out_images_have_the_nearest_of_them_as_their_least_percentile(count):
    measured = memorisation(TRAIN, HELD_OUT[:count], TRAIN[:50], percentile=100 / count)
    assert measured["close_share_held_out"] == 1 / count and measured["close_share"] == 1.0


def test_too_few_held_out_images():
    with pytest.raises(UserError, match="99 held-out images have no percentile 1: use 100 or more"):
        memorisation(TRAIN, HELD_OUT[:99], TRAIN)
    with pytest.raises(UserError, match="use 200 or more"):
        memorisation(TRAIN, HELD_OUT[:199], TRAIN, percentile=0.5)
    with pytest.raises(UserError, match="between 0 and 100"):
        memorisation(TRAIN, HELD_OUT, TRAIN, percentile=100)


def test_nearest_neighbour_test_by_hand():
    """Nearest others on a line: 0 -> 1 (real), 1 -> 1.5 (fake), 9 -> 8 (fake); 1.5 -> 1, 8 -> 9 (real), 20 -> 9."""
    real, fake = np.array([[0.0], [1], [9]]), np.array([[1.5], [8], [20]])
    assert nearest_neighbour_test(real, fake) == {
        "accuracy": pytest.approx(1 / 6), "accuracy_real": pytest.approx(1 / 3), "accuracy_fake": 0, "count": 3,
    }  # fmt: skip


def test_agrees_with_scikit_learn():
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    real, fake = draw(60), draw(60) * 0.7
    labels = np.repeat([1, 0], 60)
    hits = cross_val_score(KNeighborsClassifier(1), np.concatenate([real, fake]), labels, cv=LeaveOneOut())
    measured = nearest_neighbour_test(real, fake)
    assert measured["accuracy"] == pytest.approx(hits.mean())
    assert measured["accuracy_real"] == pytest.approx(hits[:60].mean())
    assert measured["accuracy_fake"] == pytest.approx(hits[60:].mean())


def test_equal_laws_sets_apart_and_copies():
    assert nearest_neighbour_test(draw(1000), draw(1000))["accuracy"] == pytest.approx(0.5, abs=0.05)
    assert nearest_neighbour_test(draw(50), draw(50) + 30)["accuracy"] == 1
    copied = draw(50)
    assert nearest_neighbour_test(copied, copied[::-1])["accuracy"] == 0
    same = np.zeros((4, 2))
    assert nearest_neighbour_test(same, same)["accuracy"] == 0.5


def test_collapse_shows_in_the_accuracy_of_the_fake_set():
    measured = nearest_neighbour_test(draw(200), 0.01 * draw(200) + 1)
    assert measured["accuracy_fake"] == 1


def test_sets_of_different_counts():
    with pytest.raises(UserError, match="3 real and 2 fake"):
        nearest_neighbour_test(draw(3), draw(2))
