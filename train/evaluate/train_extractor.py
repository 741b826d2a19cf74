"""Train a feature extractor that comes along: python -m train.evaluate.train_extractor --kind=pictures --output=x.onnx

All are small convolutional classifiers. The `features` of the first two, the 64 channels behind the `logits`, stand for
a picture in the metrics of `zoo.metrics`; the layers of the third are what `zoo.translation.features` compares:

- digits_and_fashion: grey, 28 x 28, 20 classes, the ten digits of MNIST, then the ten garments of Fashion-MNIST. On
  such pictures its features see what features made for photographs do not. It also learns from the 8 x 8 scans of
  `digits`, which the recipes train on: a version trained without them recognised none of those held out.
- pictures: colour, 32 x 32, the ten objects of CIFAR-10. A classifier of objects may forget the colours, since objects
  are recognised in grey as well. So a second head, which is not in the file, learns from the same features what was
  done to the colours: nothing, an exchange of channels, or grey. (A version that also learned to tell blur and noise
  saw little else: noise of 5 levels of 255 was farther than an exchange of red and blue.)
- style: the same objects and colours, by blocks of 3 x 3 convolutions parted by the averages of 2 x 2 pixels.

The output is an ONNX file, for `style` an .npz file of the weights (float16, the normalisations folded in), and beside
it a JSON file with its SHA-256, its accuracies and where it comes from. The test splits are looked at at the end;
choices are for the last twelfth of each train split, which is held out. (Two followed from a test split: the scans were
added, and blur and noise left out, after first versions had failed there.)
"""

import io
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from zoo.metrics.extractor import METADATA_KEY, Extractor, luma
from zoo.shared import files, program
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    import keras
    import onnx


class Kind(NamedTuple):
    """A file that can be made.

    `sets` names the data, each with its first class and how often an epoch passes through it; `shape` is that of a
    picture. `layers` are the (filters, size, stride) of the convolutions. With `alters` the pictures are flipped
    and shifted, their colours are changed, and how is learned too. With `pools` a stride is a pooling by averages
    before the convolution instead. `ending` is that of the file.
    """

    sets: dict[str, tuple[int, int]]
    shape: tuple[int, int, int]
    classes: tuple[int, str]
    layers: tuple[tuple[int, int, int], ...]
    epochs: int
    alters: bool
    pools: bool = False
    ending: str = ".onnx"


KINDS = {
    "digits_and_fashion": Kind(
        {"mnist": (0, 1), "fashion_mnist": (10, 1), "digits": (0, 10)},  # the scans are few
        (28, 28, 1),
        (20, "digits 0 to 9, then the garments of fashion_mnist"),
        ((32, 5, 2), (64, 3, 2), (64, 3, 1)),
        epochs=5,
        alters=False,
    ),
    "pictures": Kind(
        {"cifar10": (0, 1)},
        (32, 32, 3),
        (10, "the objects of cifar10"),
        ((32, 3, 1), (64, 3, 2), (64, 3, 1), (128, 3, 2), (64, 3, 1)),
        epochs=16,
        alters=True,
    ),
    "style": Kind(
        {"cifar10": (0, 1)},
        (32, 32, 3),
        (10, "the objects of cifar10"),
        # as zoo.translation.features.OUR_BLOCKS has them
        ((32, 3, 1), (64, 3, 2), (64, 3, 1), (128, 3, 2), (128, 3, 1), (128, 3, 2)),
        epochs=12,
        alters=True,
        pools=True,
        ending=".npz",
    ),
}

KIND = flags.DEFINE_enum("kind", None, list(KINDS), "what the extractor is for: see above")
OUTPUT = flags.DEFINE_string("output", None, "the file to write; a JSON file of the same name comes beside it")
EPOCHS = flags.DEFINE_integer("epochs", None, "passes over the training data; by default those of the kind")

BATCH, LEARNING_RATE, SEED = 128, 2e-3, 0
HELD_OUT = 1 / 12  # of each train split
_SHIFT = 3  # pixels at most, that a picture is moved by in either direction
_OPSET, _IR_VERSION = 18, 10  # what the bundles of `export` have, too
_PACKAGES = {".onnx": ("tensorflow", "keras", "tf2onnx", "onnx", "onnxslim"), ".npz": ("tensorflow", "keras")}

Pictures = tuple[np.ndarray, np.ndarray]  # uint8 (count, H, W, C), and the class of each


def main() -> None:
    """Train, convert, measure the file itself with onnxruntime, then write it and its description."""
    if not KIND.value:
        raise UserError(f"--kind is missing: choose {' or '.join(KINDS)}")
    kind = KINDS[KIND.value]
    if not OUTPUT.value or Path(OUTPUT.value).suffix != kind.ending:
        raise UserError(f"--output is missing or does not end in {kind.ending}: name the file to write")
    epochs = kind.epochs if EPOCHS.value is None else EPOCHS.value
    if epochs < 1:
        raise UserError(f"--epochs={epochs}: use 1 or more")
    from train.engine import backend

    backend.start(seed=SEED)
    sets = {name: _split(*_load(kind, name, "train")) for name in kind.sets}
    pairs = [sets[name][0] for name, (_, times) in kind.sets.items() for _ in range(times)]
    images, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
    extractor = _train(kind, images, labels, epochs)
    sizes = [f"{len(sets[name][0][0]):,} of {name} ({times}x per epoch)" for name, (_, times) in kind.sets.items()]
    prepared = " and ".join(name for name in kind.sets if name != "digits")
    description: dict[str, Any] = {
        "input_range": [-1, 1] if kind.ending == ".npz" else [0, 255],
        "classes": kind.classes[1],
        "data": f"{', '.join(sizes)}: train splits; of tensorflow-datasets: {prepared}",
        "training": f"{epochs} epochs, batches of {BATCH}, Adam, learning rate {LEARNING_RATE} (cosine to 0), seed "
        f"{SEED}" + (f"; the colours of half of the pictures changed, in {len(CHANGES)} ways" if kind.alters else ""),
        "versions": {name: metadata.version(name) for name in _PACKAGES[kind.ending]},
    }
    output = Path(OUTPUT.value)
    save = _npz_saver(extractor) if kind.ending == ".npz" else _onnx_saver(kind, extractor)
    save(description, output)
    description["held_out_accuracy"] = _accuracies(output, kind, lambda name: sets[name][1])
    print(f"held out: {description['held_out_accuracy']}", file=sys.stderr)
    description["test_accuracy"] = _accuracies(output, kind, lambda name: _load(kind, name, "test"))
    save(description, output)
    files.write_json(output.with_suffix(".json"), {"sha256": files.sha256(output), **description})
    print(f"{output}: test accuracy {description['test_accuracy']}, {output.stat().st_size:,} bytes")


def network(kind: Kind) -> "keras.Model":
    """Return the network: pictures (batch, *shape) in [0, 255] to `features` (batch, C) and `logits` (batch, classes).

    C is the number of channels of the last convolution.
    """
    import keras
    from keras import layers

    image = keras.Input(kind.shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for filters, size, stride in kind.layers:
        if kind.pools and stride > 1:
            x, stride = layers.AveragePooling2D(stride)(x), 1
        x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(kind.classes[0], name="logits")(features)
    return keras.Model(image, {"features": features, "logits": logits})


def _train(kind: Kind, images: np.ndarray, labels: np.ndarray, epochs: int) -> "keras.Model":
    import keras

    extractor = network(kind)
    heads = {"logits": extractor.output["logits"]}
    if kind.alters:
        heads["change"] = keras.layers.Dense(1 + len(CHANGES), name="change")(extractor.output["features"])
    classifier = keras.Model(extractor.input, heads)
    decay = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * -(-len(images) // BATCH))
    loss = {name: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in heads}
    metrics = dict.fromkeys(heads, "accuracy")
    classifier.compile(keras.optimizers.Adam(decay), loss, metrics=metrics, jit_compile=False)
    if kind.alters:
        classifier.fit(_batches(images, labels), epochs=epochs, steps_per_epoch=-(-len(images) // BATCH), verbose=2)
    else:
        classifier.fit(images, {"logits": labels}, BATCH, epochs, verbose=2)
    return extractor


def _batches(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield altered pictures, their classes and changes for ever, each picture once in an epoch."""
    rng = np.random.default_rng(SEED)
    while True:
        order = rng.permutation(len(images))
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            x, changes = altered(images[chosen], rng)
            yield x, {"logits": labels[chosen], "change": changes}


def altered(images: np.ndarray, rng: np.random.Generator) -> Pictures:
    """Return the pictures as float32, flipped and shifted at random, half of them changed; and each one's change.

    A change is 0 for none, else 1 more than its place in `CHANGES`.
    """
    count, height, width, _ = images.shape
    x = np.where(rng.random((count, 1, 1, 1)) < 0.5, images, images[:, :, ::-1]).astype(np.float32)
    padded = np.pad(x, ((0, 0), (_SHIFT, _SHIFT), (_SHIFT, _SHIFT), (0, 0)), mode="reflect")
    corners = rng.integers(0, 2 * _SHIFT + 1, (count, 2))
    x = np.stack([one[i : i + height, j : j + width] for one, (i, j) in zip(padded, corners, strict=True)])
    changes = np.where(rng.random(count) < 0.5, 0, rng.integers(1, 1 + len(CHANGES), count))
    for number, change in enumerate(CHANGES, 1):
        chosen = changes == number
        x[chosen] = change(x[chosen])
    return x, changes


# of float32 pictures: the five other orders of the channels, then grey
CHANGES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    *(partial(np.take, indices=order, axis=-1) for order in list(itertools.permutations(range(3)))[1:]),
    lambda images: luma(images).repeat(3, axis=-1),
)


def folded(extractor: "keras.Model") -> dict[str, np.ndarray]:
    """Return the kernel and bias of every layer, each normalisation folded into its convolution, float16.

    The convolutions are called conv1_1, conv1_2, ..., by their block, which a pooling ends; the last layer is "logits".
    """
    from keras import layers

    held, block, number, convolution = {}, 1, 0, None
    for layer in extractor.layers:
        if isinstance(layer, layers.AveragePooling2D):
            block, number = block + 1, 0
        elif isinstance(layer, layers.Conv2D):
            number, convolution = number + 1, layer
        elif isinstance(layer, layers.BatchNormalization):
            scale = layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
            held[f"conv{block}_{number}/kernel"] = convolution.kernel.numpy() * scale
            held[f"conv{block}_{number}/bias"] = layer.beta.numpy() - layer.moving_mean.numpy() * scale
        elif isinstance(layer, layers.Dense):
            held["logits/kernel"], held["logits/bias"] = layer.kernel.numpy(), layer.bias.numpy()
    return {name: values.astype(np.float16) for name, values in held.items()}


Saver = Callable[[dict[str, Any], Path], None]  # of a file with its description


def _npz_saver(extractor: "keras.Model") -> Saver:
    buffer = io.BytesIO()
    np.savez(buffer, **folded(extractor))
    return lambda description, path: files.write_bytes(path, buffer.getvalue())


def _onnx_saver(kind: Kind, extractor: "keras.Model") -> Saver:
    graph = _convert(kind, extractor)
    return lambda description, path: _save(graph, description, path)


def _convert(kind: Kind, extractor: "keras.Model") -> "onnx.ModelProto":
    import onnxslim
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *kind.shape), tf.float32, name="image")]
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


def _accuracies(path: Path, kind: Kind, pictures: Callable[[str], Pictures]) -> dict[str, float]:
    """Return the share of `pictures(name)` that the file at `path` gives its class among all classes, by set."""
    classes, shares = (_classes_of_npz if kind.ending == ".npz" else _classes_of_onnx)(path), {}
    for name in kind.sets:
        images, labels = pictures(name)
        shares[name] = round(float((classes(images) == labels).mean()), 4)
    return shares


def _classes_of_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    extractor = Extractor(path)
    return lambda images: extractor(images).probabilities.argmax(axis=1)


def _classes_of_npz(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    from zoo.translation import features

    layer = features.nearest(str(path), "conv9_9")
    network = features.load(str(path), [layer]).network
    with np.load(path) as held:
        kernel, bias = (held[f"logits/{part}"].astype(np.float32) for part in ("kernel", "bias"))

    def classes(images: np.ndarray) -> np.ndarray:
        parts = [images[first : first + BATCH] / np.float32(127.5) - 1 for first in range(0, len(images), BATCH)]
        means = np.concatenate([network(part)[layer].numpy().mean(axis=(1, 2)) for part in parts])
        return (means @ kernel + bias).argmax(axis=1)

    return classes


def _load(kind: Kind, name: str, split: str) -> Pictures:
    from train import config, data

    side, _, channels = kind.shape
    (table,) = data.load(config.source(name, image_size=side, channels=channels), split)
    return table.columns["image"], table.columns["label"] + kind.sets[name][0]


def _split(images: np.ndarray, labels: np.ndarray) -> tuple[Pictures, Pictures]:
    """Return the pictures to learn from and those held out, each with their labels."""
    first = len(images) - round(len(images) * HELD_OUT)
    return (images[:first], labels[:first]), (images[first:], labels[first:])


def run() -> None:
    """Run the program: `python -m train.evaluate.train_extractor`."""
    program.run(main)


if __name__ == "__main__":
    run()
