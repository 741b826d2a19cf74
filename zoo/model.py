"""The promise that every model keeps: `GenerativeModel`."""

import functools
import inspect
from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec


class GenerativeModel(keras.Model):
    """A model that learns to make samples like its data.

    A subclass takes `sample_shape` (one example, without the batch axis) and its options as keyword-only
    arguments, keeps each as an attribute of the same name, and has:

    - `generator`: a `keras.Model` with built weights, from a dict of the spec's inputs to a dict of its outputs;
    - `generator_spec`: the `GeneratorSpec` of that map;
    - `parts`: what each optimiser trains, in the order of the updates;
    - `train_step(data)`: the paper's algorithm on one batch {"image": (batch, *sample_shape) in [-1, 1],
      "label": (batch,) int32}, returning scalar logs, losses under names that end in "loss"; the trainer stops at a
      log that is not finite;
    - `log_prob(x) -> (batch,)` in nats, if it has a likelihood.

    `train_step` works under `fit` on one device and under `strategy.run` on many.
    """

    # the smallest sensible options: what the conformance tests build
    smallest: ClassVar[dict[str, Any]] = {}

    generator: keras.Model
    generator_spec: GeneratorSpec

    def __init__(self) -> None:
        super().__init__()
        # (seed, attempt): all noise of training follows from these two and the step; the trainer raises
        # `attempt` to try again with other noise after a NaN
        self.noise_key = tf.Variable([0, 0], dtype=tf.int64, trainable=False, name="noise_key")
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.built = True  # the networks are built by the constructor; there is no `call`

    @property
    def parts(self) -> dict[str, list[keras.Variable]]:
        """The trainable variables by the name of the optimiser that updates them.

        Every `train_step` updates the last part exactly `updates_of` it times, so that its optimiser counts the steps.
        """
        raise NotImplementedError

    def compile(self, **optimizers: keras.optimizers.Optimizer) -> None:
        """Set one optimiser per part, by its name, and build their state; call it inside the strategy's scope."""
        if optimizers.keys() != self.parts.keys():
            needed, given = (", ".join(names) or "none" for names in (self.parts, optimizers))
            raise UserError(f"{type(self).__name__} needs the optimisers {needed}; got {given}")
        super().compile(optimizer=None, jit_compile=False)  # without None, Keras makes an RMSprop of its own
        for name, variables in self.parts.items():
            optimizers[name].build(variables)
        self.optimizers = optimizers

    @property
    def batch_divisor(self) -> int:
        """What the batch of each replica must be a multiple of, because a training step divides it."""
        return 1

    def updates_of(self, part: str) -> int:
        """Return how many updates of the part's optimiser make one training step."""
        return 1

    @property
    def step(self) -> tf.Tensor:
        """The number of training steps done, int64."""
        last = list(self.parts)[-1]
        return tf.cast(self.optimizers[last].iterations, tf.int64) // self.updates_of(last)

    def noise(self, shape: tuple, law: str, draw: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """Return this replica's noise, float32 of `shape`: a function of (seed, attempt, step, replica, draw) alone.

        `law` is "normal" (standard) or "uniform" on [low, high). `draw` (below 256) tells the draws of one step apart.
        The first axis is the batch: the replicas' parts together are what one device draws for the whole batch, so
        that the number of replicas changes nothing.
        """
        context = tf.distribute.get_replica_context()
        replica, batch = context.replica_id_in_sync_group, shape[0]
        seed = tf.stack([self.noise_key[0] + self.noise_key[1] * 2**40, self.step * 2**8 + draw])
        whole = (batch * context.num_replicas_in_sync, *shape[1:])
        # one algorithm on every device; "auto" chooses by device
        if law == "normal":
            values = tf.random.stateless_normal(whole, seed, alg="philox")
        else:
            values = tf.random.stateless_uniform(whole, seed, low, high, alg="philox")
        return values[replica * batch : (replica + 1) * batch]

    def update(self, part: str, *terms: tuple[tf.GradientTape, tf.Tensor]) -> None:
        """Take one step of the part's optimiser down the gradient of the sum of the terms' losses.

        Each term is a loss, a mean over this replica's batch, and the tape that recorded it. A tape adds up more than
        two contributions to a weight in no fixed order; terms of their own, with one or two each, keep the step the
        same to the last bit wherever a run is resumed.
        """
        # Keras sums gradients over replicas: the share of each makes the sum a mean over the whole batch
        share = 1.0 / tf.distribute.get_strategy().num_replicas_in_sync
        variables = self.parts[part]
        weights = [variable.value for variable in variables]
        totals = [
            functools.reduce(tf.add, contributions)
            for contributions in zip(*(self._gradients(*term, weights, share) for term in terms), strict=True)
        ]
        self.optimizers[part].apply(totals, variables)

    @staticmethod
    def _gradients(tape: tf.GradientTape, loss: tf.Tensor, weights: list[tf.Variable], share: float) -> list[tf.Tensor]:
        scale = tf.constant(share, loss.dtype)
        gradients = tape.gradient(loss, weights, output_gradients=scale, unconnected_gradients="zero")
        # that of an embedding comes as the rows that it concerns
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as plain values."""
        names = inspect.signature(type(self)).parameters
        values = {name: getattr(self, name) for name in names}
        return {name: tuple(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: None = None) -> "GenerativeModel":
        """Return a new model with the arguments that `get_config` gave."""
        return cls(**config)
