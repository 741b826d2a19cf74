"""Photographs in the style of one painting by fast style transfer, on 200 photographs.

    python -m train --recipe=fast_style_photographs --workdir=runs/painter --config.data.name=patches:bsds200 \\
        --config.model.style=painting.jpg
    python -m export --workdir=runs/painter --output=bundles/painter
    python -m serving.sample --bundle=bundles/painter --condition=image=photo.jpg --output=painted.png

The folder bsds200/ has the 200 training photographs of BSDS300 (Martin, Fowlkes, Tal and Malik 2001), or any others.
The paper trains the network of 32 channels (--config.model.base_channels=32) at 256 pixels on 80,000 photographs.

Result: with The Scream, Contrast of Forms and The Starry Night, photographs keep their contours and take the colours
and the strokes of the painting. Over even places lies a fine grid, and one bright blob, which is in none of the
pictures. With a style weight of 1, dark pictures lose their content.
Protocol: averaged weights at the last step, one run with seed 0 (--config.seed); looked at, no figure.
Time: 9 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 1500
    config.batch_size = 4
    config.sample_every = 500
    config.ema = 0.99
    config.data = source("patches:bsds200", image_size=96, flip=True)
    config.model = model("fast_style", style="painting.jpg", style_size=192, base_channels=16, style_weight=0.5)
    config.optimizers.generator = adam(1e-3)
    return config
