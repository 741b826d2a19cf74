"""The range of pictures."""

import keras


@keras.saving.register_keras_serializable("genzoo")
class Bounded(keras.layers.Layer):
    """Clip pictures to [-1, 1]. Losses are taken before, because nothing flows back through what is clipped."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the clipped pictures."""
        return keras.ops.clip(x, -1.0, 1.0)
