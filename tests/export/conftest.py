"""A run of NADE that is trained, and a model of three maps that is not: what the exports are made of."""

import functools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from shared import tiny_config, trained

from export import build
from zoo.model import Map
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (3,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=1, high=3)
IMAGE = TensorSpec("image", (2, 2, 1), "output", "image")
PHOTO = TensorSpec("photo", (2, 2, 1), "condition", "image")
EPS = TensorSpec("eps", (2,), "normal")
FILLED = TensorSpec("filled", (2, 2, 1), "output", "image")
MASK = TensorSpec("mask", (2, 2, 1), "condition", "mask")
MEAN, LOG_WEIGHT = TensorSpec("mean", (2,), "output"), TensorSpec("log_weight", (), "output", "nats", high=0.0)
ROWS = 5


def generate() -> Map:
    """Noise and a class to an image."""
    z, label = keras.Input((3,), name="z"), keras.Input((), dtype="int32", name="label")
    hidden = keras.layers.Dense(4)(z) + keras.layers.Embedding(4, 4, "normal")(label)
    image = keras.layers.Reshape((2, 2, 1))(keras.layers.Activation("tanh")(hidden))
    return Map(keras.Model({"z": z, "label": label}, {"image": image}), MapSpec((Z, LABEL), (IMAGE,)))


def fill_in() -> Map:
    """A picture and a mask to a picture."""
    photo, mask = keras.Input((2, 2, 1), name="photo"), keras.Input((2, 2, 1), name="mask")
    filled = mask * photo + (1 - mask) * keras.layers.Conv2D(1, 3, padding="same", activation="tanh")(photo)
    return Map(keras.Model({"photo": photo, "mask": mask}, {"filled": filled}), MapSpec((PHOTO, MASK), (FILLED,)))


def weigh() -> Map:
    """A picture and noise to two outputs, one of them without a batch of vectors."""
    photo, eps = keras.Input((2, 2, 1), name="photo"), keras.Input((2,), name="eps")
    mean = keras.layers.Dense(2)(keras.layers.Flatten()(photo))
    weight = -100.0 * keras.ops.sum(keras.ops.square(mean + eps), axis=-1)
    network = keras.Model({"photo": photo, "eps": eps}, {"mean": mean, "log_weight": weight})
    return Map(network, MapSpec((PHOTO, EPS), (LOG_WEIGHT, MEAN)))


def all_three() -> dict[str, Map]:
    """The maps of a model."""
    return {"generate": generate(), "fill_in": fill_in(), "log_prob": weigh()}


@pytest.fixture(scope="package")
def untrained():
    """The maps generate, fill_in and log_prob, for reading alone."""
    keras.utils.set_random_seed(2)
    return all_three()


@pytest.fixture(scope="package")
def workdir(tmp_path_factory):
    """A trained run of NADE."""
    directory = tmp_path_factory.mktemp("run")
    trained(tiny_config("nade"), directory)
    return directory


@pytest.fixture
def three_maps(monkeypatch):
    """Let every run hold a model of the maps generate, fill_in and log_prob, and examples of them."""
    keras.utils.set_random_seed(1)
    maps = all_three()
    model = SimpleNamespace(maps=maps, declared=SimpleNamespace(targets={"filled": "photo"}))
    random = np.random.default_rng(0)
    photo = random.uniform(-1, 1, (ROWS, 2, 2, 1)).astype(np.float32)
    mask = random.integers(0, 2, (ROWS, 2, 2, 1)).astype(np.float32)
    examples = {
        "generate": {},
        "fill_in": {"photo": photo, "mask": mask, "filled": photo},
        "log_prob": {"photo": photo},
    }
    monkeypatch.setattr(build.restore, "load", lambda *_: (settings(), model, 4))
    monkeypatch.setattr(build.examples, "read", lambda *_: examples)
    return SimpleNamespace(maps=maps, examples=examples)


@functools.cache
def settings():
    return tiny_config("nade")
