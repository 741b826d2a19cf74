"""WGAN with the authors' constants on the embedded digits at their own 8 x 8 pixels.

    python -m train --recipe=wgan_digits --workdir=runs/wgan

Result: docs/gallery/wgan_digits.png, not selected. Many digits can be read, fewer than with `lsgan_digits`: the
critic learns slowly at this rate. No distance between samples and data was measured yet.
Protocol: one run with seed 0 (--config.seed), looked at; no number, hence no spread. 1,498 training scans.
Time: 2 to 4 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import defaults, model, rmsprop


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.batch_size = 320
    config.ema = 0.998
    config.model = model("wgan", latent_dim=64, base_channels=128)
    config.optimizers.discriminator = rmsprop(5e-5)
    config.optimizers.generator = rmsprop(5e-5)
    return config
