"""PacGAN on Stacked MNIST, pictures of 1,000 modes: how many does the generator make?

    python -m train --recipe=pacgan_stacked --workdir=runs/stacked
    python -m train.evaluate --source=runs/stacked --metrics=stacked_modes --count=26000

`--config.model.packing=1` is the plain DCGAN beside it: the same run without packing.

Result: 688 +- 40 of the 1,000 modes (734, 669, 661), reverse KL 1.44 +- 0.14 nats. Without packing it is 857 +- 63
modes (793, 858, 919) and 0.90 +- 0.11 nats: at this length the plain DCGAN drops few modes, and with packing there are
fewer, perhaps since the discriminator judges half as many packs in a step. The paper's effect is not reproduced. Many
digits are still hard to read, and a misread one can count for a mode. docs/results has the table and the pictures.
Protocol: mean and standard deviation over the seeds 0, 1, 2 (--config.seed); 26,000 real stacks of the test split, read
by the same classifier, have 1,000 modes and 0.0255 nats. Data, the 26,000 samples, Adam's constants and the law of the
noise are PacGAN's (Lin et al. 2018), in much shorter training of smaller networks: their program has 50 epochs of
128,000 packs, 64 channels next to the image and two more layers in each network. Its step sees 64 packs and updates the
generator twice; here it sees 64 pictures, which make 32 packs, and updates it once. Its classifier is another, and its
digits are those of the train and test splits together. So the figures compare packing with no packing, here; not with
the paper.
Time: 3 minutes on one core for 6,000 steps, of the 100,000 and more that the paper trains; an hour on two cores would
allow each of the six runs about 30,000.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 6000
    config.sample_every = 1000
    config.ema = 0.0  # as in the paper
    config.data.name = "stacked:mnist"
    config.data.image_size = 28
    config.model = model("pacgan", packing=2, latent_dim=100, latent="uniform", base_channels=16)
    config.optimizers.discriminator = adam(2e-4, beta_1=0.5)
    config.optimizers.generator = adam(2e-4, beta_1=0.5)
    return config
