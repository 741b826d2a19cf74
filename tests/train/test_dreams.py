"""The experiments on world models: known answers for their parts, and small budgets of the whole."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from train.data import Table
from train.theory import dream_temperature, dreams, open_loop_error, planning_horizon
from zoo import environments
from zoo.environments import PENDULUM
from zoo.latent.mixture_density import mixture_mean
from zoo.latent.world_model import WorldModel


def linear_rows(count=50, steps=4):
    """Rows of s' = M s + a v + b."""
    random = np.random.default_rng(0)
    M, v, b = random.normal(size=(3, 3)) / 3, random.normal(size=3), random.normal(size=3)
    seen, action = [random.normal(size=(count, 3))], random.normal(size=(count, steps, 1))
    for step in range(steps):
        seen.append(seen[-1] @ M.T + action[:, step] * v + b)
    return Table({"observation": np.stack(seen, axis=1), "action": action}, {}, "")


def test_the_linear_model_is_exact_where_all_is_linear():
    rows = linear_rows()
    seen, action = rows.columns["observation"], rows.columns["action"]
    np.testing.assert_allclose(dreams.linear_forecast(rows)(seen[:, 0], action), seen[:, 1:], atol=1e-9)
    np.testing.assert_array_equal(dreams.repeated(seen[:, 0], action)[:, 3], seen[:, 0])


def test_the_forecast_is_the_models_step_by_step():
    keras.utils.set_random_seed(0)
    source = dreams.table(4)
    model = WorldModel(columns=source.specs, vision=False, units=4, mixtures=2, residual=True, rewards=True, horizon=2)
    seen, action = source.columns["observation"], source.columns["action"]
    found = dreams.forecast_of(model)(seen[:, 0], action[:, :3])
    past = seen[:, :1]
    for step in range(3):
        law = model.memory({"z": tf.constant(past), "action": tf.constant(action[:, : step + 1])})
        past = np.concatenate([past, mixture_mean(law)[:, -1:]], axis=1)
    np.testing.assert_allclose(found, past[:, 1:], atol=1e-5)


def test_dreams_choose_the_plan_that_they_like_best(monkeypatch):
    """With the true rewards for a dream, what is dreamt is what is real, at every temperature."""
    for name, value in {"_STATES": 5, "_PLANS": 7}.items():
        monkeypatch.setattr(dream_temperature, name, value)
    model = WorldModel(columns=dreams.table(4).specs, vision=False, units=4, mixtures=2, rewards=True)

    def true_dream(made):
        def run(inputs):
            seen = inputs["state"].astype(np.float64)
            states = np.stack([np.arctan2(seen[:, 1], seen[:, 0]), 8 * seen[:, 2]], axis=-1)
            rewards = [
                environments.returns(PENDULUM, states, inputs["action"][:, : t + 1])
                - environments.returns(PENDULUM, states, inputs["action"][:, :t])
                for t in range(dreams.LENGTH)
            ]
            return {"rewards": np.stack(rewards, axis=1)}

        return run

    monkeypatch.setattr(dream_temperature, "as_run", true_dream)
    dreamt, real = dream_temperature.returns(model, 0)
    np.testing.assert_allclose(dreamt, real, rtol=1e-4)
    random = np.random.default_rng(0)
    states = np.stack([random.uniform(-np.pi, np.pi, 5), random.uniform(-8, 8, 5)], axis=-1)
    plans = PENDULUM.random_actions(random, (5, 7, dreams.LENGTH))
    best = [
        max(environments.returns(PENDULUM, np.repeat(s[None], 7, axis=0), p))
        for s, p in zip(states, plans, strict=True)
    ]
    np.testing.assert_allclose(real, np.full(len(real), np.mean(best)), rtol=1e-4)
    assert len(dreamt) == len(dream_temperature.TEMPERATURES)


@pytest.fixture
def tiny(monkeypatch):
    """Everything as small as it can be."""
    for name, value in {"UNITS": 4, "BATCH": 4}.items():
        monkeypatch.setattr(dreams, name, value)
    for module, constants in (
        (open_loop_error, {"_ROWS": 8}),
        (planning_horizon, {"_ROWS": 8, "HORIZONS": (2, 3), "_PLANS": 5, "_ELITES": 2, "_ITERATIONS": 2}),
        (dream_temperature, {"_ROWS": 8, "_STATES": 3, "_PLANS": 4, "TEMPERATURES": (0.1, 1.15)}),
    ):
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(dream_temperature, "_WARM", 1)


def test_errors_are_measured_beside_those_of_simple_rules(tiny):
    result = open_loop_error.run(seeds=[0, 1], budget=0.0005)
    numbers = result.numbers
    assert numbers["error after 1 step, last state repeated"] < numbers["error after 24 steps, last state repeated"]
    assert len(numbers["error after 5 steps, world model"]["values"]) == 2
    assert not result.holds and "2 steps on 8 rows of 24" in result.protocol
    assert json.dumps([result.holds, result.numbers])


def test_planning_is_measured_beside_chance_and_the_truth(tiny):
    result = planning_horizon.run(seeds=[0], budget=0.01)
    assert {name for name in result.numbers if name.startswith("return, ")} == {
        f"return, {told}, {horizon} steps ahead" for told in ("model", "true dynamics") for horizon in (2, 3)
    }
    assert "over 2 steps" in result.protocol and json.dumps([result.holds, result.numbers])


def test_dreams_are_measured_at_each_temperature(tiny):
    result = dream_temperature.run(seeds=[0], budget=0.001)
    assert set(result.numbers) == {
        f"{what} return at temperature {tau}" for what in ("dreamt", "real") for tau in ("0.1", "1.15")
    }
    assert "3 steps on 8 rows" in result.protocol and json.dumps([result.holds, result.numbers])
