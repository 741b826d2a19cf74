"""Any objective x penalty x normalisation on CIFAR-10 for 7,800 steps, all with one budget.

    python -m train --recipe=gan_grid_cifar10 --workdir=runs/lsgan --config.objective=least_squares \\
        --config.learning_rate=1e-3 --config.model.normalization=batch --config.model.base_channels=32

Result: docs/results/cifar10/lsgan-32-channels.png, not selected. A Frechet distance of 2.20 +- 0.03 from the test
split, where real pictures have 0.02, and of 3.9 +- 0.2 with 16 channels, the recipe's own width: colours and horizons,
hardly an object that one could name. docs/results compares nine objectives and penalties at 16.
Protocol: 10,000 samples of the averaged generator at the last step beside the 10,000 images of the test split, features
of the extractor of pictures that comes along; mean and deviation over the seeds 0 and 1, of 16 channels 0 to 2
(--config.seed), on 25,000 of the 50,000 training pictures, of which 7,800 steps are 20 epochs. The learning rate was
chosen with seed 10 on the train split, see `train/studies/cifar10.py`.
Time: 6 minutes of one core with 16 channels, 11 with a gradient penalty; 17 with 32 channels, beside other programs.
"""

from ml_collections import ConfigDict

from train.config import source
from train.recipes import gan_grid_fashion

STEPS, EVERY = 7800, 1300  # the budget of the study: 20 epochs of 25,000 pictures, judged six times


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = gan_grid_fashion.get_config()
    config.train_steps = STEPS
    config.checkpoint_every = config.sample_every = config.evaluate.every = EVERY
    config.data = source("cifar10")
    return config
