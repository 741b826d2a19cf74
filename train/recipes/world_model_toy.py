"""World model of a pendulum as pictures, drawn by the program: V first, then M; offline.

    python -m train --recipe=world_model_toy --workdir=runs/world_model_toy

Result: docs/gallery/world_model_toy.png, not selected: rods stay rods and swing on for 16 steps, at the speeds that a
dream has guessed; one of eight shows a stray spot. V ends at a squared error of 7.0, a sum over pixels in [0, 1], of
162 for the mean picture, and a KL divergence of 13.7 nats (means over the rows of the last steps).
Protocol: 400 rows of 16 random pushes; V on single frames for 2,000 steps, then M for 2,000 with V as it is. One frame
does not show a speed, so that a dream begins with a guess of it. One seed, 0 (--config.seed).
Time: 5 minutes of one core.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, phase, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.batch_size = 32
    config.sample_every = 1000
    config.sample_count = 8
    config.data = source("pendulum")
    config.model = model("world_model", latent_dim=8, base_channels=16, units=64, mixtures=3, rewards=True)
    config.phases.vision = phase(0, player="vision")
    config.phases.memory = phase(2000, player="memory")
    config.optimizers.memory = adam(1e-3)
    config.optimizers.vision = adam(3e-4)
    return config
