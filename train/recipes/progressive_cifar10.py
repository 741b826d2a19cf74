"""Progressive growing on CIFAR-10 at the authors' settings.

    python -m train --recipe=progressive_cifar10 --workdir=runs/progressive_cifar10

Result: none: it was not run at full length.
Protocol: that of the authors' Theano code for CIFAR-10: networks of 128 channels throughout; phases of 400,000
pictures, 20 million in all, in batches of 16, each of which is one group for the statistic; slopes drawn to 750 instead
of 1; Adam 0.001 (0, 0.99). The paper reports an Inception score of 8.80 as its best; the extractor that comes along is
no Inception network, so take one for a score to compare (`train.evaluate --extractor`) and tell its protocol. One run
is one seed (--config.seed).
Time: a GPU's work: 1.25 million steps.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, phase, source

STEPS = 400_000 // 16  # of a phase


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 20_000_000 // 16
    config.batch_size = 16
    config.sample_every = 5000
    config.checkpoint_every = 5000
    config.phases.p4 = phase(0, side=4)
    for number, side in enumerate((8, 16, 32)):
        config.phases[f"fade{side}"] = phase((2 * number + 1) * STEPS, side=side, fade=True)
        config.phases[f"p{side}"] = phase((2 * number + 2) * STEPS, side=side)
    config.data = source("cifar10")
    config.model = model(
        "progressive", latent_dim=128, base_channels=128, max_channels=128, penalty_target=750.0, group_size=16
    )
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(1e-3, beta_1=0.0, beta_2=0.99)
    return config
