"""Every cell of objectives x penalties x networks trains; what cannot go together says why."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from train.engine.steps import refused_by_xla
from zoo.adversarial.networks import NETWORKS
from zoo.adversarial.objectives import OBJECTIVES
from zoo.adversarial.penalties import PENALTIES
from zoo.shared.errors import UserError

SHAPE = (8, 8, 1)
DATA = {"image": np.random.default_rng(0).uniform(-1, 1, (4, *SHAPE)).astype(np.float32)}


def grid(**options):
    keras.utils.set_random_seed(0)
    options = {"latent_dim": 2, "base_channels": 2, **options}
    model = zoo.create("gan_grid", columns={"image": SHAPE}, **options)
    model.compile(discriminator=keras.optimizers.Adam(1e-3), generator=keras.optimizers.Adam(1e-3))
    return model


def take(step, model):
    """Take one step and count it; return its logs."""
    logs = step(DATA)
    model.step.assign_add(1)
    return logs


@pytest.mark.parametrize(
    ("objective", "penalty", "network"), itertools.product(OBJECTIVES, [*PENALTIES, "clipping"], NETWORKS)
)
def test_every_cell_trains(objective, penalty, network):
    # two rectifiers a layer may all rest; the dense network has nothing else
    model = grid(objective=objective, penalty=penalty, network=network, base_channels=8 if network == "mlp" else 2)
    before = [weight.numpy() for weight in model.trainable_variables]
    for _ in range(2):
        logs = take(model.train_step, model)
        assert all(np.isfinite(float(value)) for value in logs.values())
    moved = [not np.array_equal(old, weight) for old, weight in zip(before, model.trainable_variables, strict=True)]
    assert np.mean(moved) > 0.8  # a unit that no sample activates may rest
    assert model.get_config()["objective"] == objective
    assert model.get_config()["penalty"] == penalty
    assert ("penalty" in logs) == (penalty not in ("none", "clipping"))
    assert 0 <= float(logs["accuracy"]) <= 1


MEETINGS = zip(OBJECTIVES, itertools.cycle([*PENALTIES, "clipping"]), itertools.cycle(("layer", "spectral", "none")))


@pytest.mark.parametrize(("objective", "penalty", "normalization"), MEETINGS)
def test_xla_has_a_kernel_for_every_operation(objective, penalty, normalization):
    model = grid(objective=objective, penalty=penalty, normalization=normalization, network="resnet")
    data = {"image": tf.constant(DATA["image"])}
    assert not refused_by_xla(tf.function(model.train_step, jit_compile=True), data)


def test_clipping_keeps_the_critic_s_weights_within_its_bounds_and_leaves_the_generator_s():
    model = grid(objective="wasserstein", penalty="clipping", clip=0.005)
    model.train_step(DATA)
    assert max(float(tf.reduce_max(tf.abs(weight))) for weight in model.discriminator.trainable_variables) <= 0.005
    assert max(float(tf.reduce_max(tf.abs(weight))) for weight in model.generator.trainable_variables) > 0.005


def test_the_penalty_s_weight_counts():
    """With a huge weight the critic's slope is drawn to 1, whatever the objective says."""
    model = grid(objective="wasserstein", penalty="gradient", penalty_weight=1e4, base_channels=8)
    step = tf.function(model.train_step)
    first = float(take(step, model)["penalty"])
    for _ in range(150):
        last = float(take(step, model)["penalty"])
    assert last < first / 4


@pytest.mark.parametrize("penalty", [name for name in PENALTIES if name != "none"])
def test_a_penalty_per_sample_does_not_go_with_batch_normalisation(penalty):
    with pytest.raises(UserError, match=r"mixes the samples of a batch: use --config.model.normalization=layer"):
        grid(penalty=penalty, normalization="batch")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "hinged"}, "unknown objective 'hinged'; did you mean 'hinge'"),
        ({"penalty": "r2"}, "unknown penalty 'r2'; did you mean 'r1"),
        ({"network": "dcgann"}, "unknown network 'dcgann'; did you mean 'dcgan'"),
        ({"normalization": "instance"}, "normalization='instance': use"),
        ({"n_critic": 0}, "n_critic=0"),
        ({"clip": 0.0}, "clip=0.0"),
        ({"latent_dim": 0}, "latent_dim=0"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(UserError, match=message):
        grid(**options)


def test_a_batch_that_does_not_divide_among_the_critic_updates_is_refused():
    with pytest.raises(UserError, match="a batch of 4 per replica does not divide into 3 minibatches"):
        grid(n_critic=3).train_step(DATA)


def test_wgan_gp_is_the_cell_of_its_paper():
    """The paper's own class and the grid's cell take the same step."""
    steps = []
    for name, options in (
        ("wgan_gp", {}),
        ("gan_grid", {"objective": "wasserstein", "penalty": "gradient"}),
    ):
        keras.utils.set_random_seed(0)
        model = zoo.create(name, columns={"image": SHAPE}, n_critic=2, latent_dim=2, base_channels=2, **options)
        model.compile(discriminator=keras.optimizers.SGD(0.1), generator=keras.optimizers.SGD(0.1))
        model.train_step(DATA)
        steps.append([weight.numpy() for weight in model.trainable_variables])
    for one, other in zip(*steps, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_one_sided_penalty_is_wgan_gp_s_option():
    model = zoo.create("wgan_gp", columns={"image": SHAPE}, one_sided=True, latent_dim=2, base_channels=2)
    assert model.regularizer is PENALTIES["one_sided_gradient"]


@pytest.mark.parametrize(("real", "fake", "accuracy"), [(1.0, -1.0, 1.0), (-1.0, 1.0, 0.0), (1.0, 1.0, 0.5)])
def test_the_monitor_counts_what_the_discriminator_gets_right(real, fake, accuracy):
    logs = grid().monitor(tf.constant([[real]]), tf.constant([[fake]]))
    assert float(logs["accuracy"]) == accuracy
    assert float(logs["real_probability"]) == pytest.approx(1 / (1 + np.exp(-real)))
    ranked = grid(objective="wasserstein").monitor(tf.constant([[real + 9]]), tf.constant([[fake + 9]]))
    assert float(ranked["accuracy"]) == float(real > fake)
    assert float(ranked["real_output"]) == real + 9


def test_top_level_flags_choose_the_cell():
    from train import config

    settings = config.load("gan_grid_digits")
    settings.objective, settings.penalty, settings.network = "hinge", "r1", "resnet"
    assert (settings.model.objective, settings.model.penalty, settings.model.network) == ("hinge", "r1", "resnet")
