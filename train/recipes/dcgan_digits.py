"""DCGAN on the embedded digits at their own 8 x 8 pixels: what `make demo` trains.

    python -m train --recipe=dcgan_digits --workdir=runs/demo

The paper's width, kernel and optimisers. The scans are not enlarged: enlarged ones lie in a 64-dimensional subspace,
which the discriminator learns to recognise instead of digits.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 8000
    config.data.image_size = 8
    config.ema = 0.998
    config.model = model("dcgan", latent_dim=64, latent="normal", base_channels=128, kernel_size=5)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
