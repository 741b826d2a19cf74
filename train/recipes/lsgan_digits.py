"""LSGAN on the embedded digits at their own 8 x 8 pixels, beside `dcgan_digits`: only the objective differs.

    python -m train --recipe=lsgan_digits --workdir=runs/lsgan

Result: most digits can be read in all three grids. At the end the discriminator puts real scans at 0.575 +- 0.002 and
samples at 0.427 +- 0.001 (its targets are 1 and 0); it gets 77.3 +- 0.4 % right. No distance between samples and data
was measured yet.
Protocol: mean of `real_output`, `fake_output` and `accuracy` in metrics.jsonl over the last 500 of 8,000 steps, in
training; mean and standard deviation over the seeds 0, 1, 2 (--config.seed); 1,498 training scans.
Time: 1 to 3 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 8000
    config.ema = 0.998
    config.model = model("lsgan", latent_dim=64, latent="normal")
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
