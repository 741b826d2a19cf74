"""The planners of numpy: they find what is known to be the best."""

import numpy as np
import pytest

from zoo import planning
from zoo.environments import PENDULUM, episode_return, returns
from zoo.planning import Law
from zoo.shared.errors import UserError

WIDE = Law(-2.0, 2.0, False)


def test_the_cross_entropy_method_finds_the_minimum_of_a_quadratic():
    best = np.array([[0.5], [-1.2], [1.9]])
    noise = np.random.default_rng(0).normal(size=(12, 300, 3, 1))
    plan = planning.cross_entropy(
        lambda actions: -((actions - best) ** 2).sum(axis=(1, 2)), WIDE, np.zeros((3, 1)), noise, 20
    )
    np.testing.assert_allclose(WIDE.actions(plan), best, atol=0.02)


def test_an_iteration_by_hand():
    noise = np.array([-0.5, 0.25, 0.75, 3.0]).reshape(1, 4, 1, 1)
    plan = planning.cross_entropy(lambda actions: actions[:, 0, 0], WIDE, np.full((1, 1), 0.1), noise, 2)
    # 3.1 is cut to 1, and the elites are 1 and 0.85; a tenth of the mean before stays
    assert plan == pytest.approx(0.1 * 0.1 + 0.9 * (1 + 0.85) / 2)


def test_plans_that_are_as_good_as_the_last_elite_count_too():
    noise = np.array([1.0, 0.5, 0.0]).reshape(1, 3, 1, 1)
    plan = planning.cross_entropy(lambda actions: np.zeros(3), WIDE, np.zeros((1, 1)), noise, 1)
    assert plan == pytest.approx(0.9 * 0.5)


def test_laws_keep_their_bounds_and_one_of_discrete_actions():
    x = np.array([[[-3.0], [0.0], [1.0]]])
    np.testing.assert_array_equal(Law(-1.0, 3.0, False).actions(x), [[[-1], [1], [3]]])
    scores = np.array([[0.2, -1.0, 0.1], [0.0, 5.0, -2.0]])
    np.testing.assert_array_equal(Law(0.0, 1.0, True).actions(scores), [[1, 0, 0], [0, 1, 0]])


def test_shooting_takes_the_best_and_a_plan_is_shifted():
    plans = np.array([[[1.0]], [[2.0]], [[-1.0]]])
    assert planning.shooting(lambda actions: -(actions[:, 0, 0] ** 2) - actions[:, 0, 0], plans) == -1
    np.testing.assert_array_equal(planning.shifted(np.array([[1.0], [2.0], [3.0]])), [[2], [3], [0]])
    for elites in (0, 4):
        with pytest.raises(UserError, match=f"^{elites} elites of 3 plans: use a number from 1 to 3$"):
            planning.check(3, elites)


def test_planning_in_the_true_dynamics_swings_the_pendulum_up():
    random = np.random.default_rng(1)
    law, guess = Law(PENDULUM.low, PENDULUM.high, False), np.zeros((15, 1))

    def act(state):
        nonlocal guess
        score = lambda actions: returns(PENDULUM, np.repeat(state[None], len(actions), axis=0), actions)  # noqa: E731
        plan = planning.cross_entropy(score, law, guess, random.normal(size=(4, 200, 15, 1)), 20)
        guess = planning.shifted(plan)
        return law.actions(plan)[0]

    # random actions have about -1,200; no state of the last steps is far from upright
    assert episode_return(PENDULUM, act, np.random.default_rng(0)) > -400
