"""Odd settings and recipes, each with what must come of it: a refusal in one line that names it, or a run.

`attempt` gives one to `python -m train` inside this process, by the program's own functions, and tells how it ended.
"""

import contextlib
import functools
import importlib
import io
import os
import random
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from absl import flags
from ml_collections import config_flags
from PIL import Image
from shared import toy_data

import train.data
import zoo
from train import config
from train.engine import backend

# how far an attempt goes: until TensorFlow would be imported, until the networks stand, one training step
EDGE, BUILD, STEP = "edge", "build", "step"
ACCEPTED, REFUSED, TRACEBACK, WRONG = "accepted", "refused", "traceback", "wrong"
_ACCEPTED = {EDGE: "accepted", BUILD: "and built", STEP: "and trained"}


@dataclass(frozen=True)
class Setting:
    """Arguments of `python -m train`, and a `word` of the line that refuses them, or "" where they are fine.

    `{place}` in an argument is the directory that `furnish` filled.
    """

    kind: str
    arguments: tuple[str, ...]
    word: str = ""
    stage: str = EDGE


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: accepted, refused, or with a traceback; and what was printed on stderr."""

    how: str
    text: str = ""


# ---- the values

BIG = "1" + "0" * 30
NO_INTEGER = ("1.5", "", "None", "true", "nan", "[1]", "é", "1e3", "'1'", "runs/x")
NO_FLOAT = ("", "None", "true", "[1]", "é", "1,5")
NO_BOOL = ("2", "", "None", "maybe")
NO_WORD = ("", "None", "true", "'none'", "é", "../x", "two words", "a\nb")
NOT_FINITE = ("nan", "inf", "-inf", "1e400", "1e39", "1e-320")

# of each key, or of each option of any model, the least and the largest value that a run can use
_LEAST: dict[str, float] = {
    **dict.fromkeys(("train_steps", "batch_size", "log_every", "checkpoint_every", "sample_every"), 1),
    **{
        "sample_count": 1,
        "keep_checkpoints": 2,
        "seed": 0,
        "ema": 0,
        "stop.steps": 0,
        "checkpoint_minutes": 0,
        "stop.within": 1e-9,
    },
    **dict.fromkeys(("latent_dim", "base_channels", "generator_units", "maxout_units", "maxout_pieces"), 1),
    **dict.fromkeys(("hidden_units", "width", "k", "n_critic", "packing", "generator_updates", "adjust_images"), 1),
    **{"kernel_size": 2, "class_weight": 0, "penalty_weight": 0, "clip": 1e-9, "target": -0.999, "warmup_updates": 2},
    **{"model.depth": 1, "depth": 0, "halvings": 0, "dropout": 0, "l1_weight": 0, "gan_weight": 0, "beta": 0},
    **{"warmup_steps": 0, "learning_rate": 1e-9, "epsilon": 1e-12},
    **dict.fromkeys(("beta_1", "beta_2", "momentum", "rho"), 0),
    **{"max_channels": 1, "group_size": 1, "penalty_target": 1e-9, "drift_weight": 0},
    **{"phases.p8.start": 1, "phases.p8.batch_size": 0, "phases.p8.learning_rate": 0},
}
# texts that are read only where another key asks for them
_UNUSED = ("init_from", "stop.log", "evaluate.extractor", "evaluate.extractor_range", "evaluate.extractor_output")
# of the odd texts those that are fine
_TEXTS = (("evaluate.metrics", ""), ("jit", "true"), ("model.features", ""), ("model.guide", ""))
# whole numbers that are read only where `evaluate.metrics` names one
_UNREAD = ("evaluate.every", "evaluate.count")


# reading a declaration takes 15 ms
_declared = functools.cache(zoo.declared)


@functools.cache
def _small(model: str) -> tuple[str, ...]:
    """Return the flags of the smallest model of this name, on data that come along."""
    data = toy_data(model)
    size = ("--config.data.image_size=16",) if data == "unpaired:shapes" else ()
    smallest = _declared(model).smallest
    return (
        "--recipe=dcgan_digits",
        f"--config.model.name={model}",
        f"--config.data.name={data}",
        *size,
        *(f"--config.model.{key}={value}" for key, value in smallest.items()),
    )


def _of_key(kind: str, base: tuple[str, ...], key: str, value: Any, stage: str = EDGE) -> Iterator[Setting]:
    """Yield odd values of one key, whose default is `value`."""

    def one(text: str, word: str, stage: str = EDGE) -> Setting:
        return Setting(kind, (*base, f"--config.{key}={text}"), word, stage)

    leaf = key.rpartition(".")[2]
    least = _LEAST.get(key, _LEAST.get(leaf))
    if isinstance(value, bool):
        yield from (one(text, f"--config.{key}") for text in NO_BOOL)
        yield from (one(text, "") for text in ("true", "FALSE"))
    elif isinstance(value, int):
        yield from (one(text, f"--config.{key}") for text in NO_INTEGER)
        yield one(BIG, leaf)
        if key in _UNREAD:
            return
        for number in (0, -1):
            if least is not None:
                yield one(str(number), "" if number >= least else leaf, stage)
    elif isinstance(value, float):
        yield from (one(text, f"--config.{key}") for text in NO_FLOAT)
        yield from (one(text, leaf) for text in NOT_FINITE)
        if least is not None:
            yield from (one(str(number), "" if number >= least else leaf, stage) for number in (0.0, -1.0))
    else:
        fine = key in _UNUSED
        yield from (
            one(text, "" if fine or (key, text) in _TEXTS else leaf.rstrip("s"), EDGE if fine else stage)
            for text in NO_WORD
        )


def _keys() -> Iterator[Setting]:
    base = ("--recipe=dcgan_digits",)
    defaults = config.defaults().to_dict()
    for key, value in config.flatten({k: v for k, v in defaults.items() if k not in ("data", "model", "optimizers")}):
        yield from _of_key("keys of every recipe", base, key, value)


def _options() -> Iterator[Setting]:
    seen = set()
    for model in zoo.available():
        for option, value in _declared(model).options.items():
            key = f"model.{option}"
            # what the edge says of an option is the same for every model; what its constructor says may differ
            kind = "options of models"
            for setting in _of_key(kind, _small(model), key, value, BUILD):
                if setting.stage == EDGE and (option, setting.arguments[-1]) in seen:
                    continue
                seen.add((option, setting.arguments[-1]))
                if model == "pix2pix" and setting.arguments[-1] == "--config.model.depth=0":
                    setting = replace(setting, word="")  # as deep as it can be
                yield setting


def _optimizers() -> Iterator[Setting]:
    kind = "optimisers"
    for name, make in config.OPTIMIZERS.items():
        base = ("--recipe=nade_digits", f"--config.optimizers.nade.name={name}")
        for key, value in make(1e-3).items():
            if key != "name":
                yield from _of_key(kind, base, f"optimizers.nade.{key}", value)
    base = ("--recipe=dcgan_digits",)
    place = "--config.optimizers.generator"
    yield from (Setting(kind, (*base, f"{place}.name={name}"), "optimizer") for name in NO_WORD)
    for name, key in (("sgd", "beta_1"), ("rmsprop", "momentum"), ("adam", "rho")):
        yield Setting(kind, (*base, f"{place}.name={name}", f"{place}.{key}=0.5"), "configuration key")
    yield Setting(kind, (*base, f"{place}.name=sgd", f"{place}.momentum=0.5"))
    yield Setting(kind, (*base, "--config.optimizers.critic.name=sgd"), "configuration key")
    yield Setting(kind, (*base, f"{place}.beta_1=0.99999999"), "beta_1")
    yield Setting(kind, (*base, f"{place}.warmup_steps=1000000"), "warmup_steps")


def _phases() -> Iterator[Setting]:
    kind, base = "phases", ("--recipe=progressive_digits",)
    for key, value in config.flatten(config.load("progressive_digits").phases.p8.to_dict()):
        yield from _of_key(kind, base, f"phases.p8.{key}", value)
    for more, word in (
        (("--config.phases.p4.start=1",), "step 0"), (("--config.phases.p8.start=800",), "fade8 begins there"),
        (("--config.phases.p9.start=1",), "configuration key"), (("--config.phases.p8.sides=4",), "configuration key"),
        (("--config.phases=",), "phases"), (("--config.model.name=dcgan", "--config.phases.p8.start=9"), "phases"),
        (("--config.model.name=dcgan",), ""), (("--config.train_steps=3",), ""),
    ):  # fmt: skip
        yield Setting(kind, (*base, *more), word)
    for more, word in (
        (("--config.phases.p8.model.side=16",), "side=16"), (("--config.phases.p4.model.side=5",), "side=5"),
        (("--config.phases.p4.model.fade=true",), "no smaller side"), (("--config.phases.p8.model.side=0",), ""),
        (("--config.phases.p8.model.fade=true",), "the last phase"),
        (("--config.data.image_size=12",), "image_size=16"), (("--config.phases.p8.batch_size=6",), "batch_size"),
        (("--config.phases.p8.batch_size=8",), ""),
    ):  # fmt: skip
        yield Setting(kind, (*base, *more, "--config.model.base_channels=2"), word, BUILD)
    small = (*base, "--config.batch_size=4", "--config.model.base_channels=2", "--config.model.max_channels=2")
    yield Setting(kind, (*small, "--config.phases.fade8.start=1", "--config.phases.p8.start=2"), "", STEP)


def _sources() -> Iterator[Setting]:
    kind = "data sources"
    words = {"image_size": "image_size", "crop": "crop", "channels": "channels", "factor": "factor"}
    for name in ("digits", "folder:{place}/pictures", "pairs:{place}/pairs", "grey:digits", "lowres:digits"):
        base = ("--recipe=vae_digits", f"--config.data.name={name}", "--config.data.binarize=none")
        for option, value in train.data.defaults(name.format(place="x")).items():
            key = f"data.{option}"
            yield from _of_key(kind, base, key, value)
            if option in words:
                yield from (
                    Setting(kind, (*base, f"--config.{key}={number}"), words[option]) for number in (-1, 7777, 100_000)
                )
    base = ("--recipe=dcgan_digits",)
    for name, word in (
        ("", "data.name"), ("folder:", "without a path"), ("pairs:", "without a path"), ("grey:", "without a NAME"),
        ("folder:/nowhere", "missing"), ("folder:/dev/null", "not a directory"), ("folder:~nouser/x", "home"),
        ("folder:{place}/own.py", "not a directory"), ("folder:{place}/empty", "no picture"), ("grey:ring", "pictures"),
        ("pairs:{place}/empty", "no pairs"), ("grey:grey:digits", "inputs"), ("lowres:pairs:{place}/pairs", "inputs"),
        ("stacked:ring", "stack"), ("stacked:shapes", "stack"), ("Digits", "digits"), ("mnits", "mnist"),
        ("folder", "data set"), ("{place}/pictures", "folder:"), ("None", "data set"), ("digits ", "digits"),
        ("é", "data set"), ("'digits'", "digits"), (":", "data"), ("grey:minst", "mnist"), ("ring", ""),
        ("folder:{place}/pictures", ""), ("folder:{place}/one", ""), ("tfds:mnist", "data set"), ("a" * 5000, "data"),
        ("grey:" * 400 + "digits", "data"),
    ):  # fmt: skip
        more = ("--config.model.name=gan",) if name == "ring" else ()
        yield Setting(kind, (*base, *more, f"--config.data.name={name}"), word)


def _slips() -> Iterator[Setting]:
    kind = "misspelt keys"
    drawn = random.Random(0)
    known = dict(config.flatten(config.load("dcgan_digits").to_dict()))
    for key in sorted(known):
        place = drawn.randrange(len(key))
        for slip in (key[:place] + key[place + 1 :], key[:place] + "q" + key[place:]):
            if slip not in known:
                yield Setting(kind, ("--recipe=dcgan_digits", f"--config.{slip}=1"), "did you mean")
    for key in (
        "latent_dim", "model.batch_size", "data.latent_dim", "optimizers.learning_rate", "optimizers.generator.seed",
        "seed.x", "model", "data", "optimizers", "stop", "evaluate", "optimizers.generator", "", ".", ".seed", "seed.",
        "model.", "model.name.x", "config.seed", "__class__", "model.items", "seed[0]", "é", " seed",
    ):  # fmt: skip
        yield Setting("keys in the wrong place", ("--recipe=dcgan_digits", f"--config.{key}=1"), "configuration key")


def _command_lines() -> Iterator[Setting]:
    kind = "command lines"
    base = ("--recipe=dcgan_digits",)
    for arguments, word in (
        (("--config",), "--config"), (("--config=5",), "--config"), (("--config=train.py",), "--config"),
        (("--noconfig",), "noconfig"), (("--config.seed",), "config.seed"), (("--config.seed", "x"), "config.seed"),
        (("--config.seed=1", "--config.seed=2"), ""), (("--config.model.name=gan", "--config.model.name=nade"), ""),
        (("--config.seed", "3"), ""), (("-config.seed=3",), ""), (("stray",), "unexpected argument"),
        (("--", "--config.seed=3"), "unexpected argument"), (("--config.data.flip",), ""),
        (("--config.model.kernel_size=3", "--config.model.name=nade"), "configuration key"),
        (("--config.optimizers.nade.name=sgd", "--config.model.name=nade"), ""),
        (("--batch_size=3",), "unknown flag"), (("--dryrun",), "--dry_run"), (("--dry_run=maybe",), "dry_run"),
        (("--flagfile={place}/missing.flags",), "missing.flags"), (("--recipe",), "recipe"),
        (("--flagfile={place}/nade.flags",), ""),
    ):  # fmt: skip
        yield Setting(kind, (*base, *arguments), word)
    yield Setting(kind, ("--flagfile={place}/nade.flags", "--config.optimizers.nade.name=sgd"))
    for name in ("", "mirored", "tpu", "None", "é", "one_device,mirrored", "multi_worker"):
        yield Setting("strategies", (*base, f"--strategy={name}"), "strategy")
    for name in ("auto", "one_device", "mirrored"):
        yield Setting("strategies", (*base, f"--strategy={name}"))


# ---- recipes

_HEAD = "from train import config as c\ndef get_config():\n    config = c.load('nade_digits')\n"
RECIPES = {
    "empty": ("", "no recipe"),
    "no_function": ("get_config = 3", "no recipe"),
    "returns_none": ("def get_config(): pass", "no recipe"),
    "returns_dict": ("def get_config(): return {'seed': 1}", "no recipe"),
    "returns_class": ("from ml_collections import ConfigDict\ndef get_config(): return ConfigDict", "no recipe"),
    "wants_argument": ("def get_config(size): return size", "argument"),
    "raises": ("def get_config(): raise ValueError('no\\nway')", "ValueError"),
    "raises_at_import": ("raise KeyError('x')", "KeyError"),
    "asserts": ("assert False", "AssertionError"),
    "exits": ("import sys\nsys.exit()", "exit"),
    "exits_with_0": ("import sys\ndef get_config(): sys.exit(0)", "exit"),
    "generator": ("def get_config(): yield 1", "no recipe"),
    "imports_itself": ("import imports_itself", "ModuleNotFoundError"),
    "runs_itself": ("import runpy\nrunpy.run_path(__file__)", "RecursionError"),
    "endless": ("def get_config(): return get_config()", "RecursionError"),
    "syntax": ("def get_config(:", "SyntaxError"),
    "indented": (" x = 1\ny = 2", "IndentationError"),
    "missing_module": ("import nowhere_at_all", "nowhere_at_all"),
    "relative": ("from . import config", "ImportError"),
    "null_byte": ("\0", "null"),
    "prints": (_HEAD + "    print('hello')\n    return config", ""),
    "fine": (_HEAD + "    return config", ""),
    "empty_config": ("from ml_collections import ConfigDict\ndef get_config(): return ConfigDict()", "lacks"),
    "defaults_only": ("from train import config as c\nget_config = c.defaults", "model.name"),
    "frozen": (_HEAD + "    from ml_collections import FrozenConfigDict\n    return FrozenConfigDict(config)", ""),
    "locked": (_HEAD + "    return config.lock()", ""),
    "placeholder": (
        _HEAD + "    from ml_collections import config_dict\n    config.seed = config_dict.placeholder(int)\n"
        "    return config",
        "seed",
    ),
    "reference": (_HEAD + "    config.sample_every = config.get_ref('train_steps') // 2\n    return config", ""),
    "bad_reference": (_HEAD + "    config.sample_every = config.get_ref('seed') // 0\n    return config", "Error"),
    "zero_reference": (
        _HEAD + "    config.sample_every = 5 // config.get_ref('seed')\n    return config", "ZeroDivisionError"
    ),
    "own_flag": (
        _HEAD + "    config.half = 50\n    config.sample_every = config.get_ref('half') * 2\n    return config", ""
    ),
    "unread_key": (_HEAD + "    config.train_step = 5\n    return config", "train_steps"),
    "tiny_model": (_HEAD + "    config.model = {'name': 'nade'}\n    return config", ""),
    "bare_data": (_HEAD + "    config.data = {'name': 'digits'}\n    return config", ""),
    "adam_of_1": (_HEAD + "    config.optimizers.nade = c.adam(1)\n    return config", ""),
}  # fmt: skip
for _number, (_line, _word) in enumerate(
    (
        ("del config.seed", "lacks seed"), ("del config.stop", "lacks stop"), ("del config.stop.near", "stop.near"),
        ("del config.evaluate.count", "evaluate.count"), ("del config.model.name", "model.name"),
        ("del config.data", "lacks data"), ("del config.optimizers", "lacks optimizers"),
        ("del config.optimizers.nade.learning_rate", "learning_rate"), ("del config.optimizers.nade.name", "name"),
        ("config.optimizers.nade.name = 'adamw'", "adamw"), ("config.optimizers.nade.name = 'sgd'", "beta_1"),
        ("config.optimizers.nade.amsgrad = True", "amsgrad"), ("config.optimizers.other = c.adam(0.1)", "optimizers"),
        ("config.optimizers = {}", "optimizers"), ("config.stop.patience = 3", "patience"),
        ("config.evaluate.metric = 'pairs'", "metric"), ("config.model.name = 'naide'", "nade"),
        ("config.data.name = 'digit'", "digits"), ("config.model = c.model('dcgan')", "optimizers"),
        ("config.data.image_sise = 8", "image_size"), ("config.model.hidden = 8", "hidden_units"),
        ("config.model = 3", "TypeError"), ("config.data = None", "data"), ("config.model = None", "model"),
        ("config.model.update({'hidden_units': None})", "hidden_units"), ("config.seed = 'x'", "seed"),
        ("config.phases.one = c.phase(0, side=4)", "phases.one.model.side"), ("config.phases.one = c.phase(0)", ""),
        ("config.phases.one = c.phase('0')", "start"), ("config.phases.one = {'batch_size': 4}", "phases.one.start"),
        ("config.phases.one = 3", "phases.one"), ("config.phases.one = {'start': 0, 'model': 3}", "phases.one.model"),
        ("config.seed = 1.5", "TypeError"), ("config.seed = True", "seed"), ("config.ema = 0", ""),
        ("config.ema = float('nan')", "ema"), ("config.ema = 1e-320", "ema"),
        ("config.train_steps = 2**70", "train_steps"),
        ("config.data.flip = 1", "flip"), ("config.jit = True", "jit"), ("config.seed = (1, 2)", "TypeError"),
    )
):  # fmt: skip
    RECIPES[f"line_{_number}"] = (f"{_HEAD}    {_line}\n    return config", _word)
# what ConfigDict itself would refuse, laid past its own check
for _key, _value, _word in (
    ("seed", "'0'", "seed"), ("seed", "None", "seed"), ("seed", "[0]", "seed"), ("seed", "0.0", "seed"),
    ("train_steps", "'10'", "train_steps"), ("train_steps", "10.0", "train_steps"),
    ("batch_size", "None", "batch_size"),
    ("ema", "'0.9'", "ema"), ("ema", "None", "ema"), ("ema", "True", "ema"), ("jit", "None", "jit"),
    ("precision", "32", "precision"), ("stop", "None", "stop"), ("stop", "5", "stop"), ("stop", "{}", "stop"),
    ("evaluate", "None", "evaluate"), ("evaluate", "{'metrics': ['frechet']}", "evaluate"),
    ("model", "'nade'", "model"), ("model", "{'name': None}", "model.name"), ("model", "{'name': 3}", "model.name"),
    ("model", "{'name': ['nade']}", "model.name"), ("model", "{'name': 'nade', 'hidden_units': '5'}", "hidden_units"),
    ("model", "{'name': 'nade', 'hidden_units': None}", "hidden_units"), ("model", "[]", "model"),
    ("model", "{'name': 'nade', 'hidden_units': (5,)}", "hidden_units"),
    ("model", "{'name': 'nade', 'units': 1}", "units"),
    ("model", "{'name': 'nade', 'hidden_units': {'a': 1}}", "hidden_units"), ("data", "'digits'", "data"),
    ("data", "{'name': None}", "data.name"), ("data", "{'name': 3}", "data.name"), ("data", "[]", "data"),
    ("data", "{'name': 'digits', 'image_size': '8'}", "image_size"), ("data", "{'name': 'digits', 'size': 8}", "size"),
    ("data", "{'name': 'digits', 'image_size': 8.0}", "image_size"),
    ("data", "{'name': 'digits', 'flip': 'no'}", "flip"),
    ("optimizers", "None", "optimizers"), ("optimizers", "[]", "optimizers"), ("optimizers", "{'nade': None}", "nade"),
    ("optimizers", "{'nade': 'adam'}", "nade"), ("optimizers", "{'nade': {}}", "nade"),
    ("optimizers", "{'nade': {'name': 'adam'}}", "learning_rate"),
    ("optimizers", "{'nade': {'name': 5, 'learning_rate': 1e-3}}", "nade.name"),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': 1e-3}}", ""),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': '1e-3'}}", "learning_rate"),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': None}}", "learning_rate"),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': 1}}", ""),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': 1e-3, 'schedule': None}}", "schedule"),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': 1e-3, 'warmup_steps': 1.0}}", "warmup_steps"),
    ("optimizers", "{'nade': {'name': 'adam', 'learning_rate': lambda step: 1e-3}}", "learning_rate"),
):  # fmt: skip
    RECIPES[f"laid_{len(RECIPES)}"] = (
        f"from ml_collections import ConfigDict\n{_HEAD}"
        f"    return ConfigDict({{**config.to_dict(), {_key!r}: {_value}}})",
        _word,
    )


def _recipes() -> Iterator[Setting]:
    kind = "recipes"
    for name, (_, word) in RECIPES.items():
        yield Setting(kind, (f"--recipe={{place}}/recipes/{name}.py",), word)
    for name, word in (
        ("dcgan_digit", "dcgan_digits"), ("__init__", "recipe"), ("missing.py", "no recipe file"), ("é", "recipe"),
        ("{place}/recipes", "recipe"), ("{place}/directory.py", "no recipe file"), ("{place}/binary.py", "binary.py"),
        ("{place}/picture.png", "recipe"), ("~nouser/x.py", "home"), ("/dev/null", "recipe"), (".py", "file"),
        ("/dev/null.py", "no recipe file"), ("dcgan_digits.py", "no recipe file"), ("DCGAN_digits", "dcgan_digits"),
        ("dcgan_digits,nade_digits", "recipe"), ("None", "recipe"), ("../train/recipes/dcgan_digits", "recipe"),
        ("x" * 300, "too long"), ("x" * 300 + ".py", "too long"), ("{place}/wrong_run", "corrupt"),
        ("{place}/latin.py", "latin.py"),
    ):  # fmt: skip
        yield Setting(kind, (f"--recipe={name}",), word)


# ---- models of the user's own

_MODEL = (
    "from zoo.model import GenerativeModel\nclass Own(GenerativeModel):\n"
    "    options = {'width': 4}\n    reads = {'image': ('image',)}\n    players = ('one',)\n"
)
MODELS = {
    "fine": (_MODEL, ""),
    "no_class": ("x = 1", "class"),
    "no_model": ("class Own: pass", "players"),
    "not_a_class": ("Own = 3", "class"),
    "function": ("def Own(): pass", "class"),
    "undeclared": ("from zoo.model import GenerativeModel\nclass Own(GenerativeModel): pass", "players"),
    "syntax": ("class Own(:", "no Python file"),
    "null_byte": ("\0", "no Python file"),
    "relative": ("from .base import Base\nclass Own(Base): pass", "players"),
    "computed": (_MODEL.replace("{'width': 4}", "dict(width=4)"), "literals"),
    "colliding_name": (_MODEL.replace("width", "name"), "name"),
    "colliding_fit": (_MODEL.replace("width", "fit"), "fit"),
    "colliding_chosen": (_MODEL.replace("width", "chosen"), "chosen"),
    "dotted_option": (_MODEL.replace("width", "a.b"), "a.b"),
    "numbered_option": (_MODEL.replace("'width'", "1"), "options"),
    "spaced_option": (_MODEL.replace("width", "a b"), "a b"),
    "empty_option": (_MODEL.replace("width", ""), "options"),
    "option_of_none": (_MODEL.replace("4", "None"), ""),
    "option_of_a_set": (_MODEL.replace("4", "{1}"), "width"),
    "option_of_bytes": (_MODEL.replace("4", "b'x'"), "width"),
    "option_of_a_complex": (_MODEL.replace("4", "1j"), "width"),
    "option_of_nan": (_MODEL.replace("4", "1e999"), "width"),
    "option_of_a_list": (_MODEL.replace("4", "[1, 2]"), ""),
    "option_of_a_tuple": (_MODEL.replace("4", "(1, 2)"), ""),
    "option_of_a_dict": (_MODEL.replace("4", "{'a': 1}"), "width"),
    "reads_a_word": (_MODEL.replace("('image',)", "'image'"), "reads"),
    "reads_an_unknown_kind": (_MODEL.replace("('image',)", "('picture',)"), "image"),
    "reads_a_number": (_MODEL.replace("('image',)", "3"), "reads"),
    "reads_none": (_MODEL.replace("{'image': ('image',)}", "{}"), "reads"),
    "players_of_numbers": (_MODEL.replace("('one',)", "(1,)"), "players"),
    "players_of_one_name": (_MODEL.replace("('one',)", "('one', 'one')"), "players"),
    "dotted_player": (_MODEL.replace("('one',)", "('a.b',)"), "players"),
    "reads_if_of_words": (_MODEL + "    reads_if = {'width': 'label'}\n", "reads_if"),
    "players_if_of_words": (_MODEL + "    players_if = {'width': 'other'}\n", "players_if"),
    "players_if_of_no_option": (_MODEL + "    players_if = {'depth': ('other',)}\n", "depth"),
    "fixed_is_an_option": (_MODEL + "    fixed = {'width': 4}\n", ""),
    "targets_of_numbers": (_MODEL + "    targets = {'a': 1}\n", "targets"),
    "two_definitions": (_MODEL + _MODEL.partition("\n")[2].replace("width", "depth"), ""),
}


def _models() -> Iterator[Setting]:
    kind = "models of one's own"
    base = ("--recipe=dcgan_digits",)
    for name, (_, word) in MODELS.items():
        # what the attributes of a model are called is known to its class
        stage = BUILD if name in ("colliding_fit", "colliding_chosen") else EDGE
        yield Setting(kind, (*base, f"--config.model.name={{place}}/models/{name}.py:Own"), word, stage)
    for name, word in (
        ("{place}/models/fine.py:", "class"), ("{place}/models/fine.py", "model"),
        ("{place}/models/fine.py:Other", "Own"),
        ("{place}/none.py:Own", "no file"), ("{place}/directory.py:Own", "no file"),
        ("{place}/binary.py:Own", "binary"),
        ("~nouser/x.py:Own", "home"), (":", "module"), (":Own", "module"), ("a:b:c", "module"), ("os:path", "class"),
        ("json:JSONDecoder", "players"), ("keras:Model", "module"), ("zoo.model:GenerativeModel", "players"),
        ("zoo.adversarial.model:StandardGAN", ""), ("zoo.adversarial.dcgan:DCGAN", ""), ("DCGAN", "dcgan"),
        ("zoo.adversarial:DCGAN", "class"), ("é:É", "module"), ("", "model"), ("None", "model"), ("dcgan ", "dcgan"),
        ("sys:exit", "module"), ("{place}/latin.py:Own", "latin.py"), ("dcgan:DCGAN", "module"), ("..x:Own", "module"),
    ):  # fmt: skip
        yield Setting(kind, (*base, f"--config.model.name={name}"), word)
    # these are read without being imported: what they do then shows when the model is made
    for name, word in (("raises", "ValueError"), ("exits", "exit"), ("not_derived", "no model")):
        yield Setting(kind, (*base, f"--config.model.name={{place}}/models/{name}.py:Own"), word, BUILD)


IMPORTED = {
    "raises": "raise ValueError('no')\n" + _MODEL,
    "exits": "import sys\nsys.exit(0)\n" + _MODEL,
    "not_derived": _MODEL.replace("(GenerativeModel)", ""),
}


# ---- directories


def _workdirs() -> Iterator[Setting]:
    kind = "working directories"
    base = ("--recipe=nade_digits",)
    for name, word in (
        ("{place}/own.py", "own.py"), ("/dev/null", "/dev/null"), ("", "workdir"), ("/proc/x", "/proc/x"),
        ("{place}/pictures", "other files"), ("{place}/bundle", "other files"), ("{place}/other", "other files"),
        ("{place}/own.py/below", "own.py"), ("{place}/new", ""), ("{place}/with\nline", ""), ("{place}/é ü", ""),
        ("{place}/[a]*?", ""), ("{place}/empty", ""), ("{place}/deep/er/and/deeper", ""),
        ("{place}/" + "x" * 300, "too long"),
        ("{place}/dangling", "dangling"), ("--recipe=x", "workdir"), ("~nouser/x", "~nouser"),
        ("{place}/foreign", "config.json"),
    ):  # fmt: skip
        yield Setting(kind, (*base, f"--workdir={name}"), word)
    yield Setting(kind, base, "--workdir is missing")
    yield Setting(kind, (*base, "--workdir"), "workdir")
    yield Setting(kind, ("--workdir={place}/wrong_run",), "corrupt")


# ---- what must fit together


def _combinations() -> Iterator[Setting]:
    for model in zoo.available():
        for source in ("digits", "ring", "grey:digits", "shapes", "folder:{place}/pictures"):
            word = ""
            reads = _declared(model).reads
            point = source == "ring"
            unlabelled = source.startswith("folder:") and "label" in reads
            if unlabelled or ("input" in reads and source in ("digits", "ring", "folder:{place}/pictures")):
                word = "reads" if not unlabelled else "labels"
            elif set(reads) - {"image", "input", "label"} or (point and "point" not in reads["image"]):
                word = "reads"
            base = ("--recipe=dcgan_digits", f"--config.model.name={model}", f"--config.data.name={source}")
            yield Setting("models and sources", base, word)


def _sizes() -> Iterator[Setting]:
    fit = {"dcgan": "cannot make", "resnet": "cannot make", "mlp": ""}
    for network, word in fit.items():
        for size in (4, 5, 7, 8, 9, 12, 33):
            base = (*_small("gan_grid"), f"--config.model.network={network}", f"--config.data.image_size={size}")
            yield Setting("image sizes", base, "" if size in (8, 12) else word, BUILD)
    for size in (4, 5, 7, 9, 33):
        word = "" if size == 4 else "depth"
        yield Setting("image sizes", (*_small("pix2pix"), f"--config.data.image_size={size}"), word, BUILD)
        base = (*_small("vae"), "--config.model.network=convolutional", f"--config.data.image_size={size}")
        yield Setting("image sizes", base, "cannot make", BUILD)
        yield Setting("image sizes", (*_small("nade"), f"--config.data.image_size={size}"), "", BUILD)
    yield Setting("image sizes", (*_small("gan_grid"), "--config.data.name=ring"), "square", BUILD)
    for model in ("ada", "diffaugment", "acgan", "pacgan"):
        yield Setting("image sizes", (*_small(model), "--config.data.channels=2"), "channels")
    for key in ("depth", "halvings"):
        for number in (1, 4, 9, 100):
            word = "" if (key, number) == ("halvings", 1) else key
            yield Setting("image sizes", (*_small("pix2pix"), f"--config.model.{key}={number}"), word, BUILD)
    for number in (16, 1000):
        for model, option in (
            ("gan_grid", "n_critic"),
            ("gan", "k"),
            ("pacgan", "generator_updates"),
            ("wgan", "n_critic"),
        ):
            more = ("--config.model.warmup_updates=5000",) if model == "wgan" else ()
            yield Setting("batches", (*_small(model), *more, f"--config.model.{option}={number}"), option, BUILD)
    for model, option, number in (("gan_grid", "n_critic", 5), ("pacgan", "packing", 3), ("gan", "k", 7)):
        base = (*_small(model), f"--config.model.{option}={number}")
        yield Setting("batches", (*base, "--config.batch_size=64"), "multiple", BUILD)
    for model in ("dragan", "rpgan", "wgan_gp", "ada"):
        yield Setting("batches", (*_small(model), "--config.model.normalization=batch"), "normalization", BUILD)


def _memory() -> Iterator[Setting]:
    kind = "sizes beyond memory"
    base = ("--recipe=vae_digits",)
    for key in ("batch_size", "sample_count", "evaluate.count"):
        more = ("--config.evaluate.metrics=frechet",) if key == "evaluate.count" else ()
        yield from (Setting(kind, (*base, *more, f"--config.{key}={10**power}"), key) for power in (12, 15, 18))


def _metrics() -> Iterator[Setting]:
    kind = "evaluation while training"
    base = ("--recipe=dcgan_digits",)
    key = "--config.evaluate"
    for arguments, word in (
        ((f"{key}.metrics=frechet",), ""), ((f"{key}.metrics=frechet,frechet",), "twice"),
        ((f"{key}.metrics=frechet:",), "period"), ((f"{key}.metrics=frechet:0",), "multiple"),
        ((f"{key}.metrics=frechet:7",), "multiple"), ((f"{key}.metrics=frechet:-500",), "period"),
        ((f"{key}.metrics=frechet:1e3",), "period"), ((f"{key}.metrics=,",), ""), ((f"{key}.metrics=frechet,",), ""),
        ((f"{key}.metrics=freshet",), "frechet"), ((f"{key}.metrics=nearest_neighbours",), "ranks"),
        ((f"{key}.metrics=pairs",), "pairs"), ((f"{key}.metrics=frechet", f"{key}.every=0"), "multiple"),
        ((f"{key}.metrics=frechet", f"{key}.every=-500"), "multiple"),
        ((f"{key}.metrics=frechet", f"{key}.count=1"), "count"),
        ((f"{key}.metrics=frechet", f"{key}.count=0"), "count"),
        ((f"{key}.metrics=frechet", f"{key}.extractor=/x"), "extractor"),
        ((f"{key}.metrics=frechet", f"{key}.extractor={{place}}/own.py"), "own.py"),
        ((f"{key}.metrics=frechet", f"{key}.extractor_range=x"), "range"),
        ((f"{key}.metrics=frechet", f"{key}.extractor_range=1,0"), "range"),
        ((f"{key}.metrics=frechet", f"{key}.extractor_range=nan,1"), "range"),
        ((f"{key}.metrics=frechet", f"{key}.extractor_output=x"), "output"),
        ((f"{key}.metrics=frechet:" + "9" * 5000,), "period"),
        ((f"{key}.metrics=frechet:²",), "period"), ((f"{key}.metrics=frechet:٣٠٠",), "multiple"),
    ):  # fmt: skip
        yield Setting(kind, (*base, *arguments), word)


def _steps() -> Iterator[Setting]:
    """Yield settings that are fine, however odd: each is trained for a step."""
    kind = "odd, but fine"
    for model in zoo.available():
        base = _small(model)
        yield Setting(kind, base, "", STEP)
        if toy_data(model) == "digits":  # the others have the channels that they have
            yield Setting(kind, (*base, "--config.data.channels=3"), "", STEP)
        if {"latent_dim", "base_channels"} <= set(_declared(model).options):
            yield Setting(kind, (*base, "--config.model.latent_dim=1", "--config.model.base_channels=1"), "", STEP)
    for model in ("vae", "pix2pix", "wgan"):
        for optimizer in ("sgd", "rmsprop"):
            players = _declared(model).players_of(_declared(model).options)
            named = (f"--config.optimizers.{player}.name={optimizer}" for player in players)
            yield Setting(kind, (*_small(model), *named), "", STEP)
        for key, value in (("precision", "mixed_bfloat16"), ("ema", "0"), ("data.image_size", "16")):
            yield Setting(kind, (*_small(model), f"--config.{key}={value}"), "", STEP)
    for model in ("dcgan", "vae", "nade", "pix2pix", "ada", "diffaugment", "acgan", "dragan", "gan"):
        smallest = _declared(model).smallest.get("k", 1)
        yield Setting(kind, (*_small(model), f"--config.batch_size={smallest}"), "", STEP)
    for option in ("objective", "penalty", "network", "normalization"):
        for value in _CHOICES[option]:
            more = ("--config.model.penalty=r1",) if option == "normalization" and value != "batch" else ()
            yield Setting(kind, (*_small("gan_grid"), f"--config.model.{option}={value}", *more), "", STEP)
    for arguments in (
        (*_small("pix2pix"), "--config.model.dropout=0"), (*_small("pix2pix"), "--config.model.gan_weight=0"),
        (*_small("pix2pix"), "--config.model.l1_weight=0"), (*_small("pix2pix"), "--config.model.keep_grey=true"),
        (*_small("pix2pix"), "--config.model.conditional=false"), (*_small("pix2pix"), "--config.model.halvings=0"),
        (*_small("vae"), "--config.model.network=convolutional"),
        (*_small("vae"), "--config.model.likelihood=logistic"),
        (*_small("vae"), "--config.model.beta=0"), (*_small("vae"), "--config.model.warmup_steps=1000000"),
        (*_small("gan"), "--config.data.name=ring"), (*_small("nade"), "--config.data.binarize=dynamic"),
        (*_small("dcgan"), "--config.data.crop=2", "--config.data.flip=true"),
        (*_small("dcgan"), "--config.sample_count=1"),
        (*_small("dcgan"), "--config.model.kernel_size=2"), (*_small("dcgan"), "--config.model.kernel_size=31"),
        (*_small("gan_grid"), "--config.model.penalty=r1", "--config.model.penalty_weight=0"),
        (*_small("dcgan"), "--config.data.name=folder:{place}/one", "--config.data.image_size=8"),
        (*_small("pix2pix"), "--config.data.name=pairs:{place}/pairs"), (*_small("dcgan"), "--config.seed=4294967295"),
        (*_small("nade"), "--config.optimizers.nade.learning_rate=1e-30"),
        (*_small("nade"), "--config.log_every=1000000000"),
        (*_small("nade"), "--config.keep_checkpoints=1000000000"),
        (*_small("nade"), "--config.checkpoint_every=9000000000"),
        (*_small("nade"), "--config.optimizers.nade.schedule=cosine"),
        (*_small("dcgan"), "--config.data.name=stacked:digits"),
        (*_small("nade"), "--config.optimizers.nade.beta_1=0.0", "--config.optimizers.nade.beta_2=0.0"),
        (*_small("lsgan"), "--config.model.a=-1", "--config.model.b=1", "--config.model.c=0"),
    ):  # fmt: skip
        yield Setting(kind, arguments, "", STEP)


_CHOICES = {
    "objective": ("non_saturating", "minimax", "wasserstein", "hinge", "relativistic", "least_squares"),
    "penalty": ("none", "gradient", "one_sided_gradient", "dragan", "r1", "r1_r2", "clipping"),
    "network": ("mlp", "dcgan", "resnet"),
    "normalization": ("none", "batch", "layer", "spectral"),
}


@functools.cache
def settings() -> list[Setting]:
    """Return all odd settings, each once."""
    made = (
        _keys(), _options(), _optimizers(), _phases(), _sources(), _slips(), _command_lines(), _recipes(), _models(),
        _workdirs(), _combinations(), _sizes(), _memory(), _metrics(), _steps(),
    )  # fmt: skip
    return list(dict.fromkeys(setting for part in made for setting in part))


# ---- trying them


def furnish(place: Path) -> None:
    """Fill the directory with the recipes, models, pictures and odd files that settings name."""
    for folder in ("recipes", "models", "pictures/a", "pairs/input", "pairs/image", "one", "empty", "directory.py"):
        (place / folder).mkdir(parents=True)
    for name, (text, _) in RECIPES.items():
        (place / "recipes" / f"{name}.py").write_text(text + "\n")
    for name, text in {**{name: text for name, (text, _) in MODELS.items()}, **IMPORTED}.items():
        (place / "models" / f"{name}.py").write_text(text + "\n")
    for name in ("pictures/1", "pictures/a/2", "one/1", "pairs/input/1", "pairs/image/1"):
        Image.new("RGB", (8, 8), "red").save(place / f"{name}.png")
    Image.new("L", (8, 8)).save(place / "picture.png")
    (place / "own.py").write_text(_MODEL)
    (place / "binary.py").write_bytes(bytes(range(256)))
    (place / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    (place / "nade.flags").write_text("--recipe=nade_digits\n--config.model.hidden_units=3\n")
    (place / "dangling").symlink_to(place / "nowhere")
    for folder, name in (
        ("wrong_run", "config.json"),
        ("foreign", "config.json"),
        ("bundle", "manifest.json"),
        ("other", "notes.txt"),
    ):
        (place / folder).mkdir()
        (place / folder / name).write_text("{}")


class _Reached(BaseException):
    """The program would import TensorFlow now: its edge has accepted."""


def attempt(setting: Setting, place: Path, workdir: Path) -> Ending:
    """Run `python -m train` with the setting in this process, as far as its stage; `workdir` is for its run."""
    arguments = [argument.replace("{place}", str(place)) for argument in setting.arguments]
    if setting.stage == STEP:
        arguments += [
            f"--workdir={workdir}", "--config.train_steps=1", "--config.sample_count=4",
            *(["--config.batch_size=12"] if not any("batch_size" in argument for argument in arguments) else []),
        ]  # fmt: skip
    elif setting.kind != "working directories":
        arguments.append("--dry_run")
    start = backend.start if setting.stage != EDGE else _reached
    how, text = _outcome(arguments, start)
    return Ending(how, text)


def _reached(*_: object, **__: object) -> None:
    raise _Reached


def _outcome(arguments: list[str], start: Any) -> tuple[str, str]:
    own, errors = flags.FlagValues(), io.StringIO()
    with contextlib.ExitStack() as stack:
        for name in (name for name in dir(flags) if name.startswith("DEFINE_") and name != "DEFINE_flag"):
            stack.enter_context(
                mock.patch.object(flags, name, functools.partial(getattr(flags, name), flag_values=own))
            )
        define = functools.partial(config_flags.DEFINE_config_dict, flag_values=own)
        stack.enter_context(mock.patch.object(config_flags, "DEFINE_config_dict", define))
        stack.enter_context(mock.patch.object(flags, "FLAGS", own))
        stack.enter_context(mock.patch.object(sys, "argv", ["train", *arguments]))
        stack.enter_context(mock.patch.dict(os.environ))
        stack.enter_context(mock.patch("signal.signal"))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(errors))
        sys.modules.pop("train.__main__", None)
        program = importlib.import_module("train.__main__")
        stack.enter_context(mock.patch.object(backend, "start", start))
        try:
            program.run()
        except _Reached:
            return ACCEPTED, errors.getvalue()
        except SystemExit as end:
            if end.code == 0:
                return ACCEPTED, errors.getvalue()
            return REFUSED if end.code == 2 else f"{TRACEBACK}: exit {end.code}", errors.getvalue()
        except BaseException:
            return TRACEBACK, traceback.format_exc()
    raise AssertionError("a program ends with its status")


def fault(setting: Setting, ending: Ending) -> str:
    """Return what is wrong with how an attempt of the setting ended, in words, or ""."""
    if ending.how not in (ACCEPTED, REFUSED):
        return f"{ending.how}: {ending.text[-1500:]}"
    if ending.how != (REFUSED if setting.word else ACCEPTED):
        return f"{ending.how}, not {'refused' if setting.word else 'accepted'}: {ending.text[-500:]}"
    if ending.how == REFUSED:
        line = ending.text.strip().splitlines()[-1] if ending.text.strip() else ""
        if setting.stage == EDGE and ending.text.count("\n") != 1:
            return f"not one line: {ending.text[-500:]}"
        if not line.startswith("error: ") or setting.word.lower() not in line.lower():
            return f"the line does not say {setting.word!r}: {line}"
    return ""


def counted(tried: Iterable[tuple[Setting, Ending]]) -> dict[str, dict[str, int]]:
    """Return how many settings of each kind were tried, and how they ended: the rows of `faults.table`."""
    rows: dict[str, dict[str, int]] = {}
    for setting, ending in tried:
        row = rows.setdefault(setting.kind, dict.fromkeys(("tried", REFUSED, *_ACCEPTED.values(), TRACEBACK, WRONG), 0))
        row["tried"] += 1
        if fault(setting, ending):
            row[TRACEBACK if ending.how.startswith(TRACEBACK) else WRONG] += 1
        else:
            row[REFUSED if ending.how == REFUSED else _ACCEPTED[setting.stage]] += 1
    return rows
