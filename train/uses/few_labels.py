"""A classifier that learns from few labels: which pictures it is given, its network, its updates.

A `Task` parts a data set in three: a pool that labels are drawn from, a validation part (the last twelfth of the train
split), by which settings are chosen, and the test split, which is looked at once, with the settings chosen.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from train import config, data
from train.data.batches import Batches, held_out
from train.data.source import Table
from zoo.shared.errors import UserError

BATCH, DROPOUT = 64, 0.5
_HELD_OUT = 1 / 12  # of the train split
_AT_ONCE = 1000
# (filters, size, stride)
_LAYERS = ((32, 5, 2), (64, 3, 2))


class Task(NamedTuple):
    """Pictures with labels, parted in three; see above."""

    pool: Table
    validation: Table
    test: Table

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.pool.specs["label"].classes


def load(name: str) -> Task:
    """Return the task on the data set called `name`; one without classes is a `UserError`."""
    tables = [data.load(config.source(name), split)[0] for split in data.SPLITS]
    if not all("label" in table.specs and table.specs["label"].classes > 1 for table in tables):
        raise UserError(f"--data={name}: its pictures have no classes to learn; take digits, mnist or fashion_mnist")
    train, test = tables
    first = len(train) - round(len(train) * _HELD_OUT)
    everything = np.arange(len(train))
    return Task(rows(train, everything[:first]), rows(train, everything[first:]), test)


def rows(table: Table, chosen: np.ndarray) -> Table:
    """Return the `chosen` rows of a table of pictures and labels."""
    stored = table.stored(("image", "label"), chosen)
    return labelled(table, stored["image"], stored["label"])


def labelled(like: Table, images: np.ndarray, labels: np.ndarray) -> Table:
    """Return pictures, uint8 (count, H, W, C), and their labels (count,) as a table with the specs of another one."""
    specs = {name: like.specs[name] for name in ("image", "label")}
    return replace(
        like,
        columns={"image": images, "label": labels},
        specs=specs,
        description=f"{len(labels):,} pictures",
        digests={},
    )


def drawn(pool: Table, per_class: int, seed: int) -> Table:
    """Return `per_class` pictures of each class, chosen by the seed; a pool with fewer is a `UserError`.

    With one seed, fewer labels are some of those of more.
    """
    labels = np.asarray(pool.columns["label"])
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = []
    for number in np.unique(labels):
        found = order[labels[order] == number]
        if len(found) < per_class:
            raise UserError(f"{per_class} labels a class: the pool has {len(found)} pictures of class {number}")
        chosen.append(found[:per_class])
    return rows(pool, np.sort(np.concatenate(chosen)))


def classifier(shape: tuple[int, ...], classes: int, flips: bool = False, shift: float = 0.0) -> keras.Model:
    """Return the network: pictures (batch, *shape) in [-1, 1] to logits (batch, classes).

    Two strided convolutions, no batch normalisation, since a batch may be part real and part made. In training it sees
    pictures mirrored at random if it `flips` them, and moved by up to `shift` of a side, -1 coming in.
    """
    moves = [keras.layers.RandomFlip("horizontal")] if flips else []
    if shift:
        moves.append(keras.layers.RandomTranslation(shift, shift, "constant", "nearest", fill_value=-1.0))
    return keras.Sequential(
        [
            keras.Input(shape),
            *moves,
            *(keras.layers.Conv2D(n, size, stride, "same", activation="relu") for n, size, stride in _LAYERS),
            keras.layers.Flatten(),
            keras.layers.Dropout(DROPOUT),
            keras.layers.Dense(classes),
        ]
    )


def trained(
    parts: Sequence[tuple[Table, int]], steps: int, rate: float, seed: int, flips: bool = False, shift: float = 0.0
) -> keras.Model:
    """Return a classifier after `steps` updates of Adam, its rate falling from `rate` to 0 along a cosine.

    A batch holds so many rows of each of the `parts`, whose own epochs follow one another.
    """
    keras.utils.set_random_seed(seed)
    specs = parts[0][0].specs
    network = classifier(specs["image"].shape, specs["label"].classes, flips, shift)
    decay = keras.optimizers.schedules.CosineDecay(rate, steps)
    network.optimizer = keras.optimizers.Adam(decay)
    network.optimizer.build(network.trainable_variables)
    columns = [[tf.constant(part.columns[name]) for name in ("image", "label")] for part, _ in parts]
    orders = []
    for number, (part, count) in enumerate(parts):
        batches = Batches((part,), count, seed + number)
        orders.append(tf.constant(np.stack([batches.indices(step) for step in range(steps)])))

    # one call for all updates: some thousand calls from Python would take longer than what they compute
    @tf.function
    def advance() -> None:
        for step in tf.range(steps):
            chosen = [
                [tf.gather(column, order[step]) for column in pair] for pair, order in zip(columns, orders, strict=True)
            ]
            images, labels = (tf.concat(column, axis=0) for column in zip(*chosen, strict=True))
            with tf.GradientTape() as tape:
                logits = network(tf.cast(images, tf.float32) / 127.5 - 1.0, training=True)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            weights = network.trainable_variables
            network.optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)

    advance.get_concrete_function()()  # called as it is, it would warn of tracing too often
    return network


def accuracy(network: keras.Model, table: Table) -> float:
    """Return the share of a table's pictures whose likeliest class is their label."""
    images, labels = (held_out(table, names=["image", "label"])[name] for name in ("image", "label"))
    named = [
        network(images[first : first + _AT_ONCE], training=False).numpy().argmax(axis=1)
        for first in range(0, len(images), _AT_ONCE)
    ]
    return float((np.concatenate(named) == labels).mean())
