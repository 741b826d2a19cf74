"""What several test files use: tiny configurations of real recipes, and what a run left on the disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from train import config
from train.check import check

REPOSITORY = Path(__file__).parents[1]


def tiny_config(model: str, **changes) -> ConfigDict:
    """Return the model's recipe with its smallest network, on 8 px digits in batches of 4, for 4 steps."""
    import importlib

    import zoo

    settings = config.load(config.example_of(model))
    module, class_name = zoo._MODELS[model].split(":")
    settings.model.update(getattr(importlib.import_module(module), class_name).smallest)
    settings.data.name = "digits"
    settings.data.image_size = 8
    settings.update(
        train_steps=4, batch_size=4, steps_per_call=2, checkpoint_every=2, sample_every=4, sample_count=4, ema=0.9
    )
    settings.update_from_flattened_dict(changes)
    check(settings)
    return settings


def trainer(settings: ConfigDict, workdir: Path, strategy=None):
    """Return a trainer as `python -m train` would make it."""
    import tensorflow as tf

    from train.engine import backend
    from train.loop.trainer import Trainer

    backend.start(settings.precision, settings.seed)
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


def python(*arguments: str, environment: dict[str, str] | None = None, **options) -> subprocess.Popen:
    """Start `python arguments...` in the repository; its output is text on a pipe."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": REPOSITORY} | options
    return subprocess.Popen([sys.executable, *arguments], env={**os.environ, **(environment or {})}, **options)


def flags_of(settings: ConfigDict) -> list[str]:
    """Return the flags that turn the recipe of the settings' model into the settings."""
    return [f"--config.{key}={value}" for key, value in config.flatten(settings.to_dict())]
