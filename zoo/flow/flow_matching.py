"""Flow matching on straight paths.

Lipman, Chen, Ben-Hamu, Nickel and Le, "Flow matching for generative modeling" (2023). A sample moves with a velocity
v(x, t) from noise z ~ N(0, I) at t = 0 to data at t = 1. Of each pair of a z and an example x_1, the path is straight,

    x_t = (1 - (1 - sigma_min) t) z + t x_1        (eq. 22),

and its velocity is x_1 - (1 - sigma_min) z. The network learns it by least squares (eq. 23), at t uniform in [0, 1).
Where paths cross it learns the mean of their velocities, E[x_1 - (1 - sigma_min) z | x_t], and that is a velocity
which carries the law of the noise to the law of the data: no adversary, no likelihood, no simulation in training.

With `sigma_min` 0 this is the first rectified flow of Liu, Gong and Liu, "Flow straight and fast: learning to generate
and transfer data with rectified flow" (2023). With more, a path ends in a Gaussian of that deviation about x_1.

Sampling solves dx / dt = v(x, t) in `sampler_steps` equal steps. It is one loop in one map, deterministic in z.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.flow.networks import TIME_FEATURES, along, mlp, unet
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

NETWORKS = {"unet": unet, "mlp": mlp}
# x at t to dx / dt
Field = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class FlowMatching(GenerativeModel):
    """A velocity from noise to data along straight paths (Lipman et al. 2023; Liu et al. 2023).

    `network` is "unet", convolutions that halve the picture `depth` times, with `base_channels` after the first; or
    "mlp", `depth` layers of `base_channels` units, for points too. A path ends within `sigma_min` of its example. With
    `conditional` the velocity is that of the class of each example. The sampler takes `sampler_steps` steps by the rule
    `sampler`: "euler" asks the network once a step, "midpoint" twice.
    """

    options: ClassVar[dict[str, Any]] = {
        "network": "unet",  # of the velocity: unet for pictures, or mlp
        "base_channels": 32,  # after the first layer; of an mlp, units of each
        "depth": 2,  # halvings of the picture; of an mlp, layers
        "sigma_min": 0.0,  # deviation in which a path ends about its example
        "conditional": False,  # whether it learns the velocity of each class
        "sampler": "midpoint",  # rule of a step: euler or midpoint, which asks the network twice
        "sampler_steps": 20,  # of a sample, from noise to data
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image", "point")}
    reads_if: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {"conditional": {"label": ("class",)}}
    players: ClassVar[tuple[str, ...]] = ("velocity",)
    smallest: ClassVar[dict[str, Any]] = {"base_channels": 4, "depth": 1, "sampler_steps": 2}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._check()
        sample, label = self.columns["image"], self.columns.get("label")
        network = NETWORKS[self.network](sample.shape, self.base_channels, self.depth, bool(label))
        self.velocity = Velocity(network, label.classes if label else 0)
        bounds = (sample.low, sample.high) if sample.kind == "image" else None
        self.generator = Sampler(self.velocity, sample.kind, self.sampler, self.sampler_steps, bounds)
        inputs = (TensorSpec("z", sample.shape, "normal"), *([label] if label else []))
        output = TensorSpec(sample.kind, sample.shape, "output", sample.kind)
        self.maps = {"generate": Map(self.generator, MapSpec(inputs, (output,)))}

    def _check(self) -> None:
        for option, known in (("network", NETWORKS), ("sampler", RULES)):
            if (value := getattr(self, option)) not in known:
                raise UserError(f"model.{option}={value!r}: use one of {', '.join(known)}")
        for option in ("base_channels", "depth", "sampler_steps"):
            if (value := getattr(self, option)) < 1:
                raise UserError(f"model.{option}={value}: use 1 or more")
        if not 0 <= self.sigma_min < 1:
            raise UserError(f"model.sigma_min={self.sigma_min}: use a deviation from 0 up to, but not, 1")
        label = self.columns.get("label")
        if label and not (label.is_class and label.classes > 1):
            raise UserError("model.conditional=True: needs labels of known bounds, and of at least 2 classes")

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of least squares on one time and one noise for each example (eq. 23)."""
        x = data["image"]
        z = self.draw("generate", tf.shape(x)[0], "noise")["z"]
        t = self.noise((tf.shape(x)[0],), "uniform", "t")
        x_t, target = path(z, x, t, self.sigma_min)
        with tf.GradientTape() as tape:
            code = self.velocity.code(data["label"]) if self.conditional else None
            loss = tf.reduce_mean((self.velocity(x_t, t, code) - target) ** 2)
        self.update("velocity", (tape, loss))
        return {"loss": loss}


def path(z: tf.Tensor, x: tf.Tensor, t: tf.Tensor, sigma_min: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return where the paths from z to x, (batch, ...), are at the times t, (batch,), and their velocities there."""
    t = along(x, t)
    return (1 - (1 - sigma_min) * t) * z + t * x, x - (1 - sigma_min) * z


class Velocity(keras.Model):
    """v(x, t) of a class, if there are any: a network, and a code of each class.

    The code is apart, because a loop that is exported looks up nothing by a whole number.
    """

    def __init__(self, network: keras.Model, classes: int) -> None:
        super().__init__(name="velocity")
        self.network = network
        if classes:
            self.embedding = keras.layers.Embedding(classes, TIME_FEATURES, "normal", dtype="float32")
            self.embedding.build(None)
        self.built = True

    def code(self, label: tf.Tensor) -> tf.Tensor:
        """Return the codes of classes, (batch, `TIME_FEATURES`)."""
        return self.embedding(label)

    def call(self, x: tf.Tensor, t: tf.Tensor, code: tf.Tensor | None = None) -> tf.Tensor:
        """Return the velocities, like x, float32."""
        return self.network({"x": x, "t": t} | ({} if code is None else {"code": code}))


def euler(field: Field, x: tf.Tensor, t: tf.Tensor, step: float) -> tf.Tensor:
    """Return x after a step from the time t; wrong by the order of step^2."""
    return x + step * field(x, t)


def midpoint(field: Field, x: tf.Tensor, t: tf.Tensor, step: float) -> tf.Tensor:
    """Return x after a step from the time t, by the velocity in its middle; wrong by the order of step^3."""
    return x + step * field(euler(field, x, t, step / 2), t + step / 2)


RULES = {"euler": euler, "midpoint": midpoint}


def solve(field: Field, z: tf.Tensor, rule: str, steps: int) -> tf.Tensor:
    """Return x at t = 1 of dx / dt = field(x, t), from z at t = 0, in equal steps; t is (batch,)."""

    def one_step(number: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        t = tf.fill(tf.shape(x)[:1], tf.cast(number, tf.float32) / steps)
        return number + 1, RULES[rule](field, x, t, 1 / steps)

    _, x = tf.while_loop(lambda number, _: number < steps, one_step, (0, z))
    return x


class Sampler(keras.Model):
    """{"z" ~ N(0, I)[, "label"]} to a sample by its kind's name, within `bounds` if there are any."""

    def __init__(
        self, velocity: Velocity, kind: str, rule: str, steps: int, bounds: tuple[float, float] | None
    ) -> None:
        super().__init__(name="sampler", dtype="float32")
        self.velocity, self.kind, self.rule, self.steps, self.bounds = velocity, kind, rule, steps, bounds
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Solve the equation."""
        code = self.velocity.code(inputs["label"]) if "label" in inputs else None
        x = solve(lambda x, t: self.velocity(x, t, code), inputs["z"], self.rule, self.steps)
        return {self.kind: tf.clip_by_value(x, *self.bounds) if self.bounds else x}
