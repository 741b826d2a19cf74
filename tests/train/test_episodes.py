"""The collector of episodes: what it writes follows from the seed alone, however often it is stopped."""

import numpy as np
import pytest
from shared import program

from train.data.sources import episodes as source
from zoo.environments import CARTPOLE, PENDULUM
from zoo.shared.errors import UserError

episodes = program("train.episodes")


def collected(*arguments):
    own = episodes.OUTPUT._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["episodes", *arguments])
    episodes.main()


def contents(root):
    return {path.name: {key: value.tolist() for key, value in source.read(path).items()} for path in root.glob("*.npz")}


def test_a_stopped_program_goes_on_where_it_was(tmp_path):
    pytest.importorskip("gymnasium", reason="an extra")
    flags = ["--env=CartPole-v1", "--seed=3"]
    collected(*flags, f"--output={tmp_path / 'whole'}", "--episodes=4")
    collected(*flags, f"--output={tmp_path / 'parts'}", "--episodes=2")
    first = (tmp_path / "parts" / "000001.npz").stat().st_mtime_ns
    collected(*flags, f"--output={tmp_path / 'parts'}", "--episodes=4")
    assert (tmp_path / "parts" / "000001.npz").stat().st_mtime_ns == first, "what is there is left alone"
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")
    assert len(contents(tmp_path / "whole")) == 4
    collected("--env=CartPole-v1", "--seed=4", f"--output={tmp_path / 'other'}", "--episodes=1")
    assert contents(tmp_path / "other")["000000.npz"] != contents(tmp_path / "whole")["000000.npz"]


@pytest.mark.parametrize("environment", [CARTPOLE, PENDULUM], ids=lambda environment: environment.name)
def test_an_episode_is_what_the_environment_does(tmp_path, environment):
    pytest.importorskip("gymnasium", reason="an extra")
    collected(f"--env={environment.name}", f"--output={tmp_path}", "--episodes=1")
    found = source.read(tmp_path / "000000.npz")
    seen = found["observation"].astype(np.float64) * environment.scale
    state = seen if environment is CARTPOLE else np.stack([np.arctan2(seen[:, 1], seen[:, 0]), seen[:, 2]], axis=-1)
    following, reward, ended = environment.advance(state[:-1], found["action"])
    np.testing.assert_allclose(environment.seen(following), found["observation"][1:], atol=1e-5)
    np.testing.assert_allclose(reward, found["reward"], atol=1e-4)
    assert ended[-1] == found["ended"] == (environment is CARTPOLE) and not ended[:-1].any()
    assert found["action"].std() > 0.3


def test_drifting_actions_stay_near_the_ones_before():
    random, drift, steps = np.random.default_rng(0), np.zeros(2), []
    for _ in range(500):
        following = episodes._next(drift, random, "drift")
        steps.append(np.abs(following - drift).mean())
        drift = following
        assert np.abs(drift).max() <= 1
    assert 0.1 < np.mean(steps) < 0.3


def test_what_cannot_be_is_refused_in_one_line(tmp_path):
    for arguments, line in (
        ([], "--output is missing"),
        (
            [f"--output={tmp_path}", "--env=Pendulum-v0"],
            "unknown environment 'Pendulum-v0'; did you mean 'Pendulum-v1'",
        ),
        ([f"--output={tmp_path}", "--episodes=0"], "--episodes=0: use 1 to 1,000,000"),
        ([f"--output={tmp_path}", "--seed=-1"], "--seed=-1: use an integer from 0"),
        ([f"--output={tmp_path}", "--env=CarRacing-v3"], "CarRacing-v3 is seen as pictures only: set --pictures"),
    ):
        with pytest.raises(UserError, match=line):
            collected(*arguments)


def test_a_directory_of_other_episodes_is_refused(tmp_path):
    episodes._begin(tmp_path, {"env": "Pendulum-v1", "seed": 0, "pictures": False, "actions": "uniform"})
    with pytest.raises(UserError, match=r"holds episodes of --env=Pendulum-v1, --seed=0: go on with that, or name a"):
        episodes._begin(tmp_path, {"env": "CartPole-v1", "seed": 1, "pictures": False, "actions": "uniform"})
    (tmp_path / episodes.SETTINGS).write_text("[]")
    with pytest.raises(UserError, match="episodes.json is corrupt"):
        episodes._begin(tmp_path, {"env": "CartPole-v1", "seed": 1, "pictures": False, "actions": "uniform"})


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gymnasium", None)
    with pytest.raises(UserError, match=r"^Pendulum-v1 needs gymnasium: pip install .*\.whl\[episodes\]"):
        episodes.make("Pendulum-v1", False)
