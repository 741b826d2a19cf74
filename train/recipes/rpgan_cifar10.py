"""Relativistic pairs with R1 and R2 on CIFAR-10, near the settings of the authors' program (R3GAN).

    python -m train --recipe=rpgan_cifar10 --workdir=runs/rpgan_cifar10

Result: none: it was not run at full length, only for four steps, whose losses are finite.
Protocol: of the CIFAR-10 preset of Huang et al. (2024) it has the objective, the noise of 64 numbers, the batch of 512,
beta_1 = 0 and an average with a half-life of 5e6 pictures. What the preset changes over its first 2e7 pictures (39,000
steps) stays here at the value that it ends with: the learning rate (2e-4 to 5e-5), gamma (0.05 to 0.005), beta_2 (0.9
to 0.99), the average. It also augments what the discriminator sees, up to a probability of 0.55; here nothing does. The
network is that of WGAN-GP, 128 wide with batch normalisation in the generator; theirs is 768 wide and has none. The
preset names no length: 200,000 steps are ours. One run is one seed (--config.seed).
Time: a GPU's work: 70 seconds a step on one CPU core, and 7 GB of memory.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 200_000
    config.batch_size = 512
    config.checkpoint_every = 1000
    config.sample_every = 1000
    config.ema = 0.5 ** (config.batch_size / 5e6)  # half-life: 5e6 images
    config.data = source("cifar10")
    config.model = model("rpgan", network="resnet", penalty_weight=0.005, latent_dim=64, base_channels=128)
    config.optimizers.discriminator = adam(5e-5, beta_1=0.0, beta_2=0.99)
    config.optimizers.generator = adam(5e-5, beta_1=0.0, beta_2=0.99)
    return config
