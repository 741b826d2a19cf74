"""A world model of the pendulum's states, as the experiments train it, and what it foresees."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from train import config, data
from train.data import Table
from train.theory.training import Run
from zoo.latent.mixture_density import mixture_mean
from zoo.latent.world_model import WorldModel

LENGTH = 24  # actions of a row: as far as the model is trained to look ahead
UNITS, MIXTURES, BATCH = 96, 2, 64
TOLD = (
    f"An LSTM of {UNITS} units with {MIXTURES} Gaussians for each of the 3 numbers of the state, changes as means, "
    f"Adam 0.001, {BATCH} rows a step"
)

# states (rows, 3) and actions (rows, steps, 1) to the states that follow (rows, steps, 3)
Forecast = Callable[[np.ndarray, np.ndarray], np.ndarray]


def table(rows: int, split: str = "train") -> Table:
    """Return so many rows of random pushes, seen as states; of the split 'test' a quarter as many."""
    (made,) = data.load(config.source("pendulum", pictures=False, length=LENGTH, rows=rows), split)
    return made


def trained(seed: int, steps: int, rows: int) -> WorldModel:
    """Return a world model after so many steps on so many rows."""
    source = table(rows)
    run = Run(
        lambda: WorldModel(
            columns=source.specs, vision=False, units=UNITS, mixtures=MIXTURES, residual=True, rewards=True
        ),
        (source,),
        BATCH,
        seed,
        betas=(0.9, 0.999),
        memory=1e-3,
    )
    run.advance_to(steps)
    return run.model


def forecast_of(model: WorldModel) -> Forecast:
    """Return the states that the model foresees, along the mean of each law: one by one, none of them given."""

    @tf.function
    def run(state: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        h, c = model.memory.start(tf.shape(state)[0])
        made = []
        for step in range(actions.shape[1]):
            law, h, c = model.memory.turn(state, actions[:, step], h, c)
            state = mixture_mean(law)
            made.append(state)
        return tf.stack(made, axis=1)

    return lambda state, actions: run(tf.constant(state), tf.constant(actions)).numpy()


def linear_forecast(rows: Table) -> Forecast:
    """Return the forecast of the linear model of a step that has the least squared error on the rows."""
    seen, action = rows.columns["observation"], rows.columns["action"]
    before = np.concatenate([seen[:, :-1], action, np.ones((*action.shape[:2], 1))], axis=-1)
    matrix = np.linalg.lstsq(before.reshape(-1, before.shape[-1]), seen[:, 1:].reshape(-1, seen.shape[-1]))[0]

    def forecast(state: np.ndarray, actions: np.ndarray) -> np.ndarray:
        made = []
        for step in range(actions.shape[1]):
            state = np.concatenate([state, actions[:, step], np.ones((len(state), 1))], axis=-1) @ matrix
            made.append(state)
        return np.stack(made, axis=1)

    return forecast


def repeated(state: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return the forecast that nothing changes."""
    return np.repeat(state[:, None], actions.shape[1], axis=1)
