"""Video pixel network of Moving MNIST, at the size of the paper: 64 px, 20 frames, two digits. It wants a GPU.

    python -m train --recipe=video_pixel_network_mnist --workdir=runs/video_mnist
    python -m train.evaluate --source=runs/video_mnist --metrics=nats_per_frame

Result: not measured: this was not run at full length, only its check and its data.
Protocol: black and white frames (grey levels above one half are white), 10 given, 10 judged, by exact likelihoods; one
seed, 0 (--config.seed). The paper's figures are of something else: the cross-entropy of grey targets, in nats a frame,
on a fixed test set. That is no likelihood of data, and cannot be below the targets' own entropy, 86.3. Its network
reaches 87.6; without dilation 89.2; with ReLU blocks instead of multiplicative ones 87.7, without dilation 89.1;
without dependencies between the pixels of a frame 110.1. Earlier work has 179.8 to 367.2.
Time: unknown. All activations of a video are kept for its gradient: a batch of 64 as in large runs needs many devices
(--config.batch_size divides over those there are), and one device a batch of a few.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 300_000
    config.batch_size = 4
    config.log_every = 100
    config.checkpoint_every = 2000
    config.sample_every = 20_000
    config.sample_count = 16
    config.data = source("moving_digits:mnist", frames=20, side=64, count=2)
    config.model = model(
        "video_pixel_network",
        base_channels=128,
        encoder_depth=8,
        decoder_depth=12,
        lstm_channels=256,
        given_frames=10,
    )
    config.optimizers.network = adam(3e-4)
    config.optimizers.network.schedule = "constant"
    return config
