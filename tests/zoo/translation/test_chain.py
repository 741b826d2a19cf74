"""Chains of convolutions from other people's files compute what the files do, and anything else is refused."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers
from onnx import helper, numpy_helper

from zoo.shared.errors import UserError
from zoo.translation import chain, features

LAYERS = ["conv1_1", "conv1_2", "conv2_1"]
PICTURE = np.random.default_rng(1).uniform(-1, 1, (2, 8, 12, 3)).astype(np.float32)


def randomised(model, seed=0):
    """Give every weight a value of its own; variances of normalisations are positive."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path else -0.5
        weight.assign(random.uniform(low, 1, weight.shape))
    return model


def keras_chain(**first):
    """Return a model with normalisation, activations inside and outside of a convolution, and a classifier."""
    return randomised(
        keras.Sequential(
            [
                keras.Input((8, 12, 3)),
                layers.Conv2D(4, 3, **{"padding": "same", "use_bias": False, **first}),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(0.5),
                layers.Conv2D(5, 5, padding="same", activation="relu"),
                layers.AveragePooling2D(2),
                layers.Conv2D(6, (1, 3), padding="same"),
                layers.BatchNormalization(center=False, scale=False),
                layers.Activation("relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2),
            ]
        )
    )


def its_own(model):
    """Return what the layers with a ReLU make of the picture."""
    outputs = [model.layers[place].output for place in (2, 4, 8)]
    return keras.Model(model.inputs[0], outputs)(PICTURE, training=False)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5")
def test_a_keras_model_gives_what_its_layers_do(ending, tmp_path):
    model = keras_chain()
    model.save(tmp_path / f"model.{ending}")
    found = features.load(str(tmp_path / f"model.{ending}"), ["conv1_1", "conv1_9", "conv4_1"])
    assert list(found.network.output) == LAYERS and found.network.variables == []
    for maps, expected in zip(found.network(PICTURE).values(), its_own(model), strict=True):
        np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-5)


def test_what_tf2onnx_writes_of_it_gives_the_same(tmp_path):
    import tf2onnx

    model = keras_chain()
    specs = (tf.TensorSpec((None, 8, 12, 3), tf.float32, name="picture"),)
    tf2onnx.convert.from_function(tf.function(model), specs, opset=18, output_path=str(tmp_path / "x.onnx"))
    found = features.load(str(tmp_path / "x.onnx"), LAYERS).network(PICTURE)
    assert list(found) == LAYERS
    for maps, expected in zip(found.values(), its_own(model), strict=True):
        np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-4)


def test_a_file_is_read_again_once_it_has_changed(tmp_path):
    path = tmp_path / "x.keras"
    keras_chain().save(path)
    assert features.widths(str(path), "conv2_1") == ((4, 5), (6,))
    x = keras.Input((8, 8, 3))
    keras.Model(x, layers.Conv2D(7, 3, padding="same", activation="relu")(x)).save(path)
    assert features.widths(str(path), "conv1_1") == ((7,),)


def onnx_chain(change=None):
    """Return a file as PyTorch writes VGG with batch normalisation, and the names of what its ReLUs make."""
    random, held, nodes, tensor = np.random.default_rng(0), [], [], "input"

    def add(kind, inputs=(), **attributes):
        nonlocal tensor
        names = [f"{len(nodes)}.{number}" for number in range(len(inputs))]
        held.extend(
            numpy_helper.from_array(value.astype(np.float32), name) for value, name in zip(inputs, names, strict=True)
        )
        made = f"{len(nodes)}.made"
        nodes.append(helper.make_node(kind, [tensor, *names], [made], name=f"{kind}_{len(nodes)}", **attributes))
        tensor = made
        return made

    relus = []
    for inputs, outputs, pooled in ((3, 4, False), (4, 5, False), (5, 6, True)):
        if pooled:
            same = {"auto_pad": "SAME_UPPER"} if change == "pool" else {}
            add("AveragePool", kernel_shape=[2, 2], strides=[2, 2], **same)
        if change == "reads" and pooled:
            inputs += 1
        strides = [2, 2] if change == "strides" and pooled else [1, 1]
        kernel = random.normal(0, 1, (outputs, inputs, 3, 3))
        if change == "nan" and pooled:
            kernel[:] = np.nan
        kept = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": strides}
        first = tensor
        add("Conv", [kernel, random.normal(0, 1, outputs)][: 1 if pooled else 2], **kept)
        add("BatchNormalization", [*random.normal(0, 1, (3, outputs)), random.uniform(0.5, 1, outputs)], epsilon=1e-3)
        if change == "twice" and outputs == 4:
            nodes.append(helper.make_node("Add", [tensor, tensor], ["twice"], name="Add_2"))
            tensor = "twice"
        if change == "branch" and outputs == 4:
            nodes.append(helper.make_node("Shape", [tensor], ["read.twice"], name="Shape_x"))
        if change != "relu":
            relus.append(add("Relu"))
        elif not pooled:
            relus.append(add("Tanh"))
        assert first != tensor
    add("GlobalAveragePool")
    add("Flatten")
    graph = helper.make_graph(
        nodes,
        "vgg",
        [helper.make_tensor_value_info("input", 1, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info(name, 1, None) for name in (*relus, tensor)],
        held,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), relus


def test_an_onnx_file_gives_what_onnxruntime_does(tmp_path):
    model, relus = onnx_chain()
    onnx.save(model, tmp_path / "x.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    expected = session.run(relus, {"input": ((PICTURE + 1) / 2).transpose(0, 3, 1, 2)})
    found = features.load(f"unit:{tmp_path / 'x.onnx'}", LAYERS).network(PICTURE)
    for maps, its in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(maps, its.transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-4)
    assert features.widths(f"unit:{tmp_path / 'x.onnx'}", "conv2_1") == ((4, 5), (6,))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("branch", "2 of its 3 convolutions lie behind '1.made', where its chain ends"),
        ("pool", "1 of its 3 convolutions lie behind 'AveragePool_6', where its chain ends"),
        ("twice", "2 of its 3 convolutions lie behind 'Add_2', where its chain ends"),
        ("strides", "none with an odd kernel that keeps the size"),
        ("relu", "2 of its 3 convolutions lie behind 'Tanh_2'"),
        ("reads", "conv2_1 reads 6 channels and is given 5"),
        ("nan", "conv2_1 holds NaN or infinity"),
    ],
)
def test_a_network_that_is_no_such_chain_is_one_line(change, said, tmp_path):
    onnx.save(onnx_chain(change)[0], tmp_path / "x.onnx")
    with pytest.raises(UserError, match=said) as refused:
        features.load(str(tmp_path / "x.onnx"), LAYERS)
    assert "\n" not in str(refused.value) and "x.onnx" in str(refused.value)


def residual(x):
    first, second = (layers.Conv2D(3, 3, padding="same", activation="relu") for _ in range(2))
    return second(layers.Add(name="add")([x, first(x)]))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (residual, "1 of its 2 convolutions lie behind 'add', where its chain ends"),
        (lambda x: layers.Conv2D(4, 3, activation="relu")(x), "none with an odd kernel that keeps the size"),
        (lambda x: layers.Conv2D(4, 2, padding="same", activation="relu")(x), "none with an odd kernel"),
        (lambda x: layers.Conv2D(4, 3, padding="same", activation=layers.ReLU(6.0))(x), "no convolution with a ReLU"),
        (lambda x: layers.Dense(3)(x), "no convolution with a ReLU behind it"),
    ],
)
def test_a_keras_model_that_is_no_such_chain_is_refused(build, said, tmp_path):
    x = keras.Input((8, 8, 3))
    keras.Model(x, build(x)).save(tmp_path / "x.keras")
    with pytest.raises(UserError, match=said):
        chain.of_keras(tmp_path / "x.keras")
