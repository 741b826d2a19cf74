"""Progressive growing on drawn faces, or any other pictures of one's own, at 64 x 64 pixels.

    python -m train --recipe=progressive_avatars --workdir=runs/grown --config.data.name=folder:avatars/train

The folder holds pictures, nested or not: those of `stargan_avatars`, or any others. Nine phases: 4 pixels, then 8, 16,
32 and 64, each of which fades in first.

Result: docs/gallery/progressive_avatars.png, not selected: heads with hair, skin and ground of their kinds, but coarse:
eyes are white specks, outlines have steps. Frechet distance to 228 held-out faces 1.59, coverage 0.66; of 500 train
faces to the same 0.20 and 0.98; `faces_small`, in two thirds of the time, 1.25 and 0.75.
Protocol: one run with seed 0 (--config.seed), hence no spread, on 2,272 of 2,500 drawn avatars of 64 px; 500 samples,
`python -m train.evaluate --metrics=frechet,density_coverage --count=500`. The paper's loss and optimisers on networks
of at most 64 channels, 16 next to the picture; batches of 16, 112,000 pictures in all, where the paper shows millions.
Time: 40 minutes of one core, in 104 minutes beside other work. The first 500 steps, at 4 pixels, took 12 seconds.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, phase, source

# of each side: steps of its fade, and steps after it
STEPS = {4: (0, 500), 8: (400, 400), 16: (500, 500), 32: (600, 900), 64: (800, 2400)}


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    start = 0
    for side, (fading, stable) in STEPS.items():
        if fading:
            config.phases[f"fade{side}"] = phase(start, side=side, fade=True)
        config.phases[f"p{side}"] = phase(start + fading, side=side)
        start += fading + stable
    config.train_steps = start
    config.batch_size = 16
    config.sample_every = 500
    config.data = source("folder:avatars/train", image_size=64, flip=True)
    config.model = model("progressive", latent_dim=64, base_channels=16, max_channels=64)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(1e-3, beta_1=0.0, beta_2=0.99)
    return config
