"""PixelRNN of binarised MNIST: one layer of Diagonal BiLSTM.

    python -m train --recipe=pixel_rnn_mnist --workdir=runs/pixel_rnn_mnist
    python -m train.evaluate --source=runs/pixel_rnn_mnist

Result: none yet.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 10_000
    config.batch_size = 32
    config.steps_per_call = 20
    config.checkpoint_every = 1000
    config.sample_every = 2500
    config.jit = "true"  # the recurrence is many small operations: half the time on a CPU
    config.data = source("mnist", binarize="dynamic")
    config.model = model("pixel_rnn", base_channels=16, depth=1, head_channels=48)
    config.optimizers.network = adam(3e-3)
    config.optimizers.network.schedule = "linear"
    return config
