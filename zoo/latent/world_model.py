"""World model: a variational autoencoder sees, a recurrent network foresees, and a planner tries its actions in both.

Ha and Schmidhuber, "World models" (2018). V compresses a picture of 64 x 64 pixels to z; M, an LSTM with a mixture
density network at its end, gives the law of the next z after an action:

    p(z' | a, z, h) = product over i of sum over k of pi_ik N(z'_i; mu_ik, sigma_ik^2)

Every number of z has mixture weights of its own: only that fits the published number of parameters, 422,368 (4,348,547
of V). V is trained first and alone, M then on z drawn anew from V's posterior at each step. A dream draws z' again and
again without any picture. Its temperature tau divides the logits of pi and multiplies sigma^2: the paper trains in
dreams of a higher one, so that a policy does not learn to use the model's mistakes.

M may predict whether the episode ends, as the paper's does in its second task, and the reward: by a hidden layer of its
own, which reads h and the mean of the next z. The paper's reads h linearly.

Then plans can be tried in M: the cross-entropy method (see `zoo.planning`) draws plans, keeps the best, and draws
again, all in one graph (Chua, Calandra, McAllister & Levine 2018). The paper's controller is evolved instead. A plan is
judged along the mean of each law, with no dice.

Where observations are states and no pictures, there is no V, and z is the state.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import planning
from zoo.latent.likelihoods import gaussian_kl
from zoo.latent.mixture_density import mixture_draw, mixture_log_prob, mixture_mean
from zoo.latent.planner import Planner
from zoo.layers.recurrent import walk
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

SIDE = 64  # pixels: what the layers of V come out at
SMALLEST_LOG_SCALE = -4.0  # the density of a law that is certain has no bound

Batch = dict[str, tf.Tensor]


class WorldModel(GenerativeModel):
    """V, M and a planner (Ha & Schmidhuber 2018).

    A row holds frames of one episode, the action on each but the last, and "counted", 0 after the episode's end.

    With `vision` the observations are pictures and z has `latent_dim` numbers; V has `base_channels` next to the
    picture, and its KL divergence weighs 1. Without, they are states and z is the state. The LSTM has `units`; each
    number of z has a mixture of `mixtures` Gaussians. With `residual`, their means are changes of z.

    With `rewards` M predicts rewards and ends, and of states there is a map "plan": one picture does not show a speed.
    It looks `horizon` steps ahead, and draws `plans` plans in each of `iterations`, of which the best `elites` are
    kept. Actions that are `discrete` are one-hot. Where rewards do not tell plans apart, a `guide` may: "1,0" has the
    square of the first of two numbers of the states that follow taken from the rewards in planning. M knows nothing of
    it.

    A phase trains one `player`, "vision" or "memory", and leaves the other as it is; "" trains both.
    """

    options: ClassVar[dict[str, Any]] = {
        "vision": True,  # whether the observations are pictures, which V makes numbers of; else they are states
        "latent_dim": 32,  # numbers of z, of V alone
        "base_channels": 32,  # width of V next to the picture
        "units": 256,  # of the LSTM
        "mixtures": 5,  # Gaussians for each number of z
        "residual": False,  # whether M foresees changes of z instead of z
        "rewards": False,  # whether M foresees rewards and ends, as a planner needs
        "discrete": False,  # whether the actions are choices, one-hot, instead of numbers
        "horizon": 12,  # steps that a plan looks ahead
        "plans": 200,  # drawn in each iteration of planning
        "elites": 20,  # best plans that an iteration keeps
        "iterations": 4,  # of planning
        "guide": "",  # weights of the states' squares taken from the rewards in planning, such as 1,0; "" is none
    }
    phase_options: ClassVar[dict[str, Any]] = {
        "player": "",  # the one that this phase trains, vision or memory; "" is both
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "action": ("action",),
        "observation": ("video", "latent"),
        "counted": ("mask",),
    }
    reads_if: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {
        "rewards": {"reward": ("latent",), "ended": ("mask",)},
    }
    players: ClassVar[tuple[str, ...]] = ("memory",)
    players_if: ClassVar[dict[str, tuple[str, ...]]] = {"vision": ("vision",)}
    smallest: ClassVar[dict[str, Any]] = {
        "latent_dim": 3,
        "base_channels": 2,
        "units": 4,
        "mixtures": 2,
        "horizon": 2,
        "plans": 6,
        "elites": 2,
        "iterations": 2,
    }

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.sees, self.plans_ahead = self.vision, self.rewards and not self.vision
        self._check()
        action, observation = self.columns["action"], self.columns["observation"]
        self.steps, actions = action.shape
        shape = observation.shape[1:]
        # read by `weights_of`, by the players' names; the option of the name is in `chosen`
        self.vision = Vision(shape, self.latent_dim, self.base_channels) if self.sees else None
        self.latents = self.latent_dim if self.sees else shape[0]
        self.memory = Memory(self.latents, actions, self.units, self.mixtures, self.residual, self.rewards)
        self.player = ""
        self.dream = Dream(self.vision, self.memory, self.steps)
        seen = TensorSpec("image" if self.sees else "state", shape, "condition", "image" if self.sees else "latent")
        self.maps = {"dream": Map(self.dream, self._dream_spec(seen))}
        if self.plans_ahead:
            law = planning.Law(action.low, action.high, self.discrete)
            self.planner = Planner(self.memory, law, self.elites, self._guide())
            self.maps["plan"] = Map(self.planner, self._plan_spec(seen))
        if self.sees:
            z = (self.latent_dim,)
            moments = tuple(TensorSpec(name, z, "output") for name in ("mean", "log_variance"))
            picture = TensorSpec("image", shape, "output", "image")
            self.maps["encode"] = Map(self.vision.encoder, MapSpec((seen,), moments))
            self.maps["decode"] = Map(self.vision.decoder, MapSpec((TensorSpec("z", z, "normal"),), (picture,)))

    def _check(self) -> None:
        for option in ("latent_dim", "base_channels", "units", "mixtures", "horizon", "plans", "iterations"):
            if (value := getattr(self, option)) < 1:
                raise UserError(f"model.{option}={value}: use 1 or more")
        if self.plans_ahead:
            planning.check(self.plans, self.elites)
        action, observation = self.columns["action"], self.columns["observation"]
        if len(action.shape) != 2 or not (math.isfinite(action.low) and math.isfinite(action.high)):
            raise UserError(f"world_model needs actions (steps, actions) with bounds, not {action.shape}")
        if self.discrete and (action.low, action.high) != (0.0, 1.0):
            raise UserError(
                f"model.discrete=True, and actions lie in [{action.low:g}, {action.high:g}]: one-hot ones lie in [0, 1]"
            )
        if self.vision and (observation.kind != "video" or observation.shape[1:3] != (SIDE, SIDE)):
            raise UserError(
                f"model.vision=True needs pictures of {SIDE} x {SIDE} pixels, not {observation.kind} of shape "
                f"{observation.shape[1:]}; for states set --config.model.vision=false"
            )
        if not self.vision and (observation.kind != "latent" or len(observation.shape) != 2):
            raise UserError(
                f"model.vision=False needs states (frames, numbers), not {observation.kind} of shape "
                f"{observation.shape}; for pictures set --config.model.vision=true"
            )
        if observation.shape[0] != action.shape[0] + 1:
            raise UserError(
                f"the actions do not match: a row has {observation.shape[0]} frames and {action.shape[0]} actions; it "
                "must have one frame more than actions"
            )
        if self.plans_ahead and self.horizon > action.shape[0]:
            raise UserError(
                f"model.horizon={self.horizon} is beyond the trained length: rows have {action.shape[0]} actions; use "
                f"at most {action.shape[0]}, or a larger --config.data.length"
            )
        self._guide()

    def _guide(self) -> tuple[float, ...]:
        """Return the weights of the guide; those that do not fit the states are a `UserError`."""
        try:
            weights = tuple(map(float, self.guide.split(","))) if self.guide else ()
        except ValueError:
            weights = (math.nan,)
        states = self.columns["observation"].shape[1] if self.plans_ahead else 0
        if len(weights) not in (0, states) or not all(map(math.isfinite, weights)):
            raise UserError(
                f"model.guide={self.guide!r}: use '' for none, or with rewards and without vision one finite weight "
                "for each number of a state, comma-separated"
            )
        return weights

    def _dream_spec(self, seen: TensorSpec) -> MapSpec:
        steps, z = self.steps, (self.steps, self.latents)
        inputs = (
            seen,
            self.columns["action"],
            TensorSpec("temperature", (), "condition", low=0.0, high=10.0),
            TensorSpec("u", z, "uniform", low=0.0, high=1.0),
            TensorSpec("z", z, "normal"),
        )
        made = TensorSpec("states", z, "output")
        if self.sees:
            made = TensorSpec("video", (steps, *seen.shape), "output", "video")
        foretold = (
            TensorSpec("rewards", (steps,), "output"),
            TensorSpec("survival", (steps,), "output", low=0.0, high=1.0),
        )
        return MapSpec(inputs, (made, *(foretold if self.rewards else ())))

    def _plan_spec(self, seen: TensorSpec) -> MapSpec:
        action = self.columns["action"]
        plan = (self.horizon, action.shape[1])
        return MapSpec(
            (
                seen,
                TensorSpec("guess", plan, "condition"),
                TensorSpec("z", (self.iterations, self.plans, *plan), "normal"),
            ),
            (
                TensorSpec("next_action", plan[1:], "output", "action", low=action.low, high=action.high, chosen=True),
                TensorSpec("plan", plan, "output", chosen=True),
            ),
        )

    def conditions(self, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the first frame of each row and its actions, a temperature of 1, and no guess of a plan."""
        count = len(rows["action"])
        held = {
            "image": rows["observation"][:, 0],
            "state": rows["observation"][:, 0],
            "action": rows["action"],
            "temperature": np.ones(count, np.float32),
            "guess": np.zeros((count, self.horizon, rows["action"].shape[2]), np.float32),
        }
        return {tensor.name: held[tensor.name] for tensor in self.maps[name].spec.conditions}

    def enter(self, phase: Mapping[str, Any], start: int = 0, end: int | None = None) -> None:
        """Train the player of the phase."""
        super().enter(phase, start, end)
        player = phase.get("player", "")
        if player and player not in self.player_names:
            raise UserError(f"a phase has player={player!r}: use one of {', '.join(self.player_names)}, or '' for all")
        self.player = player

    def weights_in_use(self, player: str) -> list[keras.Variable]:
        """Return the weights of the phase's player."""
        return self.weights_of(player) if self.player in ("", player) else []

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """One step of the phase's player."""
        logs = {}
        if self.sees and self.player != "memory":
            logs |= self.vision_step(data["observation"])
        if self.player != "vision":
            logs |= self.memory_step(data)
        return logs

    def vision_step(self, video: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update V on one frame of each row, drawn by chance: neighbours are alike.

        The squared error is a sum over pixels of values in [0, 1], as the KL divergence is one over z.
        """
        rows, frames = tf.shape(video)[0], video.shape[1]
        which = tf.cast(self.noise((rows,), "uniform", "frame") * frames, tf.int32)
        image = tf.gather(video, which, batch_dims=1)
        eps = self.noise((rows, self.latent_dim), "normal", "eps")
        with tf.GradientTape(persistent=True) as tape:
            moments = self.vision.encoder({"image": image}, training=True)
            made = self.vision.decoder({"z": sample(moments, eps)}, training=True)["image"]
            error = tf.reduce_mean(tf.reduce_sum((made - image) ** 2, (1, 2, 3))) / 4.0
            kl = tf.reduce_mean(gaussian_kl(moments["mean"], moments["log_variance"]))
        self.update("vision", (tape, error), (tape, kl))
        return {"vision_loss": error + kl, "squared_error": error, "kl": kl}

    def memory_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Update M on the rows; nothing flows back to V."""
        z, counted = self.latent_rows(data["observation"]), tf.cast(data["counted"] > 0, tf.float32)
        with tf.GradientTape() as tape:
            law = self.memory({"z": z[:, :-1], "action": data["action"]})
            losses = {"density_loss": -mixture_log_prob(law, z[:, 1:])}
            if self.rewards:
                losses["reward_loss"] = 0.5 * (law["reward"] - data["reward"]) ** 2
                is_end = tf.cast(data["ended"] > 0, tf.float32)
                losses["end_loss"] = tf.nn.softplus(law["end"]) - is_end * law["end"]
            # the same number of steps for every row, so that replicas' means add up
            losses = {name: tf.reduce_mean(loss * counted) for name, loss in losses.items()}
            loss = tf.add_n(list(losses.values()))
        self.update("memory", (tape, loss))
        return {"memory_loss": loss, **losses}

    def latent_rows(self, observation: tf.Tensor) -> tf.Tensor:
        """Return z of all frames (batch, frames, latents): drawn from V's posterior anew, or the states."""
        if not self.sees:
            return observation
        frames = observation.shape[1]
        moments = self.vision.encoder({"image": tf.reshape(observation, (-1, *observation.shape[2:]))})
        eps = self.noise((tf.shape(observation)[0], frames, self.latent_dim), "normal", "posterior")
        z = sample(moments, tf.reshape(eps, (-1, self.latent_dim)))
        return tf.stop_gradient(tf.reshape(z, (-1, frames, self.latent_dim)))


def sample(moments: Batch, eps: tf.Tensor) -> tf.Tensor:
    """Return z = mean + deviation * eps."""
    return moments["mean"] + tf.exp(moments["log_variance"] / 2) * eps


class Vision(keras.Model):
    """V: an encoder and a decoder of pictures (64, 64, channels), the paper's figure 22."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, base_channels: int) -> None:
        super().__init__(name="vision")
        image = x = keras.Input(shape, name="image")
        for level in range(4):
            x = layers.Conv2D(base_channels * 2**level, 4, 2, activation="relu")(x)
        x = layers.Flatten()(x)
        moments = {name: layers.Dense(latent_dim, dtype="float32", name=name)(x) for name in ("mean", "log_variance")}
        self.encoder = keras.Model({"image": image}, moments, name="encoder")
        z = keras.Input((latent_dim,), name="z")
        x = layers.Dense(32 * base_channels)(z)
        x = layers.Reshape((1, 1, 32 * base_channels))(x)
        for size, channels in ((5, 4), (5, 2), (6, 1)):
            x = layers.Conv2DTranspose(base_channels * channels, size, 2, activation="relu")(x)
        x = layers.Conv2DTranspose(shape[-1], 6, 2, activation="sigmoid", dtype="float32")(x)
        made = layers.Rescaling(2.0, -1.0, dtype="float32", name="picture")(x)
        self.decoder = keras.Model({"z": z}, {"image": made}, name="decoder")
        self.built = True


class Memory(keras.Model):
    """M: {"z": (batch, steps, latents), "action": (batch, steps, actions)} to the law of each next z.

    A law is {"logits", "mean", "log_scale": (..., latents, mixtures)} and, with rewards, {"reward", "end": (...,)}, the
    logit of an end. Their losses do not move the mean of z that they are read from. The row begins with h = c = 0.
    """

    def __init__(self, latents: int, actions: int, units: int, mixtures: int, residual: bool, rewards: bool) -> None:
        super().__init__(name="memory", dtype="float32")
        self.latents, self.units, self.mixtures = latents, units, mixtures
        self.residual, self.rewards = residual, rewards
        self.cell = layers.LSTMCell(units, dtype="float32")
        self.cell.build((None, latents + actions))
        self.head = layers.Dense(3 * latents * mixtures, dtype="float32")
        self.head.build((None, units))
        if rewards:
            self.prospect = layers.Dense(units, activation="relu", dtype="float32")
            self.prospect.build((None, units + latents))
            self.outcome = layers.Dense(2, dtype="float32")
            self.outcome.build((None, units))
        self.built = True

    def call(self, inputs: Batch) -> Batch:
        """Walk through the rows."""
        z = inputs["z"]
        by_step = tf.transpose(tf.concat([z, inputs["action"]], axis=-1), (1, 0, 2))
        h, _ = walk(by_step, lambda x, *state: tuple(self.cell(x, state)[1]), self.start(tf.shape(z)[0]))
        return self.law(tf.transpose(h, (1, 0, 2)), z)

    def start(self, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return h and c, (batch, units), before the first step."""
        nothing = tf.zeros((batch, self.units))
        return nothing, nothing

    def turn(self, z: tf.Tensor, action: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> tuple[Batch, tf.Tensor, tf.Tensor]:
        """Return the law of the z after `z` and `action`, and h and c after them."""
        _, (h, c) = self.cell(tf.concat([z, action], axis=-1), [h, c])
        return self.law(h, z), h, c

    def law(self, h: tf.Tensor, z: tf.Tensor) -> Batch:
        """Return the law of the z that follows `z`, from h (..., units)."""
        shape = tf.concat([tf.shape(h)[:-1], [self.latents, self.mixtures]], axis=0)
        parts = tf.split(self.head(h), 3, axis=-1)
        found = dict(zip(("logits", "mean", "log_scale"), (tf.reshape(part, shape) for part in parts), strict=True))
        found["log_scale"] = tf.maximum(found["log_scale"], SMALLEST_LOG_SCALE)
        if self.residual:
            found["mean"] += tf.expand_dims(z, -1)
        if self.rewards:
            seen = tf.concat([h, tf.stop_gradient(mixture_mean(found))], axis=-1)
            found["reward"], found["end"] = tf.unstack(self.outcome(self.prospect(seen)), 2, axis=-1)
        return found


def first_latents(vision: Vision | None, inputs: Batch) -> tf.Tensor:
    """Return z (batch, latents) of what is seen: the mean of V's posterior, or the state."""
    return inputs["state"] if vision is None else vision.encoder({"image": inputs["image"]})["mean"]


class Dream(keras.Model):
    """{"image" or "state", "action", "temperature", "u", "z"} to {"video" or "states"[, "rewards", "survival"]}.

    The first frame is given; the steps that follow are drawn. "survival" is the probability that the episode has not
    ended by then.
    """

    def __init__(self, vision: Vision | None, memory: Memory, steps: int) -> None:
        super().__init__(name="dream", dtype="float32")
        self.vision, self.memory, self.steps = vision, memory, steps
        self.built = True

    def call(self, inputs: Batch) -> Batch:
        """Walk through the steps."""
        memory, steps = self.memory, self.steps
        z = first_latents(self.vision, inputs)
        sources = {name: tf.transpose(inputs[name], (1, 0, 2)) for name in ("action", "u", "z")}
        batch, temperature = tf.shape(z)[0], inputs["temperature"]

        def one_step(t: tf.Tensor, z: tf.Tensor, h: tf.Tensor, c: tf.Tensor, made: tf.TensorArray) -> tuple[Any, ...]:
            at = {name: tf.gather(values, t) for name, values in sources.items()}
            law, h, c = memory.turn(z, at["action"], h, c)
            z = mixture_draw(law, temperature, at["u"], at["z"])
            foretold = [law[name][:, None] for name in ("reward", "end") if memory.rewards]
            return t + 1, z, h, c, made.write(t, tf.concat([z, *foretold], axis=1))

        width = memory.latents + 2 * memory.rewards
        made = tf.TensorArray(tf.float32, steps, element_shape=(None, width))
        *_, made = tf.while_loop(lambda t, *_: t < steps, one_step, (0, z, *memory.start(batch), made))
        rows = tf.ensure_shape(tf.transpose(made.stack(), (1, 0, 2)), (None, steps, width))
        states, *foretold = tf.split(rows, [memory.latents] + [1, 1] * memory.rewards, axis=2)
        outputs = {"states": states}
        if self.vision is not None:
            video = self.vision.decoder({"z": tf.reshape(states, (-1, memory.latents))})["image"]
            outputs = {"video": tf.reshape(video, (-1, steps, *video.shape[1:]))}
        if foretold:
            reward, end = (tf.squeeze(part, 2) for part in foretold)
            outputs |= {"rewards": reward, "survival": tf.exp(-tf.cumsum(tf.nn.softplus(end), axis=1))}
        return outputs
