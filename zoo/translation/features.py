"""Frozen feature networks: what the losses of style transfer, and content losses elsewhere, compare pictures by.

    frozen = features.load("", ["conv2_1", "conv4_1"])          # ours; "imagenet:vgg16.onnx" for a file of yours
    maps = frozen.network(pictures)                             # {"conv2_1": ..., "conv4_1": ...}
    deepest = features.nearest("", "conv5_4")                   # "conv4_1": the name that this network has

A network is a row of blocks of convolutions with ReLU, parted by 2 x 2 pooling. The layers are called as in Simonyan
and Zisserman (2015): conv3_2 is the second convolution of the third block, after its ReLU. All pooling takes averages,
which Gatys, Ecker and Bethge (2016, section 2) found better for this use than maxima.

`features` names the network:

- "": ours, made by `train.evaluate.train_extractor --kind=style` from CIFAR-10, 32 x 32 pixels; `features.json` tells
  how, and how well it knows the ten objects. Its normalisations are folded into its convolutions.
- "FILE.npz": another one that this program made.
- "vgg19:FILE.h5": VGG-19 with Keras' weights, matched by the names of the layers.
- "FILE.onnx", "FILE.keras", "FILE.h5": the chain of convolutions that the file holds, see `zoo.translation.chain`. It
  takes pixels in [-1, 1]; "unit:FILE" says [0, 1], "imagenet:FILE" that less ImageNet's means, over its deviations, as
  PyTorch's networks take them, and "caffe:FILE" bytes in blue, green, red less its means, as Keras' VGG takes them.

The weights are constants of the graph. They are no variables, so that no optimiser moves them, and no checkpoint or
moving average holds them.
"""

import dataclasses
import functools
import io
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.shared import pinned
from zoo.shared.errors import UserError, first_line
from zoo.translation import chain
from zoo.translation.chain import Weights

OURS = Path(__file__).with_name("features.npz")
# how many channels each convolution of each block has
OUR_BLOCKS = ((32,), (64, 64), (128, 128), (128,))
VGG19_BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
VGG19 = "vgg19:"
# Keras names the file and tells its MD5 in keras/applications/vgg19.py
VGG19_ORIGIN = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
VGG19_MD5 = "253f8cb515780f3b799900260a226db6"
# of ImageNet: in bytes of blue, green, red, by Keras' preprocess_input, and of red, green, blue in [0, 1], by PyTorch's
_BGR_MEANS = np.array([103.939, 116.779, 123.68], np.float32)
_MEANS, _DEVIATIONS = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
_TAKES = ("unit", "imagenet", "caffe")  # what a network takes pixels for, if not [-1, 1]
_CHAINS = (".onnx", ".keras", ".h5")
_LAYER = re.compile(r"conv(\d+)_(\d+)")


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A network whose weights never change, and the SHA-256 of the file that they come from.

    `network` takes pictures (batch, H, W, 1 or 3) in [-1, 1], grey as colour of three equal channels, and returns a
    dict of maps (batch, h, w, C), float32, by the names of the layers. Each side is halved, rounded down, before every
    block but the first. It holds no variables.
    """

    network: keras.Model
    sha256: str


def load(features: str, wanted: Iterable[str]) -> Frozen:
    """Return the network that `features` names, up to the deepest of the layers `wanted`, see `nearest`.

    The name may end in "#sha256=HEX", see `zoo.shared.pinned`; another file is then refused. A file that is missing or
    holds no such network is a `UserError`.
    """
    chosen = tuple(dict.fromkeys(nearest(features, layer) for layer in wanted))
    path, digest = pinned.split(features)
    data, found = _read(path, digest)
    return Frozen(_network(path, data, chosen), found)


def pin(features: str) -> str:
    """Return the name with the SHA-256 of its file."""
    path, digest = pinned.split(features)
    return pinned.joined(path, _read(path, digest)[1])


def nearest(features: str, layer: str) -> str:
    """Return the layer itself if the network has it, else the last one before it.

    So conv3_3 is conv3_2, and conv5_1 is conv4_1, in ours. Published choices are for VGG.
    """
    place = _place(layer)
    names = [name for name in _names(_blocks(features)) if _place(name) <= place]
    if not names:
        raise UserError(f"layer {layer}: the network has {', '.join(_names(_blocks(features)))}")
    return names[-1]


def least_side(layer: str) -> int:
    """Return the fewest pixels of a side that leave a layer one: 1 in the first block, twice as many in each other."""
    return 2 ** (_place(layer)[0] - 1)


def widths(features: str, layer: str) -> tuple[tuple[int, ...], ...]:
    """Return how many channels each convolution has, block by block, up to a layer of the network."""
    block, number = _place(nearest(features, layer))
    blocks = _blocks(features)[:block]
    return (*blocks[:-1], blocks[-1][:number])


def _place(layer: str) -> tuple[int, int]:
    found = _LAYER.fullmatch(layer)
    if not found:
        raise UserError(f"layer {layer!r}: layers are called as VGG's, such as conv3_1")
    return int(found[1]), int(found[2])


def _names(blocks: tuple[tuple[int, ...], ...]) -> list[str]:
    return [f"conv{block}_{number}" for block, wide in enumerate(blocks, 1) for number in range(1, len(wide) + 1)]


def _blocks(features: str) -> tuple[tuple[int, ...], ...]:
    path, digest = pinned.split(features)
    takes, place = _parted(path)
    if takes == "vgg19":
        return VGG19_BLOCKS
    if Path(place).suffix not in _CHAINS:
        return OUR_BLOCKS
    file = Path(os.path.expanduser(place))
    return _blocks_of_chain(path, digest, file.stat().st_mtime_ns if file.exists() else 0)


@functools.lru_cache(maxsize=1)
def _blocks_of_chain(path: str, digest: str, _changed: int) -> tuple[tuple[int, ...], ...]:
    """Return what the file holds; it is read once, and again once it has changed: VGG-16 is 550 MB."""
    wide: dict[int, list[int]] = {}
    for name, (_, bias) in _weights(path, _read(path, digest)[0]).items():
        wide.setdefault(_place(name)[0], []).append(len(bias))
    return tuple(map(tuple, wide.values()))


def _parted(path: str) -> tuple[str, str]:
    """Return what the network takes pixels for, "vgg19" or one of `_TAKES` or "", and the path of its file."""
    takes, colon, place = path.partition(":")
    return (takes, place) if colon and takes in (VGG19.removesuffix(":"), *_TAKES) else ("", path)


def _read(path: str, digest: str) -> tuple[bytes, str]:
    if not path:
        return pinned.read(OURS, digest, "the feature network")
    takes, place = _parted(path)
    if takes == "vgg19" and not os.path.isfile(os.path.expanduser(place)):
        raise UserError(
            f"features={path}: there is no file {place!r}; genzoo downloads nothing: get {VGG19_ORIGIN} (80 MB, MD5 "
            f"{VGG19_MD5} by Keras' source) and name it by features={VGG19}FILE.h5"
        )
    if takes != "vgg19" and Path(place).suffix not in ((".npz",) if not takes else ()) + _CHAINS:
        raise UserError(
            f"features={path}: use '' for ours, FILE.npz of train_extractor, {VGG19}FILE.h5 with Keras' weights, or a "
            f"chain of convolutions in a file that ends in {', '.join(_CHAINS)}"
        )
    return pinned.read(place, digest, "the feature network")


def _weights(path: str, data: bytes) -> Weights:
    takes, place = _parted(path)
    try:
        if takes == "vgg19":
            return _vgg19_weights(data)
        if Path(place).suffix not in _CHAINS:
            return _npz_weights(data)
        return chain.of_onnx(data) if place.endswith(".onnx") else chain.of_keras(Path(os.path.expanduser(place)))
    except UserError as error:
        raise UserError(f"features={path}: {error}") from None
    except Exception as error:  # a damaged file may make h5py, numpy, onnx and Keras raise anything
        raise UserError(f"features={path} holds no weights of a feature network: {first_line(error)}") from None


def _network(path: str, data: bytes, chosen: tuple[str, ...]) -> keras.Model:
    takes, _ = _parted(path)
    return build(_weights(path, data), chosen, "caffe" if takes == "vgg19" else takes)


def build(weights: Weights, chosen: Iterable[str], takes: str = "") -> keras.Model:
    """Return the network of these constant weights, up to the last of the layers `chosen`: see `Frozen`.

    `takes` is "" or one of "unit", "imagenet" and "caffe", see the docstring of this file.
    """
    chosen, made, before = set(chosen), {}, 1
    inputs = keras.Input((None, None, None), name="picture")
    x = Prepared(takes)(inputs)
    for name, (kernel, bias) in weights.items():
        block, _ = _place(name)
        if block > before:
            x, before = layers.AveragePooling2D(2, dtype="float32", name=f"pool{before}")(x), block
        x = ConstantConvolution(kernel, bias, name=name)(x)
        if name in chosen:
            made[name] = x
        if len(made) == len(chosen):
            return keras.Model(inputs, made, name="features")
    raise ValueError(f"no layers {sorted(chosen - made.keys())}")


class Prepared(layers.Layer):
    """Pictures (batch, H, W, 1 or 3) in [-1, 1] as the first convolution takes them: (batch, H, W, 3)."""

    def __init__(self, takes: str) -> None:
        super().__init__(dtype="float32")
        self.takes = takes

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return grey as colour, in the range that the network takes."""
        x = x * tf.ones(3, x.dtype)
        if self.takes == "caffe":
            return (x[..., ::-1] + 1.0) * 127.5 - _BGR_MEANS
        if self.takes == "imagenet":
            return ((x + 1.0) / 2.0 - _MEANS) / _DEVIATIONS
        return (x + 1.0) / 2.0 if self.takes == "unit" else x

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with three channels."""
        return (*shape[:3], 3)


class ConstantConvolution(layers.Layer):
    """A convolution with bias and ReLU that keeps the size, of constant weights; zeros lie outside. All is float32."""

    def __init__(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.kernel, self.bias = kernel.astype(np.float32), bias.astype(np.float32)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the maps (batch, H, W, outputs)."""
        return tf.nn.relu(tf.nn.conv2d(x, tf.constant(self.kernel), 1, "SAME") + tf.constant(self.bias))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, H, W, outputs)."""
        return (*shape[:3], self.kernel.shape[-1])


def _npz_weights(data: bytes) -> Weights:
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        return _checked(
            {name: (held[f"{name}/kernel"], held[f"{name}/bias"]) for name in _names(OUR_BLOCKS)}, OUR_BLOCKS
        )


def _vgg19_weights(data: bytes) -> Weights:
    """Return the weights of a Keras file: the published one, or what `save_weights` or `save` writes.

    They lie below a group with the name of their layer, such as block1_conv1, or with this name as an attribute. The
    kernel has 4 axes, the bias 1.
    """
    import h5py

    found: dict[str, dict[int, np.ndarray]] = {}

    def visit(place: str, held: Any) -> None:
        if isinstance(held, h5py.Dataset):
            for name in {*place.split("/")[:-1], held.parent.attrs.get("name", "")}:
                found.setdefault(name, {}).setdefault(held.ndim, np.asarray(held))

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(visit)
    weights = {}
    for name in _names(VGG19_BLOCKS):
        block, number = _place(name)
        theirs = f"block{block}_conv{number}"
        if not {1, 4} <= found.get(theirs, {}).keys():
            raise UserError(f"it has no kernel and bias of the layer {theirs}, which VGG-19 of Keras has")
        weights[name] = (found[theirs][4], found[theirs][1])
    return _checked(weights, VGG19_BLOCKS)


def _checked(weights: Weights, blocks: tuple[tuple[int, ...], ...]) -> Weights:
    inputs = 3
    for (name, (kernel, bias)), outputs in zip(weights.items(), (n for wide in blocks for n in wide), strict=True):
        if kernel.shape != (3, 3, inputs, outputs) or bias.shape != (outputs,):
            raise UserError(f"{name} has the shapes {kernel.shape} and {bias.shape}, not {(3, 3, inputs, outputs)}")
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise UserError(f"{name} holds NaN or infinity")
        inputs = outputs
    return weights
