"""Progressive growing: a GAN that learns pictures of 4 x 4 pixels first, and doubles their side again and again.

Karras, Aila, Laine and Lehtinen, "Progressive growing of GANs for improved quality, stability, and variation" (2018).
Training goes in phases. In a stable phase both networks know one side only. In the phase before it the layers of that
side fade in: with alpha from 0 to 1,

    G(z) = (1 - alpha) enlarged(toRGB(h)) + alpha toRGB'(layers(enlarged(h)))

and the discriminator's way in likewise: (1 - alpha) fromRGB(halved(x)) + alpha halved(layers'(fromRGB'(x))). Real
pictures fade, too (section 2 and the authors' code). Against the escalation of magnitudes stand an equalised learning
rate and, in the generator, pixelwise normalisation (section 4). A minibatch standard deviation shows the discriminator
how much samples vary (section 3). The critic's loss is that of WGAN-GP with a last term against drift (appendix A.1):

    L = E D(G(z)) - E D(x) + 10 E (||grad D(x_hat)|| - gamma)^2 / gamma^2 + 0.001 E D(x)^2

The paper's other loss is least squares; the constants are those of the authors' code. Labels are 1 of real samples and
0 of fake ones (there the other way round), whose loss counts a tenth. Noise disturbs a discriminator that comes to
recognise all fake samples: each of the C feature maps that enter a convolution is multiplied by
1 + 0.2 max(0, d - 0.5)^2 sqrt(C) e. Here e is a standard normal number for each example and map, and d a moving average
of 1 - D(G(z)), within 0 and 1.

The networks are those of the paper's table 2, but for one bias of each number, and not of each channel, in the
generator's first layer. All their weights exist from the first step on, so that a checkpoint has one shape, and a phase
leaves alone what it does not use. The map enlarges samples to the full side in every phase.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from zoo.adversarial.model import AdversarialModel, Batch
from zoo.adversarial.networks import Networks, check_positive
from zoo.adversarial.objectives import least_squares, wasserstein
from zoo.adversarial.penalties import Uniform, check_penalty, gradient
from zoo.layers import (
    Bounded,
    EqualizedConv2D,
    EqualizedDense,
    Fade,
    MinibatchDeviation,
    NearestUpsampling,
    PixelNormalization,
)
from zoo.shared.errors import UserError, unknown

SIDES = tuple(2**k for k in range(2, 11))  # 4 to 1024 pixels
_OBJECTIVES = ("wasserstein", "least_squares")


class Progressive(AdversarialModel):
    """Both players grow from 4 pixels to the data's side (Karras et al. 2018).

    The networks have `base_channels` next to the full picture, twice as many with each halving of the side, and never
    more than `max_channels`. The statistic of the minibatch is taken over `group_size` examples.

    `objective` is "wasserstein" or "least_squares". The first has a gradient penalty of `penalty_weight`, which draws
    slopes to `penalty_target` (gamma; the paper's 750 for CIFAR-10), and a penalty on drift of `drift_weight`. The
    discriminator is updated `n_critic` times a step, each on its own part of the batch.

    A phase has a `side`, 0 for the full one, and may `fade` its newest layers in.
    """

    options: ClassVar[dict[str, Any]] = {
        "latent_dim": 512,
        "base_channels": 16,  # width next to the full picture, doubled with each halving of the side
        "max_channels": 512,  # the most channels of a layer
        "objective": "wasserstein",  # wasserstein or least_squares
        "penalty_weight": 10.0,  # of the gradient penalty of wasserstein
        "penalty_target": 1.0,  # gamma: the slope that the gradient penalty draws to
        "drift_weight": 0.001,  # of the penalty that keeps the critic's outputs near 0
        "n_critic": 1,  # updates of the discriminator in a step, each on its own part of the batch
        "group_size": 4,  # samples over which the statistic of the minibatch is taken
    }
    phase_options: ClassVar[dict[str, Any]] = {
        "side": 0,  # pixels of the pictures in this phase; 0 is the full side
        "fade": False,  # whether the newest layers fade in during this phase
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 4, "base_channels": 8, "max_channels": 8, "group_size": 2}

    def check(self) -> None:
        """Refuse pictures and options that cannot be; choose the game."""
        sides = set(self.sample.shape[:2])
        if not sides <= set(SIDES) or len(sides) > 1:
            nearest = min(SIDES, key=lambda side: abs(math.log(side / min(sides))))
            raise UserError(
                f"progressive doubles the side from {SIDES[0]} up to {SIDES[-1]} pixels, and these pictures have "
                f"{' x '.join(map(str, self.sample.shape[:2]))}; the nearest is --config.data.image_size={nearest}"
            )
        check_positive(
            base_channels=self.base_channels,
            max_channels=self.max_channels,
            group_size=self.group_size,
            penalty_target=self.penalty_target,
        )
        check_penalty("gradient", self.penalty_weight, "none")
        if not self.drift_weight >= 0:
            raise UserError(f"model.drift_weight={self.drift_weight}: use 0 or more")
        if self.objective not in _OBJECTIVES:
            raise unknown("objective", self.objective, _OBJECTIVES)
        self.is_noisy = self.objective == "least_squares"
        if self.is_noisy:
            self.game = least_squares(fake_weight=0.1)
            # d, which every step moves
            self.fake_score = self.add_weight(
                (), "zeros", trainable=False, aggregation="only_first_replica", name="fake_score"
            )
        else:
            self.game = wasserstein(self.drift_weight)
            self.regularizer = functools.partial(gradient, target=self.penalty_target)

    def networks(self) -> Networks:
        """Return both networks, which share one fade, at their full size."""
        *_, channels = self.sample.shape
        levels = SIDES.index(self.sample.shape[0]) + 1
        widths = [min(self.base_channels * 2 ** (levels - 1 - level), self.max_channels) for level in range(levels)]
        narrowest = min(self.base_channels * 2**levels, self.max_channels)
        self.fade = Fade(name="fade")
        self.enlarge = NearestUpsampling()
        self.full_level = levels - 1
        generator = Generator(self.latent_dim, widths, channels, self.fade)
        return generator, Discriminator([narrowest, *widths], channels, self.group_size, self.fade)

    @property
    def batch_divisor(self) -> int:
        """The number that must divide the batch of each replica: whole groups in each of the critic's updates."""
        return self.n_critic * self.group_size

    def enter(self, phase: Mapping[str, Any], start: int = 0, end: int | None = None) -> None:
        """Grow to the side of the phase; alpha is that of the present step."""
        super().enter(phase, start, end)
        chosen = {**self.declared.phase_options, **phase}
        full = self.sample.shape[0]
        sides, side, is_fading = SIDES[: self.full_level + 1], chosen["side"] or full, chosen["fade"]
        if side not in sides:
            raise UserError(f"a phase has side={side}: use one of {', '.join(map(str, sides))}, or 0 for {full}")
        if is_fading and side == sides[0]:
            raise UserError(f"a phase has side={side} and fade=True: there is no smaller side to fade from")
        if is_fading and end is None:
            raise UserError(f"the last phase has fade=True: add a phase of side {side} that begins where it is done")
        for network in (self.generator, self.discriminator):
            network.level, network.is_fading = sides.index(side), is_fading
        self.first_step, self.last_step = start, end
        self.fade.alpha.assign(self.alpha_at(self.step))

    def alpha_at(self, step: tf.Tensor) -> tf.Tensor:
        """Return the alpha of a step of this phase: a line from 0 to 1, or 1 throughout."""
        if not self.generator.is_fading:
            return tf.ones(())
        done = tf.cast(step - self.first_step, tf.float32) / (self.last_step - self.first_step)
        return tf.clip_by_value(done, 0.0, 1.0)

    def weights_in_use(self, player: str) -> list[keras.Variable]:
        """Return those weights of a player that its network has in this phase."""
        return getattr(self, player).weights_in_use()

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return the discriminator's outputs (batch, 1); with least squares it is noisy."""
        if not self.is_noisy:
            return self.discriminator(x, training=True)
        strength = 0.2 * tf.maximum(0.0, self.fake_score.value - 0.5) ** 2

        def disturbed(maps: tf.Tensor) -> tf.Tensor:
            channels = maps.shape[-1]
            # uniform numbers are multiples of 2^-23; between them, because the quantile of 0 is infinite
            normal = tf.math.ndtri(uniform((tf.shape(maps)[0], 1, 1, channels)) + 2.0**-24)
            return maps * tf.cast(1.0 + strength * math.sqrt(channels) * normal, maps.dtype)

        return self.discriminator(x, training=True, disturb=disturbed)

    def reduced(self, x: tf.Tensor) -> tf.Tensor:
        """Return real pictures as the phase shows them: means over squares, which fade in as samples do."""
        factor = 2 ** (self.full_level - self.generator.level)
        x = tf.nn.avg_pool2d(x, factor, factor, "VALID")
        return self.fade(self.enlarge(halved(x)), x) if self.generator.is_fading else x

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """`n_critic` updates of the discriminator, then one of the generator; then alpha and d, if in use, follow."""
        part, logs = self.critic_steps({**data, "image": self.reduced(data["image"])})
        logs |= self.generator_step(part)
        if self.generator.is_fading:
            logs["alpha"] = tf.identity(self.fade.alpha.value)
            self.fade.alpha.assign(self.alpha_at(self.step + 1))
        if self.is_noisy:
            logs["fake_score"] = self.follow(logs["fake_output"])
        return logs

    def follow(self, output: tf.Tensor) -> tf.Tensor:
        """Move d towards 1 - `output`, the mean output on fake samples, over all replicas; return d."""
        output = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, output)
        d = 0.9 * self.fake_score.value + 0.1 * tf.clip_by_value(1.0 - output, 0.0, 1.0)
        self.fake_score.assign(d)
        return d


class Growing(keras.Model):
    """A network of several levels, of 4, 8, 16 ... pixels, of which those up to `level` are in use.

    If it `is_fading`, the newest level fades in. A `tf.function` keeps the level that it was traced at. `convolutions`
    are those of each level; `rgb` is, for each level, the way between its features and pictures of its side; `dense` is
    in use at every level.
    """

    convolutions: list[list[layers.Layer]]
    rgb: list[layers.Layer]
    dense: layers.Layer

    def __init__(self, levels: int, fade: Fade, name: str) -> None:
        super().__init__(name=name)
        self.level, self.is_fading = levels - 1, False
        self.fade, self.activate = fade, layers.LeakyReLU(negative_slope=0.2)
        self.built = True  # a subclass builds its layers in its constructor

    def weights_in_use(self) -> list[keras.Variable]:
        """Return the weights that are trained at this level, in the network's order."""
        convolutions = itertools.chain.from_iterable(self.convolutions[: self.level + 1])
        layers_in_use = [self.dense, *convolutions, *self.rgb[self.level - self.is_fading : self.level + 1]]
        used = {id(weight) for layer in layers_in_use for weight in layer.trainable_variables}
        return [weight for weight in self.trainable_variables if id(weight) in used]


class Generator(Growing):
    """G (table 2): {"z": (batch, latent_dim)} to {"image": (batch, S, S, channels) in [-1, 1]}, S the full side.

    In training the picture has the side of the level in use, and no bounds, because nothing flows back through a clip.
    `widths` are the channels of each level.
    """

    def __init__(self, latent_dim: int, widths: list[int], channels: int, fade: Fade) -> None:
        super().__init__(len(widths), fade, "generator")
        self.normalize, self.enlarge, self.bound = PixelNormalization(), NearestUpsampling(), Bounded(dtype="float32")
        # the paper's 4 x 4 convolution of a padded pixel, whose fan in is 16 times that of a dense layer
        dense = EqualizedDense(SIDES[0] ** 2 * widths[0], gain=math.sqrt(2.0) / SIDES[0], name="level_0_dense")
        self.dense = _built(dense, latent_dim)
        self.unfold = layers.Reshape((SIDES[0], SIDES[0], widths[0]))
        higher = enumerate(itertools.pairwise(widths), start=1)
        self.convolutions = [
            _convolutions(0, widths[0], widths[0]),
            *(_convolutions(level, before, width, width) for level, (before, width) in higher),
        ]
        self.rgb = [
            # float32 whatever the precision of training: pictures leave the network here
            _convolution(f"to_rgb_{level}", width, channels, kernel_size=1, gain=1.0, dtype="float32")
            for level, width in enumerate(widths)
        ]

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """Return the pictures."""
        x = self.unfold(self.dense(self.normalize(inputs["z"])))
        x = self.normalize(self.activate(x))
        for level in range(self.level + 1):
            below = x
            x = self.enlarge(x) if level else x
            for convolution in self.convolutions[level]:
                x = self.normalize(self.activate(convolution(x)))
        image = self.rgb[self.level](x)
        if self.is_fading:
            image = self.fade(self.enlarge(self.rgb[self.level - 1](below)), image)
        if training:
            return {"image": image}
        for _ in range(self.level, len(self.rgb) - 1):
            image = self.enlarge(image)
        return {"image": self.bound(image)}


class Discriminator(Growing):
    """D (table 2): pictures (batch, s, s, channels), s the side of the level in use, to outputs (batch, 1).

    `widths` are the channels of the last hidden layer and then of each level. `disturb`, if given, is applied to the
    maps before each convolution of more than one pixel.
    """

    def __init__(self, widths: list[int], channels: int, group_size: int, fade: Fade) -> None:
        last, *widths = widths
        super().__init__(len(widths), fade, "discriminator")
        self.rgb = [
            _convolution(f"from_rgb_{level}", channels, width, kernel_size=1) for level, width in enumerate(widths)
        ]
        self.deviation = MinibatchDeviation(group_size)
        to_pixel = _convolution("level_0_to_pixel", widths[0], last, kernel_size=SIDES[0], padding="valid")
        higher = enumerate(itertools.pairwise(widths), start=1)
        self.convolutions = [
            [*_convolutions(0, widths[0] + 1, widths[0]), to_pixel],
            *(_convolutions(level, width, width, after) for level, (after, width) in higher),
        ]
        self.flatten = layers.Flatten()
        self.dense = _built(EqualizedDense(1, gain=1.0, dtype="float32", name="output"), last)

    def call(
        self, x: tf.Tensor, training: bool = False, disturb: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    ) -> tf.Tensor:
        """Return the outputs."""
        h = self.activate(self.rgb[self.level](x))
        for level in range(self.level, -1, -1):
            h = self.deviation(h) if level == 0 else h
            for convolution in self.convolutions[level]:
                h = self.activate(convolution(disturb(h)))
            h = halved(h) if level else h
            if self.is_fading and level == self.level:
                h = self.fade(self.activate(self.rgb[level - 1](halved(x))), h)
        return self.dense(self.flatten(h))


def halved(x: tf.Tensor) -> tf.Tensor:
    """Return maps (batch, H, W, C) with half the sides: means over squares of 2 x 2."""
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def _convolutions(level: int, *widths: int) -> list[EqualizedConv2D]:
    """Return the 3 x 3 convolutions of a level, each from one of the widths to the next."""
    pairs = enumerate(itertools.pairwise(widths))
    return [_convolution(f"level_{level}_convolution_{number}", *pair, kernel_size=3) for number, pair in pairs]


def _convolution(name: str, inputs: int, outputs: int, padding: str = "same", **options: Any) -> EqualizedConv2D:
    return _built(EqualizedConv2D(outputs, padding=padding, name=name, **options), None, None, inputs)


def _built(layer: layers.Layer, *shape: int | None) -> layers.Layer:
    """Return a layer with its weights, for inputs (batch, *shape)."""
    layer.build((None, *shape))
    return layer
