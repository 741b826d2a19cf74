"""The promise that every model keeps: `GenerativeModel`, which learns, and ends as a few named maps."""

import dataclasses
import functools
import weakref
import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from zoo.noise import given_by
from zoo.registry import declaration_of
from zoo.shared.errors import UserError, unknown
from zoo.spec import MapSpec, TensorSpec, check_maps, column

# attributes of every model, which no option may hide
_ATTRIBUTES = ("chosen", "columns", "declared", "maps", "noise_key", "optimizers", "step")
# the names of noise drawn so far while a graph is traced: (model, replica, name)
_TRACED: "weakref.WeakKeyDictionary[Any, set[tuple[int, int, str]]]" = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True)
class Map:
    """A network from a dict of the spec's inputs to a dict of its outputs; a function of its own weights alone."""

    network: keras.Model
    spec: MapSpec

    def __call__(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, tf.Tensor]:
        """Return the outputs, by name."""
        return self.network(dict(inputs), training=training)


class GenerativeModel(keras.Model):
    """A model that learns from columns of data, and ends as a few named maps.

    A subclass declares literals, which are read without TensorFlow and merged along the base classes:

    - `options`: its options with their defaults; each becomes an attribute, and the comment beside it explains it to
      users;
    - `fixed`: options of a base class that the paper leaves no choice of;
    - `phase_options`: the options of one phase of training with their defaults, if it can be trained in phases;
    - `reads`: the columns that a training step reads, each with the kinds that it accepts; `reads_if`: more columns
      where an option is true;
    - `players`: the names of its optimisers, in the order of their updates; `players_if`: more where an option is true;
    - `targets`: the outputs that data show the right value of, each with the column that holds it. A column of another
      table than the conditions, such as the other of two unpaired domains, only shows what outputs should look like.

    Its constructor takes `columns`, the `TensorSpec` of each column that it reads, and its options, makes its networks
    with built weights, and sets `maps`: the first is shown, judged and served by default. Its
    `train_step(data)` is the paper's algorithm on one batch, a tensor for each column. The step returns scalar logs,
    losses under names that end in "loss". The trainer stops at a log that is not finite. `train_step` works under `fit`
    on one device and under `strategy.run` on many.

    A map called "log_prob" has one output of kind "nats" for each example: called `log_prob` if it is the exact
    log-likelihood, or `log_weight` if it is one sample of a lower bound on it. Where it is the log of a probability
    and not of a density, the condition's spec says in `levels` of how many values: 2 for black and white.

    A map called "complete" or "continue" has a condition of kind "mask", which is 1 where a pixel or a sample is known.
    What it `keeps`, see `TensorSpec`, stands in the output; serving refuses a mask that is all 0 or all 1. A map called
    "step" makes one row, or one sample of sound, of what the first map makes, see `serving.rows`.
    """

    options: ClassVar[dict[str, Any]] = {}
    fixed: ClassVar[dict[str, Any]] = {}
    phase_options: ClassVar[dict[str, Any]] = {}
    reads: ClassVar[dict[str, tuple[str, ...]]] = {}
    reads_if: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {}
    players: ClassVar[tuple[str, ...]] = ()
    players_if: ClassVar[dict[str, tuple[str, ...]]] = {}
    targets: ClassVar[dict[str, str]] = {}
    # the smallest sensible options: what the conformance tests build
    smallest: ClassVar[dict[str, Any]] = {}
    # other models whose runs this one may begin with: with the weights of the maps that both have
    begins_with: ClassVar[tuple[str, ...]] = ()

    maps: dict[str, Map]

    def __init__(self, *, columns: Mapping[str, Any], **options: Any) -> None:
        super().__init__()
        self.declared = declared = declaration_of(type(self))
        for key in options:
            if key not in declared.options:
                raise unknown(f"option of {type(self).__name__}", key, declared.options)
        if taken := sorted(key for key in declared.options if hasattr(GenerativeModel, key) or key in _ATTRIBUTES):
            raise UserError(
                f"{type(self).__name__}: options may not be called {', '.join(taken)}, names of every model"
            )
        self.chosen = {**declared.options, **options}
        for key, value in {**declared.fixed, **self.chosen}.items():
            setattr(self, key, value)
        self.columns = self._checked({name: column(name, value) for name, value in columns.items()})
        # all noise of training follows from (seed, attempt) and the step; the trainer raises `attempt` to try again
        # with other noise after a NaN
        self.noise_key = tf.Variable([0, 0], dtype=tf.int64, trainable=False, name="noise_key")
        self.step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            name="step",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.built = True  # the networks are built by the constructor; there is no `call`

    def _checked(self, columns: dict[str, TensorSpec]) -> dict[str, TensorSpec]:
        """Return those of the columns that the model reads; one that is missing or of another kind is a `UserError`."""
        needed = self.declared.columns_read(self.chosen)
        for name, kinds in needed.items():
            if name not in columns:
                raise UserError(f"{type(self).__name__} reads a column {name!r} of kind {' or '.join(kinds)}")
            if columns[name].kind not in kinds:
                raise UserError(
                    f"{type(self).__name__} reads {name!r} of kind {' or '.join(kinds)}, not {columns[name].kind}"
                )
        return {name: columns[name] for name in needed}

    @property
    def player_names(self) -> tuple[str, ...]:
        """The names of the optimisers, with these options."""
        return self.declared.players_of(self.chosen)

    def weights_of(self, player: str) -> list[keras.Variable]:
        """Return the weights that a player's optimiser updates: those of the network of its name, or all if alone."""
        return self.trainable_variables if len(self.player_names) == 1 else getattr(self, player).trainable_variables

    def weights_in_use(self, player: str) -> list[keras.Variable]:
        """Return those of a player's weights that its updates move now: all, unless a phase leaves some alone.

        A weight that sleeps must get no update. One with a gradient of 0 would still move by its optimiser's momentum.
        """
        return self.weights_of(player)

    def enter(self, phase: Mapping[str, Any], start: int = 0, end: int | None = None) -> None:
        """Go on as in a phase of training that lasts from step `start` until `end`, or for good.

        `phase` holds `phase_options`; one that is left out has its default. `step` may be any step of the phase: a run
        that is resumed enters in its middle. A graph that was traced keeps the phase it was traced in: call
        `tf.function` anew. An unknown option is a `UserError`; a model that declares none refuses all.
        """
        for key in phase:
            if key not in self.declared.phase_options:
                raise unknown(f"option of a phase of {type(self).__name__}", key, self.declared.phase_options)

    def compile(self, **optimizers: keras.optimizers.Optimizer) -> None:
        """Set one optimiser per player, by its name, and build its state; call it inside the strategy's scope.

        Every map is traced once and compared with its spec.
        """
        if set(optimizers) != set(self.player_names):
            needed, given = (", ".join(names) or "none" for names in (self.player_names, optimizers))
            raise UserError(f"{type(self).__name__} needs the optimisers {needed}; got {given}")
        super().compile(optimizer=None, jit_compile=False)  # without None, Keras makes an RMSprop of its own
        for name in self.player_names:
            optimizers[name].build(self.weights_of(name))
        self.optimizers = {name: optimizers[name] for name in self.player_names}
        check_maps({name: made.spec for name, made in self.maps.items()})
        tracked = {id(variable) for variable in self.variables}
        for name, made in self.maps.items():
            _check_map(f"map {name!r} of {type(self).__name__}", made, tracked)

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Train as Keras does, on one device, counting the steps."""
        counter = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: self.step.assign_add(1))
        return super().fit(*args, callbacks=[*(callbacks or ()), counter], **kwargs)

    @property
    def batch_divisor(self) -> int:
        """The number that must divide the batch of each replica, because a training step parts it."""
        return 1

    def conditions(self, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what fills the conditions of a map from `rows` of data: columns, as a training step sees them.

        By default these are the columns of their names, see `zoo.noise.given_by`.
        """
        return given_by(self.maps[name].spec, rows)

    def noise(
        self, shape: tuple, law: str, name: str, low: float = 0.0, high: float = 1.0, whole: bool = False
    ) -> tf.Tensor:
        """Return noise in training, float32 of `shape`: a function of (seed, attempt, step, replica, name) alone.

        `law` is "normal" (standard) or "uniform" on [low, high). `name` tells the draws of one step apart: one that a
        traced step has drawn already is refused. The first axis is the batch: the replicas' parts together are what
        one device draws for the whole batch, so that the number of replicas changes nothing. With `whole`, every
        replica gets the same noise.
        """
        context = tf.distribute.get_replica_context()
        replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
        _refuse_twice(self, replica, name)
        tag = zlib.crc32(name.encode())
        seed = tf.stack([self.noise_key[0] + self.noise_key[1] * 2**40, self.step * 2**32 + tag])
        total = shape if whole else (shape[0] * replicas, *shape[1:])
        # one algorithm on every device; "auto" chooses by device
        if law == "normal":
            values = tf.random.stateless_normal(total, seed, alg="philox")
        else:
            values = tf.random.stateless_uniform(total, seed, low, high, alg="philox")
        return values if whole else values[replica * shape[0] : (replica + 1) * shape[0]]

    def draw(self, map_name: str, count: tf.Tensor, name: str) -> dict[str, tf.Tensor]:
        """Return noise in training for the noise inputs of a map, (count, *shape) each, by their names."""
        return {
            tensor.name: self.noise(
                (count, *tensor.shape),
                tensor.role,
                f"{name}/{tensor.name}",
                *((tensor.low, tensor.high) if tensor.role == "uniform" else ()),
            )
            for tensor in self.maps[map_name].spec.noise
        }

    def update(self, player: str, *terms: tuple[tf.GradientTape, tf.Tensor]) -> None:
        """Take one step of the player's optimiser down the gradient of the sum of the terms' losses.

        Each term is a loss, a mean over this replica's batch, and the tape that recorded it. A tape adds up more than
        two contributions to a weight in no fixed order; terms of their own, with one or two each, keep the step the
        same to the last bit wherever a run is resumed.
        """
        # Keras sums gradients over replicas: the share of each makes the sum a mean over the whole batch
        share = 1.0 / tf.distribute.get_strategy().num_replicas_in_sync
        variables = self.weights_in_use(player)
        weights = [variable.value for variable in variables]
        totals = [
            functools.reduce(tf.add, contributions)
            for contributions in zip(*(_gradients(*term, weights, share) for term in terms), strict=True)
        ]
        self.optimizers[player].apply(totals, variables)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as plain JSON values."""
        return {"columns": {name: spec.to_json() for name, spec in self.columns.items()}, **self.chosen}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: None = None) -> "GenerativeModel":
        """Return a new model with the arguments that `get_config` gave."""
        columns = {name: TensorSpec.from_json(value) for name, value in config["columns"].items()}
        return cls(**{**config, "columns": columns})


def _refuse_twice(model: GenerativeModel, replica: Any, name: str) -> None:
    """Raise a `UserError` if the graph that is traced has drawn noise of this name: it would be the same numbers."""
    if tf.executing_eagerly():
        return
    replica = int(tf.get_static_value(replica) or 0) if not isinstance(replica, int) else replica
    names = _TRACED.setdefault(tf.compat.v1.get_default_graph(), set())
    if (id(model), replica, name) in names:
        raise UserError(f"noise called {name!r} is drawn twice in one step, which gives the same numbers: name it anew")
    names.add((id(model), replica, name))


def _gradients(tape: tf.GradientTape, loss: tf.Tensor, weights: list[tf.Variable], share: float) -> list[tf.Tensor]:
    scale = tf.constant(share, loss.dtype)
    gradients = tape.gradient(loss, weights, output_gradients=scale, unconnected_gradients="zero")
    # that of an embedding comes as the rows that it concerns
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def as_function(made: Map) -> tf.types.experimental.PolymorphicFunction:
    """Return a map as a `tf.function` of a dict of the spec's inputs, by name; no training.

    The batch axis is free, and so are the sides that the spec leaves free.
    """
    signature = {
        tensor.name: tf.TensorSpec((None, *tensor.free_shape), tensor.dtype, name=tensor.name)
        for tensor in made.spec.inputs
    }
    dtypes = {tensor.name: tensor.dtype for tensor in made.spec.outputs}

    @tf.function(input_signature=[signature])
    def run(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # in training precision a network may compute in bfloat16
        return {name: tf.cast(value, dtypes.get(name, value.dtype)) for name, value in made(inputs).items()}

    return run


def as_run(made: Map) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a map as a compiled function from numpy to numpy arrays, by name.

    A sampling loop takes fifty times as long eagerly.
    """

    @functools.cache
    def graph() -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
        # a tf.function would warn of tracing too often, where each phase of a run traces its maps anew
        return as_function(made).get_concrete_function()

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = graph()({name: tf.constant(values) for name, values in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return run


def _check_map(where: str, made: Map, tracked: set[int]) -> None:
    """Refuse a map that could not be saved, trained or exported, while the model is compiled."""
    built = [id(variable) for variable in made.network.variables]
    graph = as_function(made).get_concrete_function()
    if [id(variable) for variable in made.network.variables] != built:
        raise UserError(f"{where}: its network makes weights only when it is called; build it in the constructor")
    if not set(built) <= tracked:
        raise UserError(f"{where}: the model does not track its weights; keep the network as an attribute of the model")
    own = {id(variable.value) for variable in made.network.variables}
    foreign = [
        variable.name for variable in graph.variables if id(variable) not in own and not _is_component(variable, made)
    ]
    if foreign:
        raise UserError(f"{where}: it reads {', '.join(foreign)}, which is no weight of its network")
    found = graph.structured_outputs
    wanted = {tensor.name: tensor for tensor in made.spec.outputs}
    if found.keys() != wanted.keys():
        raise UserError(f"{where}: it returns {sorted(found)}, its spec has {sorted(wanted)}")
    for name, tensor in wanted.items():
        shape = (None, *tensor.free_shape)
        if not found[name].shape.is_compatible_with(shape):
            raise UserError(f"{where}: {name} has shape {tuple(found[name].shape)}, its spec {shape}")
    if idle := sorted({tensor.name for tensor in made.spec.inputs} - _inputs_reached(graph)):
        raise UserError(f"{where}: no output depends on the input {', '.join(idle)}")


def _is_component(variable: tf.Variable, made: Map) -> bool:
    """Whether the variable is one replica's copy of a weight of the network."""
    handles = {id(component) for weight in made.network.variables for component in getattr(weight.value, "values", ())}
    return id(variable) in handles


def _inputs_reached(graph: Any) -> set[str]:
    """Return the names of the graph's inputs that its outputs depend on."""
    seen, waiting = set(), [tensor.op for tensor in graph.outputs]
    while waiting:
        op = waiting.pop()
        if op.name not in seen:
            seen.add(op.name)
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    # what the function captures comes after its inputs, which are in the order of their names
    names = sorted(graph.structured_input_signature[0][0])
    return {name for name, tensor in zip(names, graph.inputs, strict=False) if tensor.op.name in seen}
