"""Where a causal kernel may look, and that the sums step by step are those of the convolution."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.causal import CausalSteps, MaskedConv2D, by_position, causal_mask, follow, row_of


def may_look(offset, group_in, group_out, kind):
    """Whether an output may see an input so far away from it, by the definition."""
    nearest = next((step for step in offset if step), 0)
    return nearest < 0 or (not nearest and (group_in < group_out or (kind == "B" and group_in == group_out)))


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("kernel_size", [(5,), (3, 5), (1, 3), (1, 1), (3, 1, 5), (3, 3, 3)])
@pytest.mark.parametrize(("inputs", "outputs", "groups", "parts"), [(2, 3, 1, 1), (3, 6, 3, 1), (7, 12, 3, 2)])
def test_a_mask_of_any_dimension_is_its_definition(kernel_size, kind, inputs, outputs, groups, parts):
    mask = causal_mask(kernel_size, inputs, outputs, kind, groups, parts)
    assert mask.shape == (*kernel_size, inputs, outputs)
    assert mask.dtype == np.float32
    for *place, one, other in np.ndindex(mask.shape):
        offset = [at - size // 2 for at, size in zip(place, kernel_size, strict=True)]
        group_in, group_out = one * groups // inputs, other % (outputs // parts) * groups // (outputs // parts)
        assert mask[(*place, one, other)] == may_look(offset, group_in, group_out, kind), (place, one, other)


def test_known_masks():
    row = causal_mask((5,), 1, 1, "A")[:, 0, 0]
    np.testing.assert_array_equal(row, [1, 1, 0, 0, 0])
    square = causal_mask((3, 3), 1, 1, "B")[:, :, 0, 0]
    np.testing.assert_array_equal(square, [[1, 1, 1], [1, 1, 0], [0, 0, 0]])
    cube = causal_mask((3, 3, 3), 1, 1, "A")[..., 0, 0]
    assert cube[0].all() and not cube[2].any()
    np.testing.assert_array_equal(cube[1], [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    colours = causal_mask((1, 1), 3, 6, "A", groups=3, parts=2)[0, 0]
    np.testing.assert_array_equal(colours, [[0, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]])


@pytest.fixture
def convolution():
    """A masked convolution of 3 x 5 with random weights, and a raster of 4 x 6."""
    random = np.random.default_rng(0)
    made = MaskedConv2D(3, 6, (3, 5), "A", groups=3)
    for weight in made.weights:
        weight.assign(random.normal(size=weight.shape))
    return made, random.normal(size=(2, 4, 6, 3)).astype(np.float32)


def test_a_masked_convolution_is_the_sum_over_what_its_mask_lets_through(convolution):
    made, x = convolution
    kernel, bias = (weight.numpy().astype(np.float64) for weight in made.weights)
    expected = np.zeros((2, 4, 6, 6)) + bias
    for y, column, dy, dx in itertools.product(range(4), range(6), range(-1, 2), range(-2, 3)):
        for one, other in itertools.product(range(3), range(6)):
            inside = 0 <= y + dy < 4 and 0 <= column + dx < 6
            if inside and may_look((dy, dx), one, other // 2, "A"):
                expected[:, y, column, other] += x[:, y + dy, column + dx, one] * kernel[dy + 1, dx + 2, one, other]
    np.testing.assert_allclose(made(x), expected, atol=1e-5)


def test_steps_make_what_the_convolution_makes(convolution):
    made, x = convolution
    steps, whole = CausalSteps(made), made(x)
    for y in range(4):
        above = steps.above(tf.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, y : y + 1])
        history = tf.zeros((2, steps.reach, 3))
        for column in range(6):
            window = tf.concat([history, x[:, y, column : column + 1]], axis=1)
            np.testing.assert_allclose(steps.along(window) + above[:, column], whole[:, y, column], atol=1e-5)
            history = follow(history, x[:, y, column])


def test_a_kernel_of_one_position_steps_by_itself():
    made = MaskedConv2D(4, 6, groups=2)
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 4)).astype(np.float32)
    np.testing.assert_allclose(CausalSteps(made).here(x[:, 1, 0]), made(x)[:, 1, 0], atol=1e-5)


def test_a_row_of_rows_and_a_window_that_follows():
    rows = np.arange(2 * 2 * 4, dtype=np.float32).reshape(1, 2, 4, 2)
    kernel = np.zeros((2, 3, 2, 1), np.float32)
    kernel[0, 0, 1] = 1.0  # the upper left neighbour's second channel
    np.testing.assert_array_equal(row_of(tf.constant(rows), tf.constant(kernel))[0, :, 0], [0, 1, 3, 5])
    past = tf.constant([[[1.0], [2.0], [3.0]]])
    np.testing.assert_array_equal(follow(past, tf.constant([[4.0]]))[0, :, 0], [2, 3, 4])
    np.testing.assert_array_equal(by_position(by_position(tf.constant(rows))), rows)
    assert by_position(tf.constant(rows)).shape == (2, 1, 4, 2)


def test_a_masked_convolution_is_float32_whatever_the_precision():
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        made = MaskedConv2D(1, 1)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    made.kernel.assign(tf.fill(made.kernel.shape, math.pi))
    assert made(tf.ones((1, 1, 1, 1))).numpy().item() == np.float32(math.pi)
