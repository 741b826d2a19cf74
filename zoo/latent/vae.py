"""VAE: the variational autoencoder.

Kingma and Welling, "Auto-encoding variational Bayes" (2013). A picture x has a latent cause z ~ N(0, I); the decoder is
p(x | z), the encoder q(z | x) a diagonal Gaussian that stands for the posterior. Both climb the lower bound of eq. 3,

    log p(x) >= E_q log p(x | z) - KL(q(z | x) || N(0, I)),

whose gradient passes through a sample by z = mean + deviation * eps, eps ~ N(0, I). The KL divergence has a closed
form.

`beta` weighs it (Higgins et al. 2017); 1 is the bound. A warm-up raises the weight from 0 over the first steps, so that
the decoder learns to use z before the KL divergence can silence it.

The map "log_prob" gives log w = log p(x | z) + log p(z) - log q(z | x) at one sample z. Its mean is the bound; the
log of the mean of k weights is a tighter one (Burda, Grosse & Salakhutdinov 2016), which evaluation takes over k calls.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import ops

from zoo.latent.likelihoods import (
    LEVELS,
    bernoulli_log_prob,
    discretized_logistic_log_prob,
    gaussian_kl,
    gaussian_log_prob,
)
from zoo.latent.networks import convolutional_decoder, convolutional_encoder, mlp_decoder, mlp_encoder
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

# the parameters of p(x | z) that a decoder makes
HEADS = {"bernoulli": ("logits",), "logistic": ("mean", "log_scale")}


class VAE(GenerativeModel):
    """Encoder and decoder, trained on the lower bound (Kingma & Welling 2013).

    `likelihood` is p(x | z): "bernoulli" for binary images (above 0 is white), or "logistic" for 256 grey levels
    (Salimans et al. 2017). `network` is "mlp", `depth` layers of `width` units, or "convolutional", with
    `base_channels` next to the image. z has `latent_dim` numbers. The KL divergence weighs `beta`, which rises from 0
    over `warmup_steps`.

    The map generate shows the mean of p(x | z), not a sample of it: for binary images the probability of white.
    """

    options: ClassVar[dict[str, Any]] = {
        "likelihood": "bernoulli",  # bernoulli (black or white) or logistic (256 grey levels)
        "network": "mlp",  # mlp or convolutional
        "latent_dim": 50,  # numbers of the code z
        "width": 500,  # units of a layer of mlp
        "depth": 2,  # layers of mlp
        "base_channels": 32,  # width of convolutional next to the picture
        "beta": 1.0,  # weight of the KL divergence
        "warmup_steps": 0,  # steps in which beta rises from 0
    }
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("image",)}
    players: ClassVar[tuple[str, ...]] = ("vae",)
    targets: ClassVar[dict[str, str]] = {"reconstruction": "image"}
    smallest: ClassVar[dict[str, Any]] = {"latent_dim": 3, "width": 8, "depth": 1, "base_channels": 4}

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._check()
        shape = self.columns["image"].shape
        self.dimensions = math.prod(shape)
        self.encoder, self.decoder = self._networks(shape)
        self.generator = keras.Model(*self._generate(), name="generator")
        self.reconstructor = keras.Model(*self._reconstruct(), name="reconstructor")
        self.bound = LogWeight(self.encoder, self.decoder, self.log_likelihood)
        z = TensorSpec("z", (self.latent_dim,), "normal")
        eps = TensorSpec("eps", (self.latent_dim,), "normal")
        image = self.columns["image"]
        pixels = dataclasses.replace(image, levels=2 if self.likelihood == "bernoulli" else LEVELS)
        moments = tuple(TensorSpec(name, (self.latent_dim,), "output") for name in ("mean", "log_variance"))
        self.maps = {
            "generate": Map(self.generator, MapSpec((z,), (TensorSpec("image", shape, "output", "image"),))),
            "encode": Map(self.encoder, MapSpec((image,), moments)),
            "reconstruct": Map(
                self.reconstructor, MapSpec((image,), (TensorSpec("reconstruction", shape, "output", "image"),))
            ),
            "log_prob": Map(self.bound, MapSpec((pixels, eps), (TensorSpec("log_weight", (), "output", "nats"),))),
        }

    def _check(self) -> None:
        for option, known in (("likelihood", HEADS), ("network", ("mlp", "convolutional"))):
            if (value := getattr(self, option)) not in known:
                raise UserError(f"model.{option}={value!r}: use one of {', '.join(known)}")
        for option, low in (("latent_dim", 1), ("width", 1), ("depth", 1), ("base_channels", 1), ("warmup_steps", 0)):
            if (value := getattr(self, option)) < low:
                raise UserError(f"model.{option}={value}: use {low} or more")
        if self.beta < 0:
            raise UserError(f"model.beta={self.beta}: use 0 or more")

    def _networks(self, shape: tuple[int, ...]) -> tuple[keras.Model, keras.Model]:
        heads = HEADS[self.likelihood]
        if self.network == "mlp":
            encoder = mlp_encoder(shape, self.latent_dim, self.width, self.depth)
            return encoder, mlp_decoder(shape, self.latent_dim, heads, self.width, self.depth)
        encoder = convolutional_encoder(shape, self.latent_dim, self.base_channels)
        return encoder, convolutional_decoder(shape, self.latent_dim, heads, self.base_channels)

    @property
    def log_likelihood(self) -> Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor]:
        """log p(x | z) in nats, (batch,), as a function of the decoder's outputs and x."""
        if self.likelihood == "bernoulli":
            return lambda made, image: bernoulli_log_prob(made["logits"], image)
        return lambda made, image: discretized_logistic_log_prob(made["mean"], made["log_scale"], image)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step up the bound, with one sample of z for each picture (L = 1 in the paper)."""
        x = data["image"]
        eps = self.noise((tf.shape(x)[0], self.latent_dim), "normal", "eps")
        beta = self.weight_of_kl()
        with tf.GradientTape(persistent=True) as tape:
            moments = self.encoder({"image": x}, training=True)
            made = self.decoder({"z": sample(moments, eps)}, training=True)
            reconstruction = -tf.reduce_mean(self.log_likelihood(made, x))
            kl = tf.reduce_mean(gaussian_kl(moments["mean"], moments["log_variance"]))
            weighted = beta * kl
        self.update("vae", (tape, reconstruction), (tape, weighted))
        loss = reconstruction + weighted
        elbo = -(reconstruction + kl)
        return {
            "loss": loss,
            "reconstruction_loss": reconstruction,
            "kl": kl,
            "beta": beta,
            "elbo": elbo,
            "bits_per_dimension": -elbo / (self.dimensions * math.log(2)),
        }

    def weight_of_kl(self) -> tf.Tensor:
        """Return beta at the present step."""
        if not self.warmup_steps:
            return tf.constant(self.beta, tf.float32)
        return self.beta * tf.minimum(1.0, tf.cast(self.step, tf.float32) / self.warmup_steps)

    def _mean_image(self, made: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
        """Return the mean of p(x | z), within [-1, 1]."""
        if self.likelihood == "bernoulli":
            return ops.tanh(made["logits"] / 2)  # 2 sigm(logits) - 1
        return ops.clip(made["mean"], -1.0, 1.0)

    def _generate(self) -> tuple[dict[str, Any], dict[str, Any]]:
        z = keras.Input((self.latent_dim,), name="z")
        return {"z": z}, {"image": self._mean_image(self.decoder({"z": z}))}

    def _reconstruct(self) -> tuple[dict[str, Any], dict[str, Any]]:
        image = keras.Input(self.columns["image"].shape, name="image")
        made = self.decoder({"z": self.encoder({"image": image})["mean"]})
        return {"image": image}, {"reconstruction": self._mean_image(made)}


def sample(moments: dict[str, tf.Tensor], eps: tf.Tensor) -> tf.Tensor:
    """Return z = mean + deviation * eps."""
    return moments["mean"] + tf.exp(moments["log_variance"] / 2) * eps


class LogWeight(keras.Model):
    """{"image", "eps" ~ N(0, I)} to {"log_weight": log p(x | z) + log p(z) - log q(z | x)} in nats, (batch,)."""

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        log_likelihood: Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor],
    ) -> None:
        super().__init__(name="log_weight", dtype="float32")  # a sum of hundreds of terms, whatever the precision
        self.encoder, self.decoder = encoder, decoder
        self.log_likelihood = log_likelihood
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Sample z, then weigh it."""
        image = inputs["image"]
        moments = self.encoder({"image": image})
        z = sample(moments, inputs["eps"])
        log_prior = gaussian_log_prob(z)
        log_posterior = gaussian_log_prob(z, moments["mean"], moments["log_variance"])
        return {"log_weight": self.log_likelihood(self.decoder({"z": z}), image) + log_prior - log_posterior}
