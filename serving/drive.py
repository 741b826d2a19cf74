"""Let an exported planner drive an environment, with numpy and onnxruntime alone.

    python -m serving.drive --bundle=bundles/pendulum --env=Pendulum-v1 --seeds=0,1,2

The bundle is that of a world model that plans from states. At each step its map "plan" is asked for an action; the next
plan begins with what is left of the last one. Prints a line of JSON for each seed, which is that of the first state and
of the plans: its return, and the milliseconds that a plan took.
"""

import json
import time
from collections.abc import Callable

import numpy as np
from absl import flags

from serving.maps import ServedMap, load
from zoo import environments, planning
from zoo.environments import Environment
from zoo.shared import program
from zoo.shared.errors import UserError

_BUNDLE = flags.DEFINE_string("bundle", None, "A bundle directory. Required.")
_ENV = flags.DEFINE_string("env", "Pendulum-v1", f"The environment: {' or '.join(environments.ENVIRONMENTS)}.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "An episode for each, comma-separated.")
_STEPS = flags.DEFINE_integer("steps", 0, "Steps of an episode; 0 is the environment's own number.", lower_bound=0)
_THREADS = flags.DEFINE_integer("threads", 1, "How many cores to use.", lower_bound=1)

MAP = "plan"


def main() -> None:
    """Drive one episode for each seed."""
    if not _BUNDLE.value:
        raise UserError("--bundle is missing; see --help")
    environment = environments.named(_ENV.value)
    seeds = program.seeds(_SEEDS.value)
    planner = load(_BUNDLE.value, _THREADS.value)[MAP]
    check(planner, environment)
    for seed in seeds:
        calls: list[float] = []
        act = agent(planner, environment, seed, calls)
        found = environments.episode_return(environment, act, np.random.default_rng([seed, 0]), _STEPS.value)
        line = {"env": environment.name, "seed": seed, "return": found, "ms_per_action": 1000 * float(np.median(calls))}
        print(json.dumps(line), flush=True)


def check(planner: ServedMap, environment: Environment) -> None:
    """Raise a `UserError` unless the map plans from states of the environment."""
    inputs = {tensor.name: tensor for tensor in planner.spec.inputs}
    action = next((tensor for tensor in planner.spec.outputs if tensor.name == "next_action"), None)
    if action is None or "guess" not in inputs:
        raise UserError("the map plan of the bundle is none of a world model: it needs guess and makes next_action")
    found = (inputs["state"].shape if "state" in inputs else (), action.shape, action.low, action.high)
    if found != ((len(environment.scale),), (environment.actions,), environment.low, environment.high):
        raise UserError(f"the bundle does not plan from states of {environment.name}: name its own --env")


def seed_of(seed: int, step: int) -> int:
    """Return the seed of the plans of a step.

    Sample 0 of a seed for each costs a twelfth of sample `step` of one: serving computes later samples in blocks.
    """
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def agent(
    planner: ServedMap, environment: Environment, seed: int, calls: list[float]
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the actions (A,) of states (S,); the seconds of each plan are added to `calls`."""
    (guess,) = (np.zeros(tensor.shape, np.float32) for tensor in planner.spec.inputs if tensor.name == "guess")

    def act(state: np.ndarray) -> np.ndarray:
        nonlocal guess
        began = time.perf_counter()
        made = planner(seed=seed_of(seed, len(calls)), state=environment.seen(state), guess=guess)
        calls.append(time.perf_counter() - began)
        guess = planning.shifted(made["plan"][0])
        return made["next_action"][0]

    return act


def run() -> None:
    """Run the program: `python -m serving.drive`."""
    program.run(main)


if __name__ == "__main__":
    run()
