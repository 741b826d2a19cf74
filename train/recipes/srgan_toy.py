"""Digits of 8 x 8 pixels from 4 x 4 by SRGAN, which begins with SRResNet.

    python -m train --recipe=srgan_toy --workdir=runs/srgan --init_from=runs/srresnet
    python -m train.evaluate --source=runs/srgan --metrics=pairs

The run runs/srresnet is that of the recipe srresnet_toy.

Result: (to be filled)
Protocol: 299 held-out digits, averaged weights at step 2,000; one run with seed 0 (--config.seed), hence no spread.
Time: (to be filled)
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 2000
    config.batch_size = 16
    config.sample_every = 1000
    config.data = source("lowres:digits", factor=2)
    config.model = model("srgan", base_channels=16, blocks=2, content="pixels")
    config.optimizers.discriminator = adam(1e-4)
    config.optimizers.generator = adam(1e-4)
    return config
