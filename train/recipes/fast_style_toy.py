"""Coloured shapes in stripes by fast style transfer, at 32 x 32 pixels.

    python -m train --recipe=fast_style_toy --workdir=runs/fast_style
    python -m export --workdir=runs/fast_style --output=bundles/fast_style
    python -m serving.sample --bundle=bundles/fast_style --condition=image=photo.png --output=stylized.png

Result: shapes keep their colours and outlines, and short strokes of the stripes appear in and below them. With a
style weight of 2 the stripes take the place of the shapes, with 5 all pictures look alike, with 0.5 little changes.
Protocol: averaged weights at the last step, one run with seed 0 (--config.seed); looked at, no figure.
Time: 1 to 2 minutes on 2 cores that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 1000
    config.batch_size = 4
    config.sample_every = 250
    config.data = source("shapes", flip=True)
    config.model = model("fast_style", style="stripes", style_size=64, base_channels=8, blocks=2)
    config.optimizers.generator = adam(2e-3)
    return config
