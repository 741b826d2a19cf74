"""The maps as a TensorFlow SavedModel, in TF Serving's layout."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from export.parity import Run
from zoo.model import Map, as_function
from zoo.shared.files import without_wildcards

DEFAULT = "serving_default"


def write(maps: Mapping[str, Map], directory: str | os.PathLike[str]) -> None:
    """Write a SavedModel with a signature for each map, of the spec's tensor names; the first is the default too."""
    module = tf.Module()
    # what the file must hold
    module.variables_of_maps = [variable.value for made in maps.values() for variable in made.network.variables]
    module.functions = {name: as_function(made) for name, made in maps.items()}
    signatures = {**module.functions, DEFAULT: next(iter(module.functions.values()))}
    tf.saved_model.save(module, os.fspath(directory), signatures=signatures)


def load(directory: str | os.PathLike[str], name: str = DEFAULT) -> Run:
    """Return a signature of the written file as a function from numpy to numpy arrays, by name."""
    with without_wildcards(directory) as plain:
        loaded = tf.saved_model.load(os.fspath(plain))
    signature = loaded.signatures[name]

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # naming `loaded` keeps it alive: its variables die with it
        outputs = signature(**{key: tf.constant(value) for key, value in inputs.items()}) if loaded else {}
        return {key: value.numpy() for key, value in outputs.items()}

    return run
