"""The VAE where all is known: a linear decoder with Gaussian noise, whose log p(x) has a closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy.stats import multivariate_normal
from shared import metrics, tiny_config, trained

import zoo
from zoo.latent.likelihoods import gaussian_log_prob
from zoo.latent.vae import LogWeight
from zoo.metrics.importance import importance_weighted_bounds
from zoo.shared.errors import UserError

LATENT, PIXELS, DEVIATION = 2, 4, 0.7


def make(shape=(2, 2, 1), **options):
    made = zoo.create("vae", columns={"image": shape}, **{"latent_dim": 3, "width": 8, "depth": 1, **options})
    made.compile(vae=keras.optimizers.SGD(0.01))
    return made


@pytest.fixture(scope="module")
def linear():
    """x = W z + noise, z ~ N(0, I): p(x) is N(0, W W' + s^2 I), and the posterior is Gaussian too."""
    random = np.random.default_rng(0)
    W = random.normal(size=(PIXELS, LATENT)).astype(np.float32)
    image = keras.Input((2, 2, 1), name="image")
    flat = layers.Flatten()(image)
    precision = np.eye(LATENT) + W.T @ W / DEVIATION**2
    posterior = np.linalg.inv(precision)
    # the posterior's mean; its variances alone, as a diagonal q cannot have more, and a little too wide
    mean = layers.Dense(LATENT, use_bias=False, name="mean")
    log_variance = layers.Dense(LATENT, kernel_initializer="zeros", name="log_variance")
    encoder = keras.Model({"image": image}, {"mean": mean(flat), "log_variance": log_variance(flat)})
    mean.set_weights([(posterior @ W.T / DEVIATION**2).T])
    log_variance.set_weights([np.zeros((PIXELS, LATENT)), np.log(np.diag(posterior)) + 0.5])
    z = keras.Input((LATENT,), name="z")
    dense = layers.Dense(PIXELS, use_bias=False)
    decoder = keras.Model({"z": z}, {"mean": layers.Reshape((2, 2, 1))(dense(z))})
    dense.set_weights([W.T])
    log_noise = np.float32(2 * np.log(DEVIATION))
    network = LogWeight(encoder, decoder, lambda made, x: gaussian_log_prob(x, made["mean"], log_noise))
    covariance = W @ W.T + DEVIATION**2 * np.eye(PIXELS)
    x = random.multivariate_normal(np.zeros(PIXELS), covariance, 32)
    return network, x.astype(np.float32), multivariate_normal.logpdf(x, np.zeros(PIXELS), covariance)


def test_the_bounds_rise_with_k_and_stay_below_the_log_likelihood(linear):
    network, x, log_p = linear
    random = np.random.default_rng(1)
    image = tf.constant(x.reshape(-1, 2, 2, 1))

    def chunks():
        for _ in range(4096):
            eps = tf.constant(random.normal(size=(len(x), LATENT)).astype(np.float32))
            yield network({"image": image, "eps": eps})["log_weight"].numpy()[None]

    bounds = importance_weighted_bounds(chunks(), [1, 4, 64, 4096])
    means = [float(bounds[k].mean()) for k in (1, 4, 64, 4096)]
    assert means == sorted(means), "non-decreasing in k"
    assert means[0] < log_p.mean() - 0.05, "q is not the posterior, so the bound is not tight"
    assert means[-1] == pytest.approx(log_p.mean(), abs=0.01)
    assert means[-1] < log_p.mean() + 0.01


def test_each_weight_is_joint_over_posterior(linear):
    network, x, _ = linear
    eps = np.random.default_rng(2).normal(size=(len(x), LATENT)).astype(np.float32)
    made = network({"image": tf.constant(x.reshape(-1, 2, 2, 1)), "eps": tf.constant(eps)})["log_weight"]
    moments = network.encoder({"image": x.reshape(-1, 2, 2, 1)})
    mean, variance = moments["mean"].numpy(), np.exp(moments["log_variance"].numpy())
    z = mean + np.sqrt(variance) * eps
    W = network.decoder.get_weights()[0].T
    expected = [
        multivariate_normal.logpdf(x[i], W @ z[i], DEVIATION**2 * np.eye(PIXELS))
        + multivariate_normal.logpdf(z[i], np.zeros(LATENT))
        - multivariate_normal.logpdf(z[i], mean[i], np.diag(variance[i]))
        for i in range(len(x))
    ]
    np.testing.assert_allclose(made, expected, rtol=1e-4)


@pytest.mark.parametrize("likelihood", ["bernoulli", "logistic"])
def test_the_step_descends_the_negative_bound(likelihood):
    """The mean of the log weights over many eps is minus the loss at beta 1, whose KL divergence is the closed form."""
    made = make(likelihood=likelihood)
    x = np.sign(np.random.default_rng(0).normal(size=(6, 2, 2, 1))).astype(np.float32)
    random = np.random.default_rng(1)
    eps = random.normal(size=(4000, 6, 3)).astype(np.float32)
    repeated = np.broadcast_to(x, (4000, *x.shape)).reshape(-1, 2, 2, 1)
    weights = made.bound({"image": repeated, "eps": eps.reshape(-1, 3)})["log_weight"].numpy()
    losses = []
    for step in range(200):
        made.step.assign(step)
        moments = made.encoder({"image": x})
        noise = made.noise((6, 3), "normal", "eps")
        parts = made.decoder({"z": moments["mean"] + tf.exp(moments["log_variance"] / 2) * noise})
        losses.append(float(tf.reduce_mean(made.log_likelihood(parts, x))))
    made.step.assign(0)
    logs = tf.function(made.train_step)({"image": tf.constant(x)})
    assert float(logs["loss"]) == pytest.approx(-float(logs["elbo"]), rel=1e-6)
    assert float(logs["reconstruction_loss"]) == pytest.approx(-losses[0], rel=1e-4)
    errors = [np.std(values) / np.sqrt(len(values)) for values in (losses, weights)]
    assert np.mean(losses) - float(logs["kl"]) == pytest.approx(weights.mean(), abs=4 * sum(errors))


def test_beta_rises_over_the_warm_up_and_weighs_the_divergence():
    made = make(beta=2.0, warmup_steps=10)
    x = tf.constant(np.ones((4, 2, 2, 1), np.float32))
    for step, beta in ((0, 0.0), (5, 1.0), (10, 2.0), (99, 2.0)):
        made.step.assign(step)
        logs = tf.function(made.train_step)({"image": x})
        assert float(logs["beta"]) == pytest.approx(beta)
        expected = float(logs["reconstruction_loss"]) + beta * float(logs["kl"])
        assert float(logs["loss"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("likelihood", "levels"), [("bernoulli", 2), ("logistic", 256)])
def test_the_likelihood_tells_of_how_many_levels_it_is(likelihood, levels):
    specs = {name: made.spec for name, made in make(likelihood=likelihood).maps.items()}
    assert {name: specs[name].conditions[0].levels for name in ("encode", "log_prob")} == {
        "encode": 0, "log_prob": levels,
    }  # fmt: skip


def test_it_shows_means_and_reconstructs_through_the_mean_of_the_code():
    made = make()
    x = np.sign(np.random.default_rng(0).normal(size=(3, 2, 2, 1))).astype(np.float32)
    mean = made.maps["encode"]({"image": x})["mean"]
    again = made.maps["reconstruct"]({"image": x})["reconstruction"]
    np.testing.assert_allclose(again, made.maps["generate"]({"z": mean})["image"], atol=1e-6)
    logits = made.decoder({"z": mean})["logits"]
    np.testing.assert_allclose(again, 2 / (1 + np.exp(-logits)) - 1, atol=1e-6)


def test_the_convolutional_network_of_grey_levels_learns():
    made = make((8, 8, 1), network="convolutional", likelihood="logistic", base_channels=4)
    made.compile(vae=keras.optimizers.Adam(1e-2))
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32))
    step = tf.function(made.train_step)
    first = float(step({"image": x})["loss"])
    for _ in range(60):
        made.step.assign_add(1)
        last = float(step({"image": x})["loss"])
    assert last < first - 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"likelihood": "gauss"}, "model.likelihood='gauss': use one of bernoulli, logistic"),
        ({"network": "resnet"}, "use one of mlp, convolutional"),
        ({"latent_dim": 0}, "model.latent_dim=0: use 1 or more"),
        ({"beta": -1.0}, "model.beta=-1.0: use 0 or more"),
        ({"network": "convolutional"}, "only m"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(options, said):
    with pytest.raises(UserError) as refused:
        make(**options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("network", ["mlp", "convolutional"])
def test_it_trains_in_bfloat16(network, tmp_path):
    trained(
        tiny_config(
            "vae", **{"precision": "mixed_bfloat16", "jit": "false", "model.network": network, "train_steps": 2}
        ),
        tmp_path,
    )
    assert np.isfinite(metrics(tmp_path)[-1]["elbo"])
