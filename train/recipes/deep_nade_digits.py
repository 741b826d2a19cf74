"""DeepNADE on the embedded digits, binarised, at their own 8 x 8 pixels.

    python -m train --recipe=deep_nade_digits --workdir=runs/deep_nade
    python -m train.evaluate --source=runs/deep_nade --metrics=log_likelihood --importance_samples=50

Result: held-out log-likelihood -22.389 +- 0.005 nats in one order of the pixels, -22.169 +- 0.004 by 5 orders, -22.108
+- 0.004 by 50 (0.4984 bits per dimension), where independent Bernoulli pixels reach -27.220 and NADE -23.091 (see
`nade_digits`). The standard error over the test scans is 0.20.
Protocol: DYNAMIC binarisation (training scans redrawn for every batch), the 299 held-out scans drawn once; averaged
weights at step 10,000; mean and standard deviation over the seeds 0, 1, 2 (--config.seed). Every scan has orders of its
own, `importance_weighted_1` and `importance_weighted_50` in the report. The settings were not tuned.
Time: about 2 minutes of one core, of 2 that other work shared; the evaluation takes seconds.
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
