"""New pictures of the class that is asked for, 32 x 32 pixels, by a projection discriminator.

    python -m train --recipe=classes --workdir=runs/mine --config.data.name=folder:pictures

The sub-folders of the folder are the classes, such as pictures/cat and pictures/dog; how many there are, and their
names, is read from it: `--dry_run` and the start of a run tell them.

Result: docs/gallery/classes.png, not selected: drawn faces whose hair has the colour that was asked for, black, blond,
brown or red, in turn. Heads and eyes can be told on most, edges are noisy. Frechet distance to 265 held-out faces 2.20,
density 0.46, coverage 0.58.
Protocol: one run with seed 0 (--config.seed), hence no spread. 2,235 of 2,500 drawn avatars at 32 px, in four folders
by the colour of their hair; 500 samples, of the classes in equal parts, `python -m train.evaluate --source=runs/mine
--metrics=frechet,density_coverage --count=500`. Nothing was tuned.
Time: 14 minutes of one core: the steps took 105 ms each of it.
Better: more steps (--config.train_steps=40000; the same command with more resumes), wider networks
(--config.model.base_channels=64), more pictures of each class. --config.data.flip=false for pictures that are not to be
mirrored, such as letters.
"""

from ml_collections import ConfigDict

from train.config import model
from train.recipes import few_pictures


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = few_pictures.get_config()
    config.train_steps = 8000
    config.model = model("projection_gan", latent_dim=64, base_channels=24)
    return config
