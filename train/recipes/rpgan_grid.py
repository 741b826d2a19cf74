"""Relativistic pairs with R1 and R2 on the grid of 25 Gaussians: a generator that drops no mode.

    python -m train --recipe=rpgan_grid --workdir=runs/grid
    python -m train.evaluate --source=runs/grid --metrics=mixture

Result: TODO
Protocol: TODO seed.
Time: TODO.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 12_000
    config.batch_size = 256
    config.sample_every = 1000
    config.sample_count = 2500
    config.checkpoint_every = 2000
    config.data.name = "grid"
    config.model = model("rpgan", network="mlp", latent_dim=2, base_channels=128, penalty_weight=0.1)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(1e-3, beta_1=0.0, beta_2=0.99)
        config.optimizers[player].schedule = "cosine"
    return config
