"""The world model where all is known: the paper's counts, densities by hand, an LSTM by hand, dreams step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import quad
from scipy.stats import norm

import zoo
from zoo import noise, planning
from zoo.latent.mixture_density import mixture_draw, mixture_log_prob, mixture_mean
from zoo.latent.planner import Planner
from zoo.latent.world_model import SMALLEST_LOG_SCALE, Memory
from zoo.model import as_run
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

STEPS, STATE = 4, 3


def columns(steps=STEPS, seen=(STATE,), actions=1, low=-2.0, high=2.0, frames=None):
    kind = "video" if len(seen) == 3 else "latent"
    return {
        "action": TensorSpec("action", (steps, actions), "condition", "action", low=low, high=high),
        "observation": TensorSpec("observation", (frames or steps + 1, *seen), "condition", kind),
        "reward": TensorSpec("reward", (steps,), "condition"),
        "ended": TensorSpec("ended", (steps,), "condition", "mask"),
        "counted": TensorSpec("counted", (steps,), "condition", "mask"),
    }


def states(**options):
    small = {"units": 5, "mixtures": 2, "horizon": 3, "plans": 8, "elites": 3, "iterations": 2}
    keras.utils.set_random_seed(0)
    shape = {key: options.pop(key) for key in ("actions", "low", "high", "steps", "frames", "seen") if key in options}
    made = zoo.create("world_model", columns(**shape), **{"vision": False, "rewards": True, **small, **options})
    random = np.random.default_rng(0)
    for weight in made.trainable_variables:  # biases too
        weight.assign(0.5 * random.normal(size=weight.shape))
    return made


def rows(count=2, seed=0):
    random = np.random.default_rng(seed)
    return {
        "observation": random.normal(size=(count, STEPS + 1, STATE)).astype(np.float32),
        "action": random.uniform(-2, 2, (count, STEPS, 1)).astype(np.float32),
        "reward": random.normal(size=(count, STEPS)).astype(np.float32),
        "ended": np.zeros((count, STEPS), np.float32),
        "counted": np.ones((count, STEPS), np.float32),
    }


# arrays: a tensor would start TensorFlow while tests are collected
LAW = {
    "logits": np.array([[[0.3, -1.0, 2.0], [0.0, 0.5, 0.0]]], np.float32),
    "mean": np.array([[[-1.0, 0.0, 2.0], [0.5, 1.0, -3.0]]], np.float32),
    "log_scale": np.array([[[0.1, -1.0, 0.5]] * 2], np.float32),
}


def test_the_networks_have_the_papers_numbers_of_parameters():
    made = zoo.create("world_model", columns=columns(16, (64, 64, 3), 3))
    assert made.vision.count_params() == 4_348_547
    assert made.memory.count_params() == 422_368
    # mixture weights of each number: 5 x 3 x 32 outputs of h; for all of z together there were 5 x (2 x 32 + 1)
    lstm = 4 * 256 * (32 + 3 + 256 + 1)
    assert lstm + 257 * (5 * 3 * 32) == 422_368 != lstm + 257 * (5 * (2 * 32 + 1))


def test_the_density_is_that_by_hand_and_integrates_to_1():
    weights = [np.exp(row) / np.exp(row).sum() for row in LAW["logits"][0].astype(float)]
    means, scales = LAW["mean"][0], np.exp(LAW["log_scale"][0])
    z = [0.7, -0.2]
    by_hand = sum(np.log((weights[i] * norm.pdf(z[i], means[i], scales[i])).sum()) for i in range(2))
    assert mixture_log_prob(LAW, tf.constant([z], tf.float32)).numpy() == pytest.approx([by_hand], rel=1e-5)
    alone = {name: value[:, :1] for name, value in LAW.items()}
    mass, _ = quad(lambda x: float(np.exp(mixture_log_prob(alone, tf.constant([[x]], tf.float32))[0])), -12, 14)
    assert mass == pytest.approx(1, abs=1e-4)
    assert mixture_mean(LAW).numpy()[0] == pytest.approx([w @ m for w, m in zip(weights, means, strict=True)], rel=1e-5)


def test_draws_have_the_law_at_temperature_1_and_the_sharper_one_below():
    count, random = 200_000, np.random.default_rng(0)
    alone = {name: tf.repeat(value[:, :1], count, axis=0) for name, value in LAW.items()}
    u = tf.constant(random.uniform(size=(count, 1)), tf.float32)
    normal = tf.constant(random.normal(size=(count, 1)), tf.float32)
    logits, means, scales = (LAW[name][0, 0].astype(float) for name in ("logits", "mean", "log_scale"))
    for tau in (1.0, 0.4):
        z = mixture_draw(alone, tf.fill((count,), tau), u, normal).numpy()[:, 0]
        weights = np.exp(logits / tau) / np.exp(logits / tau).sum()
        mean = weights @ means
        variance = weights @ (tau * np.exp(2 * scales) + means**2) - mean**2
        assert z.mean() == pytest.approx(mean, abs=0.02) and z.var() == pytest.approx(variance, rel=0.02)
    cold = mixture_draw(alone, tf.zeros((count,)), u, tf.zeros_like(normal)).numpy()
    assert (cold == 2.0).all(), "the likeliest Gaussian, and its mean"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(memory, z, action):
    """h of an LSTM (batch, steps, units), written out: gates i, f, candidate, o."""
    kernel, recurrent, bias = (weight.numpy().astype(float) for weight in memory.cell.weights)
    h = c = np.zeros((len(z), memory.units))
    made = []
    for t in range(z.shape[1]):
        i, f, g, o = np.split(np.concatenate([z[:, t], action[:, t]], -1) @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        made.append(h)
    return np.stack(made, axis=1)


@pytest.mark.parametrize("residual", [False, True])
def test_the_memory_is_an_lstm_by_hand(residual):
    memory, data = states(residual=residual).memory, rows()
    z = data["observation"][:, :-1]
    law = memory({"z": z, "action": data["action"]})
    kernel, bias = (weight.numpy().astype(float) for weight in memory.head.weights)
    h = by_hand(memory, z.astype(float), data["action"])
    made = h @ kernel + bias
    size = STATE * 2
    logits, mean, log_scale = (made[..., k * size : (k + 1) * size].reshape(2, STEPS, STATE, 2) for k in range(3))
    np.testing.assert_allclose(law["logits"], logits, atol=1e-5)
    np.testing.assert_allclose(law["mean"], mean + residual * z[..., None], atol=1e-5)
    np.testing.assert_allclose(law["log_scale"], np.maximum(log_scale, SMALLEST_LOG_SCALE), atol=1e-5)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    seen = np.concatenate([h, (weights * (mean + residual * z[..., None])).sum(-1)], axis=-1)
    hidden, outcome = (
        [weight.numpy().astype(float) for weight in part.weights] for part in (memory.prospect, memory.outcome)
    )
    foretold = np.maximum(seen @ hidden[0] + hidden[1], 0) @ outcome[0] + outcome[1]
    np.testing.assert_allclose(law["reward"], foretold[..., 0], atol=1e-5)
    np.testing.assert_allclose(law["end"], foretold[..., 1], atol=1e-5)


def test_a_dream_is_what_it_is_step_by_step():
    model, data = states(residual=True), rows()
    made = model.maps["dream"]
    inputs = noise.fill(made.spec, 2, 3, given=model.conditions("dream", data))
    found = as_run(made)(inputs)
    past, survival = data["observation"][:, :1], np.ones(2)
    for t in range(STEPS):
        # the whole past anew, by the function that training uses
        law = model.memory({"z": past, "action": data["action"][:, : t + 1]})
        last = {name: value[:, -1] for name, value in law.items()}
        z = mixture_draw(last, tf.ones(2), inputs["u"][:, t], inputs["z"][:, t]).numpy()
        survival = survival * (1 - sigmoid(last["end"].numpy()))
        np.testing.assert_allclose(found["states"][:, t], z, atol=1e-5)
        np.testing.assert_allclose(found["rewards"][:, t], last["reward"], atol=1e-5)
        np.testing.assert_allclose(found["survival"][:, t], survival, atol=1e-5)
        past = np.concatenate([past, z[:, None]], axis=1)


@pytest.mark.parametrize("guide", ["", "0.5,0,-0.25"])
def test_returns_in_the_model_are_rewards_along_the_mean_as_likely_as_they_are(guide):
    model, data = states(guide=guide), rows()
    actions, z = data["action"][:, :3], data["observation"][:, :1]
    expected, survival = np.zeros(2), np.ones(2)
    past = z
    for t in range(3):
        law = model.memory({"z": past, "action": actions[:, : t + 1]})
        past = np.concatenate([past, mixture_mean(law)[:, -1:].numpy()], axis=1)
        taken = past[:, -1] ** 2 @ (0.5, 0.0, -0.25) if guide else 0
        expected += survival * (law["reward"][:, -1].numpy() - taken)
        survival = survival * (1 - sigmoid(law["end"][:, -1].numpy()))
    found = tf.function(model.planner.returns)(tf.constant(z[:, 0]), tf.constant(actions))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("discrete", [False, True])
def test_the_planner_in_the_graph_is_that_of_numpy(discrete):
    law = {"actions": 2, "low": 0.0, "high": 1.0} if discrete else {}
    model = states(discrete=discrete, **law)
    made, count, random = model.maps["plan"], 3, np.random.default_rng(5)
    state = random.normal(size=(count, STATE)).astype(np.float32)
    guess = random.normal(size=(count, 3, law.get("actions", 1))).astype(np.float32)
    inputs = noise.fill(made.spec, count, 7, given={"state": state, "guess": guess})
    found = as_run(made)(inputs)
    run = tf.function(model.planner.returns)
    for row in range(count):
        score = lambda actions, row=row: run(np.repeat(state[row : row + 1], 8, axis=0), actions).numpy()  # noqa: E731
        own = planning.Law(law.get("low", -2.0), law.get("high", 2.0), discrete)
        plan = planning.cross_entropy(score, own, guess[row], inputs["z"][row], 3)
        np.testing.assert_allclose(found["plan"][row], plan, atol=1e-5)
        np.testing.assert_allclose(found["next_action"][row], own.actions(plan)[0], atol=1e-5)


def test_the_planner_in_the_graph_finds_the_best_of_a_quadratic():
    class Quadratic(Planner):
        def returns(self, z, actions):
            return -tf.reduce_sum((actions - tf.constant([[1.5], [-0.5]])) ** 2, axis=(1, 2))

    memory = Memory(STATE, 1, 2, 1, False, True)
    planner = Quadratic(memory, planning.Law(-2.0, 2.0, False), 10)
    z = np.random.default_rng(0).normal(size=(2, 10, 100, 2, 1)).astype(np.float32)
    made = planner({"state": np.zeros((2, STATE), np.float32), "guess": np.zeros((2, 2, 1), np.float32), "z": z})
    np.testing.assert_allclose(made["next_action"], [[1.5], [1.5]], atol=0.02)


def compiled(model):
    model.compile(**{player: keras.optimizers.SGD(0.01) for player in model.player_names})
    return model


def test_what_does_not_count_changes_nothing():
    data = rows()
    data["counted"][0, 2:] = 0
    other = {name: values.copy() for name, values in data.items()}
    other["observation"][0, 3:] += 1
    other["reward"][0, 2:] = 9
    after = []
    for one in (data, other):
        model = compiled(states())
        logs = model.memory_step({name: tf.constant(values) for name, values in one.items()})
        after.append([*(float(value) for value in logs.values()), *(w.numpy() for w in model.trainable_variables)])
    for value, again in zip(*after, strict=True):
        np.testing.assert_allclose(value, again, rtol=1e-5, atol=1e-6)


def test_the_losses_are_those_by_hand():
    model, data = compiled(states()), rows()
    data["ended"][1, 3] = 1
    law = model.memory({"z": data["observation"][:, :-1], "action": data["action"]})
    density = -mixture_log_prob(law, tf.constant(data["observation"][:, 1:])).numpy().mean()
    reward = 0.5 * ((law["reward"].numpy() - data["reward"]) ** 2).mean()
    end = sigmoid(law["end"].numpy())
    cross_entropy = -(data["ended"] * np.log(end) + (1 - data["ended"]) * np.log(1 - end)).mean()
    logs = model.memory_step({name: tf.constant(values) for name, values in data.items()})
    for name, value in (("density_loss", density), ("reward_loss", reward), ("end_loss", cross_entropy)):
        assert float(logs[name]) == pytest.approx(value, rel=1e-4), name
    assert float(logs["memory_loss"]) == pytest.approx(density + reward + cross_entropy, rel=1e-4)


def test_rewards_and_ends_do_not_move_the_mean_that_they_are_read_from():
    memory, data = states().memory, rows()
    with tf.GradientTape(persistent=True) as tape:
        law = memory({"z": data["observation"][:, :-1], "action": data["action"]})
        foretold = tf.reduce_sum(law["reward"] + law["end"])
    assert tape.gradient(foretold, memory.head.kernel) is None
    assert float(tf.reduce_sum(tape.gradient(foretold, memory.cell.kernel) ** 2)) > 0


def test_a_phase_moves_its_own_player_alone():
    small = {"latent_dim": 3, "base_channels": 2, "units": 4, "mixtures": 2, "horizon": 2}
    model = zoo.create("world_model", columns(2, (64, 64, 1)), **small)
    for player in model.player_names:
        adam = keras.optimizers.Adam(0.01)
        adam.build(model.weights_of(player))
        model.optimizers[player] = adam
    random = np.random.default_rng(0)
    data = {
        "observation": tf.constant(random.uniform(-1, 1, (2, 3, 64, 64, 1)), tf.float32),
        "action": tf.constant(random.uniform(-2, 2, (2, 2, 1)), tf.float32),
        "counted": tf.ones((2, 2)),
    }
    for active, asleep in (("vision", "memory"), ("memory", "vision")):
        model.enter({"player": active})
        before = {player: [w.numpy() for w in model.weights_of(player)] for player in model.player_names}
        logs = tf.function(model.train_step)(data)
        assert f"{active}_loss" in logs and f"{asleep}_loss" not in logs
        for player, is_moved in ((active, True), (asleep, False)):
            for weight, old in zip(model.weights_of(player), before[player], strict=True):
                assert np.array_equal(weight.numpy(), old) != is_moved, weight.path
        assert model.weights_in_use(asleep) == []
    with pytest.raises(UserError, match=r"^a phase has player='controller': use one of memory, vision"):
        model.enter({"player": "controller"})


def test_the_kl_divergence_is_a_sum_as_the_squared_error_is():
    """A mean over pixels beside a sum over z, as a published mistake has it, collapses the posterior."""
    small = {"latent_dim": 3, "base_channels": 2, "units": 4, "mixtures": 2, "horizon": 2}
    model = zoo.create("world_model", columns(2, (64, 64, 1)), **small)
    model.optimizers["vision"] = keras.optimizers.SGD(0.0)
    model.optimizers["vision"].build(model.weights_of("vision"))
    for layer in map(model.vision.encoder.get_layer, ("mean", "log_variance")):
        kernel, bias = layer.get_weights()
        layer.set_weights([0 * kernel, 0 * bias + 0.5])
    logs = model.vision_step(tf.fill((2, 3, 64, 64, 1), -1.0))
    assert float(logs["kl"]) == pytest.approx(3 * 0.5 * (np.exp(0.5) + 0.25 - 1 - 0.5), rel=1e-5)
    assert 0.05 * 4096 < float(logs["squared_error"]) < 4096  # of a grey picture where all is black: a quarter each


def test_without_rewards_there_are_no_plans_to_be_checked():
    assert "plan" not in states(rewards=False, horizon=12, elites=9).maps


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"frames": STEPS}, r"the actions do not match: a row has 4 frames and 4 actions; .*one frame more"),
        ({"horizon": 5}, r"model.horizon=5 is beyond the trained length: rows have 4 actions; use at most 4"),
        ({"discrete": True}, r"model.discrete=True, and actions lie in \[-2, 2\]"),
        ({"elites": 9}, r"9 elites of 8 plans: use a number from 1 to 8"),
        ({"units": 0}, r"model.units=0: use 1 or more"),
        (
            {"guide": "0.1"},
            r"model.guide='0.1': use '' for none, or .* one finite weight for each number of a state",
        ),
        ({"guide": "a,0,0"}, r"model.guide='a,0,0': use '' for none"),
        ({"vision": True}, r"model.vision=True needs pictures of 64 x 64 pixels, not latent"),
        ({"seen": (64, 64, 1)}, r"model.vision=False needs states \(frames, numbers\), not video"),
        ({"seen": (32, 32, 1), "vision": True}, r"needs pictures of 64 x 64 pixels, not video of shape \(32, 32, 1\)"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes, line):
    with pytest.raises(UserError, match=line) as caught:
        states(**changes)
    assert "\n" not in str(caught.value)
