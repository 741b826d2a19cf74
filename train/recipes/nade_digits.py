"""NADE on the embedded digits, binarised, at their own 8 x 8 pixels.

    python -m train --recipe=nade_digits --workdir=runs/nade
    python -m train.evaluate --source=runs/nade

Result: held-out log-likelihood -23.091 +- 0.005 nats (0.5205 bits per dimension) where independent Bernoulli pixels,
fitted to the training scans, reach -27.220. The standard error over the test scans is 0.21.
Protocol: DYNAMIC binarisation (training scans redrawn for every batch), the 299 held-out scans drawn once; averaged
weights at step 3,000; mean and standard deviation over the seeds 0, 1, 2 (--config.seed). Not comparable with the
published numbers, which are for 28 x 28 pixels.
Time: about 1 minute on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 3000
    config.data.binarize = "dynamic"
    config.model = model("nade", hidden_units=100)
    config.optimizers.nade = adam(1e-3)
    return config
