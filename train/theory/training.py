"""How the experiments train: a model without a working directory, and a generator that never learns."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from train.data import Source
from train.data.batches import Batches
from train.data.sources import digits as embedded_digits
from zoo.adversarial.gan_grid import GANGrid
from zoo.model import GenerativeModel


class Run:
    """One model in training on a source; a function of the seed alone, as a run of the trainer is."""

    def __init__(
        self,
        create: Callable[[], GenerativeModel],
        source: Source,
        batch_size: int,
        seed: int,
        betas: tuple[float, float] = (0.5, 0.999),
        **learning_rates: float,
    ) -> None:
        """Take the learning rate of Adam for each part of the model that `create` makes, by its name."""
        keras.utils.set_random_seed(seed)
        self.model = create()
        self.model.noise_key.assign([seed, 0])
        self.model.compile(
            **{part: keras.optimizers.Adam(rate, *betas, epsilon=1e-8) for part, rate in learning_rates.items()}
        )
        self._iterator = iter(Batches(source, batch_size, seed).dataset(0, 2**40))

        def one_step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
            logs = self.model.train_step(batch)
            self._names = sorted(logs)
            return tf.stack([logs[name] for name in self._names])

        def run_steps(iterator: Iterator, steps: tf.Tensor) -> tf.Tensor:
            rows = tf.TensorArray(tf.float32, size=steps)
            for index in tf.range(steps):
                rows = rows.write(index, one_step(next(iterator)))
            return rows.stack()

        # traced once here, and not under a name that other runs share: TensorFlow warns of functions traced often
        self._run_steps = tf.function(run_steps).get_concrete_function(self._iterator, tf.constant(1))

    def advance_to(self, step: int) -> None:
        """Train until `step` steps are done, if they are not."""
        missing = step - int(self.model.step)
        if missing > 0:
            self.advance(missing)

    def advance(self, steps: int) -> dict[str, float]:
        """Train for some more steps; return the mean of each log over them."""
        means = self._run_steps(self._iterator, tf.constant(steps)).numpy().mean(axis=0)
        return dict(zip(self._names, means.tolist(), strict=True))


class FrozenGenerator(GANGrid):
    """A cell of the grid in which only the discriminator learns, against the samples of a given `generator`."""

    def __init__(self, generator: keras.Model, **options: Any) -> None:
        super().__init__(latent_dim=generator.input["z"].shape[1], **options)
        self.generator = generator
        self.generator_spec = self._spec()

    @property
    def parts(self) -> dict[str, list[keras.Variable]]:
        """The discriminator alone."""
        return {"discriminator": self.discriminator.trainable_variables}

    def generator_step(self, x: tf.Tensor, label: tf.Tensor | None = None, turn: int = 1) -> dict[str, tf.Tensor]:
        """Leave the generator as it is."""
        return {}


def affine_generator(matrix: np.ndarray, shift: np.ndarray) -> keras.Model:
    """Return the generator of points z @ matrix + shift, `matrix` (latent_dim, D), `shift` (D,)."""
    z = keras.Input((len(matrix),), name="z")
    layer = keras.layers.Dense(len(shift), trainable=False)
    point = layer(z)
    layer.set_weights([np.asarray(matrix), np.asarray(shift)])
    return keras.Model({"z": z}, {"point": point}, name="generator")


def digits(split: str) -> Source:
    """Return a split of the embedded digits at their own 8 x 8 pixels."""
    return embedded_digits.load(SimpleNamespace(image_size=8, channels=1), split)


def point_source(points: np.ndarray, what: str) -> Source:
    """Return points (N, D) as a source without labels."""
    return Source(points.astype(np.float32), np.zeros(len(points), np.int32), (), f"{len(points):,} {what}")
