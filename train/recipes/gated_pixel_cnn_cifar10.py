"""Gated PixelCNN of CIFAR-10 in 256 levels of each colour, small and short.

    python -m train --recipe=gated_pixel_cnn_cifar10 --workdir=runs/gated_cifar10
    python -m train.evaluate --source=runs/gated_cifar10

Result: none yet.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.batch_size = 16
    config.steps_per_call = 20
    config.checkpoint_every = 1000
    config.sample_every = 2000
    config.ema = 0.0  # the learning rate falls to zero: an average wins nothing
    config.data = source("cifar10")
    config.model = model("gated_pixel_cnn", likelihood="logistic_mixture")
    config.optimizers.network = adam(1e-3)
    config.optimizers.network.schedule = "linear"
    return config
