"""The environments of numpy: step for step those of gymnasium, and known physics where there is none."""

import numpy as np
import pytest

from zoo import environments
from zoo.environments import CARTPOLE, ENVIRONMENTS, PENDULUM
from zoo.shared.errors import UserError


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_a_step_is_that_of_gymnasium(environment):
    gymnasium = pytest.importorskip("gymnasium", reason="an extra")
    other = gymnasium.make(environment.name)
    random = np.random.default_rng(0)
    assert other.spec.max_episode_steps == environment.steps
    for seed in range(5):
        seen, _ = other.reset(seed=seed)
        state = np.array([other.unwrapped.state], dtype=np.float64)
        np.testing.assert_allclose(environment.observe(state)[0], seen, atol=1e-6)
        ended = cut_off = False
        while not (ended or cut_off):
            action = environment.random_actions(random, (1,))
            chosen = int(action[0].argmax()) if environment.discrete else action[0]
            seen, reward, ended, cut_off, _ = other.step(chosen)
            state, own_reward, own_ended = environment.advance(state, action)
            np.testing.assert_allclose(state[0], other.unwrapped.state, atol=1e-6)
            np.testing.assert_allclose(environment.observe(state)[0], seen, atol=1e-6)
            assert own_reward[0] == pytest.approx(reward, abs=1e-6) and own_ended[0] == ended


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_states_of_any_number_are_advanced_as_one_by_one(environment):
    random = np.random.default_rng(1)
    states, actions = environment.begin(random, 7), environment.random_actions(random, (7,))
    together = environment.advance(states, actions)
    for number in range(7):
        for all_of_them, alone in zip(together, environment.advance(states[number], actions[number]), strict=True):
            np.testing.assert_array_equal(all_of_them[number], alone)
    assert environment.seen(states).shape == (7, len(environment.scale))


def test_one_step_by_hand():
    # a rod that lies to the side falls by 3 g / 2 l = 15, and a torque of 1 adds 3: 0.05 s of 18
    state, reward, ended = PENDULUM.advance(np.array([np.pi / 2, 0.0]), np.array([1.0]))
    assert state[1] == pytest.approx(0.9) and state[0] == pytest.approx(np.pi / 2 + 0.045)
    assert reward == pytest.approx(-(np.pi**2 / 4 + 0.001)) and not ended
    # an upright pole on a cart that is pushed right: 0.02 s of (10 - 0.05 a) / 1.1, where a is the angle's
    turn = -(10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    state, reward, ended = CARTPOLE.advance(np.zeros(4), np.array([0.0, 1.0]))
    np.testing.assert_allclose(state, [0, 0.02 * (10 / 1.1 - 0.05 * turn / 1.1), 0, 0.02 * turn], atol=1e-12)
    assert reward == 1 and not ended
    assert CARTPOLE.advance(np.array([0, 0, 0.2, 2.0]), np.array([1.0, 0.0]))[2]
    assert CARTPOLE.advance(np.array([2.39, 1.0, 0, 0]), np.array([1.0, 0.0]))[2]


def test_returns_are_the_rewards_until_the_end_and_the_guide():
    falling = np.array([[0.0, 0.0, 0.2, 1.0], [0.0, 0.0, 0.0, 0.0]])
    actions = np.tile(np.array([0.0, 1.0]), (2, 5, 1))
    found = environments.returns(CARTPOLE, falling, actions, (0.1, 0.0, 0.2, 0.0))
    states, expected = falling, np.zeros(2)
    over = np.zeros(2, bool)
    for step in range(5):
        states, reward, ended = CARTPOLE.advance(states, actions[:, step])
        worth = reward - 0.1 * (states[:, 0] / 2.4) ** 2 - 0.2 * (states[:, 2] / 0.2) ** 2
        expected += np.where(over, 0, worth)
        over |= ended
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert over[0] and found[0] < 2 < found[1]
    assert environments.returns(CARTPOLE, falling, actions)[1] == 5


def test_an_episode_has_its_length_and_ends_early():
    stand = environments.episode_return(PENDULUM, lambda state: np.zeros(1), np.random.default_rng(0), 3)
    assert -3 * (np.pi**2 + 6.5) < stand < 0
    left = environments.episode_return(CARTPOLE, lambda state: np.array([1.0, 0.0]), np.random.default_rng(0))
    assert 5 <= left <= 15


def test_an_unknown_environment_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"did you mean 'CartPole-v1'"):
        environments.named("CartPole-v0")
