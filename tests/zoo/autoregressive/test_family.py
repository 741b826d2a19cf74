"""What holds for every autoregressive model: it is a distribution, and it carries no weight that says nothing.

The first is tested in float64. log p(x) is a sum of log-probabilities of pixels. The sum of p over all pictures is 1
for every choice of weights only if each of these is normalised and sees nothing but the pixels before its own: summed
over the last pixel its factor is 1, then the one before is the last, and so on. Here the map "log_prob" itself runs on
all 2^12 pictures of 12 bits, with every float32 of its graph made a float64. So the test needs no second
implementation, and its tolerance leaves room for rounding alone.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import zoo
from zoo.autoregressive.pixels import LogisticMixture, Softmax
from zoo.layers.causal import MaskedConv2D
from zoo.spec import TensorSpec

MODELS = {
    "nade": ("nade", {"hidden_units": 7}),
    "deep_nade": ("deep_nade", {"hidden_units": 7, "depth": 3}),
    "pixel_cnn": ("pixel_cnn", {"depth": 2}),
    "gated": ("gated_pixel_cnn", {"depth": 3, "first_size": 5}),
    "conditional": ("gated_pixel_cnn", {"depth": 2, "first_size": 3, "conditional": True}),
    "row_lstm": ("pixel_rnn", {"depth": 2, "variant": "row_lstm"}),
    "diagonal_bilstm": ("pixel_rnn", {"depth": 2, "variant": "diagonal_bilstm"}),
}
LABELS = TensorSpec("label", (), "condition", "class", low=2, high=4)
every_model = pytest.mark.parametrize("kind", MODELS)


def create(kind, shape, **options):
    """Return a small model for pictures of this shape, with the weights that it begins with."""
    name, own = MODELS[kind]
    sizes = {} if "nade" in name else {"base_channels": 4, "head_channels": 5, "mixtures": 2}
    return zoo.create(name, columns={"image": shape, "label": LABELS}, **{**sizes, **own, **options})


def inputs_for(model, images, seed=0):
    """Return what the map log_prob takes: the images, and one order or one class for all of them."""
    inputs, spec = {"image": images}, model.maps["log_prob"].spec
    for tensor in spec.inputs[1:]:
        value = 3 if tensor.is_class else np.random.default_rng(seed).random(tensor.shape)
        inputs[tensor.name] = np.broadcast_to(np.asarray(value, tensor.dtype), (len(images), *tensor.shape))
    return inputs


def in_float64(function, inputs):
    """Return what a TensorFlow function makes of a dict of arrays where every float32 of its graph is a float64."""
    signature = {
        name: tf.TensorSpec(values.shape, tf.float32 if values.dtype.kind == "f" else values.dtype)
        for name, values in inputs.items()
    }
    concrete = tf.function(function).get_concrete_function(signature)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    graph = frozen.graph.as_graph_def()
    for called in graph.library.function:
        for argument in (*called.signature.input_arg, *called.signature.output_arg):
            argument.type = widened(argument.type)
    nodes = (*graph.node, *(node for called in graph.library.function for node in called.node_def))
    for node in nodes:
        if node.op == "ResourceGather":  # within a loop the conversion overlooks what a gather reads
            node.op = "Gather"
            node.attr["Tparams"].CopyFrom(node.attr["dtype"])
            del node.attr["dtype"], node.attr["batch_dims"]
    for attribute in (attribute for node in nodes for attribute in node.attr.values()):
        kind = attribute.WhichOneof("value")
        if kind == "type":
            attribute.type = widened(attribute.type)
        elif kind == "list":
            attribute.list.type[:] = map(widened, attribute.list.type)
        elif kind == "tensor" and attribute.tensor.dtype == types_pb2.DT_FLOAT:
            wide = tf.make_ndarray(attribute.tensor).astype(np.float64)
            attribute.tensor.CopyFrom(tf.make_tensor_proto(wide))
    assert "DT_FLOAT\n" not in str(graph), "nothing is left in float32"
    with tf.Graph().as_default() as wide, tf.compat.v1.Session(graph=wide) as session:
        (made,) = tf.import_graph_def(graph, return_elements=[output.name for output in frozen.outputs])
        assert made.dtype == tf.float64
        # the inputs are in the order of their names
        names = (placeholder.name for placeholder in frozen.inputs)
        return session.run(
            made, {f"import/{name}": inputs[key] for name, key in zip(names, sorted(inputs), strict=True)}
        )


def widened(dtype):
    return types_pb2.DT_DOUBLE if dtype == types_pb2.DT_FLOAT else dtype


@every_model
@pytest.mark.parametrize("shape", [(3, 4, 1), (2, 2, 3)], ids=str)
def test_the_probabilities_of_all_4096_pictures_sum_to_one(kind, shape):
    model, random = create(kind, shape), np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 1.0, weight.shape))
    images = np.array(list(itertools.product([-1.0, 1.0], repeat=12))).reshape(-1, *shape)
    inputs, made = inputs_for(model, images), model.maps["log_prob"]
    nats = in_float64(lambda given: made(given)[made.spec.output.name], inputs)
    assert np.exp(nats).sum() == pytest.approx(1, abs=1e-12)
    assert np.exp(nats).max() > 4 / 4096, "the weights say something"
    narrow = {
        name: values.astype(np.float32) if values.dtype.kind == "f" else values for name, values in inputs.items()
    }
    np.testing.assert_allclose(made(narrow)[made.spec.output.name], nats, rtol=1e-4, err_msg="it is the map itself")


GREYS = np.arange(256) * 2 / 255 - 1


def probabilities(made, parameters, pixels):
    """Return the probabilities of pixels (count, channels) under the same parameters, float64."""
    inputs = {"image": pixels, "parameters": np.broadcast_to(parameters, (len(pixels), made.parameters))}
    log_prob = in_float64(lambda given: made.log_prob(given["parameters"], given["image"]), inputs)
    return np.exp(log_prob.sum(axis=-1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("law", "options"), [(Softmax, ()), (LogisticMixture, (1,)), (LogisticMixture, (10,))])
def test_the_probabilities_of_the_256_greys_sum_to_one(law, options, seed):
    made = law(1, *options)
    parameters = np.random.default_rng(seed).normal(0, 3, made.parameters)
    assert probabilities(made, parameters, GREYS[:, None]).sum() == pytest.approx(1, abs=1e-12)


def test_a_coloured_mixture_sums_to_one_channel_by_channel():
    """The sum over blue is the same mixture of red and green, that over green the mixture of red: so all are 1."""
    whole, two, grey = (LogisticMixture(channels, 2) for channels in (3, 2, 1))
    random = np.random.default_rng(0)
    logits, means, log_scales, coefficients = (random.normal(0, 2, shape) for shape in (2, (2, 3), (2, 3), (2, 3)))

    def masses(made, pixels):
        own = (means[:, : made.channels], log_scales[:, : made.channels], coefficients[:, : len(made.pairs)])
        return probabilities(made, np.concatenate([logits, np.concatenate(own, axis=1).ravel()]), pixels)

    before = GREYS[random.integers(0, 256, (50, 2))]
    blues = np.concatenate([before.repeat(256, axis=0), np.tile(GREYS, 50)[:, None]], axis=1)
    np.testing.assert_allclose(masses(whole, blues).reshape(50, 256).sum(axis=1), masses(two, before), rtol=1e-11)
    greens = np.stack([before[:, 0].repeat(256), np.tile(GREYS, 50)], axis=1)
    np.testing.assert_allclose(
        masses(two, greens).reshape(50, 256).sum(axis=1), masses(grey, before[:, :1]), rtol=1e-11
    )
    assert masses(grey, GREYS[:, None]).sum() == pytest.approx(1, abs=1e-12)


@every_model
@pytest.mark.parametrize("channels", [1, 3])
def test_every_weight_that_a_mask_lets_through_has_a_gradient(kind, channels):
    """All weights, inputs and slopes are positive, so that no gradient is 0 by chance."""
    model, random = create(kind, (5, 7, channels)), np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.uniform(0.5, 1.5, weight.shape) / np.prod(weight.shape[:-1]))
    x = tf.constant(random.uniform(0.1, 1.0, (6, 5, 7, channels)), tf.float32)
    with tf.GradientTape() as tape:
        if kind == "nade":
            made = model.maps["log_prob"]({"image": x})["log_prob"]
        elif kind == "deep_nade":
            flat = tf.reshape(x, (6, -1))
            made = model.conditionals({"v": flat, "known": tf.ones_like(flat)})["logits"]
        else:
            label = {"label": tf.constant([2, 3, 4] * 2)} if "label" in model.columns else {}
            made = model.network({"image": x, **label})
        total = tf.reduce_sum(made)
    weights = model.trainable_variables
    expected = {id(weight): np.ones(weight.shape, bool) for weight in weights}
    for layer in model._flatten_layers():
        if isinstance(layer, MaskedConv2D):
            expected[id(layer.kernel)] = layer.mask > 0
    if kind == "nade":
        expected[id(model.conditionals.W)][:, -1] = False  # no pixel comes after the last
    for weight, gradient in zip(weights, tape.gradient(total, [weight.value for weight in weights]), strict=True):
        found = gradient is not None and tf.convert_to_tensor(gradient).numpy() != 0
        np.testing.assert_array_equal(found, expected[id(weight)], err_msg=weight.path)
