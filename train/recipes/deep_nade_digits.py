"""DeepNADE on the embedded digits, binarised, at their own 8 x 8 pixels.

    python -m train --recipe=deep_nade_digits --workdir=runs/deep_nade
    python -m train.evaluate --source=runs/deep_nade --metrics=log_likelihood --importance_samples=16

Result: held-out log-likelihood -22.408 +- 0.034 nats in one order of the pixels (0.5051 bits per dimension), -22.174 +-
0.033 by 16 orders (0.4999), where independent Bernoulli pixels reach -27.220 and NADE -23.091 (see `nade_digits`). The
standard error over the test scans is 0.21.
Protocol: DYNAMIC binarisation (training scans redrawn for every batch), the 299 held-out scans drawn once; averaged
weights at step 10,000; mean and standard deviation over the seeds 0, 1, 2 (--config.seed). Every scan has orders of its
own, `importance_weighted_1` and `importance_weighted_16` in the report. The settings were not tuned.
Time: about 2 minutes of one of 2 cores that other work shared; the evaluation takes seconds.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 10_000
    config.data.binarize = "dynamic"
    config.model = model("deep_nade", hidden_units=200)
    config.optimizers.deep_nade = adam(1e-3)
    config.optimizers.deep_nade.schedule = "linear"
    return config
