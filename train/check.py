"""The one place where a configuration is checked; it calls each section's own check. No TensorFlow here."""

import math
from typing import Any

import numpy as np
from ml_collections import ConfigDict

import train.data
import zoo
from train.config import check_fits, flatten
from train.evaluate import schedule
from zoo.shared.errors import UserError, unknown

SCHEDULES = ("constant", "linear", "half_linear", "cosine")

# data that have a column, for those who named others
_HAVE = {
    "input": "; pairs:PATH, grey:NAME and lowres:NAME have one",
    "attributes": "; attributes:PATH and faces have one",
    "a": "; domains:PATH and unpaired:NAME have one",
    "audio": "; wav:PATH, tones and sets of recordings such as spoken_digit have one",
    "track": "; tones has one",
    "video": "; moving_digits:NAME has one",
    "action": "; episodes:PATH and pendulum have one",
    "observation": "; episodes:PATH and pendulum have one",
}


def check(config: ConfigDict) -> None:
    """Raise a `UserError` for the first value that no run could use."""
    _check_numbers(config)
    for key in ("train_steps", "batch_size", "log_every", "checkpoint_every", "sample_every", "sample_count"):
        if config[key] < 1:
            raise UserError(f"--config.{key}={config[key]}: use a positive integer")
    if config.keep_checkpoints < 2:
        raise UserError(
            f"--config.keep_checkpoints={config.keep_checkpoints}: keep at least 2, so that an older one is left "
            "if the newest is damaged"
        )
    for key, what in (("checkpoint_minutes", "checkpoint"), ("sample_minutes", "sheet")):
        if not 0 <= config[key] < math.inf:
            raise UserError(f"--config.{key}={config[key]}: use a number of minutes, or 0 for no {what} by the clock")
    if not 0 <= config.seed < 2**32:
        raise UserError(f"--config.seed={config.seed}: use an integer from 0 to 2^32 - 1")
    if not 0 <= config.ema < 1:
        raise UserError(f"--config.ema={config.ema}: use a decay in [0, 1), 0 for none")
    if config.stop.steps < 0 or not config.stop.within > 0:
        raise UserError(
            f"--config.stop.steps={config.stop.steps}, --config.stop.within={config.stop.within}: "
            "use 0 (never) or more steps, and a positive distance"
        )
    _one_of(config, "precision", ("float32", "mixed_bfloat16"))
    _one_of(config, "jit", ("auto", "true", "false"))
    declared = zoo.declared(config.model.name)
    options = {key: value for key, value in config.model.items() if key != "name"}
    for key in options:
        if key not in declared.options:
            raise unknown(f"option of model {config.model.name}", key, declared.options)
    known = declared.players_of(dict.fromkeys(declared.players_if, True))
    _check_optimizers(config, declared.players_of({**declared.options, **options}), known)
    _check_phases(config, declared.phase_options)
    train.data.check(config.data)
    _check_columns(config, declared.columns_read({**declared.options, **options}))
    schedule.check(config, declared.targets)
    _check_memory(config)


def _check_numbers(config: ConfigDict) -> None:
    """Refuse numbers that the types of a run cannot hold: they would become 0, infinite or NaN without a word."""
    floats = np.finfo(np.float32)
    tiny, largest = float(floats.tiny), float(floats.max)
    for key, value in flatten(config.to_dict()):
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise UserError(f"--config.{key}={value}: use a whole number of 64 bits")
        if type(value) is float and value and not tiny <= abs(value) <= largest:
            raise UserError(
                f"--config.{key}={value}: use a number that float32 holds, of a size from {tiny:.1e} to {largest:.1e}, "
                "or 0"
            )


def _check_memory(config: ConfigDict) -> None:
    """Refuse sizes that no run could hold on this machine, whatever the model.

    Each bound is what is held at once at the very least: the row numbers of a batch, the noise of a sheet and its
    pixels, the pixels that a metric compares. What a model needs beside them shows when memory is allocated.
    """
    pixels = 4 * max(1, config.data.get("image_size", 1) ** 2, config.data.get("length", 1))
    needed = {"batch_size": (config.batch_size, 24), "sample_count": (config.sample_count, 32 + pixels)}
    if config.evaluate.metrics:
        needed["evaluate.count"] = (config.evaluate.count, pixels)
    needed |= {f"phases.{name}.batch_size": (phase.batch_size, 24) for name, phase in config.phases.items()}
    for key, (count, size) in needed.items():
        check_fits(key, count, size)


def _check_columns(config: ConfigDict, reads: dict[str, tuple[str, ...]]) -> None:
    """Refuse data that lack a column that the model reads, or have it of a kind that the model does not read."""
    kinds = train.data.kinds(config.data)
    has = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    for name, accepted in reads.items():
        if name not in kinds and name == "label":
            raise UserError(
                f"the data have no labels and {config.model.name} reads them: set --config.data.name to labelled data, "
                "such as a folder whose pictures lie in sub-folders of their classes, at least two, or take another "
                "model"
            )
        if name not in kinds:
            hint = _HAVE.get(name, "")
            raise UserError(f"{config.model.name} reads a column {name!r}, and {config.data.name!r} has {has}{hint}")
        if kinds[name] not in accepted:
            raise UserError(
                f"{config.model.name} reads {name!r} of kind {' or '.join(accepted)}, and that of {config.data.name!r} "
                f"is of kind {kinds[name]}: take other data or another model"
            )


def _check_optimizers(config: ConfigDict, players: tuple[str, ...], known: tuple[str, ...]) -> None:
    # one that an option of the model turned off may stay, and is not used
    if not set(players) <= set(config.optimizers) or not set(config.optimizers) <= set(known):
        needed, given = (", ".join(sorted(names)) or "none" for names in (players, config.optimizers))
        raise UserError(f"model {config.model.name} needs optimizers called {needed}, not {given}")
    for player, optimizer in config.optimizers.items():
        where = f"--config.optimizers.{player}"
        if optimizer.schedule not in SCHEDULES:
            raise unknown("learning-rate schedule", optimizer.schedule, SCHEDULES)
        if not 0 < optimizer.learning_rate < math.inf:
            raise UserError(f"{where}.learning_rate={optimizer.learning_rate}: use a positive number")
        if not 0 <= optimizer.warmup_steps < config.train_steps:
            raise UserError(f"{where}.warmup_steps={optimizer.warmup_steps}: use 0 or more, below train_steps")
        for key in ("beta_1", "beta_2", "momentum", "rho"):
            # as the optimiser has it: what rounds to 1 makes Adam divide by 0
            if not 0 <= np.float32(optimizer.get(key, 0.0)) < 1:
                raise UserError(f"{where}.{key}={optimizer[key]}: use a number in [0, 1)")
        if not 0 < optimizer.get("epsilon", 1.0) < math.inf:
            raise UserError(f"{where}.epsilon={optimizer.epsilon}: use a positive number")


def _check_phases(config: ConfigDict, options: dict[str, Any]) -> None:
    """Refuse phases that no run could have; `options` are those that the model declares for a phase."""
    begun: dict[int, str] = {}
    for name, phase in config.phases.items():
        where = f"--config.phases.{name}"
        if phase.start < 0:
            raise UserError(f"{where}.start={phase.start}: use a step, 0 or more")
        if phase.start in begun:
            raise UserError(f"{where}.start={phase.start}: the phase {begun[phase.start]} begins there, too")
        begun[phase.start] = name
        if phase.batch_size < 0:
            raise UserError(f"{where}.batch_size={phase.batch_size}: use a positive integer, or 0 for the run's own")
        if not 0 <= phase.learning_rate < math.inf:
            raise UserError(
                f"{where}.learning_rate={phase.learning_rate}: use a positive number, or 0 for each optimiser's own"
            )
        for key in phase.model:
            if key not in options:
                raise unknown(f"option of a phase of {config.model.name}", key, options)
    if begun and 0 not in begun:
        first = min(begun)
        raise UserError(f"--config.phases.{begun[first]}.start={first}: the first phase begins at step 0")


def _one_of(config: ConfigDict, key: str, values: tuple[str, ...]) -> None:
    if config[key] not in values:
        raise UserError(f"--config.{key}={config[key]}: use one of {', '.join(values)}")
