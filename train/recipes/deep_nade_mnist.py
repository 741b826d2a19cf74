"""DeepNADE of binarised MNIST.

    python -m train --recipe=deep_nade_mnist --workdir=runs/deep_nade_mnist
    python -m train.evaluate --source=runs/deep_nade_mnist --metrics=log_likelihood --count=1000 --importance_samples=16

Result: test log-likelihood -91.16 nats in one order of the pixels, -88.66 by 5 orders, -87.69 by 16 (0.1614 bits per
dimension), where independent Bernoulli pixels reach -206.99. The standard error over the 1,000 digits is 0.71.
docs/likelihoods has samples, completions of random halves and the curve of the loss. The loss on the training digits,
89.4 over the last updates, still fell. As long as the flags entered without the sqrt(D) of zoo/autoregressive/
deep_nade.py, a run of 80,000 updates came to -95.85 and -91.89.
Protocol: DYNAMIC binarisation (training digits redrawn for every batch), test digits drawn once, 1,000 of them chosen
by seed 0; weights at step 60,000, no average; seed 0 alone. Every digit has orders of its own, `importance_weighted_k`
in the report for k orders. The sqrt(D) was chosen by 2,000 training digits that were held out for it, after 2,500
updates; nothing else was tuned. Two hidden layers of 500 units and batches of 100 are those of the authors' published
script, which has 20,000 updates of stochastic gradient descent. Published for FIXED binarisation, another test set:
-89.17 in one order, -85.96 by 16, -85.10 by 128.
Time: 39 minutes of half a core, of which other work had the rest; the evaluation takes 5 more.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 60_000
    config.batch_size = 100
    config.log_every = 100
    config.checkpoint_every = 10_000
    config.sample_every = 20_000
    config.ema = 0.0  # the learning rate falls to zero: an average wins nothing
    config.data = source("mnist", binarize="dynamic")
    config.model = model("deep_nade")
    config.optimizers.deep_nade = adam(1e-3)
    config.optimizers.deep_nade.schedule = "linear"
    return config
