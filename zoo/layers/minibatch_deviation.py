"""A statistic of the minibatch as one more feature of each example."""

import keras
from keras import layers, ops

from zoo.shared.errors import UserError


@keras.saving.register_keras_serializable("genzoo")
class MinibatchDeviation(layers.Layer):
    """Append the minibatch standard deviation as one more channel: maps (batch, H, W, C) to (batch, H, W, C + 1).

    Karras, Aila, Laine and Lehtinen (2018), section 3. Of each feature at each place the standard deviation over a
    group of examples is taken, sqrt(variance + 1e-8). The mean of all these is one number, the same for the whole
    group. So a discriminator sees how much its examples differ from one another.

    A group is `group_size` consecutive examples; in the authors' code it is 4 that lie apart. Replicas see contiguous
    parts of a batch, so they form the groups that one device forms, if `group_size` divides each part. A batch that it
    does not divide is a `UserError`.
    """

    def __init__(self, group_size: int = 4, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.group_size = group_size

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the maps with the statistic of each example's group."""
        batch, (height, width, channels) = x.shape[0], x.shape[1:]
        if batch is not None and batch % self.group_size:
            raise UserError(f"a minibatch of {batch} does not divide into groups of {self.group_size}")
        # float32 whatever the precision: the features of a group may be almost equal
        groups = ops.reshape(ops.cast(x, "float32"), (-1, self.group_size, height, width, channels))
        deviation = ops.sqrt(ops.var(groups, axis=1) + 1e-8)
        statistic = ops.mean(deviation, axis=(1, 2, 3))
        per_example = ops.reshape(ops.repeat(statistic, self.group_size), (-1, 1, 1, 1))
        return ops.concatenate([x, ops.cast(per_example, x.dtype) * ops.ones_like(x[..., :1])], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with one more channel."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self) -> dict[str, object]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "group_size": self.group_size}
