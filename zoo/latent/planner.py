"""The planner of a world model as one graph: the cross-entropy method (see `zoo.planning`), inside what M foresees.

Chua, Calandra, McAllister & Levine, "Deep reinforcement learning in a handful of trials using probabilistic dynamics
models" (2018). A plan is judged along the mean of each law, with no dice.
"""

from typing import Any, Protocol

import keras
import tensorflow as tf

from zoo import planning
from zoo.latent.mixture_density import mixture_mean


class Dynamics(Protocol):
    """What is planned in: M of `zoo.latent.world_model`."""

    def start(self, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the state (h, c) before the first step."""

    def turn(self, z: tf.Tensor, action: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """Return the law of what follows, and the next (h, c)."""


class Planner(keras.Model):
    """{"state", "guess", "z" (iterations, plans, horizon, A)} to {"next_action", "plan"}.

    It computes what `zoo.planning.cross_entropy` does with these draws, the model's returns as the score.
    """

    def __init__(self, memory: Dynamics, law: planning.Law, elites: int, guide: tuple[float, ...] = ()) -> None:
        super().__init__(name="planner", dtype="float32")
        self.memory, self.law, self.elites, self.guide = memory, law, elites, guide
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Draw plans, keep the best, draw again."""
        mean, law = inputs["guess"], self.law
        deviation = tf.ones_like(mean) * planning.WIDTH
        _, iterations, plans, horizon, actions = inputs["z"].shape
        z = tf.repeat(inputs["state"], plans, axis=0)
        for draws in tf.unstack(inputs["z"], iterations, axis=1):
            x = mean[:, None] + deviation[:, None] * draws
            x = x if law.discrete else tf.clip_by_value(x, -1.0, 1.0)
            tried = tf.reshape(self.actions(x), (-1, horizon, actions))
            found = tf.reshape(self.returns(z, tried), (-1, plans))
            last = tf.math.top_k(found, self.elites).values[:, -1:]
            kept = tf.cast(found >= last, tf.float32)
            share = (kept / tf.reduce_sum(kept, axis=1, keepdims=True))[:, :, None, None]
            best = tf.reduce_sum(share * x, axis=1)
            spread = tf.sqrt(tf.reduce_sum(share * (x - best[:, None]) ** 2, axis=1))
            mean = planning.KEPT * mean + (1 - planning.KEPT) * best
            deviation = planning.KEPT * deviation + (1 - planning.KEPT) * spread
        return {"next_action": self.actions(mean)[:, 0], "plan": mean}

    def actions(self, x: tf.Tensor) -> tf.Tensor:
        """Return the actions of plans (..., horizon, A), see `zoo.planning.Law`."""
        if self.law.discrete:
            return tf.cast(x >= tf.reduce_max(x, axis=-1, keepdims=True), tf.float32)
        return self.law.low + (self.law.high - self.law.low) * (tf.clip_by_value(x, -1.0, 1.0) + 1.0) / 2.0

    def returns(self, z: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Return the rewards that M foresees, (plans,), each as likely as the episode lasts; z is (plans, latents).

        What the guide takes is in them.
        """
        memory, horizon = self.memory, actions.shape[1]
        by_step, total = tf.transpose(actions, (1, 0, 2)), tf.zeros_like(z[:, 0])

        def one_step(t: tf.Tensor, z: tf.Tensor, h: tf.Tensor, c: tf.Tensor, *sums: tf.Tensor) -> tuple[Any, ...]:
            law, h, c = memory.turn(z, tf.gather(by_step, t), h, c)
            total, survival = sums
            z = mixture_mean(law)
            worth = law["reward"]
            for number, weight in enumerate(self.guide):
                worth -= weight * z[:, number] ** 2
            total += survival * worth
            return t + 1, z, h, c, total, survival * tf.sigmoid(-law["end"])

        start = (0, z, *memory.start(tf.shape(z)[0]), total, total + 1.0)
        *_, total, _ = tf.while_loop(lambda t, *_: t < horizon, one_step, start)
        return total
