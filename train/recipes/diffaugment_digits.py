"""DiffAugment on the embedded digits at their own 8 x 8 pixels, beside `dcgan_digits`: the discriminator sees less.

    python -m train --recipe=diffaugment_digits --workdir=runs/diffaugment

It is meant for few images, such as a folder of some hundred: `few_pictures` does that.

Result: docs/gallery/diffaugment_digits.png, not selected. Most digits can be read. No distance between
samples and data was measured yet.
Protocol: one run with seed 0 (--config.seed), looked at; no number, hence no spread. 1,498 training scans.
Time: 2 to 4 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 8000
    config.ema = 0.998
    config.model = model("diffaugment", latent_dim=64, base_channels=128)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
