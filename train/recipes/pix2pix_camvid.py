"""Street scenes from their labels: CamVid, 128 x 96 pixels, labels drawn in colours.

    python -m train --recipe=pix2pix_camvid --workdir=runs/camvid --config.data.name=pairs:camvid
    python -m train.evaluate.fcn_score --data=pairs:camvid --sources=runs/camvid

The folder camvid/ has train/ and test/, each with input/ (label pictures) and image/ (photographs) of equal names.

Result: docs/results/camvid.json. FCN score, as pixel accuracy / class accuracy / IoU: .753 / .412 / .328, where the
photographs have .808 / .459 / .383, the mean colours of the classes .677 / .286 / .219 and L1 alone .714 / .336 / .267.
Sky, road and trees can be told; things are dark smears.
Protocol: 233 held-out pairs, averaged weights at step 4,000, seed 0 (--config.seed): no spread is known. Scores by a
segmenter trained here on the photographs for 8 epochs; they compare with no other segmenter's.
Time: about 2 minutes of one core.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.batch_size = 1
    config.sample_every = 1000
    config.checkpoint_every = 1000
    config.data = source("pairs:camvid", flip=True)
    config.model = model("pix2pix", base_channels=16)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
