"""NADE on the embedded digits."""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 3000
    config.data.image_size = 8
    config.data.binarize = "dynamic"
    config.model = model("nade", hidden_units=100)
    config.optimizers.nade = adam(1e-3)
    return config
