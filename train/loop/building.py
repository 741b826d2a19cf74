"""The model of a run: made for its data, checked against them, told of."""

import math
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from ml_collections import ConfigDict

import train.data
import zoo
from train.config import check_fits
from train.data import Source, Table
from train.data.batches import held_out
from train.engine import phases
from train.engine.optimizers import build
from train.rundir import examples
from zoo import media
from zoo.metrics.likelihood import has_levels
from zoo.model import GenerativeModel
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec


def create_model(config: ConfigDict, source: Source) -> GenerativeModel:
    """Return the configured model with its optimisers, for data of this source, in Keras' current precision."""
    options = {key: value for key, value in config.model.items() if key != "name"}
    columns = {name: spec for table in source for name, spec in table.specs.items()}
    model = zoo.create(config.model.name, columns=columns, **options)
    for table in source:
        check_classes(table, model.columns)
    in_order = phases.of(config)
    row = 4 * sum(math.prod(spec.shape) for spec in model.columns.values())
    # where the kernel has no memory left, it ends the process without a word
    for phase in in_order:
        check_fits(batch_size_key(config, phase), phase.batch_size, row)
    model.compile(
        **{
            name: build(config.optimizers[name], config.train_steps, model.step, in_order)
            for name in model.player_names
        }
    )
    for phase in in_order:
        _check_phase(config, model, phase)
    return model


def batch_size_key(config: ConfigDict, phase: phases.Phase) -> str:
    """Return the key that a phase has its batch size from."""
    return f"phases.{phase.name}.batch_size" if phase.name and config.phases[phase.name].batch_size else "batch_size"


def _check_phase(config: ConfigDict, model: GenerativeModel, phase: phases.Phase) -> None:
    """Refuse a phase that the model cannot enter, or whose batch it cannot part."""
    try:
        model.enter(phase.options, phase.start, phase.end)
    except UserError as error:
        raise UserError(f"--config.phases.{phase.name}: {error}") from None
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if phase.batch_size // replicas % model.batch_divisor:
        raise UserError(
            f"--config.{batch_size_key(config, phase)}={phase.batch_size}: {config.model.name} divides the batch of "
            f"each device by {model.batch_divisor}; use a multiple of {model.batch_divisor * replicas}"
        )


def check_classes(table: Table, reads: Iterable[str]) -> None:
    """Raise a `UserError` if a column of classes that is read holds a number that is no class."""
    for name, spec in table.specs.items():
        if name in reads and spec.kind == "class":
            outside = [value for value in np.unique(table.columns[name]).tolist() if not spec.low <= value <= spec.high]
            if outside:
                raise UserError(
                    f"the data have the {name} {outside[0]}, and their classes are {spec.low:g} to {spec.high:g}: take "
                    "data whose examples all have one of these"
                )


def warn_of_levels(model: GenerativeModel, given: examples.Examples) -> None:
    """Say where a likelihood is of fewer levels than the data have: it is trained on other pictures than these."""
    for name, made in model.maps.items():
        for tensor in made.spec.conditions:
            seen = given[name].get(tensor.name)
            are_of_bytes = tensor.levels > 1 and 255 % (tensor.levels - 1) == 0
            if are_of_bytes and seen is not None and not has_levels(media.stored(tensor, seen), tensor.levels):
                logging.warning(
                    "the likelihood is of pictures of %d levels and the data have more: grey counts as black or white; "
                    "set --config.data.binarize=dynamic, or take another model",
                    tensor.levels,
                )


def held_out_rows(model: GenerativeModel, source: Source, config: ConfigDict) -> dict[str, np.ndarray]:
    """Return the first rows of the columns that the model reads, as it sees them, binarised once."""
    rows: dict[str, np.ndarray] = {}
    for table in source:
        names = [name for name in table.specs if name in model.columns]
        rows |= held_out(table, config.data, names, count=examples.ROWS)
    return rows


def classes_told(names: tuple[str, ...]) -> str:
    """Return which class is which, in one line."""
    shown = ", ".join(f"{number} {name}" for number, name in enumerate(names[:20]))
    return f"{len(names)} classes: {shown}{', ...' if len(names) > 20 else ''}"


def print_layers(config: ConfigDict) -> None:
    """Print the phases, the maps, the layers and the parameters of the configured model."""
    model = create_model(config, train.data.load(config.data, "train"))
    for phase in phases.of(config) if config.phases else ():
        options = "".join(f", {key} {value}" for key, value in phase.options.items())
        print(f"phase {phase.name}: from step {phase.start:,} on, batches of {phase.batch_size}{options}")
    for name, made in model.maps.items():
        inputs, outputs = (", ".join(map(_told, tensors)) for tensors in (made.spec.inputs, made.spec.outputs))
        print(f"{name}: {inputs} -> {outputs}")
    for name, spec in model.columns.items():
        if spec.kind == "class" and spec.names:
            print(f"{name}: {classes_told(spec.names)}")
    for network in (layer for layer in model.layers if isinstance(layer, keras.Model)):
        network.summary(line_length=100)


def _told(tensor: TensorSpec) -> str:
    return f"{tensor.name} ({', '.join(map(str, tensor.shape))}) {tensor.kind}"
