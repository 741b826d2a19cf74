"""The fade from one layer to another."""

import keras
from keras import layers


@keras.saving.register_keras_serializable("genzoo")
class Fade(layers.Layer):
    """Return (1 - alpha) old + alpha new, whose weight `alpha`, at first 1, training moves from 0 to 1.

    Karras, Aila, Laine and Lehtinen (2018), section 2. At 0 the result is the old tensor and at 1 the new one, to the
    last bit. Networks that fade together share the layer. It computes in float32.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.alpha = self.add_weight((), "ones", trainable=False, aggregation="only_first_replica", name="alpha")

    def call(self, old: keras.KerasTensor, new: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mean of both, weighted by `alpha`."""
        return (1.0 - self.alpha) * old + self.alpha * new
