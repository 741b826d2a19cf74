"""PixelRNN on the embedded digits, binarised, at their own 8 x 8 pixels.

    python -m train --recipe=pixel_rnn_digits --workdir=runs/pixel_rnn
    python -m train.evaluate --source=runs/pixel_rnn
    python -m train --recipe=pixel_rnn_digits --workdir=runs/row_lstm --config.model.variant=row_lstm

Result: held-out log-likelihood -22.399 +- 0.046 nats (0.5049 bits per dimension) with the Diagonal BiLSTM, -22.557 +-
0.023 (0.5085) with the Row LSTM, exact; independent Bernoulli pixels, fitted to the training scans, reach -27.220. The
standard error over the 299 held-out scans is 0.22. Nothing was tuned.
Protocol: DYNAMIC binarisation (training scans redrawn for every batch), the held-out scans drawn once; averaged weights
at step 3,000; mean and standard deviation over the seeds 0, 1, 2 (--config.seed). Not comparable with the published
numbers, which are for 28 x 28 pixels.
Time: 5 to 7 minutes of half a core, of which other work had the rest, either variant.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 3000
    config.data.binarize = "dynamic"
    config.model = model("pixel_rnn", base_channels=16, depth=2, head_channels=32)
    config.jit = "true"  # the recurrence is many small operations: half the time on a CPU
    config.optimizers.network = adam(1e-3)
    return config
