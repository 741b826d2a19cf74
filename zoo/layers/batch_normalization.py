"""Batch normalisation over all replicas."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("genzoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer with statistics of the batch of all replicas (Ioffe and Szegedy 2015); the channels are last.

    Otherwise every replica keeps statistics of its own, of which only the first's are saved. On one replica maps of
    pictures go through TensorFlow's fused kernel, which Keras leaves aside where statistics are synchronised. That has
    no second derivative: a penalty on slopes cannot be taken through this layer in training.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"synchronized": True, **options})

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Return the normalised inputs; in training by the batch's statistics, which move the averages."""
        context = tf.distribute.get_replica_context()  # None where a map is run under a strategy
        is_alone = context is not None and context.num_replicas_in_sync == 1
        if not (training and self.trainable and is_alone and len(inputs.shape) == 4 and mask is None):
            return super().call(inputs, training=training, mask=mask)
        x = tf.cast(inputs, tf.float32)
        channels = x.shape[-1]
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma if self.scale else tf.ones(channels),
            offset=self.beta if self.center else tf.zeros(channels),
            mean=tf.zeros(channels),
            variance=tf.ones(channels),
            epsilon=self.epsilon,
            exponential_avg_factor=1.0,
        )
        # the kernel hands over an estimate for the population, the sum of squares over count - 1
        count = tf.cast(tf.size(x) // channels, tf.float32)
        variance *= (count - 1.0) / count
        for average, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + seen * (1.0 - self.momentum))
        return tf.cast(outputs, self.compute_dtype)
