"""Flow matching where all is known: of Gaussian data the velocity and the map from noise to samples have a formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

import zoo
from zoo.flow import networks
from zoo.flow.flow_matching import path, solve
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

# of each class: data are N(mean, deviation^2), a number for each axis
MEANS = np.array([[1.5, -0.5], [-1.5, 1.0]], np.float32)
DEVIATIONS = np.array([[0.5, 1.6], [0.3, 0.8]], np.float32)
SIGMA_MIN = 0.3


def field(x, t, mean, deviation, sigma_min=SIGMA_MIN):
    """Return E[x_1 - (1 - sigma_min) z | x_t = x]: a regression of two Gaussian variables."""
    noise = 1 - (1 - sigma_min) * t
    variance = noise**2 + t**2 * deviation**2
    covariance = t * deviation**2 - (1 - sigma_min) * noise
    return mean + covariance / variance * (x - t * mean)


def carried(z, mean, deviation, sigma_min=SIGMA_MIN):
    """Return where that velocity carries z until t = 1: a Gaussian stays one, and each point keeps its rank in it."""
    return mean + np.sqrt(sigma_min**2 + deviation**2) * z


def make(shape=(8, 8, 1), compiled=True, **options):
    columns = {"image": shape, "label": 2}
    made = zoo.create("flow_matching", columns=columns, **{"base_channels": 4, "depth": 1, **options})
    if compiled:
        made.compile(velocity=keras.optimizers.Adam(1e-3))
    return made


def test_the_path_and_its_velocity_by_hand():
    z, x, t = tf.constant([[2.0, -1.0]]), tf.constant([[10.0, 4.0]]), tf.constant([0.25])
    where, velocity = path(z, x, t, 0.2)
    # 1 - 0.8 / 4 = 0.8 of z and a quarter of x; x less 0.8 of z
    np.testing.assert_allclose(where, [[4.1, 0.2]], rtol=1e-6)
    np.testing.assert_allclose(velocity, [[8.4, 4.8]], rtol=1e-6)


@pytest.mark.parametrize("sigma_min", [0.0, 0.3])
def test_a_path_goes_straight_from_the_noise_to_the_example(sigma_min):
    random = np.random.default_rng(0)
    z, x = (tf.constant(random.normal(size=(3, 4, 4, 1)), tf.float32) for _ in range(2))
    begin, slope = path(z, x, tf.zeros(3), sigma_min)
    end, _ = path(z, x, tf.ones(3), sigma_min)
    np.testing.assert_allclose(begin, z, atol=1e-6)
    np.testing.assert_allclose(end, x + sigma_min * z, atol=1e-6)
    np.testing.assert_allclose(slope, end - begin, atol=1e-6)


@pytest.mark.parametrize("sigma_min", [0.0, SIGMA_MIN])
@pytest.mark.parametrize("rule", ["euler", "midpoint"])
def test_gaussian_noise_becomes_gaussian_data_as_in_closed_form(rule, sigma_min):
    z = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    mean, deviation = MEANS[0], DEVIATIONS[0]
    found = solve(lambda x, t: field(x, t[:, None], mean, deviation, sigma_min), tf.constant(z), rule, 64)
    tolerance = {"euler": 0.1, "midpoint": 1e-3}[rule]
    np.testing.assert_allclose(found, carried(z, mean, deviation, sigma_min), atol=tolerance)


@pytest.mark.parametrize(("rule", "order"), [("euler", 1), ("midpoint", 2)])
def test_the_error_falls_with_the_order_of_the_rule(rule, order):
    """On a line each point keeps its rank, so that noise of rank F(x) becomes x: here of two Gaussians."""
    mean, deviation = 1.0, 0.4
    x = np.linspace(-1.6, 1.6, 33)
    ranks = (norm.cdf(x, -mean, deviation) + norm.cdf(x, mean, deviation)) / 2
    z = tf.constant(norm.ppf(ranks)[:, None], tf.float32)

    def mixed(x, t):
        t = t[:, None]
        spread = tf.sqrt((1 - t) ** 2 + t**2 * deviation**2)
        right = tf.sigmoid(2 * t * mean * x / spread**2)  # the probability that x is of the right one
        of_right, of_left = (field(x, t, side * mean, deviation, sigma_min=0.0) for side in (1, -1))
        return right * of_right + (1 - right) * of_left

    errors = [np.sqrt(np.mean((solve(mixed, z, rule, steps)[:, 0] - x) ** 2)) for steps in (16, 32, 64)]
    assert errors[-1] < {"euler": 0.03, "midpoint": 1e-3}[rule]
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), order, atol=0.2)


@pytest.mark.parametrize(("rule", "steps"), [("euler", 4), ("midpoint", 2)])
def test_the_times_at_which_the_network_is_asked(rule, steps):
    asked = []
    solve(lambda x, t: asked.append(t.numpy().tolist()) or x, tf.zeros((2, 1)), rule, steps)
    assert asked == [[0, 0], [0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]


@pytest.mark.parametrize("network", ["unet", "mlp"])
def test_a_network_that_finds_nothing_has_the_velocity_of_standard_normal_data(network):
    made = getattr(networks, network)((4, 4, 1), 4, 1, has_code=False)
    for weight in made.get_layer("found").trainable_variables:
        weight.assign(tf.zeros_like(weight))
    x = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype(np.float32)
    t = np.linspace(0, 1, 5, dtype=np.float32)
    expected = field(x, t[:, None, None, None], 0.0, 1.0, sigma_min=0.0)
    np.testing.assert_allclose(made({"x": x, "t": t}), expected, atol=1e-6)


@pytest.fixture(scope="module")
def trained():
    """A network trained on points of two classes, each Gaussian."""
    keras.utils.set_random_seed(0)
    columns = {"image": TensorSpec("image", (2,), "condition", "point"), "label": 2}
    options = {"network": "mlp", "base_channels": 64, "depth": 2, "sigma_min": SIGMA_MIN, "conditional": True}
    model = zoo.create("flow_matching", columns=columns, **options)
    steps, batch = 800, 512
    model.compile(velocity=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, steps)))
    random = np.random.default_rng(1)
    label = random.integers(0, 2, (steps, batch)).astype(np.int32)
    points = (MEANS[label] + DEVIATIONS[label] * random.normal(size=(steps, batch, 2))).astype(np.float32)
    step = tf.function(model.train_step)
    for x, classes in zip(points, label, strict=True):
        step({"image": tf.constant(x), "label": tf.constant(classes)})
        model.step.assign_add(1)
    return model


@pytest.mark.parametrize("label", [0, 1])
def test_what_is_learned_of_gaussian_data_is_their_velocity(trained, label):
    random = np.random.default_rng(2)
    z, x = random.normal(size=(2, 4000, 2)).astype(np.float32)
    t = random.random(4000).astype(np.float32)
    mean, deviation = MEANS[label], DEVIATIONS[label]
    where, velocity = path(z, mean + deviation * x, t, SIGMA_MIN)
    code = trained.velocity.code(tf.fill([4000], label))
    expected = field(where, t[:, None], mean, deviation).numpy()
    assert np.sqrt(np.mean((trained.velocity(where, t, code) - expected) ** 2)) < 0.15
    # far less than what no field can know of a path that it meets
    assert np.sqrt(np.mean((velocity - expected) ** 2)) > 0.6


@pytest.mark.parametrize("label", [0, 1])
def test_noise_is_carried_to_the_samples_of_its_class_as_in_closed_form(trained, label):
    z = np.random.default_rng(3).normal(size=(2000, 2)).astype(np.float32)
    inputs = {"z": tf.constant(z), "label": tf.fill([2000], label)}
    point = trained.maps["generate"](inputs)["point"]
    expected = carried(z, MEANS[label], DEVIATIONS[label])
    assert np.sqrt(np.mean((point - expected) ** 2)) < 0.15
    np.testing.assert_allclose(np.std(point, axis=0), np.std(expected, axis=0), rtol=0.06)


def test_pictures_of_any_sides_that_can_be_halved_stay_in_range():
    columns = {"image": (12, 20, 3)}
    model = zoo.create("flow_matching", columns=columns, base_channels=4, depth=2, sampler_steps=1)
    z = 9 * np.random.default_rng(0).normal(size=(2, 12, 20, 3)).astype(np.float32)
    image = model.maps["generate"]({"z": tf.constant(z)})["image"].numpy()
    assert image.shape == (2, 12, 20, 3)
    assert (image.min(), image.max()) == (-1, 1)


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((8, 8, 1), {"network": "resnet"}, r"model.network='resnet': use one of unet, mlp"),
        ((8, 8, 1), {"sampler": "heun"}, r"model.sampler='heun': use one of euler, midpoint"),
        ((8, 8, 1), {"sampler_steps": 0}, r"model.sampler_steps=0: use 1 or more"),
        ((8, 8, 1), {"sigma_min": 1.0}, r"model.sigma_min=1.0: use a deviation from 0 up to, but not, 1"),
        (
            (28, 12, 1),
            {"depth": 3},
            r"model.depth=3: use a number from 1 to 2, as often as 28 x 12 pixels can be halved",
        ),
        ((7, 8, 1), {}, r"7 x 8 pixels cannot be halved; use --config.model.network=mlp, or even sides"),
        ((2,), {}, r"model.network=unet: samples of \(2,\) are no pictures; use --config.model.network=mlp"),
    ],
)
def test_what_cannot_be_is_refused(shape, options, said):
    with pytest.raises(UserError, match=said):
        make(shape, compiled=False, **options)


def test_one_class_is_refused():
    with pytest.raises(UserError, match="at least 2 classes"):
        zoo.create("flow_matching", columns={"image": (8, 8, 1), "label": 1}, conditional=True)
