"""Log-densities in nats, summed over all numbers of an example: pure functions of batches, which convert to ONNX."""

import math

import tensorflow as tf

LEVELS = 256  # grey levels of a pixel, evenly spaced over [-1, 1]
SMALLEST_LOG_SCALE = -7.0  # a logistic of this scale has 97% of its mass in the bin of its mean, if there are 256


def smallest_log_scale(levels: int) -> float:
    """Return the log-scale that stands to the bins of so many levels as -7 does to those of 256."""
    return SMALLEST_LOG_SCALE - math.log((levels - 1) / (LEVELS - 1))


def bernoulli_log_prob(logits: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Return log p(image) in nats, (batch,), for independent pixels that are white (above 0) with odds exp(logits).

    The decoder of Kingma & Welling (2013). ONNX has no Log1p, so the cross-entropy is written by softplus.
    """
    white = tf.cast(image > 0, logits.dtype)
    return _sum_of_sample(white * logits - tf.nn.softplus(logits))


def discretized_logistic_log_prob(mean: tf.Tensor, log_scale: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Return log p(image) in nats, (batch,), for independent pixels of 256 levels in [-1, 1].

    `log_scale` broadcasts, and is kept at -7 or above. See `discretized_logistic`.
    """
    return _sum_of_sample(discretized_logistic(mean, tf.maximum(log_scale, SMALLEST_LOG_SCALE), image))


def discretized_logistic(mean: tf.Tensor, log_scale: tf.Tensor, x: tf.Tensor, levels: int = LEVELS) -> tf.Tensor:
    """Return the log-probability in nats of each of the numbers `x`, on so many levels in [-1, 1]; all broadcast.

    A level has the mass of a logistic distribution in its bin, and the two outermost bins reach to infinity (Salimans
    et al. 2017). The masses of all levels sum to 1. With u and l the upper and lower edge in units of the scale,

        log(sigm(u) - sigm(l)) = log sigm(u) + log sigm(-l) + log(1 - exp(l - u))

    so that no difference of nearly equal numbers is taken. The last term is (l - u) / 2 + log(2 sinh((u - l) / 2)).
    """
    half_width = tf.exp(-log_scale) / (levels - 1)
    centre = (x - mean) * tf.exp(-log_scale)
    below_upper = -tf.nn.softplus(-centre - half_width)
    above_lower = -tf.nn.softplus(centre - half_width)
    inside = below_upper + above_lower - half_width + tf.math.log(2.0 * tf.sinh(half_width))
    outermost = 1.0 - 1.0 / (levels - 1)
    return tf.where(x < -outermost, below_upper, tf.where(x > outermost, above_lower, inside))


def gaussian_log_prob(z: tf.Tensor, mean: tf.Tensor | float = 0.0, log_variance: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Return log N(z; mean, exp(log_variance)) in nats, (batch,), for a diagonal Gaussian; standard by default."""
    squares = (z - mean) ** 2 * tf.exp(-tf.convert_to_tensor(log_variance, z.dtype))
    return _sum_of_sample(-0.5 * (math.log(2 * math.pi) + log_variance + squares))


def gaussian_kl(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, I)) in nats, (batch,) (Kingma & Welling 2013)."""
    return _sum_of_sample(0.5 * (tf.exp(log_variance) + mean**2 - 1.0 - log_variance))


def _sum_of_sample(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=tuple(range(1, values.shape.rank)))
