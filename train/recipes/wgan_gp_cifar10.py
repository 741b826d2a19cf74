"""WGAN-GP on CIFAR-10 with the paper's residual networks and its settings without labels.

    python -m train --recipe=wgan_gp_cifar10 --workdir=runs/wgan_gp_cifar10

Result: none: it was not run at full length, only for three steps, whose losses are finite.
Protocol: that of Gulrajani et al. (2017): their network, 128 wide; lambda 10; 100,000 updates of the generator, five of
the critic for each, on 64 pictures; Adam 2e-4 (0, 0.9), decaying linearly to 0. Their program differs in this: it
updates the generator on 128 samples, here 64; it adds noise below one grey level to the pictures; its shortcuts are
convolutions where a block resamples, here the identity; it samples with the statistics of a batch, here with their
moving averages. The paper reports an Inception score of 7.86 +- 0.07; the extractor that comes along
has learned the objects of CIFAR-10 from 22,917 pictures and is no Inception network, so take one for a score to compare
(`train.evaluate --extractor`) and tell its protocol. One run is one seed (--config.seed).
Time: a GPU's work: 25 seconds a step on one CPU core.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 100_000
    config.batch_size = 320  # five critic updates on 64 samples each
    config.checkpoint_every = 1000
    config.sample_every = 1000
    config.ema = 0.0  # as in the paper
    config.data = source("cifar10")
    config.model = model("wgan_gp", network="resnet", latent_dim=128, base_channels=128)
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(2e-4, beta_1=0.0, beta_2=0.9)
        config.optimizers[player].schedule = "linear"
    return config
