"""Relativistic pairs with R1 and R2 on the embedded digits at their own 8 x 8 pixels.

    python -m train --recipe=rpgan_digits --workdir=runs/rpgan

Result: docs/gallery/rpgan_digits.png, not selected. Many digits can be read. No distance between samples and data was
measured yet.
Protocol: one run with seed 0 (--config.seed), looked at; no number, hence no spread. 1,498 training scans.
Time: 1 to 2 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.ema = 0.998
    config.model = model("rpgan", network="dcgan", latent_dim=64)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.0, beta_2=0.99)
    config.optimizers.generator = adam(2e-4, beta_1=0.0, beta_2=0.99)
    return config
