"""Photographs of faces edited by StarGAN at the paper's size: CelebA, 128 x 128 pixels, five attributes.

    python -m train --recipe=stargan_celeba --workdir=runs/celeba --config.data.name=attributes:celeba
    python -m train.evaluate.attributes --sources=runs/celeba

The folder celeba/ has img_align_celeba/, list_attr_celeba.txt and list_eval_partition.txt, as CelebA comes (Liu, Luo,
Wang and Tang 2015; for research only). Pictures are cropped to their central 178 x 178 pixels.

Result: not run at full length here: it needs a GPU. Two steps of it run, narrower, on noise in that layout.
Protocol: the settings of the paper's section 5 and of its code: batches of 16, five updates of the discriminator for
one of the generator, 200,000 of them, the learning rate linear to 0 in the second half; our seed is 0. The paper holds
out 2,000 pictures at random; here the held-out split is CelebA's own, and its validation split is left out.
Time: a GPU's work, not measured.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source

HAIR = "Black_Hair,Blond_Hair,Brown_Hair"


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 40_000  # of five updates of the discriminator each
    config.batch_size = 80  # five minibatches
    config.sample_every = 1000
    config.checkpoint_every = 1000
    config.ema = 0.0  # the paper has no averages
    config.data = source(
        "attributes:celeba", image_size=128, attributes=f"{HAIR},Male,Young", exclusive=HAIR, flip=True
    )
    config.model = model("stargan")
    for player in ("discriminator", "generator"):
        config.optimizers[player] = adam(1e-4, beta_1=0.5)
        config.optimizers[player].schedule = "half_linear"
    return config
