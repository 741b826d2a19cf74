"""Simple models of videos, by hand: independent pixels, and the last frame copied."""

import itertools

import numpy as np
import pytest

from zoo.metrics.videos import copied, independent


def film(*frames):
    """Return one video of 1 x 2 pixels."""
    return np.array(frames, np.uint8)[:, None, :, None] * 255


TRAIN = np.stack([film([0, 1], [0, 1], [1, 1]), film([0, 0], [1, 0], [1, 0])])


def test_independent_pixels_know_how_often_a_place_is_white():
    # of 6 frames the left pixel is white in 3, the right one in 3; with one more of each level, 4 of 8
    nats = independent(TRAIN, 2)(film([0, 1], [1, 1], [0, 0])[None])
    np.testing.assert_allclose(nats, np.log([[0.25, 0.25, 0.25]]))
    brighter = np.concatenate([TRAIN, np.full_like(TRAIN[:1], 255)])  # 6 of 9 are white: 7 of 11
    nats = independent(brighter, 2)(film([0, 1], [1, 1], [0, 0])[None])
    np.testing.assert_allclose(nats, np.log([[4 / 11 * 7 / 11, (7 / 11) ** 2, (4 / 11) ** 2]]))


def test_a_copied_frame_knows_how_often_a_level_follows_another():
    # the left pixel goes 0 0, 0 1 and 0 1, 1 1, the right one 1 1, 1 1 and 0 0, 0 0: of 5 black ones 3 stay, of 3 white
    # ones all; and one more of each
    stays_black, turns_white, stays_white = (3 + 1) / (5 + 2), (2 + 1) / (5 + 2), (3 + 1) / (3 + 2)
    turns_black = 1 - stays_white
    # first frames: left white in 0 of 2, right in 1 of 2
    left_white, right_white = 1 / 4, 2 / 4
    nats = copied(TRAIN, 2)(film([1, 0], [0, 0], [0, 1])[None])
    wanted = [[left_white * (1 - right_white), turns_black * stays_black, stays_black * turns_white]]
    np.testing.assert_allclose(nats, np.log(wanted))


@pytest.mark.parametrize("model", [independent, copied])
def test_the_probabilities_of_all_videos_sum_to_one(model):
    every = np.array(list(itertools.product([0, 1], repeat=6)), np.uint8).reshape(-1, 3, 1, 2, 1) * 255
    assert np.exp(model(TRAIN, 2)(every).sum(axis=1)).sum() == pytest.approx(1)


def test_of_four_levels_each_has_its_own_odds():
    train = np.array([0, 85, 170, 255, 255, 255], np.uint8).reshape(1, 6, 1, 1, 1)
    nats = copied(train, 4)(np.array([0, 85, 255, 255], np.uint8).reshape(1, 4, 1, 1, 1))
    np.testing.assert_allclose(nats[0, 1:], np.log([2 / 5, 1 / 5, 3 / 6]))
