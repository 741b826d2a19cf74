"""Horses and zebras at 256 x 256 pixels, with the settings of the CycleGAN paper.

    python -m train --recipe=cyclegan_horse2zebra --workdir=runs/horse2zebra --config.data.name=domains:horse2zebra

The folder horse2zebra/ is the authors' set, with trainA/, trainB/, testA/ and testB/. The paper has 100 epochs at a
constant rate and 100 in which it falls to 0; 270,000 steps of one picture of each domain are the length that mmagic
gives this set. Pictures are stored at 286 pixels, of which training takes windows of 256. The weights are not averaged.

Result: not run at full length here: it needs a GPU.
Protocol: seed 0 (--config.seed).
Time: a GPU's work, not measured.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 270_000
    config.batch_size = 1
    config.sample_every = 5000
    config.checkpoint_every = 5000
    config.ema = 0.0
    config.data = source("domains:horse2zebra", image_size=256, crop=30, flip=True)
    config.model = model("cyclegan", blocks=9)
    for player in ("generators", "discriminators"):
        config.optimizers[player] = adam(2e-4, beta_1=0.5)
        config.optimizers[player].schedule = "half_linear"
    return config
