"""Any objective x penalty x normalisation on Fashion-MNIST, all at one network and one budget.

    python -m train --recipe=gan_grid_fashion --workdir=runs/ns
    python -m train --recipe=gan_grid_fashion --workdir=runs/hinge --config.objective=hinge --config.penalty=r1

Result: not measured yet.
Protocol: the same network and number of updates for every choice; seeds are --config.seed.
Time: a minute or two on one core.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.objective, config.penalty, config.learning_rate = "non_saturating", "none", 2e-4
    config.train_steps = 1500
    config.checkpoint_every = 250
    config.sample_every = 500
    config.ema = 0.998
    config.data.name = "fashion_mnist"
    config.data.image_size = 28
    config.evaluate.metric = "frechet"
    config.evaluate.every = 250
    config.evaluate.count = 5000
    config.model = model("gan_grid", latent_dim=64, latent="uniform", base_channels=16)
    for key in ("objective", "penalty"):
        config.model[key] = config.get_ref(key)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(2e-4, beta_1=0.5)
        config.optimizers[player].learning_rate = config.get_oneway_ref("learning_rate")
    return config
