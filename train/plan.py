"""Plan in a world model, and see what that is worth in the environment: beside chance, and beside the true dynamics.

    python -m train.plan --source=runs/world_model_pendulum --env=Pendulum-v1 --seeds=0,1,2,3,4

Prints a line of JSON for each seed and one of the means: the returns of random actions, of planning in the learned
model, and of planning as much in the true dynamics, which no model can be expected to beat by much. Planners are "cem",
the cross-entropy method, and "shooting", the best of random plans (see `zoo.planning`). Seeds are those of first states
and of plans; the three have the same first states. Where the model has a guide, both planners go by it; returns are
without it.
"""

import json
from typing import Any

import numpy as np
from absl import flags

from train import agents
from train.engine import backend
from train.rundir.layout import LAST
from zoo import environments, planning
from zoo.shared import program
from zoo.shared.errors import UserError

SOURCE = flags.DEFINE_string("source", None, "the run of a world model that predicts rewards")
ENV = flags.DEFINE_string("env", "Pendulum-v1", f"the environment: {' or '.join(environments.ENVIRONMENTS)}")
PLANNER = flags.DEFINE_enum("planner", "cem", ["cem", "shooting"], "how plans are made")
HORIZON = flags.DEFINE_integer("horizon", 0, "steps that a plan has; 0 is the model's own")
PLANS = flags.DEFINE_integer("plans", 0, "plans in an iteration; shooting has all in one; 0 is the model's own")
SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "an episode for each, comma-separated")
STEPS = flags.DEFINE_integer("steps", 0, "steps of an episode; 0 is the environment's own number")


def main() -> None:
    """Check the flags, then plan."""
    if not SOURCE.value:
        raise UserError("--source is missing: name a run of a world model")
    environment = environments.named(ENV.value)
    seeds, lines = program.seeds(SEEDS.value), []
    for flag in (HORIZON, PLANS, STEPS):
        if flag.value < 0:
            raise UserError(f"--{flag.name}={flag.value}: use 0 or more")
    backend.start()
    from train.evaluate import makers
    from train.rundir import restore

    config, model, step = restore.load(SOURCE.value)
    agents.check_model(model, environment)
    horizon = HORIZON.value or model.horizon
    agents.check_horizon(model, horizon)
    size = (model.iterations, PLANS.value or model.plans, horizon)
    if PLANNER.value == "cem":
        planning.check(size[1], model.elites)
    judges = {
        agents.MODEL: agents.judge_of(model, environment),
        agents.TRUE: lambda states, actions: environments.returns(environment, states, actions, model.planner.guide),
    }
    for line in agents.measured(environment, judges, PLANNER.value, size, model.elites, seeds, STEPS.value):
        print(json.dumps(line), flush=True)
        lines.append(line)
    means: dict[str, Any] = {"metric": "returns"}  # as a line of train.evaluate, so that a preset's card may have it
    means |= {"env": ENV.value, "planner": PLANNER.value, "horizon": horizon, "plans": size[1], "step": step}
    for name in (*judges, agents.RANDOM):
        values = [line[name] for line in lines]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        means |= {f"{name}_mean": float(np.mean(values)), f"{name}_deviation": deviation}
    source = makers.protocol_of("run", config.model.name, config, LAST, step)
    print(json.dumps({**means, "protocol": {"source": source, "seeds": seeds}}))


def run() -> None:
    """Run the program: `python -m train.plan`."""
    program.run(main)


if __name__ == "__main__":
    run()
