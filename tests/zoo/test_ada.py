"""ADA's probability, and that neither player of an augmented game sees a sample as it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.adversarial import augmentations
from zoo.shared.errors import UserError

SHAPE = (8, 8, 1)
DATA = {"image": np.random.default_rng(0).uniform(-1, 1, (4, *SHAPE)).astype(np.float32)}


def made(name="ada", rate=1e-9, **options):
    keras.utils.set_random_seed(0)
    model = zoo.create(name, columns={"image": SHAPE}, latent_dim=2, base_channels=2, **options)
    model.compile(discriminator=keras.optimizers.SGD(rate), generator=keras.optimizers.SGD(rate))
    return model


def say(model, output):
    """Make the discriminator answer `output`, or nearly so, whatever it is shown."""
    model.discriminator.trainable_variables[-1].assign([output])


def test_p_rises_while_the_discriminator_is_always_right_and_falls_while_it_is_wrong():
    model = made(adjust_images=16)
    assert float(model.p) == 0
    for output, expected in ((100.0, [0.25, 0.5, 0.75, 1, 1]), (-100.0, [0.75, 0.5, 0.25, 0, 0])):
        say(model, output)
        for p in expected:
            logs = model.train_step(DATA)
            assert float(logs["overfitting"]) == np.sign(output)
            assert float(logs["augmentation_probability"]) == float(model.p) == p


@pytest.mark.parametrize(("target", "p"), [(0.6, 0.5 - 4 / 1000), (0.4, 0.5 + 4 / 1000), (0.5, 0.5)])
def test_p_moves_by_the_share_of_the_images_towards_the_target(target, p):
    model = made(target=target, adjust_images=1000)
    model.p.assign(0.5)
    assert float(model.adjust(tf.constant(0.5), tf.constant(4))) == pytest.approx(p, abs=1e-7)
    assert float(model.p) == pytest.approx(p, abs=1e-7)


def test_overfitting_is_the_mean_sign_on_real_samples():
    logs = made().monitor(tf.constant([[9.0], [0.1], [2.0], [-0.1]]), tf.constant([[-1.0]] * 4))
    assert float(logs["overfitting"]) == 0.5
    assert float(logs["accuracy"]) == 7 / 8


def test_all_replicas_have_the_p_of_all_real_samples(mirrored):
    with mirrored.scope():
        model = made(adjust_images=40, target=0.4)

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        real = tf.where(replica == 0, tf.constant([[1.0], [1.0]]), tf.constant([[1.0], [-1.0]]))
        r = model.monitor(real, real)["overfitting"]
        return r, model.adjust(r, tf.constant(2))

    overfitting, p = (mirrored.experimental_local_results(value) for value in mirrored.run(step))
    assert [float(value) for value in overfitting] == [0.5, 0.5]
    assert [float(value) for value in p] == pytest.approx([4 / 40] * 2)
    copies = mirrored.experimental_local_results(model.p.value)
    assert [float(value) for value in copies] == pytest.approx([4 / 40] * 2)


def test_checkpoints_hold_p_and_no_optimiser_moves_it():
    model = made()
    assert any(weight is model.p for weight in model.variables)
    assert not any(weight is model.p for weight in model.trainable_variables)


@pytest.mark.parametrize(("name", "function"), [("ada", "ada_augment"), ("diffaugment", "diff_augment")])
def test_no_player_sees_a_sample_as_it_is(name, function, monkeypatch):
    """An augmentation that wipes out everything leaves nothing to tell apart and nothing to learn from."""
    monkeypatch.setattr(augmentations, function, lambda images, *rest: 0.0 * images)
    model = made(name, rate=0.1)
    say(model, 0.7)
    before = [weight.numpy() for weight in model.generator.trainable_variables]
    logs = model.train_step(DATA)
    assert float(logs["real_probability"]) == float(logs["fake_probability"])
    assert float(logs.get("penalty", 0.0)) == 0
    for weight, old in zip(model.generator.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize(("name", "function"), [("ada", "ada_augment"), ("diffaugment", "diff_augment")])
def test_every_look_has_numbers_of_its_own(name, function, monkeypatch):
    drawn, original = [], getattr(augmentations, function)

    def recorded(images, *rest):
        (place,) = (index for index, value in enumerate(rest) if callable(value))

        def uniform(shape):
            drawn.append(rest[place](shape))
            return drawn[-1]

        return original(images, *rest[:place], uniform, *rest[place + 1 :])

    monkeypatch.setattr(augmentations, function, recorded)
    model = made(name)
    for _ in range(2):
        model.train_step(DATA)
        model.step.assign_add(1)
    # real and generated, the generator's turn, and under R1 the real ones again
    looks = 4 if name == "ada" else 3
    assert len(drawn) == 2 * looks
    values = np.concatenate([value.numpy().ravel() for value in drawn])
    assert len(np.unique(values)) > 0.99 * len(values)


@pytest.mark.parametrize(
    ("name", "options", "touches_values"),
    [
        ("ada", {"augment": "blit"}, False),
        ("ada", {"augment": "colour"}, True),
        ("diffaugment", {"policy": "translation"}, False),
        ("diffaugment", {"policy": "colour"}, True),
    ],
)
def test_the_discriminator_is_shown_what_the_option_names(name, options, touches_values):
    model = made(name, **options)
    if name == "ada":
        model.p.assign(1.0)
    image = keras.Input(SHAPE)
    model.discriminator = keras.Model(image, keras.layers.Identity()(image))
    seen = model.logits(tf.constant(DATA["image"]), DATA, model.uniform("a look")).numpy()
    assert not np.array_equal(seen, DATA["image"])
    assert np.isin(seen, [0.0, *DATA["image"].ravel()]).all() != touches_values


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ada", {"augment": "blit,color"}, "unknown name in model.augment 'color'; did you mean 'colour'"),
        ("ada", {"target": 1.0}, "model.target=1.0: use a number between -1 and 1"),
        ("ada", {"adjust_images": 0}, "model.adjust_images=0: use a positive number"),
        ("ada", {"normalization": "batch"}, "the penalty 'r1' needs the slope at each sample"),
        ("ada", {"network": "mlp", "columns": {"image": (2,)}}, "ADA reads 'image' of kind image, not point"),
        ("diffaugment", {"policy": "cutoff"}, "unknown name in model.policy 'cutoff'; did you mean 'cutout'"),
        ("diffaugment", {"network": "mlp", "columns": {"image": (2,)}}, "reads 'image' of kind image, not point"),
    ],
)
def test_bad_options_are_one_line(name, options, message):
    with pytest.raises(UserError, match=message):
        zoo.create(name, **{"columns": {"image": SHAPE}, "latent_dim": 2, "base_channels": 2, **options})
