"""World model of CarRacing-v3 at the paper's size: 64 px colour pictures, z of 32 numbers, an LSTM of 256.

    python -m train.episodes --env=CarRacing-v3 --pictures --output=episodes/car_racing --episodes=200
    python -m train --recipe=world_model_car_racing --workdir=runs/world_model_car_racing

Result: not measured yet: this was not run at full length. Three episodes, three steps of V and three of M went through.
Protocol: 200 episodes of random actions that drift, where the paper has 10,000; a tenth held out; rows of 32 actions.
V on single frames for 20,000 steps, then M for 20,000. One seed, 0 (--config.seed).
Time: about 6 hours on 2 cores, estimated. An episode of 1,000 frames took half a minute to collect beside other work,
hence about 100 minutes for all. A step of V and one of M take about 0.4 s each, hence more than 4 hours.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, phase, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 40_000
    config.batch_size = 32
    config.checkpoint_every = 2000
    config.sample_every = 10_000
    config.sample_count = 8
    config.data = source("episodes:episodes/car_racing", length=32)
    config.model = model("world_model")
    config.phases.vision = phase(0, player="vision")
    config.phases.memory = phase(20_000, player="memory")
    config.optimizers.memory = adam(1e-3)
    config.optimizers.vision = adam(1e-4)
    return config
