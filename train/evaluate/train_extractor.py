"""Train the feature extractor that comes along: python -m train.evaluate.train_extractor --output=features.onnx

A convolutional classifier of grey 28 x 28 pictures into 20 classes, the ten digits of MNIST, then the ten garments of
Fashion-MNIST. Its `features`, the 64 channels behind the `logits`, stand for a picture in the metrics of `zoo.metrics`:
on such pictures they see what features made for photographs do not. It also learns from the 8 x 8 scans of `digits`,
which the recipes train on: a version trained without them recognised none of those held out.

The output is an ONNX file and, beside it, a JSON file with its SHA-256, its accuracies and where it comes from. The
test splits are looked at at the end; choices are for the last twelfth of each train split, which is held out. (The
scans were added after a first version had failed on their test split; nothing else followed from a test split.)
"""

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from zoo.metrics.extractor import METADATA_KEY, Extractor
from zoo.shared import files, program
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    import keras
    import onnx

OUTPUT = flags.DEFINE_string("output", None, "the ONNX file to write; a JSON file of the same name comes beside it")
EPOCHS = flags.DEFINE_integer("epochs", 5, "passes over the training data")

# first class, and how often an epoch passes through: the scans are few
SETS = {"mnist": (0, 1), "fashion_mnist": (10, 1), "digits": (0, 10)}
SIDE, CLASSES = 28, 20
BATCH, LEARNING_RATE, SEED = 128, 2e-3, 0
HELD_OUT = 1 / 12  # of each train split
_OPSET, _IR_VERSION = 18, 10  # what the bundles of `export` have, too
_PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxslim")


def main() -> None:
    """Train, convert, measure the file itself with onnxruntime, then write it and its description."""
    if not OUTPUT.value or Path(OUTPUT.value).suffix != ".onnx":
        raise UserError("--output is missing or does not end in .onnx: name the file to write")
    if EPOCHS.value < 1:
        raise UserError(f"--epochs={EPOCHS.value}: use 1 or more")
    from train.engine import backend

    backend.start(seed=SEED)
    sets = {name: _split(*_load(name, "train")) for name in SETS}
    pairs = [sets[name][0] for name, (_, times) in SETS.items() for _ in range(times)]
    images, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
    extractor = _train(images, labels, EPOCHS.value)
    sizes = [f"{len(sets[name][0][0]):,} of {name} ({times}x per epoch)" for name, (_, times) in SETS.items()]
    description: dict[str, Any] = {
        "input_range": [0, 255],
        "classes": "digits 0 to 9, then the garments of fashion_mnist",
        "data": f"{', '.join(sizes)}: train splits; mnist and fashion_mnist are those of tensorflow-datasets",
        "training": f"{EPOCHS.value} epochs, batches of {BATCH}, Adam, learning rate {LEARNING_RATE} (cosine to 0), "
        f"seed {SEED}",
        "versions": {name: metadata.version(name) for name in _PACKAGES},
    }
    output, graph = Path(OUTPUT.value), _convert(extractor)
    _save(graph, description, output)
    description["held_out_accuracy"] = _accuracies(output, lambda name: sets[name][1])
    print(f"held out: {description['held_out_accuracy']}", file=sys.stderr)
    description["test_accuracy"] = _accuracies(output, lambda name: _load(name, "test"))
    _save(graph, description, output)
    files.write_json(output.with_suffix(".json"), {"sha256": files.sha256(output), **description})
    print(f"{output}: test accuracy {description['test_accuracy']}, {output.stat().st_size:,} bytes")


def network() -> "keras.Model":
    """Return the network: pictures (batch, 28, 28, 1) in [0, 255] to `features` (batch, 64), `logits` (batch, 20)."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for filters, size, stride in ((32, 5, 2), (64, 3, 2), (64, 3, 1)):
        x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(CLASSES, name="logits")(features)
    return keras.Model(image, {"features": features, "logits": logits})


def _train(images: np.ndarray, labels: np.ndarray, epochs: int) -> "keras.Model":
    import keras

    extractor = network()
    classifier = keras.Model(extractor.input, extractor.output["logits"])
    decay = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * -(-len(images) // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(decay), loss, metrics=["accuracy"], jit_compile=False)
    classifier.fit(images, labels, BATCH, epochs, verbose=2)
    return extractor


def _convert(extractor: "keras.Model") -> "onnx.ModelProto":
    import onnxslim
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, SIDE, SIDE, 1), tf.float32, name="image")]
    function = tf.function(lambda image: extractor(image, training=False))
    converted, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=_OPSET)
    graph = onnxslim.slim(converted)
    graph.ir_version = min(graph.ir_version, _IR_VERSION)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return graph


def _save(graph: "onnx.ModelProto", description: dict[str, Any], path: Path) -> None:
    import onnx

    onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(description)})
    files.write_bytes(path, graph.SerializeToString())


def _accuracies(path: Path, pictures: Callable[[str], Any]) -> dict[str, float]:
    """Return the share of `pictures(name)` that the file at `path` gives its class among all 20, by set."""
    extractor, shares = Extractor(path), {}
    for name in SETS:
        images, labels = pictures(name)
        predicted = extractor(images).probabilities.argmax(axis=1)
        shares[name] = round(float((predicted == labels).mean()), 4)
    return shares


def _load(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    from train import config, data

    (table,) = data.load(config.source(name, image_size=SIDE, channels=1), split)
    return table.columns["image"], table.columns["label"] + SETS[name][0]


def _split(images: np.ndarray, labels: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return the pictures to learn from and those held out, each with their labels."""
    first = len(images) - round(len(images) * HELD_OUT)
    return (images[:first], labels[:first]), (images[first:], labels[first:])


def run() -> None:
    """Run the program: `python -m train.evaluate.train_extractor`."""
    program.run(main)


if __name__ == "__main__":
    run()
