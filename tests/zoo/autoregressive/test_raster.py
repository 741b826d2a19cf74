"""The networks in raster order see what came before and nothing else; their samplers repeat the full pass.

All but the last test run before any training, with random weights.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.autoregressive.pixel_rnn import VARIANTS, DiagonalBiLSTM, DiagonalLSTM, RowLSTM, skew, unskew
from zoo.layers.causal import MaskedConv2D
from zoo.model import as_run
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

KINDS = {
    "pixel_cnn": ("pixel_cnn", {"depth": 2}),
    "gated": ("gated_pixel_cnn", {"depth": 3, "first_size": 5}),
    "conditional": ("gated_pixel_cnn", {"depth": 2, "first_size": 3, "conditional": True}),
    "row_lstm": ("pixel_rnn", {"depth": 2, "variant": "row_lstm"}),
    "diagonal_bilstm": ("pixel_rnn", {"depth": 2, "variant": "diagonal_bilstm"}),
}
LAWS = [("bernoulli", 3), ("softmax", 3), ("logistic_mixture", 3)]
LABELS = TensorSpec("label", (), "condition", "class", low=2, high=4)
every_kind = pytest.mark.parametrize("kind", KINDS)


def create(kind, shape, **options):
    name, own = KINDS[kind]
    options = {"base_channels": 4, "head_channels": 5, "mixtures": 2, **own, **options}
    return zoo.create(name, columns={"image": shape, "label": LABELS}, **options)


def randomised(kind, shape, **options):
    """Return a model with random weights, far from 0; larger ones behind gates, which bound what comes of them."""
    model, random = create(kind, shape, **options), np.random.default_rng(0)
    spread = 1.5 if kind in ("gated", "conditional") else 0.6
    for weight in model.network.weights:
        weight.assign(random.normal(0, spread, weight.shape))
    return model


def with_labels(model, inputs):
    """Return the inputs with classes in turn, if the model sees them."""
    count = len(next(iter(inputs.values())))
    labels = (2 + np.arange(count) % 3).astype(np.int32)
    return {**inputs, "label": labels} if "label" in model.columns else inputs


def noise_for(model, count, seed=0):
    random = np.random.default_rng(seed)
    specs = model.maps["generate"].spec.noise
    return with_labels(model, {s.name: random.random((count, *s.shape), dtype=np.float32) for s in specs})


def pictures(model, count, seed=0):
    """Return random pictures of the values of the model's distribution."""
    shape = (count, *model.columns["image"].shape)
    uniform = np.random.default_rng(seed).uniform(-1, 1, shape)
    return model.pixels.nearest(tf.constant(uniform, tf.float32)).numpy()


def parameters_of(model, images):
    """Return the full pass, (batch, height, width, groups, parameters of a group)."""
    parameters = model.network(with_labels(model, {"image": images}))
    return tf.reshape(parameters, (*parameters.shape[:3], model.pixels.groups, -1)).numpy()


# what a network sees


def seen(model):
    """Return which inputs (height, width, channels) the Jacobian of each output (height, width, group) is not 0 at.

    The weights become positive, so that no two paths cancel and no rectifier is shut.
    """
    random = np.random.default_rng(1)
    for weight in model.network.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape) / np.prod(weight.shape[:-1]))
    height, width, channels = model.columns["image"].shape
    outputs = (height, width, model.pixels.groups)
    count = np.prod(outputs)
    # an example for each output: one gradient is then the whole Jacobian
    x = tf.constant(np.repeat(random.uniform(0.1, 1, (1, height, width, channels)), count, 0), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        made = model.network(with_labels(model, {"image": x}))
        each = tf.reduce_sum(tf.reshape(made, (count, *outputs, -1)), axis=-1)
        total = tf.reduce_sum(each * np.eye(count, dtype=np.float32).reshape(count, *outputs))
    return tape.gradient(total, x).numpy().reshape(*outputs, height, width, channels) != 0


def square(reach):
    """The columns from which a square kernel sees rows above, and the own row."""
    return lambda up, width: (-reach, reach)


def plain(depth):
    """The first kernel has 7 x 7; a further one moves one to the right for each row up: the rest is its blind spot."""
    return lambda up, _: (-3 - depth, 2 + min(up, depth + 1) if up else 0) if up <= 3 + depth else (0, -1)


def rows_of_lstm(depth):
    """A triangle: the state above moves one to each side for a row, and each layer one to the left."""
    return lambda up, _: (-3 - depth - up, 2 + up)


FIELDS = {
    "pixel_cnn": plain(2),
    "gated": lambda up, _: (-4, 4) if up <= 4 else (0, -1),
    "conditional": lambda up, _: (-2, 2) if up <= 2 else (0, -1),
    "row_lstm": rows_of_lstm(2),
    "diagonal_bilstm": lambda up, width: (-width, width),
}


def field(kind, shape, groups):
    """Return the receptive field of each output, by the known form for the kind."""
    height, width, channels = shape
    expected = np.zeros((height, width, groups, height, width, channels), bool)
    for y, x, group, row, column, channel in np.ndindex(expected.shape):
        first, last = FIELDS[kind](y - row, width)
        is_before = row < y or (row == y and column < x)
        is_within = is_before and first <= column - x <= last
        is_own = (row, column) == (y, x) and channel * groups // channels < group
        # that the BiLSTM misses, see its module
        missed = row == y - 1 and column == width - 1 > x + 3 and channel == channels - 1
        if kind == "diagonal_bilstm" and groups == 1:
            missed = row == y - 1 and column == width - 1 > x + 3
        expected[y, x, group, row, column, channel] = is_own or (
            is_within and not (kind == "diagonal_bilstm" and missed)
        )
    return expected


@every_kind
@pytest.mark.parametrize(("likelihood", "channels"), [("bernoulli", 1), *LAWS])
def test_the_jacobian_is_0_outside_the_receptive_field_and_nowhere_within(kind, likelihood, channels):
    shape = (6, 9, channels) if channels == 1 else (3, 6, channels)
    model = create(kind, shape, likelihood=likelihood)
    found, expected = seen(model), field(kind, shape, model.pixels.groups)
    place = np.arange(np.prod(shape[:2])).reshape(*shape[:2])
    order = place[..., None] if model.pixels.groups == 1 else place[..., None] * channels + np.arange(channels)
    order = np.broadcast_to(order, shape)
    own = order[..., : model.pixels.groups]
    assert not found[order >= own[..., None, None, None]].any(), "an output sees what is to come"
    assert found.sum() == expected.sum()
    np.testing.assert_array_equal(found, expected)


@every_kind
def test_only_the_first_layer_looks_away_from_its_own_position(kind):
    network = create(kind, (3, 4, 1)).network
    first = network.gated[0].horizontal if hasattr(network, "gated") else network.first
    masked = [layer for layer in network._flatten_layers() if isinstance(layer, MaskedConv2D)]
    assert len(masked) > 5
    for layer in masked:
        rows, columns = layer.mask.shape[:2]
        own = layer.mask[rows // 2, columns // 2]
        assert (own == (layer is not first)).all()


def test_known_receptive_fields():
    """Of the middle of 6 x 9, counted by hand."""
    counts = {kind: field(kind, (6, 9, 1), 1)[5, 4, 0, ..., 0].sum(axis=1).tolist() for kind in FIELDS}
    assert counts == {
        "pixel_cnn": [9, 9, 9, 9, 8, 4],
        "gated": [0, 9, 9, 9, 9, 4],
        "conditional": [0, 0, 0, 5, 5, 2],
        "row_lstm": [9, 9, 9, 9, 8, 4],
        "diagonal_bilstm": [9, 9, 9, 9, 8, 4],
    }


# the law of pictures


@every_kind
def test_log_prob_is_the_product_of_the_conditionals(kind):
    model = randomised(kind, (2, 3, 3), likelihood="softmax")
    images = pictures(model, 2)
    logits = parameters_of(model, images).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    level = np.rint((images + 1) * 127.5).astype(int)
    expected = np.take_along_axis(logs, level[..., None], -1).sum(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(
        model.maps["log_prob"](with_labels(model, {"image": images}))["log_prob"], expected, rtol=1e-5
    )


def test_grey_counts_as_black_or_white_for_the_network_too():
    model = randomised("gated", (3, 2, 1))
    grey = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2, 1)).astype(np.float32)
    of_grey, of_bits = (
        model.maps["log_prob"]({"image": images})["log_prob"] for images in (grey, np.where(grey > 0, 1, -1))
    )
    np.testing.assert_array_equal(of_grey, of_bits)
    complete = model.maps["complete"]
    known = np.zeros((5, 3, 2, 1), np.float32)
    known[:, :2] = 1
    from_grey, from_bits = (
        complete({"given": images.astype(np.float32), "known": known, **noise_for(model, 5)})["completed"].numpy()
        for images in (grey, np.where(grey > 0, 1, -1))
    )
    np.testing.assert_array_equal(from_grey[:, 2], from_bits[:, 2])
    np.testing.assert_array_equal(from_grey[:, :2], grey[:, :2])


# samplers


class Recorded:
    """A distribution that notes the parameters of every draw."""

    def __init__(self, pixels):
        self.pixels, self.parameters = pixels, []

    def __getattr__(self, name):
        return getattr(self.pixels, name)

    def draw(self, parameters, noise):
        self.parameters.append(parameters.numpy())
        return self.pixels.draw(parameters, noise)


def one_by_one(model, inputs):
    """Sample by a full pass for each group of each pixel: what the sampler must be, at its plainest."""
    height, width, channels = model.columns["image"].shape
    groups = model.pixels.groups
    network = tf.function(model.network.call)
    picture = np.zeros((len(inputs["u"]), height, width, channels), np.float32)
    label = {name: tf.constant(inputs[name]) for name in ("label",) if name in inputs}
    for y, x, group in np.ndindex(height, width, groups):
        parameters = network({"image": tf.constant(picture), **label})[:, y, x]
        noise = {name: inputs[name][:, y, x] for name in inputs if name.startswith("u")}
        drawn = model.pixels.draw(parameters, noise).numpy()
        drawn = np.where(inputs["known"][:, y, x] > 0.5, inputs["given"][:, y, x], drawn)
        own = np.arange(channels) * groups // channels == group
        picture[:, y, x, own] = drawn[:, own]
    return picture


@every_kind
@pytest.mark.parametrize(("likelihood", "channels"), [("bernoulli", 1), ("softmax", 3), ("logistic_mixture", 3)])
def test_the_sampler_makes_what_a_full_pass_for_every_pixel_makes(kind, likelihood, channels):
    model = randomised(kind, (2, 3, channels), likelihood=likelihood)
    known = np.random.default_rng(2).integers(0, 2, (6, 2, 3, 1)).astype(np.float32)
    known[:3] = 0
    inputs = {**noise_for(model, 6), "given": pictures(model, 6, seed=4), "known": known}
    expected = one_by_one(model, inputs)
    np.testing.assert_array_equal(model.maps["complete"](inputs)["completed"], expected)
    own = {name: inputs[name][:3] for name in inputs if name not in ("given", "known")}
    np.testing.assert_array_equal(model.maps["generate"](own)["image"], expected[:3])


@every_kind
@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [
        ((4, 5, 1), "bernoulli"),
        ((3, 2, 3), "bernoulli"),
        ((1, 4, 3), "softmax"),
        ((4, 1, 3), "logistic_mixture"),
        ((1, 1, 1), "bernoulli"),
    ],
)
def test_at_every_position_the_sampler_has_the_parameters_of_the_full_pass(kind, shape, likelihood):
    model = randomised(kind, shape, likelihood=likelihood, depth=1 if shape == (1, 4, 3) else 2)
    sampler = model.maps["generate"].network
    sampler.pixels = recorded = Recorded(model.pixels)
    image = model.maps["generate"](noise_for(model, 3))["image"].numpy()
    assert image.shape == (3, *shape)
    expected = parameters_of(model, image)
    found = np.stack(recorded.parameters).reshape(*shape[:2], model.pixels.groups, 3, model.pixels.groups, -1)
    for group in range(model.pixels.groups):
        of_group = found[:, :, group, :, group].transpose(2, 0, 1, 3)
        np.testing.assert_allclose(of_group, expected[..., group, :], atol=1e-4, rtol=1e-4)


@every_kind
def test_a_completion_keeps_what_is_known_and_draws_the_rest_by_the_models_law(kind):
    model = randomised(kind, (4, 2, 1))
    noise = noise_for(model, 60)
    made = model.maps["generate"](noise)["image"].numpy()
    given = np.random.default_rng(3).uniform(-1, 1, made.shape).astype(np.float32)

    def completed(given, known):
        inputs = {**noise, "given": given, "known": known.astype(np.float32)}
        return model.maps["complete"](inputs)["completed"].numpy()

    nothing, everything = (np.full((60, 4, 2, 1), value) for value in (0, 1))
    np.testing.assert_array_equal(completed(given, nothing), made)
    np.testing.assert_array_equal(completed(given, everything), given)
    # the model's own upper half is followed by its own lower half
    upper = np.broadcast_to((np.arange(4) < 2)[None, :, None, None], (60, 4, 2, 1))
    np.testing.assert_array_equal(completed(np.where(upper, made, given), upper), made)
    other = np.where(upper, -made, given)
    result = completed(other, upper)
    np.testing.assert_array_equal(result[:, :2], other[:, :2])
    assert (result[:, 2:] != made[:, 2:]).any(), "what is known changes what is drawn"
    some = np.random.default_rng(5).integers(0, 2, (60, 4, 2, 1))
    np.testing.assert_array_equal(np.where(some, completed(given, some), 0), np.where(some, given, 0))


@every_kind
def test_rows_made_one_by_one_are_the_picture(kind):
    model = randomised(kind, (3, 2, 3))
    noise, step = noise_for(model, 5), model.maps["step"]
    made, label = model.maps["generate"](noise)["image"], {name: noise[name] for name in noise if name == "label"}
    (state,) = (tensor for tensor in step.spec.inputs if tensor.name == "state")
    left = {"next_state": np.zeros((5, *state.shape), np.float32)}
    for y in range(3):
        left = step({"u": noise["u"][:, y : y + 1], "state": left["next_state"], **label})
        np.testing.assert_array_equal(left["row"], made[:, y : y + 1])


# classes


def test_a_class_changes_the_likelihood_and_the_samples():
    model = randomised("conditional", (4, 4, 1))
    noise, images = noise_for(model, 8), pictures(model, 8)
    made, nats = [], []
    for label in range(2, 5):
        labels = np.full(8, label, np.int32)
        made.append(model.maps["generate"]({**noise, "label": labels})["image"].numpy())
        nats.append(model.maps["log_prob"]({"image": images, "label": labels})["log_prob"].numpy())
    for one, other in itertools.combinations(range(3), 2):
        assert (made[one] != made[other]).any()
        assert (nats[one] != nats[other]).all()


def test_classes_are_counted_from_the_lowest():
    made = {}
    for low in (0, 7):
        column = TensorSpec("label", (), "condition", "class", low=low, high=low + 2)
        model = zoo.create(
            "gated_pixel_cnn", columns={"image": (3, 3, 1), "label": column}, base_channels=2, depth=1, conditional=True
        )
        random = np.random.default_rng(0)
        for weight in model.network.weights:
            weight.assign(random.normal(size=weight.shape))
        u, labels = random.random((3, 3, 3, 1), dtype=np.float32), np.arange(low, low + 3, dtype=np.int32)
        image = model.maps["generate"]({"u": u, "label": labels})["image"]
        made[low] = image, model.maps["log_prob"]({"image": image, "label": labels})["log_prob"]
    for one, other in zip(*made.values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bounds", [{}, {"low": 3, "high": 3}])
def test_labels_that_are_no_classes_are_refused(bounds):
    column = TensorSpec("label", (), "condition", "class", **bounds)
    with pytest.raises(UserError, match=r"model.conditional=True: needs labels of known bounds, and of at least 2"):
        zoo.create("gated_pixel_cnn", columns={"image": (3, 3, 1), "label": column}, conditional=True)


# layers


@pytest.mark.parametrize(("height", "width"), [(3, 4), (4, 2), (1, 5), (5, 1)])
def test_a_skewed_map_has_each_row_one_column_further_and_comes_back(height, width):
    x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    skewed = skew(tf.constant(x))
    expected = np.zeros((2, height, height + width - 1, 3), np.float32)
    for row in range(height):
        expected[:, row, row : row + width] = x[:, row]
    np.testing.assert_array_equal(skewed, expected)
    np.testing.assert_array_equal(unskew(skewed, width), x)


def random_layer(kind, **options):
    layer, random = kind(3, 2, 1, **options), np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(random.normal(0, 0.7, weight.shape))
    return layer, random.normal(size=(2, 4, 3, 3)).astype(np.float32)


def test_the_map_from_the_right_is_the_mirrored_one_a_row_further_down():
    layer, x = random_layer(DiagonalBiLSTM)
    added = (layer(x) - layer.left(x)).numpy()
    assert (added[:, 0] == 0).all()
    mirrored = layer.right(x[:, :, ::-1]).numpy()[:, :, ::-1]
    np.testing.assert_allclose(added[:, 1:], mirrored[:, :-1], atol=1e-6)


@pytest.mark.parametrize("kind", [RowLSTM, DiagonalLSTM])
def test_an_lstm_follows_its_recurrence_position_by_position(kind):
    layer, x = random_layer(kind)
    gates, made = layer.input_to_state(x).numpy(), layer(x).numpy()
    h, c = (np.zeros((2, 5, 5, 2)) for _ in range(2))  # with a border of zeros, above and on both sides
    for y, column in np.ndindex(4, 3):
        at, left, above = (y + 1, column + 1), (y + 1, column), (y, column + 1)
        if kind is RowLSTM:
            kernel = layer.state_to_state.numpy()[0]
            taken, before = sum(h[:, y, column + i] @ kernel[i] for i in range(3)), c[:, *above]
        else:
            taken = h[:, *above] @ layer.from_above.numpy() + h[:, *left] @ layer.from_left.numpy()
            before = c[:, *left]
        o, f, i, g = np.split(gates[:, y, column] + taken, 4, axis=-1)
        o, f, i = (1 / (1 + np.exp(-value)) for value in (o, f, i))
        c[:, *at] = f * before + i * np.tanh(g)
        h[:, *at] = o * np.tanh(c[:, *at])
    np.testing.assert_allclose(made, h[:, 1:, 1:4], atol=1e-5)


def convolved(layer, x):
    """Return a masked convolution in numpy, float64."""
    kernel, bias = layer.masked_kernel.numpy().astype(np.float64), layer.bias.numpy()
    return correlated(x, kernel, kernel.shape[0] // 2) + bias


def correlated(x, kernel, above):
    """Return the sums over a kernel whose rows begin so many rows above, over zeros outside."""
    rows, columns = kernel.shape[:2]
    padded = np.pad(x, ((0, 0), (above, rows), (columns // 2,) * 2, (0, 0)))
    height, width = x.shape[1:3]
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j]
        for i, j in itertools.product(range(rows), range(columns))
    )


def test_the_plain_stack_is_that_of_the_paper():
    model = randomised("pixel_cnn", (3, 4, 1))
    image = pictures(model, 2)
    x = convolved(model.network.first, image)
    for block in model.network.blocks:
        h = x
        for layer in block:
            h = convolved(layer, np.maximum(h, 0))
        x = x + h
    for layer in model.network.head:
        x = convolved(layer, np.maximum(x, 0))
    np.testing.assert_allclose(parameters_of(model, image)[..., 0, :], x, rtol=1e-4, atol=1e-4)


def test_the_gated_stacks_are_those_of_the_paper():
    model = randomised("conditional", (3, 4, 1))
    image = pictures(model, 3)

    def gated(x):
        content, door = np.split(x, 2, axis=-1)
        return np.tanh(content) / (1 + np.exp(-door))

    v = h = image.astype(np.float64)
    for number, layer in enumerate(model.network.gated):
        of_class = layer.embedding.embeddings.numpy()[:, None, None]
        v_of_class, h_of_class = (0, of_class) if layer.is_last else np.split(of_class, 2, axis=-1)
        kernel, bias = layer.vertical.kernel.numpy(), layer.vertical.bias.numpy()
        seen_above = correlated(v, kernel, layer.vertical.rows_above) + bias
        made = gated(convolved(layer.horizontal, h) + convolved(layer.link, seen_above) + h_of_class)
        v, made = gated(seen_above + v_of_class), convolved(layer.out, made)
        h = made if number == 0 else h + made
    for layer in model.network.head:
        h = convolved(layer, np.maximum(h, 0))
    np.testing.assert_allclose(parameters_of(model, image)[..., 0, :], h, rtol=1e-4, atol=1e-4)


def test_the_recurrent_stack_is_that_of_the_paper():
    for variant in VARIANTS:
        model = randomised(variant, (3, 4, 1))
        image = pictures(model, 2)
        x = convolved(model.network.first, image)
        for layer, up in zip(model.network.recurrent, model.network.up, strict=True):
            x = x + convolved(up, layer(tf.constant(x, tf.float32)).numpy())
        for layer in model.network.head:
            x = convolved(layer, np.maximum(x, 0))
        np.testing.assert_allclose(parameters_of(model, image)[..., 0, :], x, rtol=1e-3, atol=1e-3)


# what is around


@every_kind
def test_all_is_computed_in_float32_whatever_the_precision_of_training(kind):
    model = randomised(kind, (3, 4, 1))
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        other = randomised(kind, (3, 4, 1))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    inputs, noise = with_labels(model, {"image": pictures(model, 50)}), noise_for(model, 50)
    for name, given in (("log_prob", inputs), ("generate", noise)):
        (one,), (same,) = (made.maps[name](given).values() for made in (model, other))
        np.testing.assert_array_equal(one, same)


def test_the_maps_say_how_many_values_a_pixel_has():
    for likelihood, levels in (("bernoulli", 2), ("softmax", 256), ("logistic_mixture", 256)):
        model = create("pixel_cnn", (3, 4, 1), likelihood=likelihood)
        generate, log_prob, complete = (model.maps[name].spec for name in ("generate", "log_prob", "complete"))
        assert (generate.output.name, generate.output.levels) == ("image", levels)
        assert [(tensor.name, tensor.levels) for tensor in log_prob.inputs] == [("image", levels)]
        assert [tensor.name for tensor in complete.inputs[:2]] == ["given", "known"]
        assert complete.inputs[2:] == generate.inputs


def test_the_condition_of_a_completion_is_the_upper_half_of_a_picture():
    model = create("conditional", (5, 4, 1))
    images = pictures(model, 2)
    filled = model.conditions("complete", {"image": images, "label": np.array([2, 3], np.int32)})
    assert set(filled) == {"given", "known", "label"}
    np.testing.assert_array_equal(filled["known"][0, :, 0, 0], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(filled["given"], images * filled["known"])
    row = create("pixel_cnn", (1, 5, 1))
    filled = row.conditions("complete", {"image": pictures(row, 2)})
    np.testing.assert_array_equal(filled["known"][:, 0, :, 0], [[1, 1, 0, 0, 0]] * 2)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("pixel_cnn", {"base_channels": 0}, "model.base_channels=0: use a positive number"),
        ("pixel_cnn", {"mixtures": 0}, "model.mixtures=0: use a positive number"),
        ("row_lstm", {"depth": -1}, "model.depth=-1: use a positive number"),
        ("pixel_cnn", {"likelihood": "bernouli"}, "unknown likelihood 'bernouli'; did you mean 'bernoulli'?"),
        ("row_lstm", {"variant": "row"}, "unknown variant of pixel_rnn 'row'; did you mean 'row_lstm'?"),
        ("gated", {"kernel_size": 4}, "model.kernel_size=4: use an odd number from 3"),
        ("gated", {"first_size": 1}, "model.first_size=1: use an odd number from 3"),
        ("gated", {"base_channels": 2}, "model.base_channels=2: use at least 3, one for each channel"),
        ("pixel_cnn", {"head_channels": 1}, "model.head_channels=1: use at least 3, one for each channel"),
    ],
)
def test_bad_options_are_refused(kind, options, message):
    with pytest.raises(UserError) as error:
        create(kind, (4, 4, 3), **options)
    assert str(error.value) == message


# learning


def chain(random, count, side=6, flip=0.1):
    """Return pictures whose pixels copy an earlier one, flipped with probability 0.1, and their log-probabilities.

    A pixel copies its upper right neighbour, or the left one where there is none. The first is fair.
    """
    x = np.zeros((count, side, side), bool)
    flips = random.random(x.shape) < flip
    flips[:, 0, 0] = random.random(count) < 0.5
    for y, column in np.ndindex(side, side):
        if y and column < side - 1:
            x[:, y, column] = x[:, y - 1, column + 1]
        elif column:
            x[:, y, column] = x[:, y, column - 1]
        x[:, y, column] ^= flips[:, y, column]
    others = flips.reshape(count, -1)[:, 1:]
    nats = np.log(0.5) + np.where(others, np.log(flip), np.log(1 - flip)).sum(axis=1)
    return (2.0 * x[..., None] - 1).astype(np.float32), nats


@pytest.mark.slow
@every_kind
def test_training_reaches_the_entropy_of_a_source_and_never_beats_it(kind):
    keras.utils.set_random_seed(0)
    model = create(kind, (6, 6, 1), base_channels=8, head_channels=16)
    rate = keras.optimizers.schedules.CosineDecay(0.01, 600)
    model.compile(network=keras.optimizers.Adam(rate))
    random = np.random.default_rng(0)
    step, nats = tf.function(model.train_step), as_run(model.maps["log_prob"])
    images, truth = chain(random, 4000)
    entropy = np.log(2) - 35 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    for number in range(600):
        batch = with_labels(model, {"image": chain(random, 128)[0]})
        step({name: tf.constant(values) for name, values in batch.items()})
        if number in (100, 599):
            # against the true likelihood of the same pictures, so that their own luck does not count
            excess = truth - nats(with_labels(model, {"image": images}))["log_prob"]
            error = excess.std() / np.sqrt(len(images))
            assert excess.mean() > -3 * error
    assert excess.mean() < 0.01 * entropy
