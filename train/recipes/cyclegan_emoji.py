"""Emoji of one designer turned into those of another by CycleGAN without pairs, 64 x 64 pixels: noto and openmoji.

    python -m train --recipe=cyclegan_emoji --workdir=runs/cyclegan_emoji --config.data.name=domains:emoji
    python -m train.evaluate --source=runs/cyclegan_emoji --metrics=pairs --reference=pairs:emoji --map=a_to_b
    python -m train.evaluate --source=runs/cyclegan_emoji --metrics=pairs --reference=pairs:emoji --map=b_to_a

The folder emoji/ has train/ and test/, each with input/ (noto) and image/ (openmoji), where pictures of equal names
show the same emoji. Training puts each of the two in an order of its own and never looks at the names. So the same
folder is read as domains to train, and as pairs to judge. Of a set with train/noto/, train/openmoji/, test/noto/ and
test/openmoji/ it is made by

    for split in train test; do mkdir -p emoji/$split; cp -r set/$split/noto emoji/$split/input; \\
        cp -r set/$split/openmoji emoji/$split/image; done

Result: L1 .378 +- .006 in units of [-1, 1] from noto to openmoji and .362 +- .009 back, beside .410 for the copy, .356
and .407 for the mean picture of the other designer, and .277 and .309 for the answer to the nearest training input,
which sees pairs. PSNR 8.92 and 11.02 dB, the copy 9.40: lines a pixel aside cost more than none. The pictures have
openmoji's black outlines, white insides and yellow faces; on even grounds they have a faint grid.
Protocol: 209 held-out pairs, +- is the standard error over them; averaged weights at the last step; one run with seed 0
(--config.seed).
Time: 28 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 14000
    config.batch_size = 1
    config.sample_every = 1000
    config.checkpoint_every = 1000
    config.data = source("domains:emoji", flip=True)
    config.model = model("cyclegan", base_channels=16, blocks=3)
    for player in ("generators", "discriminators"):
        config.optimizers[player] = adam(2e-4, beta_1=0.5)
        config.optimizers[player].schedule = "half_linear"
    return config
