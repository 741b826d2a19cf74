"""DCGAN on the embedded digits at their own 8 x 8 pixels: what `make demo` trains.

    python -m train --recipe=dcgan_digits --workdir=runs/demo

The paper's width, kernel and optimisers. The scans are not enlarged: enlarged ones lie in a 64-dimensional subspace,
which the discriminator learns to recognise instead of digits.

Result: most of the 64 digits of the final grid can be read, about as well as the scans. At the end the discriminator
gives real scans 0.5230 +- 0.0004 and samples 0.4776 +- 0.0004: close to equilibrium. No distance between samples and
data was measured yet.
Protocol: mean of `real_probability` and `fake_probability` in metrics.jsonl over the last 500 of 8,000 steps; mean and
standard deviation over the seeds 0, 1, 2 (--config.seed); 1,498 training scans.
Time: 1 to 2 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 8000
    config.ema = 0.998
    config.model = model("dcgan", latent_dim=64, latent="normal", base_channels=128, kernel_size=5)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
