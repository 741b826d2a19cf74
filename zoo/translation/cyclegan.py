"""CycleGAN: translation between two domains of pictures without pairs.

Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using cycle-consistent adversarial networks" (2017).
Two generators translate from domain a to b and back. A discriminator of patches judges each domain, by least squares
(Mao et al. 2016). Translating there and back has to come home: the cycle loss is the mean absolute error of that, in
both directions. Where both domains have the same channels, a picture that is already of the target domain has to stay
as it is (the identity loss, section 5.2).

A step follows the authors' code: first both generators, then both discriminators. These see generated pictures from a
pool of the last ones (Shrivastava et al. 2017), so that they do not forget what the generators did before: once the
pool is full, a new picture takes the place of a random one in it with probability 1/2, and that one is seen instead.

Three differences from the authors' code: instance normalisation has a learned gain and shift, the discriminator pads
to full size, and its halvings follow the size of the pictures if need be.
"""

from dataclasses import replace
from typing import Any, ClassVar

import keras
import tensorflow as tf

from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec
from zoo.translation.patchgan import most_halvings, patchgan
from zoo.translation.residual import LEAST, MULTIPLE, residual_generator

# a map, the map back, the domain it starts from, the domain it leads to
DIRECTIONS = (("a_to_b", "b_to_a", "a", "b"), ("b_to_a", "a_to_b", "b", "a"))
CYCLES = {"both": ("a_to_b", "b_to_a"), "forward": ("a_to_b",), "backward": ("b_to_a",)}


class CycleGAN(GenerativeModel):
    """Two generators and two discriminators of patches, tied by the way back (Zhu et al. 2017).

    The generators have `base_channels` next to the picture and so many residual `blocks`: 9 for 256 pixels in the
    paper, 6 for 128. The discriminators have `base_channels` too and `halvings`, 3 for patches of 70 pixels.

    The loss of the generators is `gan_weight` times the adversarial loss, plus `cycle_weight` times the cycle loss,
    plus `cycle_weight` times `identity_weight` times the identity loss. `cycle` says which direction has to come home:
    "both", "forward" (a to b to a) or "backward" (b to a to b). The discriminators see pictures from a pool of
    `pool_size`, 0 for none.

    The paper's ablations (section 5.1.4): `cycle_weight` 0 leaves the adversarial loss alone, `gan_weight` 0 leaves no
    discriminator, and `cycle` leaves one direction.
    """

    options: ClassVar[dict[str, Any]] = {
        "base_channels": 64,  # width of all networks next to the picture
        "blocks": 9,  # residual blocks of a generator
        "halvings": 3,  # of the discriminators' patches; 3 sees 70 pixels
        "gan_weight": 1.0,  # of the adversarial loss; 0 leaves no discriminator
        "cycle_weight": 10.0,  # of the loss of the way back
        "cycle": "both",  # which way has to come home: both, forward (a to b to a) or backward
        "identity_weight": 0.5,  # of the identity loss, times cycle_weight
        "pool_size": 50,  # earlier pictures that the discriminators see too; 0 is none
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"a": ("image",), "b": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("generators",)
    players_if: ClassVar[dict[str, tuple[str, ...]]] = {"gan_weight": ("discriminators",)}
    targets: ClassVar[dict[str, str]] = {"fake_a": "a", "fake_b": "b"}
    # a pool that the second step finds full; a cycle loss that does not make plain gradient descent diverge
    smallest: ClassVar[dict[str, Any]] = {
        "base_channels": 4,
        "blocks": 1,
        "halvings": 1,
        "cycle_weight": 0.1,
        "pool_size": 3,
    }

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        a, b = self.columns["a"], self.columns["b"]
        self.check(a.shape, b.shape)
        self.a_to_b, self.b_to_a = self.generator("a_to_b", a, b), self.generator("b_to_a", b, a)
        self.maps = {
            name: Map(getattr(self, name), self.spec_of(self.columns[source], self.columns[target]))
            for name, _, source, target in DIRECTIONS
        }
        if self.gan_weight:
            self.discriminator_a, self.discriminator_b = self.discriminator(a), self.discriminator(b)
        if self.gan_weight and self.pool_size:
            for column in (a, b):
                setattr(self, f"pool_{column.name}", self._state(f"pool_{column.name}", column.shape, "float32"))
                setattr(self, f"filled_{column.name}", self._state(f"filled_{column.name}", None, "int64"))

    def check(self, a: tuple[int, ...], b: tuple[int, ...]) -> None:
        """Refuse options and pictures (height, width, channels) that cannot be."""
        if a[:2] != b[:2]:
            raise UserError(
                f"the pictures of a have {a[0]} x {a[1]} pixels, those of b {b[0]} x {b[1]}: set one size, such as "
                f"--config.data.image_size={_side(min(*a[:2], *b[:2]))}"
            )
        if any(side != _side(side) for side in a[:2]):
            raise UserError(
                f"cyclegan takes sides that are multiples of {MULTIPLE} and at least {LEAST}, not {a[0]} x {a[1]} "
                f"pixels: set --config.data.image_size={_side(min(a[:2]))}"
            )
        most = min(5, most_halvings(*a[:2]))
        if not 0 <= self.halvings <= most:
            raise UserError(f"model.halvings={self.halvings}: use 0 to {most} for {a[0]} x {a[1]} pixels")
        for option in ("base_channels", "blocks"):
            if getattr(self, option) < 1:
                raise UserError(f"model.{option}={getattr(self, option)}: use a positive number")
        if self.pool_size < 0:
            raise UserError(f"model.pool_size={self.pool_size}: use the number of pictures in the pool, 0 for none")
        if min(self.gan_weight, self.cycle_weight, self.identity_weight) < 0:
            raise UserError("model.gan_weight, model.cycle_weight and model.identity_weight: use 0 or more")
        if self.gan_weight + self.cycle_weight == 0:
            raise UserError("model.gan_weight=0, model.cycle_weight=0: use 0 for one of them at most")
        if self.cycle not in CYCLES:
            raise UserError(f"model.cycle={self.cycle}: use one of {', '.join(CYCLES)}")

    def generator(self, name: str, source: TensorSpec, target: TensorSpec) -> keras.Model:
        """Return the network from {source.name: pictures} to {"fake_" + target.name: pictures}."""
        names = (source.name, f"fake_{target.name}")
        channels = source.shape[-1], target.shape[-1]
        return residual_generator(*channels, self.base_channels, self.blocks, names=names, name=name)

    def discriminator(self, column: TensorSpec) -> keras.Model:
        """Return the network from pictures of a domain to a number for each patch: near 1 for real ones, else 0."""
        return patchgan(column.shape, self.base_channels, self.halvings, name=f"discriminator_{column.name}")

    def spec_of(self, source: TensorSpec, target: TensorSpec) -> MapSpec:
        """Return the spec of a generator: height and width are free."""
        condition = replace(source, multiple=MULTIPLE, least=LEAST)
        made = TensorSpec(f"fake_{target.name}", target.shape, "output", target.kind, follows=source.name)
        return MapSpec((condition,), (made,))

    def _state(self, name: str, shape: tuple[int, ...] | None, dtype: str) -> keras.Variable:
        """Return a state that a step writes: `pool_size` values of the shape, or one number if it is None."""
        return self.add_weight(
            () if shape is None else (self.pool_size, *shape),
            "zeros",
            dtype,
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def weights_of(self, player: str) -> list[keras.Variable]:
        """Return the weights of both generators, or of both discriminators."""
        networks = {
            "generators": ("a_to_b", "b_to_a"),
            "discriminators": ("discriminator_a", "discriminator_b"),
        }[player]
        return [weight for network in networks for weight in getattr(self, network).trainable_variables]

    def translate(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """Return what the map `name` makes of `x` in training."""
        made = self.maps[name]
        return made({made.spec.inputs[0].name: x}, training=True)[made.spec.output.name]

    def judge(self, domain: str, x: tf.Tensor) -> tf.Tensor:
        """Return the numbers that the discriminator of a domain gives to `x` in training."""
        return getattr(self, f"discriminator_{domain}")(x, training=True)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of both generators, then one of both discriminators on what the generators had made."""
        terms, fakes, logs = [], {}, {}
        for name, back, source, target in DIRECTIONS:
            real, is_cycled = data[source], self.cycle_weight and name in CYCLES[self.cycle]
            with tf.GradientTape() as tape:
                fakes[target] = fake = self.translate(name, real)
                losses = []
                if self.gan_weight:
                    adversarial = tf.reduce_mean((self.judge(target, fake) - 1) ** 2)
                    logs[f"adversarial_{target}"] = adversarial
                    losses.append(self.gan_weight * adversarial)
                if is_cycled:
                    logs[f"cycle_{source}"] = cycle = tf.reduce_mean(tf.abs(self.translate(back, fake) - real))
                    losses.append(self.cycle_weight * cycle)
                loss = sum(losses[1:], losses[0]) if losses else None
            if loss is not None:
                terms.append((tape, loss))
        if self.cycle_weight and self.identity_weight and data["a"].shape[-1] == data["b"].shape[-1]:
            with tf.GradientTape() as tape:
                kept = [
                    tf.reduce_mean(tf.abs(self.translate(name, data[to]) - data[to])) for name, _, _, to in DIRECTIONS
                ]
                logs["identity"] = tf.add(*kept)
                loss = self.cycle_weight * self.identity_weight * logs["identity"]
            terms.append((tape, loss))
        self.update("generators", *terms)
        logs["generator_loss"] = sum((loss for _, loss in terms[1:]), terms[0][1])
        return {**logs, **(self.discriminator_step(data, fakes) if self.gan_weight else {})}

    def discriminator_step(self, data: dict[str, tf.Tensor], fakes: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Update both discriminators once; their loss is halved, so that they learn more slowly (section 7.1)."""
        seen = {domain: self.pooled(domain, fake) for domain, fake in fakes.items()}
        losses, right = [], []
        with tf.GradientTape() as tape:
            for domain in ("a", "b"):
                real, fake = self.judge(domain, data[domain]), self.judge(domain, seen[domain])
                losses.append((tf.reduce_mean((real - 1) ** 2) + tf.reduce_mean(fake**2)) / 2)
                right += [tf.reshape(real > 0.5, [-1]), tf.reshape(fake <= 0.5, [-1])]
            loss = tf.add(*losses)
        self.update("discriminators", (tape, loss))
        accuracy = tf.reduce_mean(tf.cast(tf.concat(right, axis=0), tf.float32))
        return {"discriminator_loss": loss, "accuracy": accuracy}

    def pooled(self, domain: str, fake: tf.Tensor) -> tf.Tensor:
        """Return generated pictures (batch, ...) of a domain from its pool, which takes in `fake` (batch, ...).

        The pool sees the pictures of all replicas in their order, so it is the same on each of them.
        """
        if not self.pool_size:
            return fake
        context, share = tf.distribute.get_replica_context(), tf.shape(fake)[0]
        made = context.all_gather(fake, axis=0) if context.num_replicas_in_sync > 1 else fake
        u = self.noise((tf.shape(made)[0], 2), "uniform", f"pool_{domain}", whole=True)
        pool, filled = getattr(self, f"pool_{domain}"), getattr(self, f"filled_{domain}")
        seen, kept, count = exchange(pool.value, filled.value, made, u)
        pool.assign(kept)
        filled.assign(count)
        start = context.replica_id_in_sync_group * share
        return tf.ensure_shape(seen[start : start + share], fake.shape)


def exchange(
    pool: tf.Tensor, filled: tf.Tensor, made: tf.Tensor, u: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return what a discriminator sees of `made` (N, ...), the next pool (size, ...), and how many it holds (int64).

    Shrivastava et al., "Learning from simulated and unsupervised images through adversarial training" (2017), as Zhu et
    al. do it. The pictures come one after the other. As long as the pool is not full, a picture is seen and kept. After
    that, `u` (N, 2), uniform on [0, 1), decides: from 1/2 on, u[i, 0] puts picture i in the place u[i, 1] * size, and
    the one that was there is seen; else picture i is seen and not kept. `filled` says how many the pool holds.
    """
    size, count = pool.shape[0], tf.shape(made)[0]
    places = tf.minimum(tf.cast(u[:, 1] * size, tf.int32), size - 1)
    has_swap, first = u[:, 0] >= 0.5, tf.cast(filled, tf.int32)

    # pictures by number: those of the pool, then those that were made
    def one(i: tf.Tensor, held: tf.Tensor, seen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        is_filling = first + i < size
        place = tf.where(is_filling, tf.minimum(first + i, size - 1), places[i])
        old, new = held[place], size + i
        shown = tf.where(~is_filling & has_swap[i], old, new)
        kept = tf.where(is_filling | has_swap[i], new, old)
        return (
            i + 1,
            tf.tensor_scatter_nd_update(held, place[None, None], kept[None]),
            tf.tensor_scatter_nd_update(seen, i[None, None], shown[None]),
        )

    start = (tf.constant(0), tf.range(size), tf.zeros([count], tf.int32))
    _, held, seen = tf.while_loop(lambda i, *_: i < count, one, start)
    pictures = tf.concat([pool, made], axis=0)
    return tf.gather(pictures, seen), tf.gather(pictures, held), tf.cast(tf.minimum(first + count, size), tf.int64)


def _side(side: int) -> int:
    """Return the largest side that a generator takes and that is no larger than `side`, or the least."""
    return max(LEAST, side - side % MULTIPLE)
