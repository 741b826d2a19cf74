"""How the experiments train: a model without a working directory, and a generator that never learns."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from train import config, data
from train.data import Source, Table
from train.data.batches import Batches
from train.engine.averaging import MovingAverage
from train.engine.optimizers import reset
from train.engine.steps import CompiledSteps
from zoo.adversarial.gan_grid import GANGrid
from zoo.adversarial.networks import Networks
from zoo.model import GenerativeModel
from zoo.spec import TensorSpec


class Run:
    """One model in training on a source; a function of the seed alone, as a run of the trainer is."""

    def __init__(
        self,
        create: Callable[[], GenerativeModel],
        source: Source,
        batch_size: int,
        seed: int,
        betas: tuple[float, float] = (0.5, 0.999),
        ema: float = 0.0,
        **learning_rates: float,
    ) -> None:
        """Take the learning rate of Adam for each player of the model that `create` makes, by its name.

        `averages` hold its maps' weights with a decay of `ema`.
        """
        keras.utils.set_random_seed(seed)
        self.model = create()
        self.model.noise_key.assign([seed, 0])
        self.model.compile(
            **{player: keras.optimizers.Adam(rate, *betas, epsilon=1e-8) for player, rate in learning_rates.items()}
        )
        self.averages = MovingAverage(self.model, ema)
        self._iterator = iter(Batches(source, batch_size, seed, reads=self.model.columns).dataset(0, 2**40))
        self._compile()

    def enter(self, phase: Mapping[str, Any], start: int, end: int | None) -> None:
        """Begin a phase, see `GenerativeModel.enter`, as the trainer does."""
        self.model.enter(phase, start, end)
        for optimizer in self.model.optimizers.values():
            reset(optimizer)
        self._compile()

    def _compile(self) -> None:
        after_step = lambda: self.averages.update(self.model.step)  # noqa: E731
        self._steps = CompiledSteps(self.model, tf.distribute.get_strategy(), after_step=after_step)

    def advance_to(self, step: int) -> None:
        """Train until `step` steps are done, if they are not."""
        missing = step - int(self.model.step)
        if missing > 0:
            self.advance(missing)

    def advance(self, steps: int) -> dict[str, float]:
        """Train for some more steps; return the mean of each log over them."""
        return {name: float(values.mean()) for name, values in self._steps(self._iterator, steps).items()}


class FrozenGenerator(GANGrid):
    """A cell of the grid in which only the discriminator learns, against the samples of a given `generator`."""

    players: ClassVar[tuple[str, ...]] = ("discriminator",)

    def __init__(self, generator: keras.Model, *, columns: Mapping[str, Any], **options: Any) -> None:
        self.frozen = lambda: generator
        super().__init__(columns=columns, latent_dim=generator.input["z"].shape[1], **options)

    def networks(self) -> Networks:
        """Return the given generator and a new discriminator."""
        _, discriminator = super().networks()
        return self.frozen(), discriminator

    def weights_of(self, player: str) -> list[keras.Variable]:
        """Return the discriminator's weights."""
        return self.discriminator.trainable_variables

    def generator_step(self, data: dict[str, tf.Tensor], turn: int = 0) -> dict[str, tf.Tensor]:
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
    return data.load(config.source("digits"), split)


def point_source(points: np.ndarray, what: str) -> Source:
    """Return points (N, D) as a source of one column, "image"."""
    spec = TensorSpec("image", points.shape[1:], "condition", "point")
    return (Table({"image": points.astype(np.float32)}, {"image": spec}, f"{len(points):,} {what}"),)
