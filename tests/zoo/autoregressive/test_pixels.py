"""The distributions of a pixel: their probabilities sum to 1, and draws by given noise are their inverses."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import logistic

from zoo.autoregressive.pixels import (
    Bernoulli,
    LogisticMixture,
    Softmax,
    distribution,
    index_at,
    level_of,
    value_of,
)
from zoo.shared.errors import UserError

GREYS = (np.arange(256) * 2 / 255 - 1).astype(np.float32)


def parameters_of(made, count=1, seed=0, scale=1.5):
    """Return random parameters, the same for `count` pixels."""
    one = np.random.default_rng(seed).normal(0, scale, (1, made.parameters))
    return tf.constant(np.repeat(one, count, axis=0), tf.float32)


def probabilities(made, pixels, **options):
    """Return the probabilities of pixels (count, channels), under the same parameters."""
    image = tf.constant(np.asarray(pixels, np.float32))
    each = made.log_prob(parameters_of(made, len(pixels), **options), image)
    return np.exp(tf.reduce_sum(each, axis=-1).numpy().astype(np.float64))


def steps_of_noise(count):
    """Return the middles of `count` parts of [0, 1)."""
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_bernoulli_sums_to_one_and_draws_its_odds(channels):
    made = Bernoulli(channels)
    pixels = list(itertools.product([-1, 1], repeat=channels))
    assert probabilities(made, pixels).sum() == pytest.approx(1, abs=1e-6)
    u = np.repeat(steps_of_noise(1000)[:, None], channels, axis=1)
    drawn = made.draw(parameters_of(made, 1000), {"u": u}).numpy()
    assert set(np.unique(drawn)) <= {-1.0, 1.0}
    odds = 1 / (1 + np.exp(-parameters_of(made)[0].numpy()))
    np.testing.assert_allclose((drawn > 0).mean(axis=0), odds, atol=1e-3)
    white = made.log_prob(parameters_of(made), tf.ones((1, channels)))
    np.testing.assert_allclose(np.exp(white)[0], odds, rtol=1e-5)


def test_the_channels_of_a_softmax_each_sum_to_one_and_draw_their_probabilities():
    made = Softmax(3)
    image = tf.constant(np.repeat(GREYS[:, None], 3, axis=1))
    each = np.exp(made.log_prob(parameters_of(made, 256), image).numpy().astype(np.float64))
    np.testing.assert_allclose(each.sum(axis=0), 1, atol=1e-5)
    logits = parameters_of(made)[0].numpy().reshape(3, 256).astype(np.float64)
    np.testing.assert_allclose(each, (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).T, rtol=1e-4)
    count = 4000
    u = np.repeat(steps_of_noise(count)[:, None], 3, axis=1)
    drawn = made.draw(parameters_of(made, count), {"u": u}).numpy()
    assert (np.diff(drawn, axis=0) >= 0).all(), "a larger u is a larger value"
    for channel in range(3):
        frequencies = np.bincount(np.rint((drawn[:, channel] + 1) * 127.5).astype(int), minlength=256) / count
        np.testing.assert_allclose(frequencies, each[:, channel], atol=1.1 / count + 1e-6)


def test_a_softmax_of_four_levels_sums_to_one_and_draws_them():
    made, values = Softmax(1, 4), np.array([-1, -1 / 3, 1 / 3, 1], np.float32)
    assert (made.levels, made.parameters) == (4, 4)
    parameters = tf.constant(np.log([[0.1, 0.2, 0.3, 0.4]]), tf.float32)
    each = made.log_prob(tf.repeat(parameters, 4, axis=0), tf.constant(values[:, None]))
    np.testing.assert_allclose(np.exp(each)[:, 0], [0.1, 0.2, 0.3, 0.4], rtol=1e-5)
    u = np.array([[0.05], [0.2], [0.5], [0.7]], np.float32)
    drawn = made.draw(tf.repeat(parameters, 4, axis=0), {"u": tf.constant(u)})
    np.testing.assert_allclose(drawn[:, 0], values, atol=1e-6)
    np.testing.assert_allclose(made.nearest(tf.constant([-0.9, -0.5, 0.1, 0.9])), values, atol=1e-6)


def test_no_value_of_probability_0_is_drawn_at_the_ends():
    logits = np.random.default_rng(0).normal(size=(500, 256)).astype(np.float32)
    logits[:, :3] = logits[:, -3:] = -1e9
    for u, extreme in ((0.0, 3), (1 - 2**-24, 252)):
        chosen = index_at(tf.nn.softmax(logits), tf.fill((500,), np.float32(u))).numpy()
        assert (chosen == extreme).all()


def test_an_index_is_where_the_sum_passes():
    half = tf.constant([[0.25, 0.0, 0.5, 0.25]] * 6)
    u = tf.constant([0.0, 0.24, 0.25, 0.74, 0.75, 1.0])
    np.testing.assert_array_equal(index_at(half, u), [0, 0, 2, 2, 3, 3])


def test_a_coloured_mixture_is_that_of_the_paper():
    made = LogisticMixture(3, 2)
    random = np.random.default_rng(1)
    logits, means, log_scales, c = (random.normal(0, 1, shape) for shape in (2, (2, 3), (2, 3), (2, 3)))
    parameters = np.concatenate([logits, np.concatenate([means, log_scales - 2, c], axis=1).ravel()])
    pixel = GREYS[[0, 130, 255]].astype(np.float64)
    red, green, _ = pixel
    total = 0.0
    for k in range(2):
        a, b, g = np.tanh(c[k])  # red to green, red to blue, green to blue
        shifted = means[k] + [0, a * red, b * red + g * green]
        edges = [(-np.inf, pixel[0] + 1 / 255), (pixel[1] - 1 / 255, pixel[1] + 1 / 255), (pixel[2] - 1 / 255, np.inf)]
        scales = np.exp(log_scales[k] - 2)
        bins = [np.diff(logistic.cdf(edge, m, s))[0] for edge, m, s in zip(edges, shifted, scales, strict=True)]
        total += np.exp(logits[k]) / np.exp(logits).sum() * np.prod(bins)
    found = made.log_prob(tf.constant(parameters[None], tf.float32), tf.constant(pixel[None], tf.float32))
    assert float(found[0, 0]) == pytest.approx(np.log(total), rel=1e-4)


def test_a_mixture_draws_its_components_and_their_logistics():
    made, count = LogisticMixture(1, 3), 300
    ours, theirs = np.meshgrid(steps_of_noise(count), steps_of_noise(count))
    noise = {"u": ours.reshape(-1, 1), "u_component": theirs.reshape(-1, 1)}
    drawn = made.draw(parameters_of(made, count**2), noise).numpy()
    assert set(np.unique(drawn)) <= set(value_of(tf.range(256.0)).numpy())
    frequencies = np.bincount(np.rint((drawn[:, 0] + 1) * 127.5).astype(int), minlength=256) / count**2
    expected = probabilities(made, GREYS[:, None])
    # the share of each component and each inverse are right to one step of the noise
    np.testing.assert_allclose(frequencies.cumsum(), expected.cumsum(), atol=4 / count)
    np.testing.assert_allclose(frequencies, expected, atol=3 / count)
    component = {**noise, "u": np.full_like(noise["u"], 0.5)}
    medians, counts = np.unique(made.draw(parameters_of(made, count**2), component), return_counts=True)
    logits, means, *_ = (part.numpy()[0] for part in made._split(parameters_of(made)))
    order = np.argsort(means[:, 0])
    np.testing.assert_allclose(medians, np.clip(means[order, 0], -1, 1), atol=1.01 / 255)
    np.testing.assert_allclose(counts / count**2, (np.exp(logits) / np.exp(logits).sum())[order], atol=1 / count)


def test_a_drawn_channel_follows_the_one_drawn_before_it():
    made, count = LogisticMixture(2, 1), 4000
    u = np.stack([np.full(count, 0.3, np.float32), steps_of_noise(count)], axis=1)
    noise = {"u": u, "u_component": np.zeros((count, 1), np.float32)}
    drawn = made.draw(parameters_of(made, count), noise).numpy()
    assert len(np.unique(drawn[:, 0])) == 1
    joint = probabilities(made, np.stack([np.full(256, drawn[0, 0]), GREYS], axis=1))
    frequencies = np.bincount(np.rint((drawn[:, 1] + 1) * 127.5).astype(int), minlength=256) / count
    np.testing.assert_allclose(frequencies, joint / joint.sum(), atol=1.1 / count + 1e-5)


@pytest.mark.parametrize("u", [0.0, 1.0])
def test_the_ends_of_the_noise_make_values(u):
    for made in (Bernoulli(3), Softmax(3), LogisticMixture(3, 2)):
        noise = {spec.name: np.full((2, spec.shape[-1]), u, np.float32) for spec in made.noise(4, 5)}
        drawn = made.draw(parameters_of(made, 2), noise).numpy()
        assert drawn.shape == (2, 3)
        assert np.isfinite(drawn).all() and (np.abs(drawn) <= 1).all()


def test_noise_is_uniform_and_of_the_pictures_size():
    for made, names in ((Softmax(3), {"u": 3}), (LogisticMixture(3), {"u": 3, "u_component": 1})):
        specs = made.noise(4, 5)
        assert {spec.name: spec.shape for spec in specs} == {name: (4, 5, size) for name, size in names.items()}
        assert all((spec.role, spec.low, spec.high) == ("uniform", 0.0, 1.0) for spec in specs)


def test_values_count_as_the_nearest_of_the_distribution():
    image = tf.constant([-1.0, -0.4, 0.0, 1e-3, 1.0])
    np.testing.assert_array_equal(Bernoulli(1).nearest(image), [-1, -1, -1, 1, 1])
    for made in (Softmax(1), LogisticMixture(1)):
        np.testing.assert_array_equal(made.nearest(tf.constant(GREYS + 3e-3)), value_of(tf.range(256.0)))
    np.testing.assert_array_equal(level_of(value_of(tf.range(256.0))), np.arange(256))
    np.testing.assert_array_equal(level_of(tf.constant([-2.0, 2.0])), [0, 255])


def test_parameters_and_groups_are_counted():
    counts = {
        name: (made.groups, made.parameters)
        for name in ("bernoulli", "softmax", "logistic_mixture")
        if (made := distribution(name, 3, 10))
    }
    assert counts == {"bernoulli": (3, 3), "softmax": (3, 768), "logistic_mixture": (1, 100)}
    assert distribution("logistic_mixture", 1, 10).parameters == 30


def test_an_unknown_likelihood_is_refused():
    with pytest.raises(UserError, match="unknown likelihood 'softmaxx'; did you mean 'softmax'"):
        distribution("softmaxx", 1, 1)
