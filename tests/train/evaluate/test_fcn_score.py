"""The FCN score: counts by hand, colours to classes and back, and a segmenter that can learn."""

import numpy as np
import pytest
from absl import flags

from train.evaluate import fcn_score

PALETTE = np.array([(10, 0, 0), (0, 20, 0)], np.uint8)


@pytest.fixture(autouse=True)
def parsed():
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["test"])


def test_scores_by_hand():
    # class 0: 1 of 2 right; class 1: 1 of 1 right, claimed twice; void is not counted; class 2 does not occur
    labels, predicted = np.array([[0, 0, 1, 3]]), np.array([[0, 1, 1, 2]])
    counts = fcn_score.confusion(labels, predicted, classes=3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert fcn_score.scores_of(counts) == pytest.approx({"pixel": 2 / 3, "class": 0.75, "iou": 0.5})


def test_colours_become_classes_and_black_is_void():
    pictures = np.array([[[(10, 0, 0), (0, 20, 0)], [(0, 0, 0), (10, 0, 0)]]], np.uint8)
    found = fcn_score.classes_of(pictures, np.zeros(3, np.uint8))
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, PALETTE.tolist()))
    assert fcn_score.labelled(pictures, PALETTE).tolist() == [[[0, 1], [2, 0]]]


def test_mean_colours_of_classes():
    photos = np.array([[[(10, 10, 10), (20, 20, 20)], [(30, 30, 30), (50, 50, 50)]]], np.uint8)
    labels = np.array([[[0, 0], [1, 2]]])
    assert fcn_score.mean_colours(photos, labels, 2)[:, 0].tolist() == [15, 30, 50]


def test_a_segmenter_learns_what_colour_tells():
    labels = np.random.default_rng(0).integers(0, 2, (16, 1, 1)).repeat(16, 1).repeat(16, 2).astype(np.int32)
    photos = np.where(labels[..., None] == 0, 40, 200).astype(np.uint8).repeat(3, axis=-1)
    model = fcn_score.fit(photos, labels, 2, epochs=6, seed=0, batch_size=4)
    assert fcn_score.score(model, photos, labels)["pixel"] == 1.0
