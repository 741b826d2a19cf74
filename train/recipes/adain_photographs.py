"""Photographs in the style of any painting by adaptive instance normalisation.

    python -m train --recipe=adain_photographs --workdir=runs/adain --config.data.name=domains:pictures
    python -m export --workdir=runs/adain --output=bundles/adain
    python -m serving.sample --bundle=bundles/adain --condition=content=photo.jpg --condition=style=painting.jpg \\
        --condition=alpha=0.7 --output=painted.png

The folder pictures/ has two folders: content/ with photographs and style/ with paintings. The paper trains at 256
pixels on 80,000 of each.

Result: with 200 photographs and 9 paintings, things stay where they are and take the colours and the contrast of the
painting, and coarse strokes in its directions; fine ones do not come through. Four blocks of the encoder, which is the
paper's depth, with a style weight of .01 made yellow weaves that show neither the content nor the style: the network
that comes along has seen 32 pixels, and its fourth block keeps little of a picture.
Protocol: averaged weights at the last step, one run with seed 0 (--config.seed); looked at, no figure.
Time: 8 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 2500
    config.batch_size = 4
    config.sample_every = 500
    config.ema = 0.99
    config.data = source("domains:pictures", image_size=96, crop=32, flip=True)
    config.model = model("adain", depth=3, style_weight=0.1)
    config.optimizers.decoder = adam(1e-3)
    return config
