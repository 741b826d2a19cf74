"""DeepNADE is a distribution in every order of the pixels, trains on all of them, and completes any part of one."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.metrics.importance import importance_weighted_bound
from zoo.model import GenerativeModel
from zoo.shared.errors import UserError

SHAPE = (2, 3, 1)
D = 6


def every_image(shape):
    values = itertools.product([-1.0, 1.0], repeat=math.prod(shape))
    return np.array(list(values), np.float32).reshape(-1, *shape)


def far_from_zero(shape, **options):
    """Return a model whose weights are large: every logit depends on all that is known."""
    model = zoo.create("deep_nade", columns={"image": shape}, **{"hidden_units": 7, "depth": 2, **options})
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 1.0, weight.shape))
    return model


@pytest.fixture(scope="module")
def deep():
    return far_from_zero(SHAPE)


@pytest.fixture(scope="module")
def log_prob(deep):
    """log p(images) in an order of the pixels, by the map, float64."""
    return log_prob_of(deep)


def log_prob_of(model):
    run = tf.function(model.maps["log_prob"].network.call)

    def log_prob(images, order):
        noise = np.broadcast_to(noise_of(order).reshape(images.shape[1:]), images.shape)
        return run({"image": images, "order": tf.constant(noise)})["log_weight"].numpy().astype(np.float64)

    return log_prob


def noise_of(order):
    """Return noise (D,) whose order is `order`: its values grow along it."""
    noise = np.empty(len(order), np.float32)
    noise[np.asarray(order)] = np.sort(np.random.default_rng(sum(order[:2])).uniform(size=len(order)))
    return noise


def orders(count, dimensions=D):
    return [np.random.default_rng(seed).permutation(dimensions) for seed in range(count)]


def logits_by_the_book(model, v, known):
    """The formula in the module's docstring for one picture, float64."""
    own = model.conditionals
    W, F, V, b, c = (weight.numpy().astype(np.float64) for weight in (own.W, own.F, own.V, own.b, own.c))
    h = np.maximum(W.T @ (v * known) + F.T @ known / len(v) ** 0.5 + c, 0)
    for layer in own.upper:
        h = np.maximum(layer.kernel.numpy().astype(np.float64).T @ h + layer.bias.numpy(), 0)
    return V @ h + b


def walk_by_the_book(model, order, given, known, u=None):
    """Return v (D,) and sum log p(v_i | those before) over the pixels that are not known, with a full pass a turn.

    `known` come first. Pixels are drawn by `u`; without it they are those of `given`.
    """
    v, seen, nats = given * known, known.astype(np.float64), 0.0
    for i in order:
        if known[i]:
            continue
        logit = logits_by_the_book(model, v, seen)[i]
        v[i] = given[i] if u is None else u[i] < 1 / (1 + np.exp(-logit))
        nats -= np.logaddexp(0, -logit if v[i] else logit)
        seen[i] = 1
    return v, nats


@pytest.mark.parametrize("order", orders(4), ids=str)
def test_in_every_order_the_probabilities_of_all_images_sum_to_one(log_prob, order):
    assert np.exp(log_prob(every_image(SHAPE), order)).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("options", [{"depth": 1}, {"depth": 3, "hidden_units": 4}], ids=str)
def test_networks_of_any_depth_are_distributions_of_pixels_with_channels(options):
    model = far_from_zero((2, 2, 2), **options)
    assert len(model.conditionals.upper) == options["depth"] - 1
    (order,) = orders(1, 8)
    assert np.exp(log_prob_of(model)(every_image((2, 2, 2)), order)).sum() == pytest.approx(1, abs=1e-5)


def test_log_prob_is_the_product_of_the_full_pass_s_conditionals_in_that_order(deep, log_prob):
    images = every_image(SHAPE)[::5]
    for order in orders(3):
        expected = [walk_by_the_book(deep, order, v, np.zeros(D))[1] for v in (images.reshape(-1, D) > 0) * 1.0]
        np.testing.assert_allclose(log_prob(images, order), expected, rtol=1e-5)


def test_a_model_has_another_likelihood_in_another_order(log_prob):
    images = every_image(SHAPE)
    first, second = (log_prob(images, order) for order in orders(2))
    assert np.abs(first - second).max() > 0.5


def test_the_order_is_that_of_the_values_of_the_noise_and_of_nothing_else(deep):
    image = np.ones((1, *SHAPE), np.float32)
    noise = np.random.default_rng(0).uniform(size=(1, *SHAPE)).astype(np.float32)
    values = [deep.maps["log_prob"]({"image": image, "order": x})["log_weight"] for x in (noise, noise**3, 1 - noise)]
    assert values[0] == values[1] != values[2]


def test_the_sampler_agrees_with_a_full_pass_a_turn_at_every_position(deep):
    rng = np.random.default_rng(1)
    u, noise = rng.uniform(size=(2, 50, *SHAPE)).astype(np.float32)
    made = deep.maps["generate"]({"u": u, "order": noise})["image"].numpy()
    for image, u_, noise_ in zip(made, u.reshape(-1, D), noise.reshape(-1, D), strict=True):
        v, _ = walk_by_the_book(deep, np.argsort(noise_), np.zeros(D), np.zeros(D), u_)
        np.testing.assert_array_equal(image.ravel(), 2 * v - 1)


def test_samples_have_the_law_that_log_prob_gives(deep, log_prob):
    (order,) = orders(1)
    count = 40_000
    u = np.random.default_rng(2).uniform(size=(count, *SHAPE)).astype(np.float32)
    noise = np.broadcast_to(noise_of(order).reshape(SHAPE), u.shape)
    made = tf.function(deep.maps["generate"].network.call)({"u": u, "order": tf.constant(noise)})["image"].numpy()
    assert_same_law(made, np.exp(log_prob(every_image(SHAPE), order)))


def assert_same_law(made, expected):
    """Compare frequencies of images with probabilities of all, in the order of `every_image`."""
    bits = made.reshape(len(made), -1) > 0
    observed = np.bincount(bits @ (2 ** np.arange(bits.shape[1] - 1, -1, -1)), minlength=len(expected)) / len(made)
    error = np.sqrt(expected * (1 - expected) / len(made))
    assert (np.abs(observed - expected) <= 5 * error + 1 / len(made)).all()


def complete(model, given, known, u, noise):
    inputs = {"given": given, "known": known, "u": u, "order": noise}
    return tf.function(model.maps["complete"].network.call)(inputs)["completed"].numpy()


@pytest.mark.parametrize("known", [(1, 4), (0, 1, 2, 3), (5,)], ids=str)
def test_completions_have_the_model_s_law_given_the_known_pixels(deep, log_prob, known):
    """Of an order that begins with the known pixels, by enumeration: p(image) / p(those with the known pixels)."""
    count = 40_000
    rng = np.random.default_rng(3)
    given = rng.choice([-1.0, 1.0], size=SHAPE).astype(np.float32)
    mask = np.isin(np.arange(D), known).reshape(SHAPE)
    rest = rng.permutation(np.flatnonzero(~mask))
    noise = np.broadcast_to(noise_of([*rest, *known]).reshape(SHAPE), (count, *SHAPE))  # the known ones last
    u = rng.uniform(size=(count, *SHAPE)).astype(np.float32)
    hidden = np.where(mask, given, rng.uniform(-1, 1, SHAPE)).astype(np.float32)  # what is not known may be anything
    made = complete(deep, *(np.broadcast_to(x, (count, *SHAPE)).astype(np.float32) for x in (hidden, mask)), u, noise)
    assert (made == given)[:, mask].all()
    agrees = (every_image(SHAPE) == given)[:, mask].all(axis=1)
    joint = np.where(agrees, np.exp(log_prob(every_image(SHAPE), [*known, *rest])), 0)
    assert_same_law(made, joint / joint.sum())


def test_completion_agrees_with_a_full_pass_a_turn_for_any_mask(deep):
    rng = np.random.default_rng(4)
    u, noise = rng.uniform(size=(2, 64, *SHAPE)).astype(np.float32)
    given = rng.choice([-1.0, 1.0], size=(64, *SHAPE)).astype(np.float32)
    mask = (every_image(SHAPE) > 0).astype(np.float32)
    made = complete(deep, given, mask, u, noise)
    for row in zip(made, given, mask, u, noise, strict=True):
        image, given_, mask_, u_, noise_ = (x.ravel() for x in row)
        v, _ = walk_by_the_book(deep, np.argsort(noise_), (given_ > 0) * 1.0, mask_, u_)
        np.testing.assert_array_equal(image, 2 * v - 1)


def test_with_nothing_known_a_completion_is_a_sample_and_with_all_known_it_is_the_picture(deep):
    rng = np.random.default_rng(5)
    u, noise, given = rng.uniform(size=(3, 20, *SHAPE)).astype(np.float32)
    none, every = np.zeros((20, *SHAPE), np.float32), np.ones((20, *SHAPE), np.float32)
    sample = deep.maps["generate"]({"u": u, "order": noise})["image"]
    np.testing.assert_array_equal(complete(deep, given, none, u, noise), sample)
    np.testing.assert_array_equal(complete(deep, given, every, u, noise), given)


def test_a_mask_holds_for_every_channel_of_its_pixel():
    model = far_from_zero((1, 3, 2))
    rng = np.random.default_rng(6)
    u, noise = rng.uniform(size=(2, 8, 1, 3, 2)).astype(np.float32)
    given = rng.choice([-1.0, 1.0], size=(8, 1, 3, 2)).astype(np.float32)
    known = np.broadcast_to(np.array([0, 1, 0], np.float32).reshape(1, 3, 1), (8, 1, 3, 1))
    made = complete(model, given, known, u, noise)
    np.testing.assert_array_equal(made[:, :, 1], given[:, :, 1])
    for row in zip(made, given, np.repeat(known, 2, axis=-1), u, noise, strict=True):
        image, given_, mask_, u_, noise_ = (x.ravel() for x in row)
        v, _ = walk_by_the_book(model, np.argsort(noise_), (given_ > 0) * 1.0, mask_, u_)
        np.testing.assert_array_equal(image, 2 * v - 1)


def test_the_training_loss_over_all_orders_and_numbers_is_the_mean_exact_likelihood(monkeypatch):
    """At D = 3: the mean over the 6 orders and d = 0, 1, 2 is that of -log p over the 6 orders."""
    shape, pixels = (1, 3, 1), 3
    model = far_from_zero(shape)
    model.compile(deep_nade=keras.optimizers.SGD(0.0))
    cases = list(itertools.product(itertools.permutations(range(pixels)), range(pixels)))
    noise = {
        "order": np.array([noise_of(order) for order, _ in cases], np.float32),
        "d": np.array([d + 0.5 for _, d in cases], np.float32),
    }
    monkeypatch.setattr(GenerativeModel, "noise", lambda self, shape, law, name, **_: tf.constant(noise[name]))
    log_prob = log_prob_of(model)
    for image in every_image(shape)[[1, 6]]:
        loss = model.train_step({"image": tf.constant(np.broadcast_to(image, (len(cases), *shape)))})["loss"]
        exact = [log_prob(image[None], order)[0] for order in itertools.permutations(range(pixels))]
        assert float(loss) == pytest.approx(-np.mean(exact), rel=1e-5)


def test_training_draws_every_number_of_known_pixels_and_every_order_as_often(monkeypatch):
    model = far_from_zero((1, 3, 1))
    model.compile(deep_nade=keras.optimizers.SGD(0.0))
    seen, call = [], model.conditionals.call
    monkeypatch.setattr(model.conditionals, "call", lambda inputs: seen.append(inputs["known"].numpy()) or call(inputs))
    model.train_step({"image": tf.ones((24_000, 1, 3, 1))})
    masks, counts = np.unique(seen[0], axis=0, return_counts=True)
    expected = {0: 8000, 1: 8000 / 3, 2: 8000 / 3}  # d is 0, 1 or 2; of each size every set is as likely
    assert len(masks) == 7
    for mask, count in zip(masks, counts, strict=True):
        assert abs(count - expected[int(mask.sum())]) < 5 * math.sqrt(expected[int(mask.sum())])


def test_an_ensemble_of_orders_is_a_distribution_and_on_average_no_worse_than_one_order(log_prob):
    images = every_image(SHAPE)
    each = np.array([log_prob(images, order) for order in orders(16)])
    ensemble = importance_weighted_bound(each)
    assert np.exp(ensemble).sum() == pytest.approx(1, abs=1e-5)
    assert (ensemble >= each.mean(axis=0)).all()
    assert np.mean(ensemble - each.mean(axis=0)) > 0.1, "the orders are not all alike"


def test_training_reaches_the_entropy_of_a_known_distribution_in_every_order():
    """Two fair pixels and a parity pixel: the entropy is 2 ln 2 nats."""
    keras.utils.set_random_seed(0)
    model = zoo.create("deep_nade", columns={"image": (1, 3, 1)}, hidden_units=32, depth=2)
    model.compile(deep_nade=keras.optimizers.Adam(3e-3))
    images = every_image((1, 3, 1))
    images = tf.constant(np.tile(images[images.prod(axis=(1, 2, 3)) > 0], (32, 1, 1, 1)))
    step = tf.function(model.train_step)
    for _ in range(300):
        step({"image": images})
        model.step.assign_add(1)
    log_prob = log_prob_of(model)
    for order in itertools.permutations(range(3)):
        assert 2 * math.log(2) <= -log_prob(images, order).mean() < 2 * math.log(2) + 0.05


def test_all_is_computed_in_float32_whatever_the_precision_of_training(deep):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        other = far_from_zero(SHAPE)
        other.compile(deep_nade=keras.optimizers.SGD(0.1))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    noise = np.random.default_rng(7).uniform(size=(64, *SHAPE)).astype(np.float32)
    inputs = {"image": every_image(SHAPE), "order": noise}
    np.testing.assert_array_equal(*(model.maps["log_prob"](inputs)["log_weight"] for model in (deep, other)))


def test_complete_is_given_one_random_half_the_same_for_every_picture_and_call(deep):
    images = every_image(SHAPE)
    rows = deep.conditions("complete", {"image": images})
    assert rows["known"].shape == (64, *SHAPE)
    assert rows["known"].dtype == rows["given"].dtype == np.float32
    assert rows["known"][0].sum() == D // 2
    assert (rows["known"] == rows["known"][0]).all()
    np.testing.assert_array_equal(rows["given"], images * rows["known"])
    part = deep.conditions("complete", {"image": images[40:50]})
    np.testing.assert_array_equal(part["given"], rows["given"][40:50])


def test_the_maps_say_what_they_take_and_make(deep):
    inputs = {name: [tensor.name for tensor in made.spec.inputs] for name, made in deep.maps.items()}
    assert inputs == {
        "generate": ["u", "order"],
        "log_prob": ["image", "order"],
        "complete": ["given", "known", "u", "order"],
    }
    outputs = [(made.spec.output.name, made.spec.output.levels) for made in deep.maps.values()]
    assert outputs == [("image", 2), ("log_weight", 0), ("completed", 2)]
    assert deep.maps["log_prob"].spec.inputs[0].levels == 2
    assert deep.declared.targets == {"completed": "image"}


@pytest.mark.parametrize("option", ["hidden_units", "depth"])
def test_bad_options_are_refused(option):
    with pytest.raises(UserError, match=f"model.{option}=0: use a positive number"):
        zoo.create("deep_nade", columns={"image": SHAPE}, **{option: 0})
