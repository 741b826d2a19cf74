"""The configuration of a run and where it comes from; `train.check` checks it. No TensorFlow here.

A recipe (a file in `train/recipes/`, or a path to your own) returns an `ml_collections.ConfigDict` made with
`defaults`, `model`, `source`, `phase`, `adam`, `sgd` and `rmsprop` below, so that it states only what differs; every
key can then be overridden by a flag `--config.KEY=VALUE`. The comments beside keys and parameters here are what
`--help` and `--dry_run` say of them, see `train.explain`.
"""

import ast
import json
import os
import re
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, FieldReference, FrozenConfigDict

import train.data
import zoo
from zoo.shared.errors import UserError, first_line, unknown

RECIPES = Path(__file__).parent / "recipes"
CONFIG = "config.json"
# may grow when a run is resumed, unless a learning-rate schedule depends on it
_MAY_GROW = "train_steps"
# may change when a run is resumed: no number of the training depends on them (of the data, the fingerprint is compared)
_MAY_CHANGE = (
    "keep_checkpoints",
    "checkpoint_every",
    "checkpoint_minutes",
    "sample_every",
    "sample_minutes",
    "data.name",
)
# keys that came later, with what runs and results from before go on with: they lack them
LATER = {"init_from": "", "phases": {}, "checkpoint_minutes": 5.0, "sample_minutes": 5.0, "deterministic": False}
# keys that had another name: runs, results and commands from that time have the old one
_RENAMED = {"steps_per_call": "log_every"}
# belongs to the data, not to the recipe, where another source is named
_OF_THE_DATA = ("image_size", "channels", "input_channels")
_PHASE: dict[str, Any] = {
    "start": 0,  # step at which this phase begins; it ends where the next one begins
    "batch_size": 0,  # examples of a step in this phase; 0 is the run's
    "learning_rate": 0.0,  # of all players in this phase; 0 is each player's own
    "model": {},
}
# what an error line calls a value of each type
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a section"}


def defaults() -> ConfigDict:
    """Return what every recipe starts from; `model` and `optimizers` are for the recipe to fill."""
    return ConfigDict(
        {
            "seed": 0,  # weights, noise and the order of the data follow from it
            "train_steps": 1000,  # steps in all; with more, a run that is done goes on
            "batch_size": 64,  # examples of a step, over all devices
            "log_every": 20,  # steps, whose mean losses are a line of metrics.jsonl
            "checkpoint_every": 500,  # steps from one checkpoint to the next
            "checkpoint_minutes": 5.0,  # a checkpoint also so long after the last one; 0 = never
            "keep_checkpoints": 3,  # how many of the newest ones stay, at least 2
            "sample_every": 250,  # steps from one sheet of samples to the next
            "sample_minutes": 5.0,  # a sheet also so long after the last one, in a twentieth of the time; 0 = never
            "sample_count": 64,  # samples of a sheet
            "init_from": "",  # a run whose weights this one begins with
            "precision": "float32",  # of the networks: float32 or mixed_bfloat16
            "jit": "auto",  # XLA: true, false, or what measured fastest on this kind of device
            "deterministic": False,  # whether GPUs too make the same bits each time; the CPU always does
            "ema": 0.999,  # decay of the averaged generator per step; 0 = off
            "stop": {  # early, once the mean of a log over the last `steps` is near a value
                "log": "accuracy",  # the log that may end training early
                "near": 0.5,  # the value that the log's mean is to come near
                "within": 0.05,  # how near that is
                "steps": 0,  # the last ones, over which the log's mean is taken; 0 = never stop early
            },
            "evaluate": {  # while training, and keep the best checkpoint by the first metric
                "metrics": "",  # while training, such as frechet,pairs:2000; a number is that metric's own period
                "every": 500,  # steps from one evaluation to the next, a multiple of checkpoint_every
                "count": 2000,  # samples to judge, and rows of the train split at most
                "extractor": "",  # ONNX file of the features, instead of ours
                "extractor_range": "",  # what this file takes black and white for, such as -1,1, if it does not say
                "extractor_output": "",  # which output of this file to take, if it does not say
            },
            "data": source("digits"),
            "model": {},
            "optimizers": {},
            "phases": {},  # of training, by name, each made by `phase`; none is one phase
        }
    )


def model(name: str, **options: Any) -> ConfigDict:
    """Return the section of a registered model: its name and all its options, those not given at their defaults."""
    known = zoo.defaults(name)
    for key in options:
        if key not in known:
            raise unknown(f"option of model {name}", key, known)
    return _section(name, known, options)


def source(name: str, **options: Any) -> ConfigDict:
    """Return the section of a data source: its name and all its options, those not given at their defaults."""
    known = train.data.defaults(name)
    for key in options:
        if key not in known:
            raise unknown(f"option of the data source {name!r}", key, known)
    return _section(name, known, options)


def phase(start: int, batch_size: int = 0, learning_rate: float = 0.0, **options: Any) -> ConfigDict:
    """Return the section of a phase of training, from step `start` until the next one begins.

    A batch size of 0 is the run's, a learning rate of 0 each player's own; `options` are the model's for a phase. All
    optimisers begin a phase as new ones.
    """
    return ConfigDict(
        {"start": start, "batch_size": batch_size, "learning_rate": float(learning_rate), "model": options}
    )


def adam(
    learning_rate: float,
    beta_1: float = 0.9,  # decay of the mean of the gradients
    beta_2: float = 0.999,  # decay of the mean of their squares
    epsilon: float = 1e-8,  # added to the root of that mean
) -> ConfigDict:
    """Return the section of an Adam optimiser (Kingma & Ba 2014), with the paper's epsilon."""
    return _optimizer("adam", learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def sgd(
    learning_rate: float,
    momentum: float = 0.0,  # share of the last step that the next one keeps
) -> ConfigDict:
    """Return the section of stochastic gradient descent."""
    return _optimizer("sgd", learning_rate, momentum=momentum)


def rmsprop(
    learning_rate: float,
    rho: float = 0.99,  # decay of the mean of the squared gradients
    epsilon: float = 1e-8,  # added to the root of that mean
) -> ConfigDict:
    """Return the section of an RMSprop optimiser with torch's constants, which published GAN settings assume."""
    return _optimizer("rmsprop", learning_rate, rho=rho, epsilon=epsilon)


OPTIMIZERS: dict[str, Callable[..., ConfigDict]] = {"adam": adam, "sgd": sgd, "rmsprop": rmsprop}


# of every optimiser
_OPTIMIZER = {
    "learning_rate": 0.0,  # how far a step goes
    "schedule": "constant",  # of the learning rate: constant, or down to 0 by linear, half_linear or cosine
    "warmup_steps": 0,  # first steps, in which the learning rate rises from 0
}


def _optimizer(name: str, learning_rate: float, **constants: float) -> ConfigDict:
    known = {**_OPTIMIZER, **dict.fromkeys(constants, 0.0)}
    return _section(name, known, {"learning_rate": learning_rate, **constants})


def _section(name: str, known: dict[str, Any], options: dict[str, Any]) -> ConfigDict:
    # with a whole number in its place, the flag of a number would take no other
    as_numbers = {
        key: float(value) for key, value in options.items() if type(value) is int and isinstance(known[key], float)
    }
    return ConfigDict({"name": name, **known, **options, **as_numbers})


def recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with genzoo."""
    return tuple(sorted(path.stem for path in RECIPES.glob("[a-z]*.py")))


def load(recipe: str, arguments: Sequence[str] = ()) -> ConfigDict:
    """Return a recipe's configuration, ready for the overrides `--config.KEY=VALUE` among the `arguments`.

    `recipe` is a recipe's name, a file x.py, or the directory of a run, whose configuration is taken. The values stay
    the recipe's: config_flags sets them. This function does what it cannot: another `--config.model.name` brings
    that model's options and players, another `--config.data.name` that source's options, another optimiser's name its
    constants. An unknown key is a `UserError`.
    """
    is_stored = (Path(recipe) / CONFIG).is_file()
    config = read(recipe) if is_stored else read_recipe(recipe)
    complete(config)

    prefix = "config."
    overrides = {flag.removeprefix(prefix): value for flag, value in given(arguments) if flag.startswith(prefix)}
    name = overrides.get("model.name", config.model.name)
    if name != config.model.name:
        config.model = model(name, **_shared(config.model, zoo.defaults(name)))
        for key in _own(config):
            del config[key]  # only the recipe's model would hear it
        config.phases = {}
        config.optimizers = {player: config.optimizers.get(player, adam(1e-3)) for player in _players(config)}
    name = overrides.get("data.name", config.data.name)
    if name != config.data.name:
        (kind, is_place, _), (old, _, _) = name.partition(":"), config.data.name.partition(":")
        moved = is_place and kind == old  # such as another folder, which keeps the sizes asked for
        known = {key: value for key, value in train.data.defaults(name).items() if moved or key not in _OF_THE_DATA}
        config.data = source(name, **_shared(config.data, known))
    for part in config.optimizers:
        if (name := overrides.get(f"optimizers.{part}.name")) is not None:
            if name not in OPTIMIZERS:
                raise unknown("optimizer", name, OPTIMIZERS)
            section = OPTIMIZERS[name](config.optimizers[part].learning_rate)
            section.update(_shared(config.optimizers[part], section))
            config.optimizers[part] = section
    known = dict(flatten(config.to_dict()))
    if is_stored:
        known = {key: value for key, value in known.items() if key not in _own(config)}  # nothing follows them any more
    for key in overrides:
        if key not in known:
            raise _unknown("configuration key", key, known)
    return config


def remarks(recipe: str) -> dict[str, str]:
    """Return what a recipe's docstring says behind "Time:" and "Better:", each in one line, where it says so.

    A run whose configuration is taken says nothing.
    """
    path = Path(recipe) if recipe.endswith(".py") else RECIPES / f"{recipe}.py"
    if not path.is_file():
        return {}
    text = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    found = re.findall(r"^(Time|Better): (.*?)(?=^\w+: |^\s*$|\Z)", text, re.MULTILINE | re.DOTALL)
    return {word: " ".join(said.split()) for word, said in found}


def read_recipe(recipe: str) -> ConfigDict:
    """Return the configuration of a recipe, as its file has it; a `UserError` if there is none."""
    if not recipe.endswith(".py"):
        if recipe not in recipes():
            raise unknown("recipe", recipe, recipes())
        recipe = str(RECIPES / f"{recipe}.py")
    if not Path(recipe).is_file():
        raise UserError(f"no recipe file {recipe}; the recipes that come along: {', '.join(recipes())}")
    example = RECIPES / "nade_digits.py"
    try:
        get_config = runpy.run_path(recipe).get("get_config")
        config = get_config() if callable(get_config) else None
        config = config.as_configdict() if isinstance(config, FrozenConfigDict) else config
        tree = config.to_dict() if isinstance(config, ConfigDict) else {}  # follows the references
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a recipe of the user's own may raise anything
        raise UserError(f"{recipe} fails: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"{recipe} is no recipe: its get_config() must return a ConfigDict, as in {example}")
    if misfit := next(_misfits(tree), ""):
        raise UserError(f"{recipe} {misfit}: start from train.config.defaults() as {example}")
    followed = {key for key, value in config.items(preserve_field_references=True) if isinstance(value, FieldReference)}
    for key in _own(config) - followed:
        raise UserError(f"nothing reads a key of {recipe}: {_unknown('key', key, defaults())}")
    return config.unlock()


def _unknown(kind: str, key: str, known: Iterable[str]) -> UserError:
    return (
        UserError(f"{kind} {key!r} is called {_RENAMED[key]!r} now") if key in _RENAMED else unknown(kind, key, known)
    )


def _own(config: ConfigDict) -> set[str]:
    """Return the keys that a recipe has beside those of every configuration, so that others follow their flags."""
    return set(config) - set(defaults())


def _misfits(tree: dict[str, Any]) -> Iterator[str]:
    """Yield what a configuration lacks, or has that it cannot have, in words that follow its name.

    What `complete` fills may be left out.
    """
    base = defaults().to_dict()
    yield from _lacking("", tree, base)
    yield from _unlike("", {key: tree[key] for key in base}, base)
    for where in ("stop.", "evaluate."):
        yield from _lacking(where, tree[where[:-1]], base[where[:-1]])
        yield from _unlike(where, tree[where[:-1]], base[where[:-1]])
    yield from _unlike("optimizers.", tree["optimizers"], {player: {} for player in tree["optimizers"]})
    players = [(f"optimizers.{player}.", section, _constants) for player, section in tree["optimizers"].items()]
    sources = [("data.", tree["data"], train.data.defaults), ("model.", tree["model"], zoo.defaults)]
    for where, section, known in [*sources, *players]:
        yield from _lacking(where, section, ("name", "learning_rate") if known is _constants else ("name",))
        yield from _unlike(where, {"name": section["name"]}, {"name": ""})
        yield from _unlike(where, section, {"name": "", **known(section["name"])})
    yield from _unlike("phases.", tree["phases"], {name: {} for name in tree["phases"]})
    options = zoo.declared(tree["model"]["name"]).phase_options
    for name, section in tree["phases"].items():
        where = f"phases.{name}."
        yield from _lacking(where, section, ("start",))
        yield from _unlike(where, section, _PHASE)
        yield from _unlike(f"{where}model.", section.get("model", {}), options)


def _lacking(where: str, section: dict[str, Any], needed: Iterable[str]) -> Iterator[str]:
    if missing := [f"{where}{key}" for key in needed if key not in section]:
        yield f"lacks {', '.join(missing)}"


def _unlike(where: str, section: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of a section that are not `known`, and the values that are not of the type of their defaults."""
    for key, value in section.items():
        if key not in known:
            yield f"has an {unknown('key', f'{where}{key}', (f'{where}{name}' for name in known))}"
        elif not _is_like(value, known[key]):
            yield f"has {where}{key}={value!r}, which is not {_TYPES.get(type(known[key]), 'a list')}"


def _is_like(value: Any, default: Any) -> bool:
    """Return whether a value is of the type of its default; None leaves the type open."""
    if default is None:
        return True
    if isinstance(default, tuple | list):
        return isinstance(value, tuple | list)  # JSON has no tuples
    types = (int, float) if isinstance(default, float) else type(default)
    return isinstance(value, types) and isinstance(value, bool) == isinstance(default, bool)


def _constants(optimizer: str) -> dict[str, Any]:
    """Return the keys of an optimiser with their defaults; the learning rate has none, it is 0 here."""
    if optimizer not in OPTIMIZERS:
        raise unknown("optimizer", optimizer, OPTIMIZERS)
    return OPTIMIZERS[optimizer](0.0).to_dict()


def complete(config: ConfigDict) -> None:
    """Fill in the options that a configuration leaves out, at their defaults, so that each has its flag."""
    parts = [(config.model, zoo.defaults), (config.data, train.data.defaults)]
    for section, known in [*parts, *((section, _constants) for section in config.optimizers.values())]:
        _fill(section, known(section.name))
    for section in config.phases.values():
        _fill(section, _PHASE)
        _fill(section.model, zoo.declared(config.model.name).phase_options)


def _fill(section: ConfigDict, known: dict[str, Any]) -> None:
    for key, value in known.items():
        if key not in section:
            section[key] = value


def _players(config: ConfigDict) -> tuple[str, ...]:
    return zoo.declared(config.model.name).players_of(config.model.to_dict())


def _shared(old: ConfigDict, new: Any) -> dict[str, Any]:
    return {key: value for key, value in old.items() if key in new and key != "name"}


def given(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (flag, value) for every `--flag=value` and `--flag value` on a command line that is not parsed yet.

    Those in a file that --flagfile names are among them.
    """
    arguments = flags.FlagValues().read_flags_from_files(list(arguments), force_gnu=False)
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        flag, has_value, value = argument.lstrip("-").partition("=")
        if argument.startswith("-"):
            yield flag, value if has_value else following


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every leaf of nested dictionaries."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def to_json(config: ConfigDict) -> str:
    """Return the configuration as indented JSON."""
    return json.dumps(config.to_dict(), indent=2)


def read(workdir: str | os.PathLike[str]) -> ConfigDict:
    """Return the configuration that the run at `workdir` was started with; no run there is a `UserError`."""
    path = Path(workdir) / CONFIG
    if not path.is_file():
        raise UserError(f"{workdir} holds no run: it has no {CONFIG} (make one with: python -m train --workdir=...)")
    try:
        stored = json.loads(path.read_text())
        if not isinstance(stored, dict):
            raise ValueError("it holds no JSON object")
        stored = {**LATER, **renamed(stored)}
        if misfit := next(_misfits(stored), ""):
            raise ValueError(f"it {misfit}")
        return ConfigDict(stored)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is corrupt: {first_line(error)}") from None


def renamed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration from an earlier time with the names that its keys have now."""
    return {_RENAMED.get(key, key): value for key, value in stored.items()}


def check_resumable(old: ConfigDict, new: ConfigDict) -> None:
    """Refuse to resume a run under another configuration: a `UserError` names the keys that differ.

    `train_steps` may grow, as long as every learning rate is constant. Bookkeeping may change: how often something is
    saved, drawn or evaluated; and where the data lie, if they are the same.
    """
    was, now = dict(flatten(old.to_dict())), dict(flatten(new.to_dict()))
    for key in was.keys() & now.keys():
        if key in _MAY_CHANGE or key.startswith("evaluate."):
            was[key] = now[key]
    constant = all(optimizer.schedule == "constant" for optimizer in new.optimizers.values())
    if constant and now.get(_MAY_GROW, 0) > was.get(_MAY_GROW, 0):
        was[_MAY_GROW] = now[_MAY_GROW]
    missing = object()
    differing = sorted(key for key in was.keys() | now.keys() if was.get(key, missing) != now.get(key, missing))
    if differing:
        changes = ", ".join(f"{key} ({was.get(key, 'none')} -> {now.get(key, 'none')})" for key in differing)
        raise UserError(f"cannot resume under another configuration: {changes}; keep it or take a new --workdir")


def check_fits(key: str, count: int, size: int) -> None:
    """Raise a `UserError` if so many of `size` bytes are more than the memory of this machine."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if count * size > there:
        raise UserError(
            f"--config.{key}={count}: this needs at least {count * size / 2**30:,.0f} GiB, and this machine has "
            f"{there / 2**30:,.0f} GiB of memory; use fewer"
        )
