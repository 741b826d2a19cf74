"""The command that trains a run again, read off its configuration. No TensorFlow."""

import shlex
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from train import config as configuration
from zoo import presets


def command(config: ConfigDict, workdir: str) -> str:
    """Return the command of the recipe that needs the fewest flags to give this configuration; "" if none can.

    A recipe with other players or phases cannot: flags neither add nor remove any. A run whose weights it began with
    is left out, since nobody else has it; a preset is not.
    """
    wanted = dict(configuration.flatten(config.to_dict()))
    start = wanted.pop("init_from", "")
    found = [(len(changes), recipe, changes) for recipe, changes in _changes(config, wanted)]
    if not found:
        return ""
    _, recipe, changes = min(found, key=lambda one: one[:2])
    flags = [f"--config.{key}={_text(value)}" for key, value in changes.items()]
    begins = [f"--init_from={start}"] if start in presets.index() else []
    return shlex.join(["python", "-m", "train", f"--recipe={recipe}", *begins, *flags, f"--workdir={workdir}"])


def _changes(config: ConfigDict, wanted: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each recipe of the model that has the same keys, and what its flags would have to change."""
    names = {key: value for key, value in wanted.items() if key == "data.name" or _is_optimizer(key)}
    for recipe in configuration.recipes():
        plain = configuration.read_recipe(recipe)
        if plain.model.name != config.model.name or set(plain.optimizers) != set(config.optimizers):
            continue
        plain_names = _named(plain, names)
        # an optimiser that is named gets a section of its own, where nothing follows another key
        others = {key: value for key, value in names.items() if plain_names.get(key) != value}
        made = configuration.load(recipe, [f"--config.{key}={value}" for key, value in others.items()])
        own = {key: wanted[key] for key in made if key in wanted and key not in configuration.defaults()}
        own = {key: value for key, value in own.items() if made[key] != value}
        made.update(own)  # so do the flags, which come first: other keys follow these
        # what a flag --config.NAME=VALUE of these changes is done by config_flags, which is not at hand here
        found = {**dict(configuration.flatten(made.to_dict())), **plain_names}
        found.pop("init_from", None)
        if found.keys() == wanted.keys():
            yield recipe, own | {key: value for key, value in wanted.items() if _plain(found[key]) != _plain(value)}


def _named(plain: ConfigDict, names: dict[str, Any]) -> dict[str, Any]:
    """Return the names that the recipe itself has in the place of these."""
    own = dict(configuration.flatten(plain.to_dict()))
    return {key: own[key] for key in names if key in own}


def _is_optimizer(key: str) -> bool:
    return key.startswith("optimizers.") and key.endswith(".name")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # JSON has no tuples


def _text(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, list | tuple) else str(value)
