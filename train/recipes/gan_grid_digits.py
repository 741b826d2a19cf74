"""Any objective x penalty x network on the embedded digits at their own 8 x 8 pixels.

    python -m train --recipe=gan_grid_digits --workdir=runs/hinge_r1 --config.objective=hinge --config.penalty=r1

`--config.objective`, `--config.penalty` and `--config.network` choose the cell.
Result: docs/gallery/gan_grid_digits.png is the command above, not selected. Many digits can be read. No distance
between samples and data was measured yet.
Protocol: one run with seed 0 (--config.seed), looked at. Compare cells only over several seeds at one budget and width.
Time: 1 to 2 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.objective, config.penalty, config.network = "non_saturating", "none", "dcgan"
    config.train_steps = 4000
    config.ema = 0.998
    config.model = model("gan_grid", latent_dim=64)
    for key in ("objective", "penalty", "network"):
        config.model[key] = config.get_ref(key)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
