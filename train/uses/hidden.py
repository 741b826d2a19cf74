"""The features that a trained model has of a picture, whatever model it is."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from train.data.batches import held_out
from train.data.source import Table
from train.rundir import restore
from zoo.adversarial.model import AdversarialModel
from zoo.model import GenerativeModel, as_run
from zoo.shared.errors import UserError

# pooled to as many cells a side: 4 in DCGAN's paper; with 2 small networks have fewer features than pixels
CELLS = 2
_AT_ONCE = 100


def of_run(workdir: Path, *tables: Table) -> list[np.ndarray]:
    """Return the features (count, D) that the run at `workdir` has of the pictures of each table.

    - of an adversarial model: all feature maps of the discriminator, each cell's maximum, side by side (Radford, Metz
      and Chintala 2015, section 5.1)
    - of one with a map "encode": the means of q(z | x)
    - of an autoregressive one with a hidden layer: that layer, each cell's mean

    Pictures are as the model saw them in training, binarised if they were. Another model is a `UserError`.
    """
    section, model, _ = restore.load(workdir)
    seen = [held_out(table, section.data, ["image"])["image"] for table in tables]
    of = features(model)
    return [np.concatenate([of(x[i : i + _AT_ONCE]) for i in range(0, len(x), _AT_ONCE)]) for x in seen]


def pooled(maps: np.ndarray, largest: bool) -> np.ndarray:
    """Return the maximum, or the mean, of each cell of feature maps (count, H, W, C): (count, CELLS * CELLS * C)."""
    reduce = np.max if largest else np.mean
    bands = np.array_split(maps, min(CELLS, maps.shape[1]), axis=1)
    cells = [cell for band in bands for cell in np.array_split(band, min(CELLS, maps.shape[2]), axis=2)]
    return np.concatenate([reduce(cell, axis=(1, 2)) for cell in cells], axis=1)


def features(model: GenerativeModel) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function of pictures (count, H, W, C), as models see them, that makes the features of `of_run`."""
    if isinstance(model, AdversarialModel):
        return _of_discriminator(model.discriminator)
    if "encode" in model.maps:
        encode = as_run(model.maps["encode"])
        return lambda x: encode({"image": x})["mean"]
    if hasattr(network := getattr(model, "network", None), "hidden"):
        hidden = tf.function(lambda x: network.hidden({"image": x}))
        return lambda x: pooled(hidden(tf.constant(x)).numpy(), largest=False)
    raise UserError(f"{type(model).__name__} has neither a discriminator, nor a map 'encode', nor a hidden layer")


def _of_discriminator(network: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    rectified = [layer for layer in network.layers if isinstance(layer, keras.layers.LeakyReLU | keras.layers.ReLU)]
    maps = [layer.output for layer in rectified if len(layer.output.shape) == 4]
    if not maps:
        raise UserError("the discriminator has no feature maps: take one of convolutions")
    seen = tf.function(keras.Model(network.inputs[0], maps))

    def made(x: np.ndarray) -> np.ndarray:
        layers = tf.nest.flatten(seen(tf.constant(x), training=False))
        return np.concatenate([pooled(layer.numpy(), largest=True) for layer in layers], axis=1)

    return made
