"""New pictures like one's own, 32 x 32 pixels, by DiffAugment.

    python -m train --recipe=few_pictures --workdir=runs/mine --config.data.name=folder:pictures

A folder holds some hundred or thousand pictures, few for a GAN: its discriminator soon knows them by heart. DiffAugment
is meant for that. The networks are narrow, so that a step is short.

Result: docs/gallery/few_pictures.png, not selected: drawn faces with hair, glasses and skin of their kinds; on some the
eyes are out of place. Frechet distance to 228 held-out faces 1.43, coverage 0.79; of 500 train faces to the same 0.20
and 0.98. Trained on 182 faces alone (docs/gallery/few_pictures_182.png) it has 1.25 and 0.79 beside 200 others, where
the 200 that they are of have 0.28 and 0.99; none of 500 samples is as near to a training face as the nearest of the 18
held-out ones.
Protocol: one run of each with seed 0 (--config.seed), hence no spread, on 2,272 of 2,500 drawn avatars or on 182 of the
first 200, reduced to 32 px; 500 samples, `python -m train.evaluate --source=runs/mine
--metrics=frechet,density_coverage --count=500`, for the 182 with --reference=folder:avatars/test, so that the two runs
do not compare; copies by --metrics=nearest_neighbours, for the 182 alone.
Time: 13 minutes on 2 cores with nothing else to do, however many pictures: a step takes 65 ms (quartiles 63 and 66, of
9 times 10 steps). With more channels, below: 246 ms (238, 250).
Better: more steps (--config.train_steps=40000; the same command with more resumes), wider networks
(--config.model.base_channels=64, four times as long; on a GPU 128), more pictures. --config.data.flip=false for
pictures that are not to be mirrored, such as letters.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 12000
    config.sample_every = 500
    config.ema = 0.998
    config.data = source("folder:pictures", image_size=32, flip=True)
    config.model = model("diffaugment", latent_dim=64, base_channels=24)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
