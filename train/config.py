"""The configuration of a run and where it comes from; `train.check` checks it. No TensorFlow here.

A recipe (a file in `train/recipes/`, or a path to your own) returns an `ml_collections.ConfigDict` made with
`defaults`, `model`, `adam`, `sgd` and `rmsprop` below, so that it states only what differs; every key can then be
overridden by a flag `--config.KEY=VALUE`.
"""

import json
import os
import runpy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

import zoo
from zoo.shared.errors import UserError, unknown

RECIPES = Path(__file__).parent / "recipes"
# may grow when a run is resumed, unless a learning-rate schedule depends on it
_MAY_GROW = "train_steps"


def defaults() -> ConfigDict:
    """Return what every recipe starts from; `model` and `optimizers` are for the recipe to fill."""
    return ConfigDict(
        {
            "seed": 0,  # weights, noise and the order of the data follow from it
            "train_steps": 1000,
            "batch_size": 64,  # over all replicas
            "steps_per_call": 20,  # steps of one compiled call; losses are logged once a call
            "checkpoint_every": 500,  # steps
            "keep_checkpoints": 3,
            "sample_every": 250,  # steps
            "sample_count": 64,  # in a picture of samples
            "precision": "float32",  # or mixed_bfloat16
            "jit": "auto",  # XLA: true, false, or what measured fastest on this kind of device
            "ema": 0.999,  # decay of the averaged generator per step; 0 = off
            "stop": {  # early, once the mean of a log over the last `steps` is near a value
                "log": "accuracy",
                "near": 0.5,
                "within": 0.05,
                "steps": 0,  # 0 = never
            },
            "evaluate": {  # while training, and keep the best checkpoint
                "metric": "none",  # or frechet, kernel, ...: see `train.evaluate.schedule`
                "every": 500,  # steps, a multiple of checkpoint_every
                "count": 2000,  # samples, and images of the train split at most
                "extractor": "",  # ONNX file, instead of ours; its range and output, if it does not say
                "extractor_range": "",
                "extractor_output": "",
            },
            "data": {
                "name": "digits",  # digits, folder:/path, an image set of tensorflow-datasets, ...: see `train.data`
                "image_size": 16,
                "channels": 0,  # 0 = as in the source
                "binarize": "none",  # or dynamic
                "unreadable": "skip",  # a file that is no picture: skip or refuse
            },
            "model": {},
            "optimizers": {},
        }
    )


def model(name: str, **options: Any) -> ConfigDict:
    """Return the section of a registered model: its name and all its options, those not given at their defaults."""
    known = zoo.defaults(name)
    for key in options:
        if key not in known:
            raise unknown(f"option of model {name}", key, known)
    return ConfigDict({"name": name, **known, **options})


def adam(learning_rate: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> ConfigDict:
    """Return the section of an Adam optimiser (Kingma & Ba 2014), with the paper's epsilon."""
    return _optimizer("adam", learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def sgd(learning_rate: float, momentum: float = 0.0) -> ConfigDict:
    """Return the section of stochastic gradient descent."""
    return _optimizer("sgd", learning_rate, momentum=momentum)


def rmsprop(learning_rate: float, rho: float = 0.99, epsilon: float = 1e-8) -> ConfigDict:
    """Return the section of an RMSprop optimiser with torch's constants, which published GAN settings assume."""
    return _optimizer("rmsprop", learning_rate, rho=rho, epsilon=epsilon)


OPTIMIZERS: dict[str, Callable[..., ConfigDict]] = {"adam": adam, "sgd": sgd, "rmsprop": rmsprop}


def _optimizer(name: str, learning_rate: float, **constants: float) -> ConfigDict:
    schedule = {"schedule": "constant", "warmup_steps": 0}
    return ConfigDict({"name": name, "learning_rate": learning_rate, **schedule, **constants})


def recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with genzoo."""
    return tuple(sorted(path.stem for path in RECIPES.glob("[a-z]*.py")))


def example_of(name: str) -> str:
    """Return the recipe of a registered model on the digits, which is the smallest, else the first that trains it."""
    own = f"{name}_digits"
    return own if own in recipes() else next(recipe for recipe in recipes() if read_recipe(recipe).model.name == name)


def load(recipe: str, arguments: Sequence[str] = ()) -> ConfigDict:
    """Return a recipe's configuration, ready for the overrides `--config.KEY=VALUE` among the `arguments`.

    The values stay the recipe's: config_flags sets them. What is done here is what it cannot do: another
    `--config.model.name` (or optimiser's name) brings that one's options, and an unknown key is a `UserError`.
    """
    config = read_recipe(recipe)

    prefix = "config."
    overrides = {flag.removeprefix(prefix): value for flag, value in given(arguments) if flag.startswith(prefix)}
    name = overrides.get("model.name", config.model.name)
    if name != config.model.name:
        config.model = model(name, **_shared(config.model, zoo.defaults(name)))
        for key in set(config) - set(defaults()):
            del config[key]  # a flag of the recipe's own, which only its model would hear
    for part in config.optimizers:
        if (name := overrides.get(f"optimizers.{part}.name")) is not None:
            if name not in OPTIMIZERS:
                raise unknown("optimizer", name, OPTIMIZERS)
            section = OPTIMIZERS[name](config.optimizers[part].learning_rate)
            section.update(_shared(config.optimizers[part], section))
            config.optimizers[part] = section
    known = dict(flatten(config.to_dict()))
    for key in overrides:
        if key not in known:
            raise unknown("configuration key", key, known)
    return config


def read_recipe(recipe: str) -> ConfigDict:
    """Return the configuration of a recipe, as its file has it; a `UserError` if there is none."""
    if not recipe.endswith(".py"):
        if recipe not in recipes():
            raise unknown("recipe", recipe, recipes())
        recipe = str(RECIPES / f"{recipe}.py")
    if not Path(recipe).is_file():
        raise UserError(f"no recipe file {recipe}; the recipes that come along: {', '.join(recipes())}")
    get_config = runpy.run_path(recipe).get("get_config")
    if get_config is None:
        raise UserError(f"{recipe} is no recipe: it has no function get_config; see {RECIPES / 'nade_digits.py'}")
    config: ConfigDict = get_config()
    return config


def _shared(old: ConfigDict, new: Any) -> dict[str, Any]:
    return {key: value for key, value in old.items() if key in new and key != "name"}


def given(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (flag, value) for every `--flag=value` and `--flag value` on a command line that is not parsed yet."""
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
    path = Path(workdir) / "config.json"
    if not path.is_file():
        raise UserError(f"{workdir} holds no run: it has no config.json (make one with: python -m train --workdir=...)")
    try:
        stored = json.loads(path.read_text())
        if missing := {"model", "optimizers", "data"} - set(stored):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        return ConfigDict(_completed(stored, known_settings(stored["model"]["name"])))
    except KeyError as error:
        raise UserError(f"{path} is corrupt: its model lacks {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is corrupt: {error}") from None


def known_settings(model_name: str) -> dict[str, Any]:
    """Return every setting but the optimisers' at its default, which it has where an earlier version knew none."""
    return {**defaults().to_dict(), "model": zoo.defaults(model_name)}


def _completed(stored: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return the stored settings with those at their defaults that an earlier version did not know."""
    sections = {key: value for key, value in known.items() if isinstance(value, dict)}
    completed = {key: _completed(stored.get(key, {}), section) for key, section in sections.items()}
    return {**known, **stored, **completed}


def check_resumable(old: ConfigDict, new: ConfigDict) -> None:
    """Refuse to resume a run under another configuration: a `UserError` names the keys that differ.

    Only `train_steps` may grow, as long as every learning rate is constant.
    """
    was, now = dict(flatten(old.to_dict())), dict(flatten(new.to_dict()))
    constant = all(optimizer.schedule == "constant" for optimizer in new.optimizers.values())
    if constant and now.get(_MAY_GROW, 0) > was.get(_MAY_GROW, 0):
        was[_MAY_GROW] = now[_MAY_GROW]
    missing = object()
    differing = sorted(key for key in was.keys() | now.keys() if was.get(key, missing) != now.get(key, missing))
    if differing:
        changes = ", ".join(f"{key} ({was.get(key, 'none')} -> {now.get(key, 'none')})" for key in differing)
        raise UserError(f"cannot resume under another configuration: {changes}; keep it or take a new --workdir")
