"""An exported planner drives an environment where TensorFlow is blocked, as the model itself would."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from shared import REPOSITORY, trained, world_of_states

import serving
from export import build
from serving import drive
from zoo import environments, noise, planning
from zoo.environments import CARTPOLE, PENDULUM
from zoo.model import as_run
from zoo.shared.errors import UserError

DRIVE_WITHOUT_TENSORFLOW = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tf2onnx", "onnx", "ml_collections", "train", "export"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from serving import drive
drive.run()
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The model of a tiny run that sees states, and its bundle."""
    directory = tmp_path_factory.mktemp("world")
    made = trained(world_of_states(), directory / "run")
    build.build(directory / "run", directory / "bundle")
    return made, directory / "bundle"


def test_it_drives_without_tensorflow_and_a_seed_is_an_episode(exported):
    _, bundle = exported
    command = [sys.executable, "-P", "-c", DRIVE_WITHOUT_TENSORFLOW, f"--bundle={bundle}", "--steps=6", "--seeds=0,5"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    first, second = map(json.loads, found.stdout.splitlines())
    assert first["return"] != second["return"] and first["ms_per_action"] > 0
    planner = serving.load(bundle)["plan"]
    act = drive.agent(planner, PENDULUM, 5, [])
    again = environments.episode_return(PENDULUM, act, np.random.default_rng([5, 0]), 6)
    assert again == pytest.approx(second["return"])


def test_its_actions_are_those_of_the_model(exported):
    made, bundle = exported
    act = drive.agent(serving.load(bundle)["plan"], PENDULUM, 3, [])
    with made.averages.applied():
        run, spec, guess = (
            as_run(made.model.maps["plan"]),
            made.model.maps["plan"].spec,
            np.zeros((1, 3, 1), np.float32),
        )
        state = np.array([[2.0, -1.0]])
        for step in range(4):
            given = {"state": PENDULUM.seen(state), "guess": guess}
            expected = run(noise.fill(spec, 1, drive.seed_of(3, step), 0, given))
            action = act(state[0])
            np.testing.assert_allclose(action, expected["next_action"][0], atol=1e-4)
            guess = planning.shifted(expected["plan"][0])[None]
            state, *_ = PENDULUM.advance(state, action[None])


def test_another_environment_and_bundles_without_a_planner_are_refused(exported):
    planner = serving.load(exported[1])["plan"]
    drive.check(planner, PENDULUM)
    with pytest.raises(UserError, match=r"^the bundle does not plan from states of CartPole-v1: name its own --env$"):
        drive.check(planner, CARTPOLE)
    with pytest.raises(UserError, match="the map plan of the bundle is none of a world model"):
        drive.check(serving.load(exported[1])["dream"], PENDULUM)
