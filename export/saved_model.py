"""The generator as a TensorFlow SavedModel, in TF Serving's layout."""

import os

import keras
import numpy as np
import tensorflow as tf

from export.parity import Sampler
from zoo.spec import GeneratorSpec

SIGNATURE = "serving_default"


def as_function(generator: keras.Model, spec: GeneratorSpec) -> tf.types.experimental.PolymorphicFunction:
    """Return the generator as a `tf.function` of the dict of the spec's inputs, with a free batch axis."""

    @tf.function(input_signature=[signature(spec)])
    def generate(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = generator(inputs, training=False)
        return {tensor.name: tf.cast(outputs[tensor.name], tensor.dtype) for tensor in spec.outputs}

    return generate


def signature(spec: GeneratorSpec) -> dict[str, tf.TensorSpec]:
    """Return the spec's inputs as TensorFlow's specs, by name."""
    return {tensor.name: tf.TensorSpec((None, *tensor.shape), tensor.dtype, name=tensor.name) for tensor in spec.inputs}


def write(generator: keras.Model, spec: GeneratorSpec, directory: str | os.PathLike[str]) -> None:
    """Write a SavedModel whose one signature, `serving_default`, has the spec's tensor names."""
    module = tf.Module()
    module.variables_of_generator = [variable.value for variable in generator.variables]  # what the file must hold
    module.generate = as_function(generator, spec)
    tf.saved_model.save(module, os.fspath(directory), signatures={SIGNATURE: module.generate})


def load(directory: str | os.PathLike[str]) -> Sampler:
    """Return the written generator as a function from numpy to numpy arrays, by name."""
    loaded = tf.saved_model.load(os.fspath(directory))
    generate = loaded.signatures[SIGNATURE]

    def sample(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # naming `loaded` keeps it alive: its variables die with it
        outputs = generate(**{name: tf.constant(value) for name, value in inputs.items()}) if loaded else {}
        return {name: value.numpy() for name, value in outputs.items()}

    return sample
