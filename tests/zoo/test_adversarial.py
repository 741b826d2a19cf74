"""What sets each adversarial model apart from the others, against its paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.adversarial.networks import build as build_networks
from zoo.shared.errors import UserError

SHAPE = (8, 8, 1)


COLUMNS = {"image": SHAPE, "label": 3}


def create(name, seed=0, columns=COLUMNS, optimizer=keras.optimizers.SGD, rate=0.1, **options):
    keras.utils.set_random_seed(seed)
    model = zoo.create(name, columns=columns, **{"latent_dim": 3, **options})
    model.compile(**{player: optimizer(rate) for player in model.player_names})
    return model


def images(count, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype(np.float32))


def data(count, seed=0):
    return {"image": images(count, seed), "label": tf.range(count) % 3}


def values(variables):
    return [variable.numpy() for variable in variables]


def same(first, second):
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


TINY_GAN = {"generator_units": 4, "maxout_units": 6, "maxout_pieces": 2}


def test_gan_trains_the_discriminator_k_times_on_minibatches_of_its_own(monkeypatch):
    model, seen = create("gan", k=3, **TINY_GAN), []
    step = type(model).discriminator_step

    def recorded(self, data, turn):
        seen.append(data["image"].numpy())
        return step(self, data, turn)

    monkeypatch.setattr(type(model), "discriminator_step", recorded)
    batch = data(6)
    model.train_step(batch)
    assert [len(x) for x in seen] == [2, 2, 2]
    np.testing.assert_array_equal(np.sort(np.concatenate(seen), axis=0), np.sort(batch["image"], axis=0))
    assert int(model.optimizers["discriminator"].iterations) == 3
    assert int(model.optimizers["generator"].iterations) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gan", {"k": 2, **TINY_GAN}),
        ("gan_grid", {"n_critic": 2, "base_channels": 2}),
        ("sngan", {"n_critic": 2, "base_channels": 2}),
        ("wgan", {"n_critic": 2, "base_channels": 2, "warmup_updates": 2}),
        ("wgan_gp", {"n_critic": 2, "base_channels": 2}),
    ],
)
def test_all_minibatches_of_a_step_have_one_size_the_generator_s_too(name, options):
    """The m of the papers' algorithms, each with noise of its own."""
    model, noise = create(name, **options), {}
    original = model.noise

    def recorded(shape, law, name, *rest, **more):
        values = original(shape, law, name, *rest, **more)
        if name.endswith("/z"):
            noise[name] = values.numpy()
        return values

    model.noise = recorded
    model.train_step(data(8))
    assert {player: z.shape for player, z in noise.items()} == {
        "discriminator/0/z": (4, 3),
        "discriminator/1/z": (4, 3),
        "generator/0/z": (4, 3),
    }
    assert len(np.unique(np.concatenate(list(noise.values())), axis=0)) == 12


def test_gan_s_networks_are_those_of_its_mnist_configuration():
    model = zoo.create("gan", columns={"image": (28, 28, 1)})
    dense = [layer for layer in model.generator.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [1200, 1200, 784]
    assert float(tf.reduce_max(tf.abs(dense[1].kernel))) == pytest.approx(0.05, rel=1e-3)
    kernels = [weight.shape for weight in model.discriminator.trainable_variables if len(weight.shape) == 2]
    assert kernels == [(784, 240 * 5), (240, 240 * 5), (240, 1)]


def test_gan_s_dropout_keeps_its_shares_and_the_mean():
    model = create("gan", **{**TINY_GAN, "maxout_units": 64})
    dropped = []

    def uniform(shape):
        u = tf.random.stateless_uniform(shape, [len(dropped), 7])
        dropped.append(u.numpy())
        return u

    model.logits(images(64), {}, uniform)
    assert [u.shape for u in dropped] == [(64, 64), (64, 64), (64, 64)]
    # an all-ones layer shows what reaches it: the input's sum in the mean, kept values scaled up by 1 / keep
    first = model.discriminator.layers[2]
    first.dense.kernel.assign(tf.ones_like(first.dense.kernel))
    kept = tf.where(dropped[0] < 0.8, 1 / 0.8, 0.0)
    assert float(tf.reduce_mean(kept)) == pytest.approx(1.0, abs=0.02)
    reached = []
    call = first.call
    first.call = lambda h: reached.append(h.numpy()) or call(h)
    dropped.clear()
    model.logits(tf.ones((64, *SHAPE)), {}, uniform)
    np.testing.assert_allclose(reached[0], np.where(dropped[0] < 0.8, 1.25, 0.0))


def test_minimax_and_non_saturating_differ_in_the_generator_only():
    one, other = (create("gan", objective=objective, **TINY_GAN) for objective in ("minimax", "non_saturating"))
    first, second = one.train_step(data(4)), other.train_step(data(4))
    assert same(values(one.discriminator.variables), values(other.discriminator.variables))
    assert not same(values(one.generator.variables), values(other.generator.variables))
    assert float(first["generator_loss"]) < 0 < float(second["generator_loss"])


def wgan(**options):
    options = {"n_critic": 2, "base_channels": 2, "optimizer": keras.optimizers.RMSprop, "rate": 1e-3, **options}
    return create("wgan", **options)


def test_wgan_s_generator_waits_for_the_critic_s_warm_up():
    """With 6 updates of warm-up and 2 a step: a turn every third step in the first 25 turns, then every step."""
    model, turns = wgan(warmup_updates=6), []
    step = tf.function(model.train_step)
    for index in range(80):
        before = values(model.generator.trainable_variables)
        slots = values(model.optimizers["generator"].variables[1:])
        step(data(4, seed=index))
        moved = not same(before, values(model.generator.trainable_variables))
        assert moved == (not same(slots, values(model.optimizers["generator"].variables[1:])))
        turns.append(moved)
        model.step.assign_add(1)
    assert turns == [False, False, True] * 25 + [True] * 5
    assert int(model.turns) == 30
    assert int(model.optimizers["generator"].iterations) == 80
    assert int(model.optimizers["discriminator"].iterations) == 160
    model.turns.assign(500)
    assert [step(data(4)) and int(model.turns) for _ in range(4)] == [500, 500, 501, 502]


CLIPPED = {
    "wgan": {"warmup_updates": 2},
    "gan_grid": {"objective": "wasserstein", "penalty": "clipping", "normalization": "batch"},
}


@pytest.mark.parametrize("name", CLIPPED)
def test_everything_is_clipped_after_each_update_and_before_anything_else_meets_the_critic(name, monkeypatch):
    """Algorithm 1 of Arjovsky et al.: w + alpha RMSProp(g) first, then clip. The rate is far beyond the bound."""
    options = {"n_critic": 2, "clip": 0.003, "network": "mlp", "base_channels": 2, **CLIPPED[name]}
    model, seen = create(name, optimizer=keras.optimizers.RMSprop, rate=0.1, **options), []

    def largest():
        return max(float(tf.reduce_max(tf.abs(weight))) for weight in model.discriminator.trainable_variables)

    def watched(step):
        def taken(*arguments):
            seen.append(largest())
            logs = step(*arguments)
            seen.append(largest())
            return logs

        return taken

    for step in ("update", "generator_step"):
        monkeypatch.setattr(model, step, watched(getattr(model, step)))
    model.train_step(data(4))
    bound = np.float32(0.003)
    first, moved, second, _, met_by_the_generator, *_ = seen
    assert first > bound, "the weights as they were drawn"
    assert moved > bound
    assert second == met_by_the_generator == bound
    assert any("gamma" in weight.path for weight in model.discriminator.trainable_variables)


def test_the_wasserstein_estimate_is_the_difference_of_the_critic_s_means():
    logs = wgan(warmup_updates=2).train_step(data(4))
    assert float(logs["wasserstein_estimate"]) == pytest.approx(float(logs["real_output"] - logs["fake_output"]))
    assert float(logs["wasserstein_estimate"]) == pytest.approx(-float(logs["discriminator_loss"]), abs=1e-7)


def test_pacgan_judges_packs_of_neighbouring_samples_as_channels():
    model = create("pacgan", packing=3, base_channels=2, normalization="none")
    assert model.discriminator.input.shape == (None, 8, 8, 3)
    x = images(12)
    outputs = model.logits(x, {}, model.uniform("none"))
    assert outputs.shape == (4, 1)
    pack = tf.concat([x[3], x[4], x[5]], axis=-1)[None]
    np.testing.assert_allclose(outputs[1:2], model.discriminator(pack), rtol=1e-5)


def test_packing_by_one_is_the_plain_game():
    one = create("pacgan", packing=1, base_channels=2, normalization="none")
    other = create("gan_grid", base_channels=2)
    for model in (one, other):
        for weight, index in zip(model.trainable_variables, range(99), strict=False):
            weight.assign(tf.random.stateless_normal(weight.shape, [index, 0], stddev=0.1))
        model.train_step(data(4))
    assert same(values(one.trainable_variables), values(other.trainable_variables))


def test_pacgan_updates_the_generator_so_often_each_time_with_noise_of_its_own(monkeypatch):
    model, drawn = create("pacgan", generator_updates=3, base_channels=2), []
    noise = type(model).noise
    monkeypatch.setattr(
        type(model), "noise", lambda self, *given: drawn.append(noise(self, *given).numpy()) or drawn[-1]
    )
    for step in (1, 2):
        model.train_step(data(4))
        model.step.assign_add(1)
        assert int(model.optimizers["discriminator"].iterations) == step
        assert int(model.optimizers["generator"].iterations) == 3 * step
    assert [z.shape for z in drawn] == [(4, 3)] * 8
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 32


def test_the_projection_discriminator_is_its_equation():
    """D(x, y) = y^T V phi(x) + psi(phi(x))."""
    model = create("projection_gan", base_channels=2)
    x, label = images(5), tf.constant([0, 2, 1, 1, 0])
    made = model.discriminator([x, tf.one_hot(label, 3)])
    *_, psi, v = [layer for layer in model.discriminator.layers if hasattr(layer, "units")]
    psi, v = (psi, v) if psi.units == 1 else (v, psi)
    phi = keras.Model(model.discriminator.inputs[0], psi.input)(x)
    expected = tf.reduce_sum(tf.gather(v.kernel, label) * phi, axis=1, keepdims=True) + phi @ psi.kernel
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-6)
    model.discriminator = keras.Model(model.discriminator.inputs, model.discriminator.inputs[1])
    np.testing.assert_array_equal(model.logits(x, {"label": label}, model.uniform("none")), tf.one_hot(label, 3))


@pytest.mark.parametrize("name", ["projection_gan", "acgan"])
def test_the_label_chooses_the_sample_and_its_gradient_reaches_the_generator(name):
    model = create(name, base_channels=2)
    (label,) = model.maps["generate"].spec.conditions
    assert (label.name, label.dtype, label.low, label.high) == ("label", "int32", 0, 2)
    for weight in model.generator.trainable_variables:  # gains and shifts start almost equal for all classes
        weight.assign(tf.random.stateless_normal(weight.shape, [1, 2], stddev=0.5))
    z = tf.ones((3, 3))
    made = model.generator({"z": z, "label": tf.range(3)})["image"].numpy()
    assert np.abs(made[0] - made[1]).max() > 1e-3
    assert np.abs(made[1] - made[2]).max() > 1e-3


def test_ac_gan_s_losses_are_those_of_the_paper():
    model = create("acgan", base_channels=2, normalization="none", class_weight=0.5, rate=0.0)
    model.noise = lambda shape, law, name: tf.ones(shape)
    batch = data(6)
    logs = model.train_step(batch)
    fake = model.generate(batch, "discriminator")
    source = classes = 0.0
    for x, target in ((batch["image"], 1.0), (fake, 0.0)):
        logit, named = model.discriminator(x)
        source += float(tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill((6, 1), target), logit)))
        classes += float(tf.reduce_mean(-tf.gather(tf.nn.log_softmax(named), batch["label"], batch_dims=1)))
    assert float(logs["class_loss"]) == pytest.approx(classes, rel=1e-4)
    assert float(logs["discriminator_loss"]) == pytest.approx(source + 0.5 * classes, rel=1e-4)
    fooled = float(tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.ones((6, 1)), logit)))
    named_right = float(tf.reduce_mean(-tf.gather(tf.nn.log_softmax(named), batch["label"], batch_dims=1)))
    assert float(logs["generator_loss"]) == pytest.approx(fooled + 0.5 * named_right, rel=1e-4)


def test_points_are_made_in_the_data_s_own_units():
    model = create("rpgan", columns={"image": (2,)}, network="mlp", base_channels=4)
    (output,) = model.maps["generate"].spec.outputs
    assert (output.name, output.kind, output.shape, output.high) == ("point", "point", (2,), float("inf"))
    assert model.generator.layers[-1].activation is keras.activations.linear
    logs = model.train_step({"image": tf.zeros((4, 2))})
    assert np.isfinite(float(logs["discriminator_loss"]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gan", {"objective": "hinge"}, "model.objective='hinge': use 'non_saturating' or 'minimax'"),
        ("gan", {"k": 0}, "model.k=0: use a number from 1 to 15"),
        ("gan", {"maxout_pieces": 0}, "model.maxout_pieces=0: use a positive number"),
        ("acgan", {"latent_dim": -5}, "model.latent_dim=-5: use a positive number"),
        ("rpgan", {"penalty_weight": -1.0}, "model.penalty_weight=-1.0: use 0 or more"),
        ("wgan", {"clip": 0.0}, "model.clip=0.0"),
        ("wgan", {"warmup_updates": 1}, "model.warmup_updates=1: use n_critic=5 for none, or more"),
        ("wgan_gp", {"normalization": "batch"}, "'gradient' needs the slope at each sample"),
        ("dragan", {"normalization": "batch"}, "'dragan' needs the slope at each sample"),
        ("rpgan", {"normalization": "batch"}, "'r1_r2' needs the slope at each sample"),
        ("rpgan", {"columns": {"image": (2,)}}, r"not samples of \(2,\): set --config.data.image_size"),
        ("sngan", {"network": "mpl"}, "unknown network 'mpl'; did you mean 'mlp'"),
        ("pacgan", {"packing": 0}, "model.packing=0"),
        ("pacgan", {"generator_updates": 0}, "model.generator_updates=0: use a number from 1 to 15"),
        ("pacgan", {"normalization": "instance"}, "model.normalization='instance': use one of"),
        ("acgan", {"columns": {"image": SHAPE, "label": 1}}, "the data have 1 class: .* needs at least 2"),
        ("acgan", {"columns": {"image": SHAPE}}, "ACGAN reads a column 'label' of kind class"),
        ("acgan", {"class_weight": -1.0}, "model.class_weight=-1.0"),
        ("projection_gan", {"columns": {"image": SHAPE, "label": 1}}, "the data have 1 class"),
    ],
)
def test_bad_options_are_one_line(name, options, message):
    with pytest.raises(UserError, match=message):
        zoo.create(name, **{"columns": COLUMNS, **options})


def test_all_updates_of_one_step_have_one_learning_rate():
    from train import config
    from train.engine.optimizers import build

    section = config.adam(1.0)
    section.schedule = "linear"
    model = create("wgan_gp", n_critic=3, base_channels=2)
    model.compile(**{player: build(section, 10, model.step) for player in model.player_names})
    used = {player: [] for player in model.player_names}
    for player, optimizer in model.optimizers.items():
        apply = optimizer.apply

        def recorded(*given, rates=used[player], optimizer=optimizer, apply=apply):
            rates.append(float(optimizer.learning_rate))
            apply(*given)

        optimizer.apply = recorded
    for _ in range(3):
        model.train_step(data(6))
        model.step.assign_add(1)
    assert used["discriminator"] == pytest.approx([1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8])
    assert used["generator"] == pytest.approx([1.0, 0.9, 0.8])


def test_the_residual_critic_sees_dark_pixels():
    """The first convolution sees the image itself: a rectified one would hide all below grey."""
    critic = build_networks("resnet", SHAPE, 2, 4)[1]
    first = next(layer for layer in critic.layers if isinstance(layer, keras.layers.Conv2D))
    assert first.input is critic.input
