"""The program that plans: in the true dynamics it is as good as they allow; bad flags get a line."""

import json

import numpy as np
import pytest
from shared import program, trained, world_of_states

import zoo
from train import agents
from train.data import load
from zoo import environments
from zoo.environments import CARTPOLE, PENDULUM
from zoo.shared.errors import UserError

plan = program("train.plan")


def planned(*arguments):
    own = plan.SOURCE._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["plan", *arguments])
    plan.main()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "run"
    trained(world_of_states(), workdir)
    return workdir


def test_it_measures_chance_the_model_and_the_true_dynamics(run, capsys):
    planned(f"--source={run}", "--seeds=0,1", "--steps=4")
    first, second, means = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["seed"] == 0 and second["seed"] == 1 and means["horizon"] == 3 and means["plans"] == 6
    for name in ("random", "model", "true_dynamics"):
        assert first[name] < 0 and means[f"{name}_mean"] == pytest.approx((first[name] + second[name]) / 2)
        assert means[f"{name}_deviation"] == pytest.approx(np.std([first[name], second[name]], ddof=1))
    source = {"kind": "run", "model": "world_model", "checkpoint": "last", "step": 4}
    assert means["metric"] == "returns" and means["protocol"]["seeds"] == [0, 1]
    assert means["protocol"]["source"].items() >= source.items()
    planned(f"--source={run}", "--seeds=1", "--steps=4")
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == second, "a seed is its own episode"


@pytest.mark.parametrize(
    "flags, line",
    [
        ((), "--source is missing"),
        (
            ("--horizon=6",),
            "a horizon of 6 is beyond the trained length: the model saw rows of 5 actions; use at most 5",
        ),
        (("--env=CartPole-v1",), "the model was not trained on CartPole-v1: it has 1 actions in"),
        (("--env=Pendulum",), "unknown environment 'Pendulum'; did you mean 'Pendulum-v1'"),
        (("--seeds=-1",), "--seeds=-1: use whole numbers"),
        (("--plans=1",), "2 elites of 1 plans"),
        (("--steps=-1",), "--steps=-1: use 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, flags, line):
    with pytest.raises(UserError, match=line) as caught:
        planned(*((f"--source={run}",) if flags else ()), *flags)
    assert "\n" not in str(caught.value)


def test_models_that_cannot_plan_are_told():
    columns = {name: spec for table in load(world_of_states().data, "train") for name, spec in table.specs.items()}
    blind = zoo.create("world_model", columns=columns, vision=False, units=4, horizon=2)
    with pytest.raises(UserError, match="has no map 'plan': train a world_model with --config.model.rewards=true"):
        agents.check_model(blind, PENDULUM)


@pytest.mark.parametrize("planner", ["cem", "shooting"])
def test_in_the_true_dynamics_the_pole_stays_up(planner):
    judges = {"true": lambda states, actions: environments.returns(CARTPOLE, states, actions)}
    (line,) = agents.measured(CARTPOLE, judges, planner, (2, 60, 10), 8, [0], 150)
    assert line["true"] == 150 and line["random"] < 100
