"""CycleGAN: its losses by hand, its ablations, the order of a step, the pool against a plain one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared import assert_same_state, checkpoint, tiny_config, trained, trainer

import zoo
from zoo.shared.errors import UserError
from zoo.translation.cyclegan import exchange

SMALLEST = {"base_channels": 4, "blocks": 1, "halvings": 1, "pool_size": 0}


def make(channels=(3, 3), side=8, rate=0.0, **options):
    columns = {name: (side, side, count) for name, count in zip("ab", channels, strict=True)}
    made = zoo.create("cyclegan", columns=columns, **{**SMALLEST, **options})
    made.compile(**{player: keras.optimizers.SGD(rate) for player in made.player_names})
    return made


def constant(network, value):
    """Make a network's output the constant `value`, whatever it sees."""
    for weight in network.trainable_variables:
        weight.assign(tf.zeros_like(weight))
    network.trainable_variables[-1].assign(tf.fill(network.trainable_variables[-1].shape, value))


def rows(a=0.2, b=-0.6, channels=(3, 3), count=2, side=8):
    filled = zip("ab", (a, b), channels, strict=True)
    return {name: tf.fill((count, side, side, width), value) for name, value, width in filled}


def made_of(channels=(3, 3), **options):
    """Return a model whose maps give .5 and -.25 and whose discriminators give .3 and .9, everywhere."""
    made = make(channels, **options)
    constant(made.a_to_b, np.arctanh(0.5))
    constant(made.b_to_a, np.arctanh(-0.25))
    if made.gan_weight:
        constant(made.discriminator_a, 0.3)
        constant(made.discriminator_b, 0.9)
    return made


def test_the_losses_of_constant_networks_by_hand():
    logs = {name: float(value) for name, value in made_of().train_step(rows()).items()}
    adversarial = {"adversarial_a": 0.7**2, "adversarial_b": 0.1**2}
    cycle = {"cycle_a": 0.25 + 0.2, "cycle_b": 0.5 + 0.6}
    identity = (0.5 + 0.6) + (0.25 + 0.2)
    discriminators = ((0.7**2 + 0.3**2) + (0.1**2 + 0.9**2)) / 2
    expected = {
        **adversarial,
        **cycle,
        "identity": identity,
        "generator_loss": sum(adversarial.values()) + 10 * sum(cycle.values()) + 10 * 0.5 * identity,
        "discriminator_loss": discriminators,
        "accuracy": 0.5,
    }
    assert logs == pytest.approx(expected, rel=1e-5)


def test_domains_of_other_channels_have_no_identity_loss():
    logs = made_of((1, 3)).train_step(rows(channels=(1, 3)))
    assert "identity" not in logs
    assert float(logs["generator_loss"]) == pytest.approx(0.7**2 + 0.1**2 + 10 * (0.45 + 1.1), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "loss", "absent"),
    [
        ({"cycle_weight": 0.0}, 0.7**2 + 0.1**2, {"cycle_a", "cycle_b", "identity"}),
        ({"gan_weight": 0.0}, 10 * 1.55 + 5 * 1.55, {"adversarial_a", "adversarial_b", "discriminator_loss"}),
        ({"cycle": "forward"}, 0.5 + 10 * 0.45 + 5 * 1.55, {"cycle_b"}),
        ({"cycle": "backward"}, 0.5 + 10 * 1.1 + 5 * 1.55, {"cycle_a"}),
        ({"gan_weight": 0.0, "cycle": "forward", "identity_weight": 0.0}, 10 * 0.45, {"cycle_b", "identity"}),
    ],
)
def test_the_ablations(options, loss, absent):
    made = made_of(**options)
    logs = made.train_step(rows())
    assert float(logs["generator_loss"]) == pytest.approx(loss, rel=1e-5)
    assert not absent & logs.keys()
    assert made.player_names == (("generators", "discriminators") if made.gan_weight else ("generators",))


def test_a_step_is_minus_the_gradient_of_the_whole_loss_and_the_discriminators_see_the_old_fakes():
    made = make(rate=1.0)
    random = np.random.default_rng(0)
    data = {name: tf.constant(random.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)) for name in "ab"}
    a, b = data["a"], data["b"]
    # from small kernels the losses change by leaps
    for weight in made.trainable_variables:
        weight.assign(weight + 0.1 * tf.constant(random.normal(size=weight.shape), tf.float32))
    generators, discriminators = made.weights_of("generators"), made.weights_of("discriminators")
    before = [weight.numpy() for weight in (*generators, *discriminators)]
    judge_a, judge_b = made.discriminator_a, made.discriminator_b

    def there(x):
        return made.a_to_b({"a": x})["fake_b"]

    def back(x):
        return made.b_to_a({"b": x})["fake_a"]

    def l1(x, y):
        return tf.reduce_mean(tf.abs(x - y))

    def square(x):
        return tf.reduce_mean(x**2)

    with tf.GradientTape(persistent=True) as tape:
        fake_a, fake_b = back(b), there(a)
        loss = square(judge_a(fake_a) - 1) + square(judge_b(fake_b) - 1)
        loss += 10 * (l1(back(fake_b), a) + l1(there(fake_a), b)) + 5 * (l1(there(b), b) + l1(back(a), a))
        fake_a, fake_b = tf.stop_gradient(fake_a), tf.stop_gradient(fake_b)
        other = square(judge_a(a) - 1) + square(judge_a(fake_a)) + square(judge_b(b) - 1) + square(judge_b(fake_b))
        other /= 2
    expected = [
        *tape.gradient(loss, [weight.value for weight in generators]),
        *tape.gradient(other, [weight.value for weight in discriminators]),
    ]
    logs = made.train_step(data)
    assert float(logs["generator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(logs["discriminator_loss"]) == pytest.approx(float(other), rel=1e-5)
    for old, weight, gradient in zip(before, (*generators, *discriminators), expected, strict=True):
        np.testing.assert_allclose(old - weight.numpy(), gradient, rtol=1e-3, atol=1e-4 * np.abs(gradient).max() + 1e-6)


class PlainPool:
    """The pool as a list: what Shrivastava et al. and the authors' code do, picture by picture."""

    def __init__(self, size):
        self.size, self.pictures = size, []

    def query(self, picture, u, place):
        if len(self.pictures) < self.size:
            self.pictures.append(picture)
            return picture
        if u < 0.5:
            return picture
        seen, self.pictures[int(place * self.size)] = self.pictures[int(place * self.size)], picture
        return seen


@pytest.mark.parametrize(("size", "batch"), [(3, 1), (3, 2), (4, 4), (2, 5)])
def test_the_pool_is_a_plain_one_with_the_same_draws(size, batch):
    random, plain = np.random.default_rng(size), PlainPool(size)
    pool, filled = tf.zeros((size, 1)), tf.constant(0, tf.int64)
    run = tf.function(exchange)
    swapped = 0
    for step in range(12):
        made = np.arange(step * batch, (step + 1) * batch, dtype=np.float32)[:, None] + 1
        u = random.uniform(size=(batch, 2)).astype(np.float32)
        seen, pool, filled = run(pool, filled, tf.constant(made), tf.constant(u))
        expected = [plain.query(picture, *draw) for picture, draw in zip(made[:, 0], u, strict=True)]
        np.testing.assert_array_equal(seen[:, 0], expected)
        np.testing.assert_array_equal(pool[: len(plain.pictures), 0], plain.pictures)
        assert int(filled) == len(plain.pictures)
        swapped += (np.array(expected) != made[:, 0]).sum()
    assert swapped > 2, "a pool that never gave an old picture shows nothing"


def test_the_largest_draw_is_still_a_place_of_the_pool():
    almost = np.nextafter(np.float32(1), np.float32(0))
    pool = tf.reshape(tf.range(50, dtype=tf.float32), (50, 1))
    seen, kept, _ = exchange(pool, tf.constant(50, tf.int64), tf.constant([[99.0]]), tf.constant([[almost, almost]]))
    assert float(seen[0, 0]) == 49
    assert float(kept[49, 0]) == 99


def test_the_discriminators_see_the_pool_and_the_generators_do_not():
    """With a full pool of pictures of one value, every draw from 1/2 on shows that value to the discriminator."""
    made = made_of(pool_size=2)
    seen = []
    judge = made.judge
    made.judge = lambda domain, x: (seen.append(float(tf.reduce_mean(x))), judge(domain, x))[1]
    made.noise = lambda shape, law, name, whole=False: tf.fill(shape, 0.75)
    for domain in "ab":
        getattr(made, f"pool_{domain}").assign(tf.fill((2, 8, 8, 3), 0.125))
        getattr(made, f"filled_{domain}").assign(2)
    made.pooled("a", tf.fill((2, 8, 8, 3), -0.25))
    # the first takes the place of .125, the second that of the first
    np.testing.assert_allclose(made.pool_a[:, 0, 0, 0], [0.125, -0.25])
    made.pool_a.assign(tf.fill((2, 8, 8, 3), 0.125))
    made.discriminator_step = lambda data, fakes: {
        "seen": {domain: made.pooled(domain, fake).numpy()[:, 0, 0, 0].tolist() for domain, fake in fakes.items()}
    }
    logs = made.train_step(rows())
    assert [round(value, 6) for value in seen] == [0.5, -0.25]
    assert logs["seen"] == {"a": [0.125, -0.25], "b": [0.125, 0.5]}


def test_a_pool_comes_back_with_a_resumed_run_and_is_one_on_all_replicas(mirrored, tmp_path):
    settings = tiny_config("cyclegan")
    whole = trained(settings, tmp_path / "whole")
    first = trainer(settings, tmp_path / "resumed")
    first._resume()
    first.train_until(2)
    first.step = 2
    first.save()
    resumed = trained(settings, tmp_path / "resumed")
    assert_same_state(checkpoint(tmp_path / "whole", 4), checkpoint(tmp_path / "resumed", 4))
    for made in (whole.model, resumed.model):
        assert int(made.filled_a) == int(made.filled_b) == 3
        assert all(np.abs(made.pool_b.numpy()).max(axis=(1, 2, 3)) > 0)
    np.testing.assert_array_equal(whole.model.pool_a, resumed.model.pool_a)
    two = trained(settings, tmp_path / "two", mirrored).model
    for weight in (two.pool_a, two.pool_b, two.filled_a, two.filled_b):
        copies = [copy.numpy() for copy in weight.value.values]
        assert len(copies) == 2
        np.testing.assert_array_equal(*copies)


def test_both_maps_are_free_and_lead_to_the_other_domain():
    made = make((1, 3), side=16)
    assert list(made.maps) == ["a_to_b", "b_to_a"]
    for name, (source, target, channels) in {"a_to_b": ("a", "fake_b", 3), "b_to_a": ("b", "fake_a", 1)}.items():
        spec = made.maps[name].spec
        assert [tensor.name for tensor in (*spec.inputs, *spec.outputs)] == [source, target]
        assert (spec.inputs[0].multiple, spec.inputs[0].least, spec.output.follows) == (4, 8, source)
        x = np.zeros((1, 8, 20, 4 - channels), np.float32)
        assert made.maps[name]({source: x})[target].shape == (1, 8, 20, channels)


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"a": (8, 8, 3), "b": (16, 16, 3)}, {}, "set one size, such as --config.data.image_size=8"),
        ({"a": (10, 10, 3), "b": (10, 10, 3)}, {}, "multiples of 4 and at least 8, not 10 x 10 pixels"),
        ({"a": (4, 4, 3), "b": (4, 4, 3)}, {}, "set --config.data.image_size=8"),
        ({}, {"halvings": 4}, "model.halvings=4: use 0 to 3 for 8 x 8 pixels"),
        ({}, {"blocks": 0}, "model.blocks=0: use a positive number"),
        ({}, {"base_channels": 0}, "model.base_channels=0: use a positive number"),
        ({}, {"pool_size": -1}, "model.pool_size=-1"),
        ({}, {"cycle_weight": -1.0}, "use 0 or more"),
        ({}, {"cycle_weight": 0.0, "gan_weight": 0.0}, "use 0 for one of them at most"),
        ({}, {"cycle": "there"}, "model.cycle=there: use one of both, forward, backward"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(columns, options, said):
    with pytest.raises(UserError) as refused:
        zoo.create("cyclegan", columns={"a": (8, 8, 3), "b": (8, 8, 3), **columns}, **{**SMALLEST, **options})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
