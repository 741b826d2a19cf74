"""The one place where a configuration is checked; it calls each section's own check. No TensorFlow here."""

import math

from ml_collections import ConfigDict

import train.data
import zoo
from train.evaluate import schedule
from zoo.shared.errors import UserError, unknown

SCHEDULES = ("constant", "linear", "cosine")


def check(config: ConfigDict) -> None:
    """Raise a `UserError` for the first value that no run could use."""
    for key in ("train_steps", "batch_size", "steps_per_call", "checkpoint_every", "sample_every", "sample_count"):
        if config[key] < 1:
            raise UserError(f"--config.{key}={config[key]}: use a positive integer")
    if config.keep_checkpoints < 2:
        raise UserError(
            f"--config.keep_checkpoints={config.keep_checkpoints}: keep at least 2, so that an older one is left "
            "if the newest is damaged"
        )
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
    train.data.check(config.data)
    _check_columns(config, declared.columns_read({**declared.options, **options}))
    schedule.check(config, declared.targets)


def _check_columns(config: ConfigDict, reads: dict[str, tuple[str, ...]]) -> None:
    """Refuse data that lack a column that the model reads, or have it of a kind that the model does not read."""
    kinds = train.data.kinds(config.data)
    has = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    for name, accepted in reads.items():
        if name not in kinds and name == "label":
            raise UserError(
                f"the data have no labels and {config.model.name} reads them: set --config.data.name to labelled data, "
                "such as a folder with one sub-folder per class, or take another model"
            )
        if name not in kinds:
            hint = "; pairs:PATH, grey:NAME and lowres:NAME have one" if name == "input" else ""
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
            if not 0 <= optimizer.get(key, 0.0) < 1:
                raise UserError(f"{where}.{key}={optimizer[key]}: use a number in [0, 1)")
        if not 0 < optimizer.get("epsilon", 1.0) < math.inf:
            raise UserError(f"{where}.epsilon={optimizer.epsilon}: use a positive number")


def _one_of(config: ConfigDict, key: str, values: tuple[str, ...]) -> None:
    if config[key] not in values:
        raise UserError(f"--config.{key}={config[key]}: use one of {', '.join(values)}")
