"""Agents that plan: in a learned world model, or in the true dynamics of its environment; and what they get."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from zoo import environments, planning
from zoo.environments import Environment
from zoo.shared.errors import UserError

# states (plans, S) and actions (plans, steps, A) to returns (plans,)
Judge = Callable[[np.ndarray, np.ndarray], np.ndarray]
RANDOM, MODEL, TRUE = "random", "model", "true_dynamics"


def check_model(model: Any, environment: Environment) -> None:
    """Raise a `UserError` unless a model can foresee the rewards of the environment from its states."""
    if getattr(model, "sees", False):
        raise UserError("the model sees pictures, one of which shows no speed: plan with one that sees states")
    if "plan" not in model.maps:
        raise UserError("the model has no map 'plan': train a world_model with --config.model.rewards=true")
    action, numbers = model.columns["action"], len(environment.scale)
    found = (action.shape[1], action.low, action.high, model.discrete, model.latents)
    wanted = (environment.actions, environment.low, environment.high, environment.discrete, numbers)
    if found != wanted:
        raise UserError(
            f"the model was not trained on {environment.name}: it has {found[0]} actions in [{found[1]:g}, "
            f"{found[2]:g}], discrete={found[3]}, and states of {found[4]} numbers, the environment {wanted[0]} in "
            f"[{wanted[1]:g}, {wanted[2]:g}], discrete={wanted[3]}, and {numbers}"
        )


def check_horizon(model: Any, horizon: int) -> None:
    """Raise a `UserError` for plans that are longer than what the model has seen."""
    if horizon > model.steps:
        raise UserError(
            f"a horizon of {horizon} is beyond the trained length: the model saw rows of {model.steps} actions; use at "
            f"most {model.steps}, or train with a larger --config.data.length"
        )


def judge_of(model: Any, environment: Environment) -> Judge:
    """Return the returns that a learned model foresees, as a function of states and plans."""
    import tensorflow as tf

    run = tf.function(model.planner.returns)

    def judge(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return run(tf.constant(environment.seen(states)), tf.constant(actions)).numpy()

    return judge


def agent(
    environment: Environment,
    judge: Judge,
    planner: str,
    size: tuple[int, int, int],
    elites: int,
    random: np.random.Generator,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what plans anew at every state, in `size` iterations of so many plans of so many steps."""
    iterations, plans, horizon = size
    law = planning.Law(environment.low, environment.high, environment.discrete)
    guess = np.zeros((horizon, environment.actions))

    def act(state: np.ndarray) -> np.ndarray:
        nonlocal guess

        def score(actions: np.ndarray) -> np.ndarray:
            return judge(np.repeat(state[None], len(actions), axis=0), actions)

        if planner == "shooting":
            return planning.shooting(score, environment.random_actions(random, (iterations * plans, horizon)))[0]
        noise = random.normal(size=(iterations, plans, *guess.shape))
        plan = planning.cross_entropy(score, law, guess, noise, elites)
        guess = planning.shifted(plan)
        return law.actions(plan)[0]

    return act


def measured(
    environment: Environment,
    judges: dict[str, Judge],
    planner: str,
    size: tuple[int, int, int],
    elites: int,
    seeds: Sequence[int],
    steps: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield, for each seed, the returns of random actions and of planning by each judge.

    The first state is the same for all, and so are the draws of plans. `steps` 0 is the environment's own number.
    """
    from tqdm import tqdm

    live = sys.stderr.isatty()
    total = len(seeds) * (1 + len(judges))
    with tqdm(total=total, unit="episode", desc="planning", mininterval=0.2 if live else 15, dynamic_ncols=live) as bar:
        for seed in seeds:
            line: dict[str, Any] = {"seed": seed}
            for name in (RANDOM, *judges):
                first, random = (np.random.default_rng([seed, stream]) for stream in range(2))
                act = (
                    agent(environment, judges[name], planner, size, elites, random)
                    if name in judges
                    else lambda state, random=random: environment.random_actions(random, ())
                )
                line[name] = environments.episode_return(environment, act, first, steps)
                bar.update(1)
            yield line
