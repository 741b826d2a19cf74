"""Progressive growing up to 1024 x 1024 pixels, at the paper's settings for CelebA-HQ.

    python -m train --recipe=progressive_celeba_hq --workdir=runs/celeba_hq --config.data.name=folder:celeba_hq

The folder celeba_hq/ has the 30,000 pictures of CelebA-HQ, which are made of CelebA (for research only), or any others,
which are resized. They are decoded once into a cache, which takes 3 MB a picture: 94 GB for all of these. Every phase
reads them at full size, 50 MB for a batch of 16.

Result: none: it was not run at full length.
Protocol: that of the authors' Theano code: phases of 800,000 pictures, 19 million in all; Adam 0.001 (0, 0.99);
mirrored pictures. Two things differ. The authors raise the learning rate over the first 40,000 pictures; here it is
constant. Their batches (16, from 256 pixels on 14, 6 and 3) are one group each for the statistic; here groups are of 4,
and the last batches are of 12, 4 and 4. One run is one seed (--config.seed).
Time: a GPU's work, not measured. A CPU only shows that everything fits together: two steps of the first phase took
2.4 GB, and two at 1024 pixels 1.6 GB, with networks of 1 and 2 channels and batches of 2. `--dry_run` takes 1.3 GB. At
the recipe's widths each of the feature maps next to a batch of 4 pictures takes 0.27 GB.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, phase, source

BATCHES = {4: 16, 8: 16, 16: 16, 32: 16, 64: 16, 128: 16, 256: 12, 512: 4, 1024: 4}
PICTURES = 800_000  # of a phase


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    start = 0
    for side, batch_size in BATCHES.items():
        own = batch_size if batch_size != 16 else 0
        if side > 4:
            config.phases[f"fade{side}"] = phase(start, own, side=side, fade=True)
            start += PICTURES // batch_size
        config.phases[f"p{side}"] = phase(start, own, side=side)
        start += PICTURES // batch_size
    config.train_steps = start + (19_000_000 - 17 * PICTURES) // 4
    config.batch_size = 16
    config.sample_count = 16
    config.sample_every = 5000
    config.checkpoint_every = 5000
    config.data = source("folder:celeba_hq", image_size=1024, flip=True)
    config.model = model("progressive", latent_dim=512, base_channels=16, max_channels=512)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(1e-3, beta_1=0.0, beta_2=0.99)
    return config
