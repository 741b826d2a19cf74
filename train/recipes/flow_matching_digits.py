"""Flow matching on the embedded digits at their own 8 x 8 pixels.

    python -m train --recipe=flow_matching_digits --workdir=runs/flow

With `--config.model.conditional=True` it makes the digit that is asked for.

Result: docs/gallery/flow_matching_digits.png, not selected. Nearly all digits can be read. No distance between samples
and data was measured yet.
Protocol: one run with seed 0 (--config.seed), looked at; no number, hence no spread. 1,498 training scans. A sample
costs 40 passes of the network: 20 steps by the midpoint rule.
Time: 5 minutes of one core that other programs shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.sample_every = 1000
    config.model = model("flow_matching")
    config.optimizers.velocity = adam(3e-3)
    config.optimizers.velocity.schedule = "linear"
    return config
