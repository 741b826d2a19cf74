"""Progressive growing against its paper: the fade, what wakes when, both losses, and a plain WGAN-GP."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.adversarial.progressive import Progressive, halved
from zoo.adversarial.wgan_gp import WGANGP
from zoo.model import as_run
from zoo.shared.errors import UserError

TINY = {"latent_dim": 4, "base_channels": 3, "max_channels": 5, "group_size": 2}
FADE_8, FADE_16 = {"side": 8, "fade": True}, {"side": 16, "fade": True}


def create(side=8, optimizer=lambda: keras.optimizers.SGD(0.1), **options):
    keras.utils.set_random_seed(0)
    model = zoo.create("progressive", columns={"image": (side, side, 1)}, **{**TINY, **options})
    for player in model.player_names:
        # the biases start at 0, which hides where they are added
        for number, weight in enumerate(model.weights_of(player)):
            if weight.path.endswith("bias"):
                weight.assign(tf.random.stateless_normal(weight.shape, [number, 1]))
    model.compile(**{player: optimizer() for player in model.player_names})
    return model


def latents(count=4):
    return {"z": tf.random.stateless_normal((count, 4), [1, 2])}


def pictures(count=4, side=8):
    return {"image": tf.random.stateless_uniform((count, side, side, 1), [3, 4], -1.0, 1.0)}


def enlarged(x, times=1):
    factor = 2**times
    return np.asarray(x).repeat(factor, axis=1).repeat(factor, axis=2)


def values(variables):
    return [variable.numpy() for variable in variables]


# ---- the fade


def at(model, phase, step=0, start=0, end=None):
    """Put the model into a phase and at a step; return what its map and its discriminator then make."""
    model.step.assign(step)
    model.enter(phase, start, end)
    x = pictures(side=model.columns["image"].shape[0])["image"]
    made = model.maps["generate"](latents())["image"]
    in_training = model.generator(latents(), training=True)["image"]
    return made.numpy(), in_training.numpy(), model.discriminator(model.reduced(x)).numpy()


def test_at_alpha_0_a_fade_is_the_phase_before_and_at_alpha_1_the_phase_after_to_the_last_bit():
    model = create(16)
    before, fading, after = at(model, {"side": 8}), at(model, FADE_16, 4, 4, 14), at(model, FADE_16, 14, 4, 14)
    assert float(model.fade.alpha) == 1.0
    for found, expected in zip(fading, (before[0], enlarged(before[1]), before[2]), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(after, at(model, {"side": 16}), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_in_between_a_fade_is_the_mean_weighted_by_alpha():
    model = create(8)
    _, new, _ = at(model, {})
    _, old, _ = at(model, {"side": 4})
    _, fading, _ = at(model, FADE_8, step=7, start=4, end=14)
    assert float(model.fade.alpha) == pytest.approx(0.3)
    np.testing.assert_allclose(fading, 0.7 * enlarged(old) + 0.3 * new, atol=1e-6)
    below = keras.ops.leaky_relu(model.discriminator.rgb[0](halved(pictures()["image"])), 0.2)
    convolutions = model.discriminator.convolutions[1]
    above = keras.ops.leaky_relu(model.discriminator.rgb[1](pictures()["image"]), 0.2)
    for convolution in convolutions:
        above = keras.ops.leaky_relu(convolution(above), 0.2)
    met = []
    call = model.discriminator.deviation.call
    model.discriminator.deviation.call = lambda h: met.append(h.numpy()) or call(h)
    model.discriminator(pictures()["image"])
    np.testing.assert_allclose(met[0], 0.7 * below + 0.3 * halved(above), atol=1e-6)


def test_a_map_always_has_the_full_side_and_training_that_of_the_phase():
    model = create(16)
    model.generator.rgb[-1].bias.assign([1.5])
    for phase, side in (({"side": 4}, 4), ({"side": 8}, 8), ({}, 16)):
        made, in_training, _ = at(model, phase)
        assert (made.shape, in_training.shape) == ((4, 16, 16, 1), (4, side, side, 1))
        np.testing.assert_array_equal(made, enlarged(np.clip(in_training, -1, 1), int(math.log2(16 // side))))
    assert np.abs(in_training).max() > 1 >= np.abs(made).max()


def test_real_pictures_are_means_over_squares_and_fade_too():
    model, x = create(16), pictures(side=16)["image"].numpy()
    means = x.reshape(4, 8, 2, 8, 2, 1).mean(axis=(2, 4))
    model.enter({"side": 8})
    np.testing.assert_allclose(model.reduced(x), means, atol=1e-6)
    model.step.assign(1)
    model.enter(FADE_16, 0, 4)
    np.testing.assert_allclose(model.reduced(x), 0.75 * enlarged(means) + 0.25 * x, atol=1e-6)
    model.enter({})
    np.testing.assert_array_equal(model.reduced(x), x)


def test_alpha_follows_the_step_and_a_graph_sees_it(monkeypatch):
    """It is a weight: the map reads it, and every step of a fade writes that of the next one."""
    model = create(8)
    monkeypatch.setattr(model, "critic_steps", lambda data: (data, {}))  # what a step learns does not matter here
    monkeypatch.setattr(model, "generator_step", lambda data: {})
    model.enter(FADE_8, 0, 4)
    step, run = tf.function(model.train_step), as_run(model.maps["generate"])
    seen, made = [], []
    for _ in range(5):
        made.append(run(latents())["image"])
        seen.append((float(step(pictures())["alpha"]), float(model.fade.alpha)))
        model.step.assign_add(1)
    assert seen == [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0), (1.0, 1.0)]
    np.testing.assert_array_equal(made[0], enlarged(made[0][:, ::2, ::2]))
    assert len(np.unique(np.array(made).reshape(5, -1), axis=0)) == 5
    model.step.assign(3)
    model.enter(FADE_8, 0, 4)
    assert float(model.fade.alpha) == 0.75, "of the present step, wherever a run was resumed"


def test_xla_fades_and_disturbs_alike(monkeypatch):
    """The conformance suite compiles the step at full size, with the other loss."""
    model = create(8, objective="least_squares")
    model.fake_score.assign(1.0)
    model.step.assign(1)
    model.enter(FADE_8, 0, 2)
    z = latents()  # not inside, where XLA draws other numbers

    def made():
        def uniform(shape):
            return 0.5 + 0.4 * tf.sin(tf.reshape(tf.range(4.0 * shape[-1]), shape))

        return model.logits(model.generator(z, training=True)["image"], {}, uniform)

    np.testing.assert_allclose(tf.function(made, jit_compile=True)(), made(), atol=1e-5)
    monkeypatch.setattr(model, "critic_steps", lambda data: (data, {"fake_output": tf.constant(0.0)}))
    monkeypatch.setattr(model, "generator_step", lambda data: {})
    tf.function(model.train_step, jit_compile=True)(pictures())
    assert float(model.fade.alpha) == float(model.fake_score) == 1.0


# ---- what is trained


def moved(model, before):
    return {
        weight.path
        for weight, old in zip(model.trainable_variables, before, strict=True)
        if not np.array_equal(weight.numpy(), old)
    }


def of_level(model, *levels, to_rgb):
    """Return the paths of the weights of these levels in both networks, and of the ways out of and into `to_rgb`."""
    names = [f"level_{level}_" for level in levels] + [f"{way}_rgb_{n}/" for way in ("to", "from") for n in to_rgb]
    return {w.path for w in model.trainable_variables if w.path.startswith((*names, "output/"))}


@pytest.mark.parametrize(
    ("phase", "levels", "to_rgb"),
    [({"side": 4}, [0], [0]), (FADE_8, [0, 1], [0, 1]), ({"side": 8}, [0, 1], [1]), ({}, [0, 1, 2], [2])],
)
def test_a_phase_moves_the_weights_of_its_levels_and_no_other(phase, levels, to_rgb):
    model = create(16)
    model.step.assign(1)
    model.enter(phase, 0, 2)
    before = values(model.trainable_variables)
    model.train_step(pictures(side=16))
    assert moved(model, before) == of_level(model, *levels, to_rgb=to_rgb)
    used = [weight.path for player in model.player_names for weight in model.weights_in_use(player)]
    assert set(used) == moved(model, before)


def test_what_sleeps_stays_although_its_optimiser_has_momentum():
    """Were it trained on with gradients of 0, the momentum of the phase before would move it."""
    model = create(8, optimizer=lambda: keras.optimizers.Adam(0.1, beta_1=0.9))
    model.enter(FADE_8, 0, 10)
    model.step.assign(5)
    model.train_step(pictures())
    model.enter({"side": 8}, 10)
    asleep = [model.generator.rgb[0].bias, model.discriminator.rgb[0]._kernel]
    before = values(asleep)
    model.train_step(pictures())
    for weight, old in zip(asleep, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_one_phase_of_8_px_is_a_plain_wgan_gp_of_the_same_networks():
    model = create(8, drift_weight=0.0)

    class Plain(WGANGP):
        def networks(self):
            return model.generator, model.discriminator

    plain = Plain(columns=model.columns, latent_dim=4, n_critic=1)
    plain.compile(**{player: keras.optimizers.SGD(0.1) for player in plain.player_names})
    start, results = values(model.variables), []
    for one in (model, plain):
        for weight, value in zip(model.variables, start, strict=True):
            weight.assign(value)
        for _ in range(2):
            logs = one.train_step(pictures())
            one.step.assign_add(1)
        results.append((logs, values(model.trainable_variables)))
    (logs, grown), (plain_logs, trained) = results
    assert logs.keys() == plain_logs.keys() and all(float(logs[key]) == float(plain_logs[key]) for key in logs)
    for one, other in zip(grown, trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_critic_is_updated_n_critic_times():
    model = create(8, n_critic=3)
    assert model.batch_divisor == 6
    model.train_step(pictures(12))
    assert [int(model.optimizers[p].iterations) for p in model.player_names] == [3, 1]


# ---- the losses


def test_the_critic_s_loss_has_the_drift_and_the_penalty_its_target():
    model = create(8, drift_weight=0.25, penalty_target=4.0, penalty_weight=2.0)
    real, fake = tf.constant([[1.0], [3.0]]), tf.constant([[0.5], [0.0]])
    assert float(model.game.discriminator(real, fake)) == pytest.approx(0.25 - 2.0 + 0.25 * 5.0)
    assert float(model.game.generator(fake, None)) == -0.25
    x = pictures(2)["image"]
    slope = 3.0
    critic = lambda x: slope / 8 * tf.reduce_sum(x, axis=(1, 2, 3))[:, None]  # noqa: E731
    penalty = model.regularizer(critic, x, x, lambda shape: tf.zeros(shape))
    assert float(penalty) == pytest.approx((3 - 4) ** 2 / 4**2)
    logs = model.train_step(pictures())
    assert float(logs["wasserstein_estimate"]) == pytest.approx(float(logs["real_output"] - logs["fake_output"]))


def test_least_squares_are_the_paper_s_with_labels_exchanged():
    """The authors' L_D = E D(x)^2 + E (D(G(z)) - 1)^2 / 10 and L_G = E D(G(z))^2, of 1 - D, and half of it."""
    game = create(8, objective="least_squares").game
    real, fake = tf.constant([[0.5], [1.0]]), tf.constant([[0.2], [0.0]])
    theirs = np.mean((1 - real) ** 2) + 0.1 * np.mean((1 - fake - 1) ** 2)
    assert 2 * float(game.discriminator(real, fake)) == pytest.approx(theirs)
    assert 2 * float(game.generator(fake, None)) == pytest.approx(np.mean((1 - fake) ** 2))


def test_with_least_squares_the_noise_grows_with_the_share_of_fakes_that_are_told():
    model = create(8, objective="least_squares")
    quantiles = iter([[0.5, 0.841344746], [0.158655254, 0.977249868]])
    model.fake_score.assign(0.9)

    def uniform(shape):
        u = np.full([int(n) for n in shape], 0.5, np.float32)
        u[:2, 0, 0, 1] = next(quantiles, [0.5, 0.5])
        return tf.constant(u)

    met = []
    call = model.discriminator.convolutions[1][0].call
    model.discriminator.convolutions[1][0].call = lambda h: met.append(h.numpy()) or call(h)
    x = pictures(2)["image"]
    model.logits(x, {}, uniform)
    clean = keras.ops.leaky_relu(model.discriminator.rgb[1](x), 0.2).numpy()
    factor = np.ones_like(clean)
    factor[1, :, :, 1] += 0.2 * 0.4**2 * math.sqrt(3)  # of 3 maps, a quantile one deviation above the mean
    np.testing.assert_allclose(met[0], clean * factor, rtol=1e-4, atol=1e-6)
    model.fake_score.assign(0.5)
    np.testing.assert_array_equal(model.logits(x, {}, uniform), model.discriminator(x))


def test_the_fake_score_is_a_moving_average_within_0_and_1(monkeypatch):
    model = create(8, objective="least_squares")
    for output, expected in ((0.25, 0.075), (-3.0, 0.9 * 0.075 + 0.1), (7.0, 0.9 * 0.1675)):
        assert float(model.follow(tf.constant(output))) == pytest.approx(expected)
        assert float(model.fake_score) == pytest.approx(expected)
    logs = model.train_step(pictures())
    assert float(logs["fake_score"]) == float(model.fake_score)
    assert "penalty" not in logs


# ---- the networks


def test_the_networks_are_those_of_the_paper_s_table_2():
    """1,024 px: 23.1 million weights each, 512 channels up to 32 px, then half as many with each doubling."""
    model = zoo.create("progressive", columns={"image": (1024, 1024, 3)})
    widths = [convolutions[0].filters for convolutions in model.generator.convolutions]
    assert widths == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    counts = [
        sum(math.prod(w.shape) for w in network.trainable_variables)
        for network in (model.generator, model.discriminator)
    ]
    assert [round(count / 1e6, 1) for count in counts] == [23.1, 23.1]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((12, 12, 1), "from 4 up to 1024 pixels, and these pictures have 12 x 12; the nearest is .*image_size=8|16"),
        ((8, 16, 1), "these pictures have 8 x 16; the nearest is --config.data.image_size=8"),
        ((2048, 2048, 1), "the nearest is --config.data.image_size=1024"),
    ],
)
def test_sides_that_are_no_power_of_2_are_refused_with_the_nearest(shape, message):
    with pytest.raises(UserError, match=message):
        zoo.create("progressive", columns={"image": shape}, **TINY)


@pytest.mark.parametrize(
    ("phase", "end", "message"),
    [
        ({"side": 12}, None, "a phase has side=12: use one of 4, 8, or 0 for 8"),
        ({"side": 16}, None, "a phase has side=16: use one of 4, 8"),
        ({"side": 4, "fade": True}, 5, "there is no smaller side to fade from"),
        (FADE_8, None, "the last phase has fade=True: add a phase of side 8 that begins where it is done"),
        ({"sides": 4}, None, "unknown option of a phase of Progressive 'sides'; did you mean 'side'"),
    ],
)
def test_phases_that_cannot_be_are_refused(phase, end, message):
    with pytest.raises(UserError, match=message):
        create().enter(phase, 0, end)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "hinge"}, "unknown objective 'hinge'"),
        ({"max_channels": 0}, "model.max_channels=0: use a positive number"),
        ({"group_size": 0}, "model.group_size=0"),
        ({"penalty_target": 0.0}, "model.penalty_target=0.0"),
        ({"penalty_weight": -1.0}, "model.penalty_weight=-1.0: use 0 or more"),
        ({"drift_weight": -1.0}, "model.drift_weight=-1.0: use 0 or more"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(UserError, match=message):
        create(**options)


def test_it_is_registered():
    assert zoo.model_class("progressive") is Progressive
