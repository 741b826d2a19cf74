"""genzoo: deep generative models, one paper in one readable file.

    import zoo
    zoo.available()                                    # the registered names; imports no TensorFlow
    model = zoo.create("dcgan", sample_shape=(28, 28, 1), base_channels=64)

A model is registered by one line below; everything else (its options, its conformance tests) is read from its file.
"""

import ast
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.shared.errors import unknown

if TYPE_CHECKING:
    from zoo.model import GenerativeModel

__version__ = "0.1.0"

_MODELS = {
    "acgan": "zoo.adversarial.acgan:ACGAN",
    "ada": "zoo.adversarial.ada:ADA",
    "dcgan": "zoo.adversarial.dcgan:DCGAN",
    "diffaugment": "zoo.adversarial.diffaugment:DiffAugmentGAN",
    "dragan": "zoo.adversarial.dragan:DRAGAN",
    "gan": "zoo.adversarial.gan:GAN",
    "gan_grid": "zoo.adversarial.gan_grid:GANGrid",
    "lsgan": "zoo.adversarial.lsgan:LSGAN",
    "nade": "zoo.autoregressive.nade:NADE",
    "pacgan": "zoo.adversarial.pacgan:PacGAN",
    "projection_gan": "zoo.adversarial.projection_gan:ProjectionGAN",
    "rpgan": "zoo.adversarial.rpgan:RpGAN",
    "sngan": "zoo.adversarial.sngan:SNGAN",
    "wgan": "zoo.adversarial.wgan:WGAN",
    "wgan_gp": "zoo.adversarial.wgan_gp:WGANGP",
}


def available() -> tuple[str, ...]:
    """Return the names of the registered models."""
    return tuple(sorted(_MODELS))


def defaults(name: str) -> dict[str, Any]:
    """Return the options of a model with their default values.

    They are the keyword-only arguments of its constructor that have a default, read from the source text:
    a configuration is checked before TensorFlow is imported. An unknown name is a `UserError`.
    """
    module, class_name = _lookup(name)
    tree = ast.parse(_source(module).read_text())
    (model,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    (init,) = (node for node in model.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    pairs = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    return {argument.arg: ast.literal_eval(default) for argument, default in pairs if default is not None}


def create(name: str, **config: Any) -> "GenerativeModel":
    """Return a new model; `config` holds its `sample_shape` and any of its options.

    An unknown name or option is a `UserError` that names the nearest known one.
    """
    module, class_name = _lookup(name)
    model = getattr(importlib.import_module(module), class_name)
    known = inspect.signature(model).parameters
    for key in config:
        if key not in known:
            raise unknown(f"option of model {name}", key, known)
    return model(**config)


def _lookup(name: str) -> tuple[str, str]:
    if name not in _MODELS:
        raise unknown("model", name, _MODELS)
    module, class_name = _MODELS[name].split(":")
    return module, class_name


def _source(module: str) -> Path:
    # all models lie below this file; importing their module would import TensorFlow
    return Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
