"""What style transfer measures: Gram matrices, statistics, total variation; and where a style comes from."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import images
from zoo.shared.errors import UserError
from zoo.translation import patterns, style


def maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_gram_matrix_by_hand():
    x = np.array([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]], np.float32)  # one picture of 2 x 2, two channels
    expected = np.array([[1 + 9 + 25 + 49, 2 + 12 + 30 + 56], [100, 4 + 16 + 36 + 64]]) / 8
    np.testing.assert_allclose(style.gram(x)[0], expected, rtol=1e-6)


def test_gram_matrices_do_not_depend_on_places_or_the_other_examples():
    x = maps(2, 3, 4, 5)
    shuffled = x.reshape(2, 12, 5)[:, np.random.default_rng(1).permutation(12)].reshape(2, 4, 3, 5)
    np.testing.assert_allclose(style.gram(x), style.gram(shuffled), atol=1e-6)
    np.testing.assert_allclose(style.gram(x)[1:], style.gram(x[1:]), atol=1e-6)


def test_a_gram_matrix_of_a_tiled_picture_is_that_of_the_tile():
    x = maps(1, 3, 4, 5)
    np.testing.assert_allclose(style.gram(np.tile(x, (1, 2, 3, 1))), style.gram(x), atol=1e-6)


def test_moments_are_mean_and_deviation_of_each_channel():
    x = maps(2, 6, 5, 3)
    mean, deviation = style.moments(x)
    np.testing.assert_allclose(mean[:, 0, 0], x.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(deviation[:, 0, 0], x.std((1, 2)), rtol=1e-4)


def test_total_variation_by_hand():
    x = np.array([[[[0.0], [1.0]], [[3.0], [3.0]]]], np.float32)
    assert float(style.total_variation(x)[0]) == pytest.approx((9 + 4) / 2 + (1 + 0) / 2)
    assert float(style.total_variation(np.full((1, 3, 3, 3), 0.3, np.float32))[0]) == 0


def test_losses_are_zero_for_the_pictures_own_maps_and_relative_to_them():
    found = {"conv1_1": maps(2, 4, 4, 3), "conv2_1": maps(2, 2, 2, 5, seed=1)}
    grams = {name: style.gram(x) for name, x in found.items()}
    content, styled = style.perceptual_losses(found, "conv2_1", found["conv2_1"], grams)
    assert np.array_equal(content, [0, 0]) and np.array_equal(styled, [0, 0])
    half = {name: x / 2 for name, x in found.items()}
    content, styled = style.perceptual_losses(half, "conv2_1", found["conv2_1"], grams)
    np.testing.assert_allclose(content, [1 / 4] * 2, rtol=1e-5)
    np.testing.assert_allclose(styled, [9 / 16] * 2, rtol=1e-5)


def test_no_tensor_has_more_than_two_contributions_to_its_gradient():
    """A tape adds up more than two in no fixed order."""

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            seen, smoothed = style.parted(x)
            shallow = seen * 2.0
            found = {"conv1_1": shallow, "conv1_2": tf.sin(shallow)}
            grams = dict.fromkeys(found, tf.ones((1, 3, 3)))
            losses = style.perceptual_losses(found, "conv1_1", maps(1, 4, 4, 3), grams)
            loss = tf.reduce_sum(losses[0] + losses[1] + style.total_variation(smoothed))
        return tape.gradient(loss, x)

    graph = gradient.get_concrete_function(tf.zeros((1, 4, 4, 3))).graph
    assert max(len(op.inputs) for op in graph.get_operations() if op.type == "AddN") == 2


@pytest.mark.parametrize("kind", patterns.KINDS)
def test_a_drawn_style_is_a_picture_that_repeats(kind):
    drawn = patterns.draw(kind, 48, period=12, turn=0.0, colours=((0, 10, 20), (250, 240, 230)))
    assert drawn.shape == (48, 48, 3) and drawn.dtype == np.uint8
    np.testing.assert_allclose(drawn[:, :24].astype(int), drawn[:, 24:], atol=1)
    np.testing.assert_allclose(drawn[:12].astype(int), drawn[12:24], atol=1)
    assert drawn.std() > 20
    read = style.read(kind, 32)
    assert read.shape == (1, 32, 32, 3) and -1 <= read.min() < read.max() <= 1
    assert style.pin(kind) == kind


def test_a_style_is_read_at_its_size_with_its_shape(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 40, 3)).astype(np.uint8)
    (tmp_path / "s.png").write_bytes(images.encode_png(picture))
    assert style.read(str(tmp_path / "s.png"), 10).shape == (1, 10, 20, 3)
    np.testing.assert_allclose(style.read(str(tmp_path / "s.png"), 20)[0], picture / 127.5 - 1, atol=1e-6)


def test_a_style_that_is_missing_or_another_or_no_picture_is_refused(tmp_path):
    path = tmp_path / "s.png"
    with pytest.raises(UserError, match="is missing: give a PNG"):
        style.pin(str(path))
    path.write_bytes(images.encode_png(np.zeros((8, 8, 3), np.uint8)))
    name = style.pin(str(path))
    assert style.read(name, 8).shape == (1, 8, 8, 3)
    path.write_bytes(images.encode_png(np.ones((8, 8, 3), np.uint8)))
    with pytest.raises(UserError, match="the style picture .* has the SHA-256 .* the run was made with"):
        style.read(name, 8)
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read: the file holds no PNG"):
        style.read(str(path), 8)


@pytest.mark.parametrize(
    ("name", "size", "said"), [("", 64, "model.style is empty"), ("dots", 4, "model.style_size=4")]
)
def test_a_style_that_cannot_be_is_refused(name, size, said):
    with pytest.raises(UserError, match=said):
        style.check(name, size)
