"""Penalties on a critic: pure functions of (critic, real, fake, uniform), in float32, ready to be weighted and added.

`critic` maps samples (batch, *shape) to (batch, 1); `real` and `fake` have one batch size; `uniform(shape)` draws from
U[0, 1). Each returns a scalar: the mean over the batch of what is penalised, without its weight.
"""

from collections.abc import Callable

import tensorflow as tf

from zoo.shared.errors import UserError

Critic = Callable[[tf.Tensor], tf.Tensor]
Uniform = Callable[[tuple], tf.Tensor]
Penalty = Callable[[Critic, tf.Tensor, tf.Tensor, Uniform], tf.Tensor]

# inside the square root: the derivative of the norm exists at zero
_EPSILON = 1e-12


def squared_gradient_norm(critic: Critic, x: tf.Tensor) -> tf.Tensor:
    """Return ||grad_x critic(x)||^2 for each sample, (batch,)."""
    x = tf.cast(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = critic(x)
    gradient = tape.gradient(output, x)
    return tf.reduce_sum(tf.square(gradient), axis=tf.range(1, tf.rank(gradient)))


def gradient_norm(critic: Critic, x: tf.Tensor) -> tf.Tensor:
    """Return ||grad_x critic(x)|| for each sample, (batch,), with a finite derivative everywhere."""
    return tf.sqrt(squared_gradient_norm(critic, x) + _EPSILON)


def gradient(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform, target: float = 1.0) -> tf.Tensor:
    """Return E (||grad f(x_hat)|| - 1)^2, x_hat between pairs (WGAN-GP: Gulrajani et al. 2017, Algorithm 1).

    Another `target` gamma makes it E (||grad f(x_hat)|| - gamma)^2 / gamma^2 (Karras et al. 2018).
    """
    slope = gradient_norm(critic, _between(real, fake, uniform))
    return tf.reduce_mean(((slope - target) / target) ** 2)


def one_sided_gradient(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Return E max(0, ||grad f(x_hat)|| - 1)^2: only slopes above 1 (Gulrajani et al. 2017)."""
    return tf.reduce_mean(tf.nn.relu(gradient_norm(critic, _between(real, fake, uniform)) - 1.0) ** 2)


def dragan(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Return E (||grad f(x + alpha delta)|| - 1)^2 around the data, as the code of Kodali et al. (2017) draws it.

    delta = 0.5 std(x) U[0, 1) for each number, alpha ~ U[0, 1) for each sample; std is that of the whole batch.
    """
    delta = 0.5 * _standard_deviation(real) * uniform((tf.shape(real)[0], *real.shape[1:]))
    alpha = uniform(_one_per_sample(real))
    return tf.reduce_mean((gradient_norm(critic, real + alpha * delta) - 1.0) ** 2)


def r1(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Return E ||grad f(x)||^2 / 2 on the data (Mescheder et al. 2018)."""
    return 0.5 * tf.reduce_mean(squared_gradient_norm(critic, real))


def r1_r2(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Return R1 on the data plus the same on the samples (Huang et al. 2024)."""
    # one pass over both: the mean over twice as many samples is half the sum of the two means
    return tf.reduce_mean(squared_gradient_norm(critic, tf.concat([real, fake], axis=0)))


def _standard_deviation(x: tf.Tensor) -> tf.Tensor:
    """Return that of all numbers in the batch, those on other replicas included."""
    context = tf.distribute.get_replica_context()
    mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean(x))
    return tf.sqrt(context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean((x - mean) ** 2)))


def _between(real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    epsilon = uniform(_one_per_sample(real))
    return epsilon * real + (1.0 - epsilon) * fake


def _one_per_sample(x: tf.Tensor) -> tuple:
    return (tf.shape(x)[0], *[1] * (len(x.shape) - 1))


PENALTIES: dict[str, Penalty | None] = {
    "none": None,
    "gradient": gradient,
    "one_sided_gradient": one_sided_gradient,
    "dragan": dragan,
    "r1": r1,
    "r1_r2": r1_r2,
}


def check_penalty(penalty: str, weight: float, normalization: str) -> None:
    """Refuse a negative `weight`, and the penalty called `penalty` on a critic that mixes the samples of a batch."""
    if not weight >= 0:
        raise UserError(f"model.penalty_weight={weight}: use 0 or more")
    if normalization == "batch" and PENALTIES.get(penalty):
        raise UserError(
            f"the penalty {penalty!r} needs the slope at each sample, and batch normalisation mixes the samples of a "
            "batch: use --config.model.normalization=layer, spectral or none"
        )
