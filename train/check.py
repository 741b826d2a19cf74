"""The one place where a configuration is checked; it calls each section's own check. No TensorFlow here."""

import math

from ml_collections import ConfigDict

import train.data
import zoo
from train import config as configuration
from train.evaluate import schedule
from zoo.shared.errors import UserError, unknown

SCHEDULES = ("constant", "linear", "cosine")


def check(config: ConfigDict) -> None:
    """Raise a `UserError` for the first value that no run could use."""
    for key in ("train_steps", "batch_size", "steps_per_call", "checkpoint_every", "sample_every", "sample_count"):
        if config[key] < 1:
            raise UserError(f"--config.{key}={config[key]}: use a positive integer")
    if config.keep_checkpoints < 2:
        raise UserError(f"--config.keep_checkpoints={config.keep_checkpoints}: a torn newest one needs another: use 2")
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
    if config.model.name not in zoo.available():
        raise unknown("model", config.model.name, zoo.available())
    _check_optimizers(config)
    train.data.check(config.data)
    schedule.check(config)


def _check_optimizers(config: ConfigDict) -> None:
    example = configuration.example_of(config.model.name)
    other = configuration.read_recipe(example)
    if other.optimizers.keys() != config.optimizers.keys():
        needed, given = (", ".join(sorted(section)) or "none" for section in (other.optimizers, config.optimizers))
        raise UserError(
            f"model {config.model.name} needs optimizers called {needed}, not {given}: start from --recipe={example}"
        )
    for part, optimizer in config.optimizers.items():
        where = f"--config.optimizers.{part}"
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
