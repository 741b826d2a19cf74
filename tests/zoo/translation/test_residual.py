"""The residual generator: its layers, its weights counted by hand, what a pixel sees, sides that are free."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from export import onnx
from zoo.layers import InstanceNormalization
from zoo.model import Map, as_function
from zoo.spec import MapSpec, TensorSpec
from zoo.translation.residual import LEAST, MULTIPLE, residual_generator


def layers_of(network):
    """Return (kind, kernel, stride, filters) of every convolution, in order."""
    kinds = {keras.layers.Conv2D: "c", keras.layers.Conv2DTranspose: "u"}
    return [
        (kinds[type(layer)], layer.kernel_size[0], layer.strides[0], layer.filters)
        for layer in network.layers
        if type(layer) in kinds
    ]


@pytest.mark.parametrize(
    ("base", "blocks", "kernel"),
    [(64, 9, 7), (64, 6, 7), (32, 5, 9)],
    ids=["Zhu et al., 256 px", "Zhu et al., 128 px", "Johnson et al."],
)
def test_the_layers_are_the_papers(base, blocks, kernel):
    around = [("c", kernel, 1, base), ("c", 3, 2, 2 * base), ("c", 3, 2, 4 * base)]
    back = [("u", 3, 2, 2 * base), ("u", 3, 2, base), ("c", kernel, 1, 3)]
    network = residual_generator(3, 3, base, blocks, kernel)
    assert layers_of(network) == [*around, *[("c", 3, 1, 4 * base)] * (2 * blocks), *back]


def test_the_papers_generator_has_as_many_weights_as_its_kernels_count():
    """11.4 million: the kernels around the blocks twice, the blocks, shifts and gains, the last shift."""
    kernels = 49 * 3 * 64 + 9 * 64 * 128 + 9 * 128 * 256
    blocks = 9 * 2 * 9 * 256 * 256
    normalisations = 2 * (64 + 128 + 256 + 18 * 256 + 128 + 64)
    made = residual_generator(3, 3)
    assert made.count_params() == 2 * kernels + blocks + normalisations + 3 == 11_383_427


def test_the_convolutions_alone_see_what_walking_back_through_the_layers_tells(monkeypatch):
    """A row sees those 3 around it; of a doubling j sees i with 2i <= j <= 2i + 2; of a halving i sees 2i to 2i + 2."""
    first, last = 128 - 3, 128 + 3
    for _ in range(2):
        first, last = -(-(first - 2) // 2), last // 2
    first, last = first - 2 * 9, last + 2 * 9
    for _ in range(2):
        first, last = 2 * first, 2 * last + 2
    first, last = first - 3, last + 3
    # instance normalisation sees the whole picture
    monkeypatch.setattr(InstanceNormalization, "call", lambda self, x: x)
    network = residual_generator(1, 1, base_channels=1)
    for weight in network.weights:
        weight.assign(tf.fill(weight.shape, 1e-2 if weight.name == "kernel" else 0.0))
    x = tf.Variable(tf.ones([1, 256, 256, 1]))
    with tf.GradientTape() as tape:
        seen = tf.reduce_sum(network({"input": x})["translated"][0, 128, 128])
    rows = np.flatnonzero(tape.gradient(seen, x).numpy()[0, :, :, 0].any(axis=1))
    assert (rows[0], rows[-1]) == (first, last) == (45, 209)


def test_reflection_pads_the_blocks_and_both_ends():
    network = residual_generator(1, 1, base_channels=2, blocks=2)
    pads = [operation for operation in network.operations if type(operation).__name__ == "Pad"]
    assert [(pad.pad_width[1][0], pad.mode) for pad in pads] == [(width, "reflect") for width in (3, 1, 1, 1, 1, 3)]


def test_nothing_follows_the_sum_of_a_block():
    network = residual_generator(1, 1, base_channels=2, blocks=2)
    adds = [layer for layer in network.layers if isinstance(layer, keras.layers.Add)]
    assert len(adds) == 2
    followers = [
        sorted(
            type(operation).__name__
            for operation in network.operations
            if any(tensor is add.output for tensor in keras.tree.flatten(operation.input)) and operation is not add
        )
        for add in adds
    ]
    assert followers == [["Add", "Pad"], ["Conv2DTranspose"]]


def test_onnx_and_tensorflow_agree_at_other_sides():
    network = residual_generator(1, 3, base_channels=4, blocks=1, kernel=9, names=("photo", "painting"))
    condition = TensorSpec("photo", (16, 16, 1), "condition", "image", multiple=MULTIPLE, least=LEAST)
    output = TensorSpec("painting", (16, 16, 3), "output", "image", follows="photo")
    made = Map(network, MapSpec((condition,), (output,)))
    run = onnx.load(onnx.convert(made).SerializeToString())
    for size in ((LEAST, LEAST), (12, 20)):
        x = np.random.default_rng(0).uniform(-1, 1, (2, *size, 1)).astype(np.float32)
        expected = as_function(made)({"photo": tf.constant(x)})["painting"]
        assert expected.shape == (2, *size, 3)
        assert expected.dtype == tf.float32
        np.testing.assert_allclose(run({"photo": x})["painting"], expected, atol=2e-5)
