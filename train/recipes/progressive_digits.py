"""Progressive growing on the embedded digits: 4 x 4 pixels first, then their own 8 x 8.

    python -m train --recipe=progressive_digits --workdir=runs/progressive

`--dry_run` lists the phases, each of which has its flags: --config.phases.p8.start=2000, for example.

Result: docs/gallery/progressive_digits.png, not selected: nearly all digits can be read. Frechet distance 1.49,
precision .585, recall .722 (1,000 samples, 299 held-out scans).
Protocol: one run with seed 0 (--config.seed), averaged weights at the last step. The paper's loss and optimisers on
networks of 32 channels; three phases: 4 pixels, 8 pixels fading in, 8 pixels.
Time: 2 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, phase


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.batch_size = 32
    config.model = model("progressive", latent_dim=64, base_channels=32, max_channels=32)
    config.phases.p4 = phase(0, side=4)
    config.phases.fade8 = phase(800, side=8, fade=True)
    config.phases.p8 = phase(1600, side=8)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(1e-3, beta_1=0.0, beta_2=0.99)
    return config
