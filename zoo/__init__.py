"""genzoo: deep generative models, one paper in one readable file.

    import zoo
    zoo.available()                                    # the registered names; imports no TensorFlow
    model = zoo.create("dcgan", columns={"image": (28, 28, 1)}, base_channels=64)

A model is registered by one line below. Everything else (its options, the data it reads, its conformance tests) is read
from its file. A model of your own needs no line: its name is "file.py:Class" or "package.module:Class".
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.shared.errors import UserError, first_line, unknown
from zoo.shared.modules import imported
from zoo.shared.version import VERSION

if TYPE_CHECKING:
    from zoo.model import GenerativeModel

__version__ = VERSION

_MODELS = {
    "acgan": "zoo.adversarial.acgan:ACGAN",
    "adain": "zoo.translation.adain:AdaIN",
    "ada": "zoo.adversarial.ada:ADA",
    "cyclegan": "zoo.translation.cyclegan:CycleGAN",
    "dcgan": "zoo.adversarial.dcgan:DCGAN",
    "deep_nade": "zoo.autoregressive.deep_nade:DeepNADE",
    "diffaugment": "zoo.adversarial.diffaugment:DiffAugmentGAN",
    "dragan": "zoo.adversarial.dragan:DRAGAN",
    "espcn": "zoo.translation.espcn:ESPCN",
    "fast_style": "zoo.translation.fast_style:FastStyle",
    "gan": "zoo.adversarial.gan:GAN",
    "flow_matching": "zoo.flow.flow_matching:FlowMatching",
    "gated_pixel_cnn": "zoo.autoregressive.gated_pixel_cnn:GatedPixelCNN",
    "gan_grid": "zoo.adversarial.gan_grid:GANGrid",
    "lsgan": "zoo.adversarial.lsgan:LSGAN",
    "nade": "zoo.autoregressive.nade:NADE",
    "pacgan": "zoo.adversarial.pacgan:PacGAN",
    "pix2pix": "zoo.translation.pix2pix:Pix2Pix",
    "pixel_cnn": "zoo.autoregressive.pixel_cnn:PixelCNN",
    "pixel_rnn": "zoo.autoregressive.pixel_rnn:PixelRNN",
    "progressive": "zoo.adversarial.progressive:Progressive",
    "projection_gan": "zoo.adversarial.projection_gan:ProjectionGAN",
    "rpgan": "zoo.adversarial.rpgan:RpGAN",
    "sngan": "zoo.adversarial.sngan:SNGAN",
    "srgan": "zoo.translation.srgan:SRGAN",
    "srresnet": "zoo.translation.srgan:SRResNet",
    "stargan": "zoo.translation.stargan:StarGAN",
    "vae": "zoo.latent.vae:VAE",
    "video_pixel_network": "zoo.autoregressive.video_pixel_network:VideoPixelNetwork",
    "wavenet": "zoo.autoregressive.wavenet:WaveNet",
    "wgan": "zoo.adversarial.wgan:WGAN",
    "wgan_gp": "zoo.adversarial.wgan_gp:WGANGP",
    "world_model": "zoo.latent.world_model:WorldModel",
}


def available() -> tuple[str, ...]:
    """Return the names of the registered models."""
    return tuple(sorted(_MODELS))


def declared(name: str) -> registry.Declaration:
    """Return what a model declares of itself: its options and their defaults, the columns it reads, its players.

    It is read from the source text, without TensorFlow. A name that is neither registered nor a class is a `UserError`.
    """
    return registry.declaration(*registry.locate(name, lambda: _MODELS))


def defaults(name: str) -> dict[str, Any]:
    """Return the options of a model with their default values, see `declared`."""
    return declared(name).options


def model_class(name: str) -> "type[GenerativeModel]":
    """Return the class of a model; a file that cannot be imported, or a class that is no model, is a `UserError`."""
    module, class_name = registry.locate(name, lambda: _MODELS)
    try:
        found = getattr(imported(module), class_name)
    except (Exception, SystemExit) as error:  # a file of the user's own may raise anything
        raise UserError(f"model {name} cannot be imported: {type(error).__name__}: {first_line(error)}") from error
    from zoo.model import GenerativeModel

    if not (isinstance(found, type) and issubclass(found, GenerativeModel)):
        raise UserError(f"{name} is no model: derive the class from zoo.model.GenerativeModel")
    return found


def create(name: str, columns: Mapping[str, Any], **options: Any) -> "GenerativeModel":
    """Return a new model for data with these `columns`; see `zoo.spec.column` for the short forms of a column.

    An unknown name or option is a `UserError` that names the nearest known one.
    """
    known = defaults(name)
    for key in options:
        if key not in known:
            raise unknown(f"option of model {name}", key, known)
    return model_class(name)(columns=columns, **options)
