"""What several test files use: tiny configurations of real recipes, and what a run left on the disk."""

import functools
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from ml_collections import ConfigDict

import train.data
import zoo
from train import config
from train.check import check
from train.data.sources import innermost
from zoo import images, noise

REPOSITORY = Path(__file__).parents[1]

# makes a picture by one of two layers, as the phase says; the first moves the fastest
TWO_PARTS = """
import keras
import tensorflow as tf

from zoo.model import GenerativeModel, Map
from zoo.spec import MapSpec, TensorSpec


class Network(keras.Model):
    part = 0

    def __init__(self, size):
        super().__init__()
        self.parts = [keras.layers.Dense(size, "tanh"), keras.layers.Dense(size, "tanh")]
        for layer in self.parts:
            layer.build((None, 3))
        self.built = True

    def call(self, inputs, training=False):
        return {"image": tf.reshape(self.parts[self.part](inputs["z"]), (-1, 8, 8, 1))}


class TwoParts(GenerativeModel):
    phase_options = {"part": 0}
    reads = {"image": ("image",)}
    players = ("network",)

    def __init__(self, **config):
        super().__init__(**config)
        self.network = Network(64)
        z, image = TensorSpec("z", (3,), "normal"), TensorSpec("image", (8, 8, 1), "output", "image")
        self.maps = {"generate": Map(self.network, MapSpec((z,), (image,)))}

    def enter(self, phase, start=0, end=None):
        super().enter(phase, start, end)
        self.network.part = phase.get("part", 0)

    def train_step(self, data):
        z = self.draw("generate", tf.shape(data["image"])[0], "z")
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.network(z, training=True)["image"] - data["image"]) ** 2)
        self.update("network", (tape, loss))
        return {"loss": loss, "rows": tf.cast(tf.shape(data["image"])[0], tf.float32)}
"""


def recipe_of(model: str) -> str:
    """Return the name of a recipe of the model: the one on the digits or on toys, else one of it, else any."""
    for name in (f"{model}_digits", f"{model}_toy"):
        if name in config.recipes():
            return name
    of_it = (name for name in config.recipes() if config.read_recipe(name).model.name == model)
    return next(of_it, "dcgan_digits")


def toy_data(model: str) -> str:
    """Return a source that comes along and has what the model reads."""
    reads = zoo.declared(model).columns_read(zoo.declared(model).options)
    if "attributes" in reads:
        return "faces"
    if "audio" in reads:
        return "tones"
    if "video" in reads:
        return "moving_digits:digits"
    if "action" in reads:
        return "pendulum"
    if "a" in reads:
        return "unpaired:shapes"
    if "input" in reads:
        section = config.read_recipe(recipe_of(model)).data
        return "lowres:digits" if section.name.startswith("lowres:") else "grey:digits"
    return "digits" if "image" in reads.get("image", ("image",)) else "ring"


def tiny_config(model: str, **changes) -> ConfigDict:
    """Return the model's recipe with its smallest network, on 8 px digits in batches of 4, for 4 steps.

    Of phases, if there are any, each begins 2 steps after the one before: a third has no step of its own. A model that
    reads an "input" gets grey digits, or reduced ones where its recipe has such; one of two domains gets shapes at
    16 px, one of sound three short notes, one of videos four frames of 9 px, one of actions a pendulum. "data.name"
    among the `changes` brings that source's options.
    """
    data = changes.get("data.name", toy_data(model))
    settings = config.load(recipe_of(model), [f"--config.data.name={data}", f"--config.model.name={model}"])
    settings.data.name, settings.model.name = data, model
    if "image_size" in settings.data:
        settings.data.image_size = 16 if data == "unpaired:shapes" else 0
    if "beat" in settings.data:
        settings.data.update(beats=3, beat=16)
    if "side" in settings.data:
        settings.data.update(frames=4, side=9, count=1)
    if data == "pendulum":
        settings.data.update(length=3, rows=16)
    settings.model.update(zoo.declared(model).smallest)
    settings.jit = "auto"  # tests of XLA compile for themselves
    settings.update(
        train_steps=4, batch_size=4, log_every=2, checkpoint_every=2, sample_every=4, sample_count=4, ema=0.9
    )
    for number, phase in enumerate(sorted(settings.phases.values(), key=lambda phase: phase.start)):
        phase.update(start=2 * number, batch_size=0)
    settings.update_from_flattened_dict(changes)
    check(settings)
    return settings


def tiny_model(model: str, **changes):
    """Return that model, perhaps with other options, for the columns of its toy data, not compiled."""
    settings = tiny_config(model)
    columns = {name: spec for table in train.data.load(settings.data, "train") for name, spec in table.specs.items()}
    options = {key: value for key, value in settings.model.items() if key != "name"}
    return zoo.create(model, columns=columns, **{**options, **changes})


def batch(model, count=4, seed=0):
    """Return rows of the columns that the model reads: binary pictures, classes and attributes in turn."""
    random, rows = np.random.default_rng(seed), {}
    for name, spec in model.columns.items():
        if spec.kind == "class":
            rows[name] = noise.in_turn(spec, count)
        elif spec.kind == "attributes":
            rows[name] = np.eye(*spec.shape, dtype=np.int32)[(seed + np.arange(count)) % spec.shape[0]]
        else:
            rows[name] = np.sign(random.uniform(-1, 1, (count, *spec.shape))).astype(np.float32)
    return rows


def inputs_of(model, name, count, seed=1):
    """Return every input of a map, its conditions from rows of data."""
    given = model.conditions(name, batch(model, count))
    return noise.fill(model.maps[name].spec, count, seed, given=given)


def world_of_states() -> ConfigDict:
    """Return the settings of a tiny world model that sees states, to plan 3 of its 5 steps ahead."""
    settings = tiny_config("world_model")
    changes = {"data.pictures": False, "data.length": 5, "model.vision": False, "model.horizon": 3}
    settings.update_from_flattened_dict(changes)
    settings.phases = ConfigDict()
    del settings.optimizers["vision"]
    check(settings)
    return settings


def stand_in(recipe: str, directory: Path) -> None:
    """Put pictures, or an episode, below the directory where the recipe looks for folders that its user has to get."""
    section = config.read_recipe(recipe).data
    prefix, _, folder = innermost(section.name).partition(":")
    if prefix in ("pairs", "domains", "patches"):
        for column in ("input", "image"):
            path = directory / folder / column / "1.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(images.encode_png(np.zeros((64, 64, 3), np.uint8)))
    if prefix == "folder":
        for name in ("cat", "dog"):
            path = directory / folder / name / "1.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(images.encode_png(np.zeros((64, 64, 3), np.uint8)))
    if prefix == "episodes":
        (directory / folder).mkdir(parents=True)
        states, one = np.zeros((2, 3), np.float32), np.ones(1, np.float32)
        episode = {"observation": states, "action": one[None], "reward": one}
        np.savez(directory / folder / "1.npz", **episode, ended=np.array(True), low=one[0], high=one[0] + 1)
    if prefix == "attributes":
        (directory / folder).mkdir()
        names = section.attributes.split(",")
        rows = [",".join([f"{name}.png", *(str(int(other == name)) for other in names)]) for name in names]
        (directory / folder / "list.csv").write_text("\n".join([f"file,{section.attributes}", *rows]))


def trainer(settings: ConfigDict, workdir: Path, strategy=None):
    """Return a trainer as `python -m train` would make it."""
    import tensorflow as tf

    from train.engine import backend
    from train.loop.trainer import Trainer

    backend.start(settings.precision, settings.seed, settings.deterministic)
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(config.to_json(settings))
    try:
        return Trainer(settings, workdir, strategy or tf.distribute.get_strategy())
    finally:
        backend.start()


def trained(settings: ConfigDict, workdir: Path, strategy=None):
    """Train a run to its end and return its trainer."""
    made = trainer(settings, workdir, strategy)
    assert made.run()
    return made


def checkpoint(workdir: Path, step: int) -> dict[str, np.ndarray]:
    """Return every variable in the checkpoint of `step`."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(workdir / "checkpoints" / f"{step:08d}" / "state"))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray | np.generic)}


def assert_same_state(first: dict, second: dict, tolerance: float = 0.0) -> None:
    """Compare two checkpoints: by default, bit for bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        if tolerance:
            np.testing.assert_allclose(value, second[name], atol=tolerance, rtol=0, err_msg=name)
        else:
            np.testing.assert_array_equal(value, second[name], err_msg=name)


def metrics(workdir: Path) -> list[dict]:
    """Return the lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def program(name: str):
    """Import the module of a program with flags of its own: programs have flags of the same names."""
    own = flags.FlagValues()
    with pytest.MonkeyPatch.context() as patch:
        for define in (name for name in dir(flags) if name.startswith("DEFINE_")):
            patch.setattr(flags, define, functools.partial(getattr(flags, define), flag_values=own))
        return importlib.import_module(name)


def python(*arguments: str, environment: dict[str, str] | None = None, **options) -> subprocess.Popen:
    """Start `python arguments...` in the repository; its output is text on a pipe."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": REPOSITORY} | options
    return subprocess.Popen([sys.executable, *arguments], env={**os.environ, **(environment or {})}, **options)


def flags_of(settings: ConfigDict) -> list[str]:
    """Return the flags that turn the recipe of the settings' model into the settings."""
    return [f"--config.{key}={value}" for key, value in config.flatten(settings.to_dict())]
