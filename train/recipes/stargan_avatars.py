"""Drawn faces edited by StarGAN: hair colour, long hair, glasses and mustache, at 64 x 64 pixels.

    python -m train --recipe=stargan_avatars --workdir=runs/avatars --config.data.name=attributes:avatars
    python -m train.evaluate.attributes --sources=runs/avatars --edits=avatars/test_edits/test_edits.csv

The folder avatars/ has train/ and test/, each with pictures and a CSV file beside them: its first column is file, the
others are 0 or 1 and have the names below. The edits, with the columns file, source and edit, lie in a folder of their
own. Where an archive has the CSV files beside the folders:

    unzip -q avatars.zip -d avatars
    for part in train test test_edits; do mv avatars/$part.csv avatars/$part/; done

Result: none yet: it was not run at full length.
Protocol: seed 0 (--config.seed).
Time: not measured.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source

HAIR = "black_hair,brown_hair,blond_hair,red_hair"


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 2000
    config.batch_size = 40
    config.sample_every = 500
    config.checkpoint_every = 500
    config.ema = 0.99
    config.data = source(
        "attributes:avatars", attributes=f"{HAIR},long_hair,glasses,mustache", exclusive=HAIR, flip=True
    )
    config.model = model("stargan", base_channels=16, blocks=3)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(3e-4, beta_1=0.5)
        config.optimizers[player].schedule = "half_linear"
    return config
