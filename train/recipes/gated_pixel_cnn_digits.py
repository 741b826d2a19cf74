"""Gated PixelCNN on the embedded digits, binarised, at their own 8 x 8 pixels.

    python -m train --recipe=gated_pixel_cnn_digits --workdir=runs/gated_pixel_cnn
    python -m train.evaluate --source=runs/gated_pixel_cnn

Result: held-out log-likelihood -22.816 +- 0.046 nats (0.5143 bits per dimension), exact; independent Bernoulli pixels,
fitted to the training scans, reach -27.220. The standard error over the 299 held-out scans is 0.21. Nothing was tuned.
Protocol: DYNAMIC binarisation (training scans redrawn for every batch), the held-out scans drawn once; averaged weights
at step 3,000; mean and standard deviation over the seeds 0, 1, 2 (--config.seed). Not comparable with the published
numbers, which are for 28 x 28 pixels.
Time: about 2 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 3000
    config.data.binarize = "dynamic"
    config.model = model("gated_pixel_cnn", base_channels=16, depth=5, first_size=5, head_channels=32)
    config.optimizers.network = adam(1e-3)
    return config
