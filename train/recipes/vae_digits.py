"""A variational autoencoder of the embedded digits, binarised, at their own 8 x 8 pixels.

    python -m train --recipe=vae_digits --workdir=runs/vae
    python -m train.evaluate --source=runs/vae --metrics=log_likelihood,representation --importance_samples=5000

Result: held-out log-likelihood at least -22.321 +- 0.036 nats by 5,000 importance samples, -22.757 +- 0.035 by the
evidence lower bound, where independent Bernoulli pixels reach -27.220 and NADE -23.091 (see `nade_digits`). The
standard error over the test scans is 0.21. All 10 latents are active. A linear probe of the codes names 84.7 +- 1.0 %
of the digits, one of the pixels 87.0 %, one of as many principal components 83.6 %; k-means finds 65.8 +- 1.5 %,
66.6 % and 73.6 %. So the codes know no more of the class than the pixels do.
Protocol: DYNAMIC binarisation (training scans redrawn for every batch), the 299 held-out scans drawn once; weights at
step 6,000, no average; mean and standard deviation over the seeds 0, 1, 2 (--config.seed). The settings were not tuned.
Time: less than a minute on 2 cores.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 6000
    config.sample_every = 1000
    config.ema = 0.0
    config.data = source("digits", binarize="dynamic")
    config.model = model("vae", latent_dim=10, width=200, warmup_steps=500)
    config.optimizers.vae = adam(1e-3)
    config.optimizers.vae.schedule = "linear"
    return config
