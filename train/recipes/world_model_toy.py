"""World model of a pendulum as pictures, drawn by the program: V first, then M; offline.

    python -m train --recipe=world_model_toy --workdir=runs/world_model_toy

Result: not measured yet: this was not run at full length.
Protocol: 400 rows of 16 random pushes; V on single frames for 2,000 steps, then M for 2,000 with V as it is. One frame
does not show a speed, so that a dream begins with a guess of it. One seed, 0 (--config.seed).
Time: not measured.
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
    config.model = model(
        "world_model", latent_dim=8, base_channels=16, units=64, mixtures=3, rewards=True, horizon=12, plans=100
    )
    config.phases.vision = phase(0, player="vision")
    config.phases.memory = phase(2000, player="memory")
    config.optimizers.memory = adam(1e-3)
    config.optimizers.vision = adam(3e-4)
    return config
