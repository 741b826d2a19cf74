"""What every key of a configuration means, in one line each. No TensorFlow here.

The lines are the comments beside the keys where these are declared: in `train.config.defaults`, in the options of the
model's classes (those of a file of the user's own, too), of the data's sources and of the optimisers.
"""

import ast
import functools
import shlex
from typing import Any

from ml_collections import ConfigDict

import train.data
import zoo
from train.config import OPTIMIZERS, flatten
from zoo import syntax

_CONFIG = "train.config"
_NAMES = {
    "data.name": "what to learn from: digits, folder:PATH or another source, which docs/own_pictures.md lists",
    "model.name": "what is trained: a model of the zoo, or one of your own, file.py:Class",
}
_OWN = "of this recipe alone, for keys that follow it"
_WIDTH = 56  # columns of a flag, if one is so long


def text(config: ConfigDict) -> str:
    """Return the whole configuration as the flags that would make it, each with what it means."""
    said = lines(config)
    flags = {key: _flag(key, value) for key, value in _leaves(config).items()}
    width = min(_WIDTH, max(map(len, flags.values())))
    return "\n".join(f"  {flag:<{width}}  {said[key]}".rstrip() for key, flag in flags.items())


def lines(config: ConfigDict) -> dict[str, str]:
    """Return what every key of a configuration means, by its dotted name; "" where a user's own class says nothing."""
    declared = zoo.declared(config.model.name)
    sections: dict[str, dict[str, str]] = {
        "data": train.data.comments(config.data.name),
        "model": declared.comments,
        **{f"optimizers.{player}": _optimizer(section.name) for player, section in config.optimizers.items()},
        **{f"phases.{phase}": _comments("_PHASE") for phase in config.phases},
        **{f"phases.{phase}.model": declared.comments for phase in config.phases},
    }
    general = _defaults()
    said = {}
    for key in _leaves(config):
        where, _, name = key.rpartition(".")
        if where in sections:
            optimizer = f"of the {where.rpartition('.')[2]}'s updates: {', '.join(OPTIMIZERS)}"
            said[key] = sections[where].get(name, "") if name != "name" else _NAMES.get(key, optimizer)
        else:
            said[key] = general.get(key, _OWN)
    return said


def _leaves(config: ConfigDict) -> dict[str, Any]:
    return dict(flatten(config.to_dict()))


def _flag(key: str, value: Any) -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    return shlex.quote(f"--config.{key}={value}")


def _optimizer(name: str) -> dict[str, str]:
    return _comments("_OPTIMIZER") | _functions()[name]


@functools.cache
def _comments(name: str) -> dict[str, str]:
    return syntax.comments_of(_CONFIG, name)


@functools.cache
def _functions() -> dict[str, dict[str, str]]:
    """Return the comments beside the parameters of each optimiser."""
    source, tree = syntax.parsed(_CONFIG)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in OPTIMIZERS]
    return {node.name: syntax.comments_of_parameters(source, node) for node in functions}


@functools.cache
def _defaults() -> dict[str, str]:
    """Return the comments of what every recipe starts from, by dotted keys."""
    source, tree = syntax.parsed(_CONFIG)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "defaults")
    outer = next(node for node in ast.walk(function) if isinstance(node, ast.Dict))
    said = syntax.comments_of_keys(source, outer)
    for key, value in zip(outer.keys, outer.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(value, ast.Dict):
            said |= {f"{key.value}.{name}": line for name, line in syntax.comments_of_keys(source, value).items()}
    return said
