"""Outlines of shapes coloured by pix2pix, at 32 x 32 pixels.

    python -m train --recipe=pix2pix_toy --workdir=runs/pix2pix
    python -m train.evaluate --source=runs/pix2pix --metrics=pairs

Result: docs/gallery/pix2pix_toy.png, not selected. L1 0.073 in units of [-1, 1] and a pooled PSNR of 20.3 dB, where the
mean picture has 0.242 and 14.1 dB. Large circles and squares get their colour; small circles and triangles are taken
for squares. Looking up the nearest training outline is better here (0.042, 20.6 dB): the shapes are that simple.
Protocol: 200 held-out shapes, averaged weights at step 6,000; one run with seed 0 (--config.seed), hence no spread. The
length was raised from 1,500 steps, where every shape came out green.
Time: about 2 minutes on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 6000
    config.batch_size = 4
    config.sample_every = 1000
    config.data = source("shapes", flip=True)
    config.model = model("pix2pix", base_channels=16, halvings=2)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
