"""Mixture densities: each number of z has a mixture of Gaussians of its own (Bishop, "Mixture density networks", 1994).

A law is {"logits", "mean", "log_scale"}, each (..., latents, mixtures).
"""

import math

import tensorflow as tf

from zoo.autoregressive.pixels import index_at

COLDEST = 1e-3  # instead of a temperature of 0

Law = dict[str, tf.Tensor]


def mixture_log_prob(law: Law, z: tf.Tensor) -> tf.Tensor:
    """Return log p(z) in nats, (...,), of z (..., latents), each number by its own mixture (..., latents, mixtures)."""
    distance = (tf.expand_dims(z, -1) - law["mean"]) * tf.exp(-law["log_scale"])
    inside = -0.5 * (distance**2 + math.log(2 * math.pi)) - law["log_scale"]
    return tf.reduce_sum(tf.reduce_logsumexp(tf.nn.log_softmax(law["logits"]) + inside, axis=-1), axis=-1)


def mixture_draw(law: Law, temperature: tf.Tensor, u: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Return z (batch, latents) drawn at a temperature (batch,): `u` uniform chooses, `noise` is standard normal."""
    tau = tf.maximum(temperature, COLDEST)[:, None]
    chosen = index_at(tf.nn.softmax(law["logits"] / tau[..., None]), u)
    picked = tf.cast(tf.expand_dims(chosen, -1) == tf.range(law["mean"].shape[-1]), tf.float32)
    mean, log_scale = (tf.reduce_sum(picked * law[name], axis=-1) for name in ("mean", "log_scale"))
    return mean + tf.exp(log_scale) * tf.sqrt(tau) * noise


def mixture_mean(law: Law) -> tf.Tensor:
    """Return the mean (..., latents) of the mixtures."""
    return tf.reduce_sum(tf.nn.softmax(law["logits"]) * law["mean"], axis=-1)
