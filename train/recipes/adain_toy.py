"""Coloured shapes in drawn patterns by adaptive instance normalisation, at 32 x 32 pixels.

    python -m train --recipe=adain_toy --workdir=runs/adain
    python -m export --workdir=runs/adain --output=bundles/adain
    python -m serving.sample --bundle=bundles/adain --condition=content=photo.png --condition=style=painting.png \\
        --condition=alpha=0.7 --output=stylized.png

Result: the pictures have the colours of the patterns, and the shapes are where they were, with soft outlines; of the
patterns themselves only broad stripes come through, blurred. docs/gallery shows 16 held-out pairs. Two blocks of the
encoder keep the outlines sharp but bring hardly any of the style, four make bands instead of the shapes: their maps of
such small pictures have 4 x 4 places.
Protocol: averaged weights at the last step, one run with seed 0 (--config.seed); looked at, no figure.
Time: about 1 minute of one core.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 2000
    config.batch_size = 4
    config.sample_every = 500
    config.data = source("patterns", flip=True)
    config.model = model("adain", depth=3, style_weight=0.1)
    config.optimizers.decoder = adam(1e-3)
    return config
