"""DCGAN on the embedded digits."""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.data.image_size = 16
    config.ema = 0.995
    config.model = model("dcgan", latent_dim=64, latent="normal", base_channels=64, kernel_size=4)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
